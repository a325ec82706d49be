//! Uploads files by tus 1.0: what a cut left on the server is not sent again.
//!
//! Which files are to be uploaded stands in the state. A message is sent once its files are there.

use std::{fs::File, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{Stream, future::BoxFuture, stream};
use nudge_proto::{ErrorCode, MediumId, RequestId};
use reqwest::{Body, Method, RequestBuilder, Response, header};
use tokio::{sync::Notify, task::spawn_blocking};

use crate::{
    Error,
    core::{Core, unix_ms},
    error::Result,
    events::{Progress, TransferId},
    files::{self, FileStamp},
    lanes::Work,
    limits::{OUTBOX_TIME, TRANSFER_IDLE_TIMEOUT, UPLOADS_AT_ONCE},
    outbox::give_up,
    state::PendingUpload,
    transfer::Meter,
};

/// Uploading what messages wait for.
#[derive(Debug)]
pub(crate) struct Uploading;

impl Work for Uploading {
    type Key = RequestId;
    type Job = PendingUpload;

    const AT_ONCE: usize = UPLOADS_AT_ONCE;

    fn bell(core: &Core) -> &Notify {
        &core.uploads_bell
    }

    async fn due(core: &Core) -> Result<Vec<(RequestId, PendingUpload)>> {
        let pending = core.state.pending_uploads().await?;
        Ok(pending.into_iter().map(|upload| (upload.request_id, upload)).collect())
    }

    async fn is_wanted(core: &Core, upload: &PendingUpload) -> Result<bool> {
        let pending = core.state.pending_uploads().await?;
        Ok(pending.iter().any(|pending| pending.request_id == upload.request_id))
    }

    fn attempt(core: Arc<Core>, upload: PendingUpload) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            bring(&core, upload).await?;
            core.outbox_bell.notify_one();
            Ok(())
        })
    }
}

/// What can never work ends the message.
async fn bring(core: &Core, upload: PendingUpload) -> Result<()> {
    let message = upload.client_message_id;
    if Duration::from_millis(unix_ms().saturating_sub(upload.created_at_ms)) > OUTBOX_TIME {
        return give_up(core, message, &Error::GivenUp(OUTBOX_TIME)).await;
    }
    match transfer(core, &upload).await {
        Err(error) if is_gone(&error) => {
            core.state.restart_upload(upload.request_id).await?;
            Err(error)
        }
        Err(error @ (Error::File { .. } | Error::FileChanged { .. })) => {
            give_up(core, message, &error).await
        }
        Err(error) if error.is_final() && !is_overtaken(&error) => {
            give_up(core, message, &error).await
        }
        other => other,
    }
}

/// Another request continues the upload, or an earlier one still did: the server knows where it is.
fn is_overtaken(error: &Error) -> bool {
    matches!(error.code(), Some(ErrorCode::UploadTakenOver | ErrorCode::OffsetMismatch))
}

/// The server has nothing of the upload any more, or what it has is of no use.
fn is_gone(error: &Error) -> bool {
    let code = error.code();
    matches!(
        code,
        Some(ErrorCode::NotFound | ErrorCode::UploadExpired | ErrorCode::ChecksumMismatch)
    )
}

async fn transfer(core: &Core, upload: &PendingUpload) -> Result<()> {
    let file = files::open_unchanged(&upload.path, stamp(upload)).await?;
    let sha256 = match upload.sha256 {
        Some(sha256) => sha256,
        None => {
            let sha256 = files::digest(&upload.path, Arc::clone(&file), upload.size).await?;
            core.state.put_upload_digest(upload.request_id, sha256).await?;
            sha256
        }
    };
    let (medium, mut offset) = match upload.medium_id {
        Some(medium) => (medium, offset(core, medium).await?),
        None => create(core, upload, sha256).await?,
    };
    let meter = Meter::new(core.hub.clone(), progress(upload, offset));
    meter.tell();
    while offset < upload.size {
        offset = append(core, medium, &file, offset, upload, &meter).await?;
    }
    core.state.complete_upload(upload.request_id).await?;
    meter.set(offset);
    meter.tell();
    Ok(())
}

/// Tells the server of the upload; asked again, it answers with the same one.
async fn create(core: &Core, upload: &PendingUpload, sha256: [u8; 32]) -> Result<(MediumId, u64)> {
    let metadata = [
        ("filename", upload.file_name.clone()),
        ("content_type", upload.content_type.clone()),
        ("sha256", hex::encode(sha256)),
        ("request_id", upload.request_id.to_string()),
    ]
    .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)))
    .join(",");
    let build = |request: RequestBuilder| {
        tus(request)
            .timeout(TRANSFER_IDLE_TIMEOUT)
            .header("Upload-Length", upload.size)
            .header("Upload-Metadata", &metadata)
    };
    let response = core.http.send(Method::POST, "/v1/uploads", build).await?;
    let location = text(&response, header::LOCATION.as_str())?;
    let medium: MediumId =
        location.rsplit('/').next().unwrap_or_default().parse().map_err(Error::protocol)?;
    core.state.put_upload_medium(upload.request_id, medium).await?;
    Ok((medium, upload_offset(&response)?))
}

/// How far the server is.
async fn offset(core: &Core, medium: MediumId) -> Result<u64> {
    let path = format!("/v1/uploads/{medium}");
    let build = |request| tus(request).timeout(TRANSFER_IDLE_TIMEOUT);
    upload_offset(&core.http.send(Method::HEAD, &path, build).await?)
}

/// Sends everything from `offset` on; returns where the server stands then.
async fn append(
    core: &Core,
    medium: MediumId,
    file: &Arc<File>,
    offset: u64,
    upload: &PendingUpload,
    meter: &Meter,
) -> Result<u64> {
    let path = format!("/v1/uploads/{medium}");
    let build = |request: RequestBuilder| {
        tus(request)
            .header("Upload-Offset", offset)
            .header(header::CONTENT_TYPE, "application/offset+octet-stream")
            .header(header::CONTENT_LENGTH, upload.size - offset)
            .body(Body::wrap_stream(pieces(Arc::clone(file), offset, upload.size, meter.clone())))
    };
    let response = meter.watch(core.http.send(Method::PATCH, &path, build)).await?;
    upload_offset(&response)
}

/// The file from `offset` to `end`, as the connection takes it.
fn pieces(
    file: Arc<File>,
    offset: u64,
    end: u64,
    meter: Meter,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(offset, move |offset| {
        let (file, meter) = (Arc::clone(&file), meter.clone());
        async move {
            // Whoever asks for the next piece has sent the one before.
            meter.set(offset);
            if offset >= end {
                return Ok(None);
            }
            let length = PIECE_BYTES.min(end - offset);
            let piece = spawn_blocking(move || files::read_at(&file, offset, length)).await??;
            let next = offset + piece.len() as u64;
            Ok(Some((piece, next)))
        }
    })
}

fn tus(request: RequestBuilder) -> RequestBuilder {
    request.header("Tus-Resumable", "1.0.0").header(header::ACCEPT, "application/x-protobuf")
}

fn upload_offset(response: &Response) -> Result<u64> {
    text(response, "upload-offset")?.parse().map_err(Error::protocol)
}

fn text<'r>(response: &'r Response, name: &str) -> Result<&'r str> {
    let value = response.headers().get(name).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| Error::Protocol(format!("an answer without {name}")))
}

fn stamp(upload: &PendingUpload) -> FileStamp {
    FileStamp { size: upload.size, modified_ns: upload.modified_ns }
}

fn progress(upload: &PendingUpload, bytes_done: u64) -> Progress {
    Progress {
        transfer: TransferId::Upload(upload.client_message_id),
        file_name: upload.file_name.clone(),
        bytes_done,
        bytes_total: upload.size,
    }
}

/// Bytes read and sent at a time.
const PIECE_BYTES: u64 = 256 * 1024;
