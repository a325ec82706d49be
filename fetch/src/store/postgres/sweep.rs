//! Retention, one bounded step at a time.
//!
//! Every kind of what goes has a transaction of its own, and of many nodes one does it at a time. Inbox heads are
//! locked before entries go: whoever writes into an inbox locks its head first, too.

use nudge_proto::{MediumId, UserId, limits::SEND_RECEIPT_TIME};
use sqlx::{PgConnection, postgres::PgRow};
use uuid::Uuid;

use super::{
    fan_out::lock_heads,
    pending,
    transactions::{Repeat, Transactions},
    uploads,
};
use crate::store::{
    Retention, StoreError, Swept, UnixMs,
    rows::{id, int, number, optional_number},
    rules::days_before,
};

pub(super) async fn step(
    transactions: &Transactions,
    retention: Retention,
    now: UnixMs,
) -> Result<Swept, StoreError> {
    pending::finish_left_over(transactions, now).await?;
    let mut swept = Swept::default();
    for kind in Kind::of(retention) {
        let removed = transactions
            .write(Repeat::Safe, |db, _| {
                Box::pin(async move {
                    if is_mine(db, kind).await? {
                        sweep(db, kind, now).await
                    } else {
                        Ok(Removed::default())
                    }
                })
            })
            .await?;
        removed.add_to(&mut swept);
    }
    Ok(swept)
}

/// What goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Messages past their time to live.
    Expired,
    /// What is past the history's days.
    Aged(u32),
    /// What every active device has.
    Acked,
    SendReceipts,
    Keys,
    Media,
}

impl Kind {
    fn of(retention: Retention) -> impl Iterator<Item = Self> {
        [
            Some(Self::Expired),
            retention.history_days.map(Self::Aged),
            retention.until_acked.then_some(Self::Acked),
            Some(Self::SendReceipts),
            Some(Self::Keys),
            Some(Self::Media),
        ]
        .into_iter()
        .flatten()
    }

    /// The second half of the lock's number.
    const fn number(self) -> i32 {
        match self {
            Self::Expired => 1,
            Self::Aged(_) => 2,
            Self::Acked => 3,
            Self::SendReceipts => 4,
            Self::Keys => 5,
            Self::Media => 6,
        }
    }
}

/// What one transaction removed.
#[derive(Default)]
struct Removed {
    messages: u64,
    inbox_entries: u64,
    send_receipts: u64,
    media: Vec<MediumId>,
}

impl Removed {
    fn add_to(self, swept: &mut Swept) {
        let most = SWEPT_AT_ONCE.cast_unsigned();
        swept.more |= self.messages >= most
            || self.inbox_entries >= most
            || self.send_receipts >= most
            || self.media.len() as u64 >= most;
        swept.messages += self.messages;
        swept.inbox_entries += self.inbox_entries;
        swept.send_receipts += self.send_receipts;
        swept.media.extend(self.media);
    }
}

/// Whether no other node is at it. It is again once this transaction ends.
async fn is_mine(db: &mut PgConnection, kind: Kind) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1, $2)")
        .bind(SWEEP_LOCK)
        .bind(kind.number())
        .fetch_one(db)
        .await?)
}

async fn sweep(db: &mut PgConnection, kind: Kind, now: UnixMs) -> Result<Removed, StoreError> {
    let mut removed = Removed::default();
    match kind {
        Kind::Expired => sweep_expired(db, now, &mut removed).await?,
        Kind::Aged(days) => sweep_aged(db, days_before(now, days), &mut removed).await?,
        Kind::Acked => sweep_acked(db, &mut removed).await?,
        Kind::SendReceipts => removed.send_receipts = sweep_send_receipts(db, now).await?,
        Kind::Keys => {
            let gone = sqlx::query("DELETE FROM keys WHERE not_after <= $1");
            gone.bind(int(now.0)).execute(db).await?;
        }
        Kind::Media => removed.media = uploads::sweep(db, now, SWEPT_AT_ONCE).await?,
    }
    Ok(removed)
}

/// Messages past their time to live, once none of their entries is left, and what they granted.
async fn sweep_expired(
    db: &mut PgConnection,
    now: UnixMs,
    removed: &mut Removed,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT conversation_id, seq FROM messages WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
    )
    .bind(int(now.0))
    .bind(SWEPT_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    let expired = numbers(&rows)?;
    if expired.ids.is_empty() {
        return Ok(());
    }
    let entries = sqlx::query(
        "SELECT e.user_id, e.seq FROM unnest($1::uuid[], $2::bigint[]) AS k(conversation_id, seq) \
         JOIN inbox_entries e ON e.conversation_id = k.conversation_id AND e.conversation_seq = k.seq \
         LIMIT $3",
    )
    .bind(&expired.ids)
    .bind(&expired.seqs)
    .bind(SWEPT_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    removed.inbox_entries += remove_entries(db, &entries).await?.len() as u64;
    sqlx::query(
        "DELETE FROM grants g USING unnest($1::uuid[], $2::bigint[]) AS k(conversation_id, seq) \
         WHERE g.conversation_id = k.conversation_id AND g.conversation_seq = k.seq",
    )
    .bind(&expired.ids)
    .bind(&expired.seqs)
    .execute(&mut *db)
    .await?;
    removed.messages += remove_messages(db, expired).await?;
    Ok(())
}

/// Entries and messages past the history's time.
async fn sweep_aged(
    db: &mut PgConnection,
    cutoff: UnixMs,
    removed: &mut Removed,
) -> Result<(), StoreError> {
    let entries = sqlx::query(
        "SELECT user_id, seq FROM inbox_entries WHERE created_at < $1 ORDER BY created_at LIMIT $2",
    )
    .bind(int(cutoff.0))
    .bind(SWEPT_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    let gone = remove_entries(db, &entries).await?;
    raise_first_kept(db, &gone).await?;
    removed.inbox_entries += gone.len() as u64;
    // Their entries are as old, and go first.
    let messages = sqlx::query(
        "SELECT conversation_id, seq FROM messages WHERE sent_at < $1 ORDER BY sent_at LIMIT $2",
    )
    .bind(int(cutoff.0))
    .bind(SWEPT_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    removed.messages += remove_messages(db, numbers(&messages)?).await?;
    Ok(())
}

/// Entries that every active device has, and the messages that no inbox names any more. Who has no
/// active device keeps his mail its full time.
async fn sweep_acked(db: &mut PgConnection, removed: &mut Removed) -> Result<(), StoreError> {
    let entries = sqlx::query(
        "SELECT e.user_id, e.seq FROM \
             (SELECT user_id, min(acked_seq) AS acked FROM devices \
              WHERE revoked_at IS NULL GROUP BY user_id) d \
         CROSS JOIN LATERAL (SELECT user_id, seq FROM inbox_entries \
              WHERE user_id = d.user_id AND seq <= d.acked ORDER BY seq LIMIT $1) e LIMIT $1",
    )
    .bind(SWEPT_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    let gone = remove_entries(db, &entries).await?;
    raise_first_kept(db, &gone).await?;
    removed.inbox_entries += gone.len() as u64;
    let mut messages = Numbers::default();
    for row in &gone {
        if let Some(seq) = optional_number(row, "conversation_seq")? {
            messages.ids.push(id(row, "conversation_id")?);
            messages.seqs.push(int(seq));
        }
    }
    removed.messages += remove_messages(db, messages).await?;
    Ok(())
}

async fn sweep_send_receipts(db: &mut PgConnection, now: UnixMs) -> Result<u64, StoreError> {
    let removed = sqlx::query(
        "DELETE FROM send_receipts r USING \
             (SELECT conversation_id, sender_id, client_id FROM send_receipts \
              WHERE sent_at < $1 ORDER BY sent_at LIMIT $2) AS old \
         WHERE r.conversation_id = old.conversation_id AND r.sender_id = old.sender_id \
             AND r.client_id = old.client_id",
    )
    .bind(int(now.0.saturating_sub(SEND_RECEIPT_TIME.as_millis() as u64)))
    .bind(SWEPT_AT_ONCE)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}

/// Removes entries, each of rows of `user_id` and `seq`; those that were still there.
async fn remove_entries(
    db: &mut PgConnection,
    entries: &[PgRow],
) -> Result<Vec<PgRow>, StoreError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let (mut users, mut seqs) = (Vec::new(), Vec::new());
    for row in entries {
        users.push(id::<Uuid>(row, "user_id")?);
        seqs.push(int(number(row, "seq")?));
    }
    lock_heads(db, users.clone()).await?;
    Ok(sqlx::query(
        "DELETE FROM inbox_entries e USING unnest($1::uuid[], $2::bigint[]) AS k(user_id, seq) \
         WHERE e.user_id = k.user_id AND e.seq = k.seq \
         RETURNING e.user_id, e.seq, e.conversation_id, e.conversation_seq",
    )
    .bind(users)
    .bind(seqs)
    .fetch_all(db)
    .await?)
}

/// Removes those of the messages that no inbox names, nor will.
async fn remove_messages(db: &mut PgConnection, messages: Numbers) -> Result<u64, StoreError> {
    if messages.ids.is_empty() {
        return Ok(0);
    }
    let removed = sqlx::query(
        "DELETE FROM messages m USING unnest($1::uuid[], $2::bigint[]) AS k(conversation_id, seq) \
         WHERE m.conversation_id = k.conversation_id AND m.seq = k.seq \
         AND NOT EXISTS (SELECT 1 FROM inbox_entries e \
             WHERE e.conversation_id = m.conversation_id AND e.conversation_seq = m.seq) \
         AND NOT EXISTS (SELECT 1 FROM fan_outs f \
             WHERE f.conversation_id = m.conversation_id AND f.seq = m.seq)",
    )
    .bind(messages.ids)
    .bind(messages.seqs)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}

/// Everything up to the entries that are gone is gone. The heads are locked already.
async fn raise_first_kept(db: &mut PgConnection, gone: &[PgRow]) -> Result<(), StoreError> {
    if gone.is_empty() {
        return Ok(());
    }
    let (mut users, mut seqs) = (Vec::new(), Vec::new());
    for row in gone {
        users.push(id::<UserId>(row, "user_id")?.uuid());
        seqs.push(int(number(row, "seq")?));
    }
    sqlx::query(
        "UPDATE inboxes i SET first_kept = greatest(first_kept, kept) FROM \
             (SELECT user_id, max(seq) + 1 AS kept FROM unnest($1::uuid[], $2::bigint[]) AS k(user_id, seq) \
              GROUP BY user_id) AS k WHERE i.user_id = k.user_id",
    )
    .bind(users)
    .bind(seqs)
    .execute(db)
    .await?;
    Ok(())
}

/// Numbers within conversations, column by column.
#[derive(Default)]
struct Numbers {
    ids: Vec<Uuid>,
    seqs: Vec<i64>,
}

fn numbers(rows: &[PgRow]) -> Result<Numbers, StoreError> {
    let mut numbers = Numbers::default();
    for row in rows {
        numbers.ids.push(id(row, "conversation_id")?);
        numbers.seqs.push(int(number(row, "seq")?));
    }
    Ok(numbers)
}

/// Rows of each kind that one step removes.
const SWEPT_AT_ONCE: i64 = 1000;
/// The first half of the number of the sweeps' advisory locks.
const SWEEP_LOCK: i32 = 0x6e75_6467;
