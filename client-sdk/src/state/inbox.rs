//! Pages of the inbox: what is in one and the cursor behind it become durable together.

use nudge_proto::{ClientMessageId, Cursor, Epoch, InboxSeq, MessageId, UserId, pb::content as pb};
use prost::Message as _;
use sqlx::{Row, Sqlite, Transaction};

use super::{State, signed};
use crate::{Error, error::Result, events::ResyncReason, limits};

/// What storing a page did.
#[derive(Debug)]
pub(crate) struct StoredPage {
    /// Everything up to here is stored.
    pub(crate) cursor: Cursor,
    /// Messages of the outbox that the page shows to be sent.
    pub(crate) sent: Vec<ClientMessageId>,
}

impl State {
    /// Stores a page, what it settles, and its `through` as the cursor, in one transaction.
    pub(crate) async fn store_page(
        &self,
        page: pb::InboxPage,
        resync: Option<ResyncReason>,
        own: UserId,
    ) -> Result<StoredPage> {
        let mut write = self.write().await?;
        if let Some(reason) = resync {
            self.log_resync(&mut write, reason).await?;
        }
        let mut sent = Vec::new();
        for entry in page.entries {
            if let Some(settled) = self.store_entry(&mut write, entry, own).await? {
                sent.push(settled);
            }
        }
        let cursor = Cursor { epoch: Epoch(page.epoch), seq: InboxSeq(page.through) };
        let done = sqlx::query("UPDATE account SET epoch = ?, seq = ? WHERE user_id = ?")
            .bind(signed(cursor.epoch.0))
            .bind(signed(cursor.seq.0))
            .bind(&own.as_bytes()[..])
            .execute(&mut *write)
            .await
            .map_err(self.failed())?;
        if done.rows_affected() == 0 {
            // The account was forgotten while the page was on its way.
            return Err(Error::LoggedOut);
        }
        write.commit().await.map_err(self.failed())?;
        Ok(StoredPage { cursor, sent })
    }

    /// Tells the app that the inbox was read anew, without anything read yet.
    pub(crate) async fn store_resync(&self, reason: ResyncReason) -> Result<()> {
        let mut write = self.write().await?;
        self.log_resync(&mut write, reason).await?;
        write.commit().await.map_err(self.failed())
    }

    /// Returns the message of the outbox that the entry shows to be sent.
    async fn store_entry(
        &self,
        write: &mut Transaction<'static, Sqlite>,
        entry: pb::InboxEntry,
        own: UserId,
    ) -> Result<Option<ClientMessageId>> {
        if let Some(receipt) = &entry.receipt {
            let conversation = super::outbox::id_blob(&receipt.conversation_id)?;
            self.log_entry(write, &entry, Some(conversation)).await?;
            return Ok(None);
        }
        let id = match (&entry.message, &entry.change) {
            (Some(message), _) => &message.id,
            (None, Some(change)) => &change.id,
            (None, None) => return Ok(None),
        };
        let id: MessageId = id.parse().map_err(Error::protocol)?;
        if !self.remember_id(write, id).await? {
            return Ok(None);
        }
        if let Some(message) = &entry.message
            && message.sender_id.parse() == Ok(own)
        {
            let settled = self.settle_by_entry(write, message).await?;
            if settled.is_some() {
                return Ok(settled);
            }
        }
        self.log_entry(write, &entry, None).await?;
        Ok(None)
    }

    /// Whether the id is new.
    pub(super) async fn remember_id(
        &self,
        write: &mut Transaction<'static, Sqlite>,
        id: MessageId,
    ) -> Result<bool> {
        let done = sqlx::query("INSERT OR IGNORE INTO received (id) VALUES (?)")
            .bind(&id.as_bytes()[..])
            .execute(&mut **write)
            .await
            .map_err(self.failed())?;
        Ok(done.rows_affected() == 1)
    }

    async fn log_entry(
        &self,
        write: &mut Transaction<'static, Sqlite>,
        entry: &pb::InboxEntry,
        receipt_of: Option<Vec<u8>>,
    ) -> Result<()> {
        let expires_at_ms = entry.message.as_ref().and_then(|message| message.expires_at_ms);
        sqlx::query(
            "INSERT OR REPLACE INTO updates (kind, entry, expires_at_ms, receipt_of) VALUES (1, ?, ?, ?)",
        )
        .bind(entry.encode_to_vec())
        .bind(expires_at_ms.map(signed))
        .bind(receipt_of)
        .execute(&mut **write)
        .await
        .map_err(self.failed())?;
        Ok(())
    }

    pub(super) async fn log_resync(
        &self,
        write: &mut Transaction<'static, Sqlite>,
        reason: ResyncReason,
    ) -> Result<()> {
        sqlx::query("INSERT INTO updates (kind, entry) VALUES (2, ?)")
            .bind(reason.word().as_bytes())
            .execute(&mut **write)
            .await
            .map_err(self.failed())?;
        Ok(())
    }

    pub(super) async fn forget_old_ids(&self) -> Result<()> {
        let row = sqlx::query("SELECT coalesce(max(position), 0) FROM received")
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed())?;
        sqlx::query("DELETE FROM received WHERE position <= ?")
            .bind(row.get::<i64, _>(0).saturating_sub(signed(limits::RECEIVED_IDS_MAX)))
            .execute(&self.writer)
            .await
            .map_err(self.failed())?;
        Ok(())
    }
}
