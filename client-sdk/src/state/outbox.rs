//! Messages that are to be sent, and what became of them.

use nudge_proto::{
    ClientMessageId, ConversationId, ConversationSeq, MediumId, MessageId, RequestId,
    pb::content as pb,
};
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};
use uuid::Uuid;

use super::{State, signed, unsigned};
use crate::{
    Error,
    client::Draft,
    error::Result,
    events::{NotSent, Outcome, Sent, Unsent},
    limits,
};

/// A message that the app wants to be sent.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    pub(crate) client_message_id: ClientMessageId,
    pub(crate) conversation_id: ConversationId,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    pub(crate) ttl_s: Option<u64>,
    /// Media that exist already.
    pub(crate) media: Vec<MediumId>,
    pub(crate) uploads: Vec<NewUpload>,
    pub(crate) created_at_ms: u64,
}

/// A file that has to be on the server first.
#[derive(Clone, Debug)]
pub(crate) struct NewUpload {
    pub(crate) path: Vec<u8>,
    pub(crate) file_name: String,
    pub(crate) content_type: String,
    pub(crate) size: u64,
    pub(crate) modified_ns: i64,
}

/// A message with everything that its request needs.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) conversation_id: ConversationId,
    pub(crate) created_at_ms: u64,
    pub(crate) request: pb::SendRequest,
}

/// The states of a message in the table.
const TO_BE_SENT: i64 = 1;
const SENT: i64 = 2;
const GIVEN_UP: i64 = 3;

impl State {
    /// Stores a message; when this returns, it will be sent even if the program dies.
    pub(crate) async fn enqueue(&self, message: NewMessage) -> Result<()> {
        let mut write = self.write().await?;
        let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE state = 1")
            .fetch_one(&mut *write)
            .await
            .map_err(self.failed())?;
        if unsigned(waiting) >= limits::OUTBOX_MESSAGES_MAX {
            return Err(Error::Limit(format!("{waiting} messages wait to be sent already")));
        }
        let media: Vec<_> = message.media.iter().map(ToString::to_string).collect();
        sqlx::query(
            "INSERT INTO outbox (client_message_id, conversation_id, content_type, body, ttl_s, media, \
             created_at_ms, state, sender) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)",
        )
        .bind(&message.client_message_id.as_bytes()[..])
        .bind(&message.conversation_id.as_bytes()[..])
        .bind(message.content_type)
        .bind(message.body)
        .bind(message.ttl_s.map(signed))
        .bind(serde_json::json!(media).to_string())
        .bind(signed(message.created_at_ms))
        .bind(self.sender())
        .execute(&mut *write)
        .await
        .map_err(self.failed())?;
        for upload in message.uploads {
            self.insert_upload(&mut write, message.client_message_id, upload).await?;
        }
        write.commit().await.map_err(self.failed())
    }

    /// The oldest message of each conversation that has all its media.
    pub(crate) async fn next_to_send(&self) -> Result<Vec<(ConversationId, ClientMessageId)>> {
        let rows = sqlx::query(
            "SELECT min(position), client_message_id, conversation_id FROM outbox \
             WHERE state = 1 AND sender IS ? AND NOT EXISTS \
             (SELECT 1 FROM uploads WHERE uploads.client_message_id = outbox.client_message_id \
             AND is_complete = 0) GROUP BY conversation_id ORDER BY 1",
        )
        .bind(self.sender())
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed())?;
        rows.iter().map(|row| Ok((conversation_id(row, 2)?, client_message_id(row, 1)?))).collect()
    }

    /// Whether a message is still to be sent: neither settled nor forgotten.
    pub(crate) async fn is_to_be_sent(&self, message: ClientMessageId) -> Result<bool> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM outbox WHERE client_message_id = ? AND state = 1)",
        )
        .bind(&message.as_bytes()[..])
        .fetch_one(&self.pool)
        .await
        .map_err(self.failed())
    }

    /// A message as it is to be sent; nothing when it was settled meanwhile.
    pub(crate) async fn queued(&self, message: ClientMessageId) -> Result<Option<Queued>> {
        let row = sqlx::query(
            "SELECT conversation_id, created_at_ms, content_type, body, ttl_s, media FROM outbox \
             WHERE client_message_id = ? AND state = 1",
        )
        .bind(&message.as_bytes()[..])
        .fetch_optional(&self.pool)
        .await
        .map_err(self.failed())?;
        let Some(row) = row else { return Ok(None) };
        let existing: Vec<String> = serde_json::from_str(row.get(5)).map_err(Error::protocol)?;
        let uploaded = self.uploaded(message).await?;
        Ok(Some(Queued {
            conversation_id: conversation_id(&row, 0)?,
            created_at_ms: unsigned(row.get(1)),
            request: pb::SendRequest {
                content_type: row.get(2),
                body: row.get::<Vec<u8>, _>(3).into(),
                media_ids: uploaded
                    .iter()
                    .map(|(_, medium)| medium.to_string())
                    .chain(existing)
                    .collect(),
                ttl_s: row.get::<Option<i64>, _>(4).map(unsigned),
            },
        }))
    }

    /// The server has it. Returns the outcome unless it was settled before.
    pub(crate) async fn settle_sent(
        &self,
        client_id: ClientMessageId,
        response: &pb::SendResponse,
    ) -> Result<Option<Sent>> {
        let message_id: MessageId = response.message_id.parse().map_err(Error::protocol)?;
        let mut write = self.write().await?;
        self.remember_id(&mut write, message_id).await?;
        let seq = ConversationSeq(response.conversation_seq);
        let sent =
            self.mark_sent(&mut write, client_id, message_id, seq, response.sent_at_ms).await?;
        write.commit().await.map_err(self.failed())?;
        Ok(sent)
    }

    /// The same, learnt from the inbox: an answer was lost.
    pub(super) async fn settle_by_entry(
        &self,
        write: &mut Transaction<'static, Sqlite>,
        message: &pb::Message,
    ) -> Result<Option<ClientMessageId>> {
        let client_id = message.client_message_id.parse().map_err(Error::protocol)?;
        let id = message.id.parse().map_err(Error::protocol)?;
        let seq = ConversationSeq(message.conversation_seq);
        let sent = self.mark_sent(write, client_id, id, seq, message.sent_at_ms).await?;
        Ok(sent.map(|sent| sent.client_message_id))
    }

    async fn mark_sent(
        &self,
        write: &mut Transaction<'static, Sqlite>,
        client_message_id: ClientMessageId,
        message_id: MessageId,
        seq: ConversationSeq,
        sent_at_ms: u64,
    ) -> Result<Option<Sent>> {
        let conversation: Option<Vec<u8>> = sqlx::query_scalar(
            "UPDATE outbox SET state = 2, message_id = ?, conversation_seq = ?, sent_at_ms = ?, body = x'' \
             WHERE client_message_id = ? AND state <> 2 RETURNING conversation_id",
        )
        .bind(&message_id.as_bytes()[..])
        .bind(signed(seq.0))
        .bind(signed(sent_at_ms))
        .bind(&client_message_id.as_bytes()[..])
        .fetch_optional(&mut **write)
        .await
        .map_err(self.failed())?;
        let Some(conversation) = conversation else { return Ok(None) };
        sqlx::query("DELETE FROM uploads WHERE client_message_id = ?")
            .bind(&client_message_id.as_bytes()[..])
            .execute(&mut **write)
            .await
            .map_err(self.failed())?;
        let conversation_id = ConversationId::from_slice(&conversation).map_err(Error::protocol)?;
        Ok(Some(Sent { client_message_id, conversation_id, message_id, seq, sent_at_ms }))
    }

    /// It will not be sent. Returns the outcome unless it was settled before.
    pub(crate) async fn settle_failed(
        &self,
        client_id: ClientMessageId,
        error: &Error,
    ) -> Result<Option<NotSent>> {
        let conversation: Option<Vec<u8>> = sqlx::query_scalar(
            "UPDATE outbox SET state = 3, failure_code = ?, failure = ? \
             WHERE client_message_id = ? AND state = 1 RETURNING conversation_id",
        )
        .bind(error.code().map(|code| code.as_str()).unwrap_or_default())
        .bind(error.to_string())
        .bind(&client_id.as_bytes()[..])
        .fetch_optional(&self.writer)
        .await
        .map_err(self.failed())?;
        let Some(conversation) = conversation else { return Ok(None) };
        Ok(Some(NotSent {
            client_message_id: client_id,
            conversation_id: ConversationId::from_slice(&conversation).map_err(Error::protocol)?,
            code: error.code(),
            reason: error.to_string(),
        }))
    }

    /// What became of a message; nothing while it waits.
    pub(crate) async fn outcome(&self, client_id: ClientMessageId) -> Result<Option<Outcome>> {
        let row = sqlx::query(
            "SELECT state, conversation_id, message_id, conversation_seq, sent_at_ms, failure_code, failure \
             FROM outbox WHERE client_message_id = ?",
        )
        .bind(&client_id.as_bytes()[..])
        .fetch_optional(&self.pool)
        .await
        .map_err(self.failed())?;
        let row = row.ok_or_else(|| Error::Unknown(format!("the message {client_id}")))?;
        let conversation_id = conversation_id(&row, 1)?;
        Ok(match row.get(0) {
            SENT => Some(Outcome::Sent(Sent {
                client_message_id: client_id,
                conversation_id,
                message_id: MessageId::from_slice(row.get(2)).map_err(Error::protocol)?,
                seq: ConversationSeq(unsigned(row.get(3))),
                sent_at_ms: unsigned(row.get(4)),
            })),
            GIVEN_UP => Some(Outcome::NotSent(NotSent {
                client_message_id: client_id,
                conversation_id,
                code: row.get::<String, _>(5).parse().ok(),
                reason: row.get(6),
            })),
            _ => None,
        })
    }

    /// Messages that wait to be sent or were given up, oldest first.
    pub(crate) async fn unsent(&self) -> Result<Vec<Unsent>> {
        let rows = sqlx::query(
            "SELECT client_message_id, conversation_id, content_type, body, ttl_s, media, created_at_ms, \
             state, failure_code, failure FROM outbox WHERE state <> 2 ORDER BY position",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed())?;
        let mut unsent = Vec::with_capacity(rows.len());
        for row in &rows {
            let (message, conversation_id) = (client_message_id(row, 0)?, conversation_id(row, 1)?);
            let media: Vec<MediumId> = serde_json::from_str(row.get(5)).map_err(Error::protocol)?;
            let is_given_up = row.get::<i64, _>(7) == GIVEN_UP;
            unsent.push(Unsent {
                client_message_id: message,
                conversation_id,
                draft: Draft {
                    content_type: row.get(2),
                    body: row.get(3),
                    files: self.files_of(message).await?,
                    media,
                    ttl_s: row.get::<Option<i64>, _>(4).map(unsigned),
                },
                created_at_ms: unsigned(row.get(6)),
                failure: is_given_up.then(|| NotSent {
                    client_message_id: message,
                    conversation_id,
                    code: row.get::<String, _>(8).parse().ok(),
                    reason: row.get(9),
                }),
            });
        }
        Ok(unsent)
    }

    /// Has a message that was given up sent after all; its week begins anew.
    pub(crate) async fn send_again(&self, client_id: ClientMessageId, now_ms: u64) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE outbox SET state = ?, failure_code = NULL, failure = NULL, created_at_ms = ?, \
             sender = ? WHERE client_message_id = ? AND state = 3",
        )
        .bind(TO_BE_SENT)
        .bind(signed(now_ms))
        .bind(self.sender())
        .bind(&client_id.as_bytes()[..])
        .execute(&self.writer)
        .await
        .map_err(self.failed())?;
        Ok(done.rows_affected() == 1)
    }

    /// Forgets a message that was given up.
    pub(crate) async fn discard(&self, client_id: ClientMessageId) -> Result<bool> {
        let done = sqlx::query("DELETE FROM outbox WHERE client_message_id = ? AND state = 3")
            .bind(&client_id.as_bytes()[..])
            .execute(&self.writer)
            .await
            .map_err(self.failed())?;
        Ok(done.rows_affected() == 1)
    }

    /// Messages that another process was given before a time, and has not sent, become this one's;
    /// whether there were any.
    pub(crate) async fn adopt_outbox(&self, given_until_ms: u64) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE outbox SET sender = NULL \
             WHERE sender IS NOT NULL AND state = 1 AND created_at_ms <= ?",
        )
        .bind(signed(given_until_ms))
        .execute(&self.writer)
        .await
        .map_err(self.failed())?;
        Ok(done.rows_affected() > 0)
    }

    pub(super) async fn forget_old_outcomes(&self) -> Result<()> {
        sqlx::query(
            "DELETE FROM outbox WHERE state <> 1 AND position <= \
             (SELECT coalesce(max(position), 0) FROM outbox) - ?",
        )
        .bind(signed(limits::OUTCOMES_MAX))
        .execute(&self.writer)
        .await
        .map_err(self.failed())?;
        Ok(())
    }

    async fn insert_upload(
        &self,
        write: &mut Transaction<'static, Sqlite>,
        client_message_id: ClientMessageId,
        upload: NewUpload,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO uploads (client_message_id, request_id, path, file_name, content_type, size, \
             modified_ns) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&client_message_id.as_bytes()[..])
        .bind(&RequestId::random().as_bytes()[..])
        .bind(upload.path)
        .bind(upload.file_name)
        .bind(upload.content_type)
        .bind(signed(upload.size))
        .bind(upload.modified_ns)
        .execute(&mut **write)
        .await
        .map_err(self.failed())?;
        Ok(())
    }

    /// Which messages are this process's to send.
    pub(super) fn sender(&self) -> Option<i64> {
        (!self.is_syncing()).then_some(self.process)
    }
}

pub(super) fn client_message_id(row: &SqliteRow, column: usize) -> Result<ClientMessageId> {
    ClientMessageId::from_slice(row.get(column)).map_err(Error::protocol)
}

fn conversation_id(row: &SqliteRow, column: usize) -> Result<ConversationId> {
    ConversationId::from_slice(row.get(column)).map_err(Error::protocol)
}

/// An id in text as it stands in the database.
pub(super) fn id_blob(text: &str) -> Result<Vec<u8>> {
    Uuid::try_parse(text).map(|id| id.as_bytes().to_vec()).map_err(Error::protocol)
}
