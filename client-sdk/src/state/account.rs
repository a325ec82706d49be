//! Who this device is, and up to where it has everything.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use nudge_proto::{Cursor, DeviceId, Epoch, InboxSeq, RequestId, UserId, pb::content as pb};
use sqlx::{Row, Sqlite, Transaction};

use super::{State, signed, unsigned};
use crate::{Error, error::Result, events::ResyncReason, model::User};

impl State {
    /// Makes the ids that the first requests will carry.
    pub(super) async fn prepare_account(&self) -> Result<()> {
        sqlx::query(
            "INSERT OR IGNORE INTO account (id, registration_id, device_id) VALUES (1, ?, ?)",
        )
        .bind(&RequestId::random().as_bytes()[..])
        .bind(&DeviceId::random().as_bytes()[..])
        .execute(&self.writer)
        .await
        .map_err(self.failed())?;
        Ok(())
    }

    pub(crate) async fn registration_id(&self) -> Result<RequestId> {
        RequestId::from_slice(&self.account_blob("SELECT registration_id FROM account").await?)
            .map_err(Error::protocol)
    }

    pub(crate) async fn device_id(&self) -> Result<DeviceId> {
        DeviceId::from_slice(&self.account_blob("SELECT device_id FROM account").await?)
            .map_err(Error::protocol)
    }

    /// Who is logged in.
    pub(crate) async fn user(&self) -> Result<Option<User>> {
        let row = sqlx::query("SELECT user_id, handle, display_name FROM account")
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed())?;
        let Some(id) = row.get::<Option<Vec<u8>>, _>(0) else { return Ok(None) };
        Ok(Some(User {
            id: UserId::from_slice(&id).map_err(Error::protocol)?,
            handle: row.get(1),
            display_name: row.get(2),
        }))
    }

    pub(crate) async fn access_token(&self) -> Result<Option<String>> {
        self.account_value("SELECT access_token FROM account").await
    }

    pub(crate) async fn refresh_token(&self) -> Result<Option<String>> {
        self.account_value("SELECT refresh_token FROM account").await
    }

    pub(crate) async fn ticket(&self) -> Result<Option<Bytes>> {
        let ticket: Option<Vec<u8>> =
            self.account_value("SELECT connect_ticket FROM account").await?;
        Ok(ticket.map(Bytes::from))
    }

    pub(crate) async fn cursor(&self) -> Result<Option<Cursor>> {
        let row = sqlx::query("SELECT epoch, seq FROM account")
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed())?;
        let (epoch, seq): (Option<i64>, Option<i64>) = (row.get(0), row.get(1));
        Ok(epoch.zip(seq).map(|(epoch, seq)| Cursor {
            epoch: Epoch(unsigned(epoch)),
            seq: InboxSeq(unsigned(seq)),
        }))
    }

    /// Stores what a log in answered. The first of a device sets the cursor; on a state that was
    /// another device's before, the app is told that the inbox does not begin where it left off.
    pub(crate) async fn put_session(&self, session: &pb::Session) -> Result<()> {
        let mut write = self.write().await?;
        let row = sqlx::query("SELECT user_id IS NOT NULL, seq IS NULL FROM account")
            .fetch_one(&mut *write)
            .await
            .map_err(self.failed())?;
        let (is_known, is_new_device): (bool, bool) = (row.get(0), row.get(1));
        if is_known && is_new_device {
            self.log_resync(&mut write, ResyncReason::NewDevice).await?;
        }
        self.write_session(&mut write, session, None).await?;
        write.commit().await.map_err(self.failed())
    }

    /// Stores what a renewal answered, if `presented` is still what would be renewed.
    pub(crate) async fn put_renewed(&self, session: &pb::Session, presented: &str) -> Result<()> {
        let mut write = self.write().await?;
        self.write_session(&mut write, session, Some(presented)).await?;
        write.commit().await.map_err(self.failed())
    }

    async fn write_session(
        &self,
        write: &mut Transaction<'static, Sqlite>,
        session: &pb::Session,
        presented: Option<&str>,
    ) -> Result<()> {
        let user = session.user.clone().ok_or_else(|| Error::protocol("a session without user"))?;
        let user = crate::model::user(user)?;
        let ticket = URL_SAFE_NO_PAD.decode(&session.connect_ticket).map_err(Error::protocol)?;
        let cursor: Cursor = session.cursor.parse().map_err(Error::protocol)?;
        sqlx::query(
            "UPDATE account SET user_id = ?, handle = ?, display_name = ?, connect_ticket = ?, \
             access_token = ?, refresh_token = ?, epoch = coalesce(epoch, ?), seq = coalesce(seq, ?) \
             WHERE refresh_token IS coalesce(?, refresh_token)",
        )
        .bind(&user.id.as_bytes()[..])
        .bind(user.handle)
        .bind(user.display_name)
        .bind(ticket)
        .bind(&session.access_token)
        .bind(&session.refresh_token)
        .bind(signed(cursor.epoch.0))
        .bind(signed(cursor.seq.0))
        .bind(presented)
        .execute(&mut **write)
        .await
        .map_err(self.failed())?;
        Ok(())
    }

    /// Forgets the log in; the next one is that of a new device of the same account.
    pub(crate) async fn forget_credentials(&self) -> Result<()> {
        sqlx::query(
            "UPDATE account SET device_id = ?, connect_ticket = NULL, access_token = NULL, \
             refresh_token = NULL, epoch = NULL, seq = NULL",
        )
        .bind(&DeviceId::random().as_bytes()[..])
        .execute(&self.writer)
        .await
        .map_err(self.failed())?;
        Ok(())
    }

    pub(crate) async fn put_own_name(&self, display_name: &str) -> Result<()> {
        sqlx::query("UPDATE account SET display_name = ?")
            .bind(display_name)
            .execute(&self.writer)
            .await
            .map_err(self.failed())?;
        Ok(())
    }

    /// Makes the state as new.
    pub(crate) async fn forget_account(&self) -> Result<()> {
        let mut write = self.write().await?;
        for statement in [
            "DELETE FROM outbox",
            "DELETE FROM updates",
            "DELETE FROM received",
            "DELETE FROM people",
            "DELETE FROM account",
        ] {
            sqlx::query(statement).execute(&mut *write).await.map_err(self.failed())?;
        }
        write.commit().await.map_err(self.failed())?;
        self.prepare_account().await
    }

    async fn account_blob(&self, query: &'static str) -> Result<Vec<u8>> {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.map_err(self.failed())
    }

    async fn account_value<T>(&self, query: &'static str) -> Result<Option<T>>
    where
        T: sqlx::Type<Sqlite> + for<'r> sqlx::Decode<'r, Sqlite> + Send + Unpin,
    {
        sqlx::query_scalar::<_, Option<T>>(query).fetch_one(&self.pool).await.map_err(self.failed())
    }
}
