//! Files on their way to the server.

use std::path::PathBuf;

use nudge_proto::{ClientMessageId, MediumId, RequestId, ids::InvalidId};
use sqlx::{Row, sqlite::SqliteRow};

use super::{State, outbox::client_message_id, unsigned};
use crate::{Error, error::Result};

/// A file that is not wholly on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingUpload {
    pub(crate) client_message_id: ClientMessageId,
    /// Names the upload, here and in its creation.
    pub(crate) request_id: RequestId,
    pub(crate) path: PathBuf,
    pub(crate) file_name: String,
    pub(crate) content_type: String,
    pub(crate) size: u64,
    pub(crate) modified_ns: i64,
    /// Once the file was read.
    pub(crate) sha256: Option<[u8; 32]>,
    /// Once the server knows of it.
    pub(crate) medium_id: Option<MediumId>,
    pub(crate) created_at_ms: u64,
}

impl State {
    /// What is this process's to upload and not paused, oldest first.
    pub(crate) async fn pending_uploads(&self) -> Result<Vec<PendingUpload>> {
        let rows = sqlx::query(
            "SELECT u.client_message_id, request_id, path, file_name, u.content_type, size, modified_ns, \
             sha256, medium_id, created_at_ms FROM uploads u JOIN outbox o USING (client_message_id) \
             WHERE o.state = 1 AND o.sender IS ? AND is_complete = 0 AND is_paused = 0 \
             ORDER BY u.position",
        )
        .bind(self.sender())
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed())?;
        rows.iter().map(pending_upload).collect()
    }

    pub(crate) async fn put_upload_digest(
        &self,
        upload: RequestId,
        sha256: [u8; 32],
    ) -> Result<()> {
        sqlx::query("UPDATE uploads SET sha256 = ? WHERE request_id = ?")
            .bind(&sha256[..])
            .bind(&upload.as_bytes()[..])
            .execute(&self.writer)
            .await
            .map_err(self.failed())?;
        Ok(())
    }

    pub(crate) async fn put_upload_medium(
        &self,
        upload: RequestId,
        medium: MediumId,
    ) -> Result<()> {
        sqlx::query("UPDATE uploads SET medium_id = ? WHERE request_id = ?")
            .bind(&medium.as_bytes()[..])
            .bind(&upload.as_bytes()[..])
            .execute(&self.writer)
            .await
            .map_err(self.failed())?;
        Ok(())
    }

    pub(crate) async fn complete_upload(&self, upload: RequestId) -> Result<()> {
        sqlx::query("UPDATE uploads SET is_complete = 1 WHERE request_id = ?")
            .bind(&upload.as_bytes()[..])
            .execute(&self.writer)
            .await
            .map_err(self.failed())?;
        Ok(())
    }

    /// The server has nothing of it any more: begins anew, under a new id.
    pub(crate) async fn restart_upload(&self, upload: RequestId) -> Result<()> {
        sqlx::query(
            "UPDATE uploads SET request_id = ?, medium_id = NULL, sha256 = NULL, is_complete = 0 \
             WHERE request_id = ?",
        )
        .bind(&RequestId::random().as_bytes()[..])
        .bind(&upload.as_bytes()[..])
        .execute(&self.writer)
        .await
        .map_err(self.failed())?;
        Ok(())
    }

    /// Holds a message's uploads, or lets them go on; whether there are any.
    pub(crate) async fn pause_uploads(
        &self,
        message: ClientMessageId,
        is_paused: bool,
    ) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE uploads SET is_paused = ? WHERE client_message_id = ? AND is_complete = 0",
        )
        .bind(is_paused)
        .bind(&message.as_bytes()[..])
        .execute(&self.writer)
        .await
        .map_err(self.failed())?;
        Ok(done.rows_affected() > 0)
    }

    /// A message's uploads that are complete, and their media, in the order in which the app gave the
    /// files.
    pub(crate) async fn uploaded(
        &self,
        message: ClientMessageId,
    ) -> Result<Vec<(RequestId, MediumId)>> {
        let rows = sqlx::query(
            "SELECT request_id, medium_id FROM uploads WHERE client_message_id = ? AND is_complete = 1 \
             ORDER BY position",
        )
        .bind(&message.as_bytes()[..])
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed())?;
        let ids = |row: &SqliteRow| {
            Ok((RequestId::from_slice(row.get(0))?, MediumId::from_slice(row.get(1))?))
        };
        rows.iter().map(ids).collect::<std::result::Result<_, InvalidId>>().map_err(Error::protocol)
    }

    /// The files that a message brings.
    pub(super) async fn files_of(&self, message: ClientMessageId) -> Result<Vec<PathBuf>> {
        let paths: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT path FROM uploads WHERE client_message_id = ? ORDER BY position",
        )
        .bind(&message.as_bytes()[..])
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed())?;
        Ok(paths.into_iter().map(path).collect())
    }
}

fn pending_upload(row: &SqliteRow) -> Result<PendingUpload> {
    let sha256: Option<Vec<u8>> = row.get(7);
    let medium_id: Option<Vec<u8>> = row.get(8);
    Ok(PendingUpload {
        client_message_id: client_message_id(row, 0)?,
        request_id: RequestId::from_slice(row.get(1)).map_err(Error::protocol)?,
        path: path(row.get(2)),
        file_name: row.get(3),
        content_type: row.get(4),
        size: unsigned(row.get(5)),
        modified_ns: row.get(6),
        sha256: sha256
            .map(|sha256| sha256.try_into())
            .transpose()
            .map_err(|_| Error::protocol("a stored SHA-256 that has not 32 bytes"))?,
        medium_id: medium_id
            .map(|id| MediumId::from_slice(&id))
            .transpose()
            .map_err(Error::protocol)?,
        created_at_ms: unsigned(row.get(9)),
    })
}

#[cfg(unix)]
fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes))
}

#[cfg(not(unix))]
fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}
