//! A message's story, without its content.

use std::collections::HashMap;

use nudge_proto::{ConversationId, ConversationSeq, DeviceId, InboxSeq, MessageId, UserId};
use sqlx::SqliteConnection;

use super::arguments::json;
use crate::store::{
    MediumStory, MessageStory, RecipientStory, StoreError,
    rows::{acked_by_user, id, int, medium_story, message_story, recipient_story},
};

/// All that is known of a message.
pub(super) async fn read(
    db: &mut SqliteConnection,
    message_id: MessageId,
) -> Result<Option<MessageStory>, StoreError> {
    let row = sqlx::query(
        "SELECT m.id, m.conversation_id, m.seq, m.sender_id, m.client_id, m.sent_at, m.expires_at, \
             m.refused, c.kind FROM messages m JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.id = ?",
    )
    .bind(message_id.uuid())
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let story = message_story(&row)?;
    let place = (story.conversation_id, story.seq);
    let media = media(db, place).await?;
    Ok(Some(MessageStory { media, recipients: recipients(db, place).await?, ..story }))
}

async fn media(
    db: &mut SqliteConnection,
    (conversation, seq): (ConversationId, ConversationSeq),
) -> Result<Vec<MediumStory>, StoreError> {
    let rows = sqlx::query(
        "SELECT g.medium_id, m.size FROM grants g LEFT JOIN media m \
             ON m.id = g.medium_id AND m.completed_at IS NOT NULL \
         WHERE g.conversation_id = ? AND g.conversation_seq = ? ORDER BY g.position",
    )
    .bind(conversation.uuid())
    .bind(int(seq.0))
    .fetch_all(db)
    .await?;
    rows.iter().map(medium_story).collect()
}

async fn recipients(
    db: &mut SqliteConnection,
    (conversation, seq): (ConversationId, ConversationSeq),
) -> Result<Vec<RecipientStory>, StoreError> {
    let rows = sqlx::query(
        "SELECT i.user_id, u.handle, u.deleted_at IS NOT NULL AS deleted, \
             m.user_id IS NOT NULL AS is_member, e.seq AS inbox_seq, \
             coalesce(m.delivered_seq >= ?2, 0) AS delivered, coalesce(m.read_seq >= ?2, 0) AS read \
         FROM memberships i CROSS JOIN users u ON u.id = i.user_id \
         LEFT JOIN members m ON m.conversation_id = i.conversation_id AND m.user_id = i.user_id \
         LEFT JOIN inbox_entries e ON e.conversation_id = i.conversation_id \
             AND e.conversation_seq = ?2 AND e.user_id = i.user_id \
         WHERE i.conversation_id = ?1 AND i.joined_seq <= ?2 \
             AND (i.left_seq IS NULL OR i.left_seq > ?2) ORDER BY i.user_id",
    )
    .bind(conversation.uuid())
    .bind(int(seq.0))
    .fetch_all(&mut *db)
    .await?;
    let users = rows.iter().map(|row| id(row, "user_id")).collect::<Result<Vec<UserId>, _>>()?;
    let mut devices = devices(db, &users).await?;
    let recipient = |row| {
        let recipient = recipient_story(row)?;
        let devices = devices.remove(&recipient.user_id).unwrap_or_default();
        Ok(RecipientStory { devices, ..recipient })
    };
    rows.iter().map(recipient).collect()
}

async fn devices(
    db: &mut SqliteConnection,
    users: &[UserId],
) -> Result<HashMap<UserId, Vec<(DeviceId, InboxSeq)>>, StoreError> {
    let rows = sqlx::query(
        "SELECT d.user_id, d.id, d.acked_seq FROM json_each(?) \
         CROSS JOIN devices d ON d.user_id = unhex(value, '-') WHERE d.revoked_at IS NULL",
    )
    .bind(json(&users)?)
    .fetch_all(db)
    .await?;
    acked_by_user(&rows)
}
