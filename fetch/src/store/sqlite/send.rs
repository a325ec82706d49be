use async_trait::async_trait;
use nudge_proto::{
    ConversationId, ConversationSeq, InboxSeq, MediumId, MessageId, UserId, frame::NoticeFlags,
    limits::MEDIA_PER_MESSAGE_MAX,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    SqliteStore,
    accounts::blocks,
    fan_out::{Audience, Numbered, fan_out, name_actor, next_seq},
    history,
    media::readable_medium,
    rows::{id, int, number, time},
};
use crate::store::{
    History, Message, Messages, Outcome, Send, Sent, StoreError, UnixMs, rules::send_digest,
};

#[async_trait]
impl Messages for SqliteStore {
    async fn send(&self, send: Send) -> Result<Outcome<Sent>, StoreError> {
        self.writer.write(move |db| Box::pin(async move { commit(db, &send).await })).await
    }

    async fn message(
        &self,
        user_id: UserId,
        id: MessageId,
        now: UnixMs,
    ) -> Result<Message, StoreError> {
        history::message(&mut *self.read().await?, user_id, id, now).await
    }

    async fn history(
        &self,
        user_id: UserId,
        id: ConversationId,
        before: Option<ConversationSeq>,
        limit: usize,
        now: UnixMs,
    ) -> Result<History, StoreError> {
        history::page(&mut *self.read().await?, user_id, id, before, limit, now).await
    }
}

async fn commit(db: &mut SqliteConnection, send: &Send) -> Result<Outcome<Sent>, StoreError> {
    let digest = send_digest(send);
    if let Some(row) = find_receipt(db, send).await? {
        return repeat(&row, send, &digest);
    }
    let audience = check(db, send).await?;
    let seq = next_seq(db, send.conversation_id).await?;
    write_message(db, send, seq, audience).await?;
    let numbered = Numbered {
        conversation_id: send.conversation_id,
        seq,
        message_id: Some(send.message_id),
        flags: NoticeFlags::MESSAGE,
        now: send.now,
    };
    let mut moved = fan_out(db, numbered, audience).await?;
    name_actor(&mut moved, (send.sender.0, Some(send.sender.1)));
    let own = moved.iter().find(|moved| moved.user_id == send.sender.0);
    let inbox_seq = own.map_or(InboxSeq::ZERO, |own| own.notice.head);
    write_receipt(db, send, seq, inbox_seq, &digest).await?;
    let sent =
        Sent { created: true, message_id: send.message_id, seq, inbox_seq, sent_at: send.now };
    Ok(Outcome { value: sent, moved })
}

async fn find_receipt(
    db: &mut SqliteConnection,
    send: &Send,
) -> Result<Option<SqliteRow>, StoreError> {
    let row = sqlx::query(
        "SELECT message_id, seq, inbox_seq, digest, sent_at FROM send_receipts \
         WHERE conversation_id = ? AND sender_id = ? AND client_id = ?",
    )
    .bind(send.conversation_id.uuid())
    .bind(send.sender.0.uuid())
    .bind(send.client_id.uuid())
    .fetch_optional(db)
    .await?;
    Ok(row)
}

fn repeat(row: &SqliteRow, send: &Send, digest: &[u8]) -> Result<Outcome<Sent>, StoreError> {
    let first: Vec<u8> = row.try_get("digest")?;
    if first != digest {
        return Err(StoreError::IdempotencyConflict(send.client_id.uuid()));
    }
    Ok(Outcome::quiet(Sent {
        created: false,
        message_id: id(row, "message_id")?,
        seq: ConversationSeq(number(row, "seq")?),
        inbox_seq: InboxSeq(number(row, "inbox_seq")?),
        sent_at: time(row, "sent_at")?,
    }))
}

/// Whether the sender may send this here, and who gets it.
async fn check(db: &mut SqliteConnection, send: &Send) -> Result<Audience, StoreError> {
    let sender = send.sender.0;
    let row = sqlx::query(
        "SELECT c.kind, c.direct_low, c.direct_high FROM conversations c \
         JOIN members m ON m.conversation_id = c.id AND m.user_id = ? WHERE c.id = ?",
    )
    .bind(sender.uuid())
    .bind(send.conversation_id.uuid())
    .fetch_optional(&mut *db)
    .await?
    .ok_or(StoreError::NotFound("conversation"))?;
    if send.media.len() > MEDIA_PER_MESSAGE_MAX {
        return Err(StoreError::Invalid(format!(
            "a message may name {MEDIA_PER_MESSAGE_MAX} media, not {}",
            send.media.len()
        )));
    }
    for medium in &send.media {
        readable_medium(db, sender, *medium).await?;
    }
    if row.try_get::<String, _>("kind")? != "direct" {
        return Ok(Audience::Members);
    }
    let low: UserId = id(&row, "direct_low")?;
    let high: UserId = id(&row, "direct_high")?;
    let other = if low == sender { high } else { low };
    Ok(if blocks(db, other, sender).await? { Audience::Only(sender) } else { Audience::Members })
}

async fn write_message(
    db: &mut SqliteConnection,
    send: &Send,
    seq: ConversationSeq,
    audience: Audience,
) -> Result<(), StoreError> {
    let expires_at = send.ttl_s.map(|ttl_s| int(send.now.0 + ttl_s * 1000));
    sqlx::query(
        "INSERT INTO messages (conversation_id, seq, id, sender_id, client_id, content_type, body, \
         media_count, sent_at, expires_at, refused) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(send.conversation_id.uuid())
    .bind(int(seq.0))
    .bind(send.message_id.uuid())
    .bind(send.sender.0.uuid())
    .bind(send.client_id.uuid())
    .bind(&send.content_type)
    .bind(&send.body[..])
    .bind(send.media.len() as i64)
    .bind(int(send.now.0))
    .bind(expires_at)
    .bind(matches!(audience, Audience::Only(_)))
    .execute(&mut *db)
    .await?;
    sqlx::query("UPDATE members SET sent_seq = ? WHERE conversation_id = ? AND user_id = ?")
        .bind(int(seq.0))
        .bind(send.conversation_id.uuid())
        .bind(send.sender.0.uuid())
        .execute(&mut *db)
        .await?;
    for (position, medium) in send.media.iter().enumerate() {
        write_grant(db, send, seq, *medium, position).await?;
    }
    Ok(())
}

async fn write_grant(
    db: &mut SqliteConnection,
    send: &Send,
    seq: ConversationSeq,
    medium: MediumId,
    position: usize,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO grants (medium_id, conversation_id, conversation_seq, position) \
         VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(medium.uuid())
    .bind(send.conversation_id.uuid())
    .bind(int(seq.0))
    .bind(position as i64)
    .execute(&mut *db)
    .await?;
    sqlx::query("UPDATE media SET expires_at = max(expires_at, ?) WHERE id = ?")
        .bind(int(send.media_expire_at.0))
        .bind(medium.uuid())
        .execute(db)
        .await?;
    Ok(())
}

async fn write_receipt(
    db: &mut SqliteConnection,
    send: &Send,
    seq: ConversationSeq,
    inbox_seq: InboxSeq,
    digest: &[u8],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO send_receipts (conversation_id, sender_id, client_id, message_id, seq, \
         inbox_seq, digest, sent_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(send.conversation_id.uuid())
    .bind(send.sender.0.uuid())
    .bind(send.client_id.uuid())
    .bind(send.message_id.uuid())
    .bind(int(seq.0))
    .bind(int(inbox_seq.0))
    .bind(digest)
    .bind(int(send.now.0))
    .execute(db)
    .await?;
    Ok(())
}
