//! A message's story, without its content.

use std::collections::HashMap;

use nudge_proto::{ConversationId, ConversationSeq, DeviceId, InboxSeq, MessageId, UserId};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::rows::{id, ids, int, kind, number, optional_id, optional_number, time};
use crate::store::{MediumStory, MessageStory, RecipientStory, StoreError, UnixMs};

/// All that is known of a message.
pub(super) async fn read(
    db: &mut PgConnection,
    message_id: MessageId,
) -> Result<Option<MessageStory>, StoreError> {
    let row = sqlx::query(
        "SELECT m.id, m.conversation_id, m.seq, m.sender_id, m.client_id, m.sent_at, m.expires_at, \
             m.refused, c.kind FROM messages m JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.id = $1",
    )
    .bind(message_id.uuid())
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let place = (id(&row, "conversation_id")?, ConversationSeq(number(&row, "seq")?));
    Ok(Some(MessageStory {
        id: id(&row, "id")?,
        conversation_id: place.0,
        kind: kind(&row)?,
        seq: place.1,
        sender_id: id(&row, "sender_id")?,
        client_id: optional_id(&row, "client_id")?,
        sent_at: time(&row, "sent_at")?,
        expires_at: optional_number(&row, "expires_at")?.map(UnixMs),
        refused: row.try_get("refused")?,
        media: media(db, place).await?,
        recipients: recipients(db, place).await?,
    }))
}

async fn media(
    db: &mut PgConnection,
    (conversation, seq): (ConversationId, ConversationSeq),
) -> Result<Vec<MediumStory>, StoreError> {
    let rows = sqlx::query(
        "SELECT g.medium_id, m.size FROM grants g LEFT JOIN media m \
             ON m.id = g.medium_id AND m.completed_at IS NOT NULL \
         WHERE g.conversation_id = $1 AND g.conversation_seq = $2 ORDER BY g.position",
    )
    .bind(conversation.uuid())
    .bind(int(seq.0))
    .fetch_all(db)
    .await?;
    let medium = |row: &PgRow| {
        Ok(MediumStory { id: id(row, "medium_id")?, size: optional_number(row, "size")? })
    };
    rows.iter().map(medium).collect()
}

async fn recipients(
    db: &mut PgConnection,
    (conversation, seq): (ConversationId, ConversationSeq),
) -> Result<Vec<RecipientStory>, StoreError> {
    let rows = sqlx::query(
        "SELECT i.user_id, u.handle, u.deleted_at IS NOT NULL AS deleted, \
             m.user_id IS NOT NULL AS is_member, e.seq AS inbox_seq, \
             coalesce(m.delivered_seq >= $2, false) AS delivered, coalesce(m.read_seq >= $2, false) AS read \
         FROM memberships i JOIN users u ON u.id = i.user_id \
         LEFT JOIN members m ON m.conversation_id = i.conversation_id AND m.user_id = i.user_id \
         LEFT JOIN inbox_entries e ON e.conversation_id = i.conversation_id \
             AND e.conversation_seq = $2 AND e.user_id = i.user_id \
         WHERE i.conversation_id = $1 AND i.joined_seq <= $2 \
             AND (i.left_seq IS NULL OR i.left_seq > $2) ORDER BY i.user_id",
    )
    .bind(conversation.uuid())
    .bind(int(seq.0))
    .fetch_all(&mut *db)
    .await?;
    let users = rows.iter().map(|row| id(row, "user_id")).collect::<Result<Vec<UserId>, _>>()?;
    let mut devices = devices(db, &users).await?;
    let recipient = |row: &PgRow| {
        let user_id = id(row, "user_id")?;
        Ok(RecipientStory {
            user_id,
            handle: row.try_get("handle")?,
            deleted: row.try_get("deleted")?,
            is_member: row.try_get("is_member")?,
            inbox_seq: optional_number(row, "inbox_seq")?.map(InboxSeq),
            delivered: row.try_get("delivered")?,
            read: row.try_get("read")?,
            devices: devices.remove(&user_id).unwrap_or_default(),
        })
    };
    rows.iter().map(recipient).collect()
}

async fn devices(
    db: &mut PgConnection,
    users: &[UserId],
) -> Result<HashMap<UserId, Vec<(DeviceId, InboxSeq)>>, StoreError> {
    let rows = sqlx::query(
        "SELECT user_id, id, acked_seq FROM devices \
         WHERE user_id = ANY($1) AND revoked_at IS NULL",
    )
    .bind(ids(users))
    .fetch_all(db)
    .await?;
    let mut devices: HashMap<_, Vec<_>> = HashMap::new();
    for row in &rows {
        let device = (id(row, "id")?, InboxSeq(number(row, "acked_seq")?));
        devices.entry(id(row, "user_id")?).or_default().push(device);
    }
    Ok(devices)
}
