//! Receipt entries: merged, superseding, at most once a second per conversation.

use nudge_proto::{ConversationId, ConversationSeq};
use sqlx::{PgConnection, postgres::PgRow};

use super::rows::{id, ids, int, number};
use crate::store::{StoreError, UnixMs, rules::MarkedMember};

/// Notes that the conversations' marks moved. No receipt is due later than one interval from now: a clock
/// that was ahead holds none back.
pub(super) async fn mark_due(
    db: &mut PgConnection,
    conversations: &[ConversationId],
    now: UnixMs,
) -> Result<(), StoreError> {
    if conversations.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO receipts_due AS r (conversation_id, due_at) \
         SELECT DISTINCT marked, $2::bigint FROM unnest($1::uuid[]) AS marked ORDER BY marked \
         ON CONFLICT (conversation_id) DO UPDATE SET changes = r.changes + 1, \
             due_at = least(coalesce(r.due_at, $2 + $3), $2 + $3, greatest($2, r.settled_at + $3))",
    )
    .bind(ids(conversations))
    .bind(int(now.0))
    .bind(RECEIPT_INTERVAL_MS)
    .execute(db)
    .await?;
    Ok(())
}

/// A row of `members`.
pub(super) fn marked_member(row: &PgRow) -> Result<MarkedMember, StoreError> {
    Ok(MarkedMember {
        user_id: id(row, "user_id")?,
        delivered: ConversationSeq(number(row, "delivered_seq")?),
        read: ConversationSeq(number(row, "read_seq")?),
        newest_own: ConversationSeq(number(row, "sent_seq")?),
    })
}

/// A newer receipt supersedes an older one at most this often.
const RECEIPT_INTERVAL_MS: i64 = 1000;
