//! Downloads that go on where they were cut.
//!
//! Bytes gather in a part file beside the target. Whatever cuts a download, the next one reads its own
//! part again, asks for the rest by `Range` and `If-Range` (RFC 9110, sections 14.2 and 13.1.5), and
//! compares the SHA-256 of the whole before the file appears under its name (P6).

mod part;

use std::{path::PathBuf, sync::Arc};

use futures::TryStreamExt;
use nudge_proto::session::Backoff;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    Error,
    core::Core,
    error::Result,
    events::{Progress, TransferId},
    model::Medium,
    transfer::Meter,
};
use part::Part;

/// A download on its way; dropping it breaks it off, and what arrived stays for the next one.
#[derive(Debug)]
pub struct Download {
    meter: Meter,
    control: watch::Sender<Control>,
    task: JoinHandle<Result<Downloaded>>,
}

/// A file that arrived whole and was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Bytes that this download took from the network.
    pub bytes_fetched: u64,
    /// What an earlier download had left, in bytes.
    pub resumed_from: u64,
    /// Its SHA-256, compared with what the sender declared.
    pub sha256: [u8; 32],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Run,
    Pause,
    Cancel,
}

impl Download {
    pub(crate) fn start(core: Arc<Core>, medium: Medium, target: PathBuf) -> Self {
        let progress = Progress {
            transfer: TransferId::Download(medium.id),
            file_name: medium.file_name.clone(),
            bytes_done: 0,
            bytes_total: medium.size,
        };
        let meter = Meter::new(core.hub.clone(), progress);
        let (control, controlled) = watch::channel(Control::Run);
        let fetch = Fetch { core, medium, target, meter: meter.clone(), bytes_fetched: 0 };
        Self { meter, control, task: tokio::spawn(run(fetch, controlled)) }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.meter.progress()
    }

    /// Lets the connection go, and waits.
    pub fn pause(&self) {
        self.control.send_replace(Control::Pause);
    }

    /// Goes on after a pause.
    pub fn resume(&self) {
        self.control.send_replace(Control::Run);
    }

    /// Gives it up, and removes what arrived.
    pub fn cancel(&self) {
        self.control.send_replace(Control::Cancel);
    }

    /// Waits for the file.
    ///
    /// # Errors
    ///
    /// [`Error::DigestMismatch`], [`Error::File`], [`Error::Cancelled`], and refusals that no
    /// repetition changes. Cuts are no error: the download goes on by itself.
    pub async fn finished(&mut self) -> Result<Downloaded> {
        match (&mut self.task).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Cancelled),
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(mut fetch: Fetch, mut control: watch::Receiver<Control>) -> Result<Downloaded> {
    let config = &fetch.core.config;
    let mut backoff = Backoff::new(config.retry_min, config.retry_max, fastrand::u64(..));
    let mut part = Part::open(&fetch.target, &fetch.medium).await?;
    let resumed_from = part.length();
    let closed = fetch.core.closed.clone();
    let mut retry_now = fetch.core.retry_now();
    loop {
        let wanted = *control.borrow_and_update();
        match wanted {
            Control::Cancel => {
                part.remove().await?;
                return Err(Error::Cancelled);
            }
            Control::Pause => {}
            Control::Run => {
                let before = part.length();
                let meter = fetch.meter.clone();
                let attempt = tokio::select! {
                    attempt = meter.watch(fetch.get(&mut part)) => attempt,
                    _ = control.changed() => continue,
                    () = closed.cancelled() => return Err(Error::Cancelled),
                };
                match attempt {
                    Ok(()) => break,
                    Err(error) if !error.is_passing() => return Err(error),
                    Err(error) => {
                        if part.length() > before {
                            backoff.reset();
                        }
                        let wait = backoff.next_wait();
                        tracing::debug!(%error, ?wait, "a download goes on later");
                        tokio::select! {
                            () = tokio::time::sleep(wait) => {}
                            _ = retry_now.changed() => {}
                            _ = control.changed() => {}
                            () = closed.cancelled() => return Err(Error::Cancelled),
                        }
                        continue;
                    }
                }
            }
        }
        tokio::select! {
            changed = control.changed() => if changed.is_err() { return Err(Error::Cancelled) },
            () = closed.cancelled() => return Err(Error::Cancelled),
        }
    }
    let bytes = part.length();
    let path = part.finish(&fetch.target).await?;
    fetch.meter.tell();
    let Fetch { medium, bytes_fetched, .. } = fetch;
    Ok(Downloaded { path, bytes, bytes_fetched, resumed_from, sha256: medium.sha256 })
}

struct Fetch {
    core: Arc<Core>,
    medium: Medium,
    target: PathBuf,
    meter: Meter,
    bytes_fetched: u64,
}

impl Fetch {
    /// One attempt at all that is missing, and the proof that it is what was sent.
    async fn get(&mut self, part: &mut Part) -> Result<()> {
        for is_last_chance in [false, true] {
            self.get_missing(part).await?;
            let computed = part.digest().await?;
            if computed == self.medium.sha256 {
                return Ok(());
            }
            tracing::warn!(medium = %self.medium.id, "a download has not its digest");
            part.clear().await?;
            if is_last_chance {
                part.remove().await?;
                return Err(Error::DigestMismatch {
                    medium_id: self.medium.id,
                    computed: hex::encode(computed),
                    declared: hex::encode(self.medium.sha256),
                });
            }
        }
        Ok(())
    }

    async fn get_missing(&mut self, part: &mut Part) -> Result<()> {
        self.meter.set(part.length());
        while part.length() < self.medium.size {
            let response = self.ask(part.length()).await?;
            match response.status() {
                StatusCode::PARTIAL_CONTENT => self.check_start(&response, part.length())?,
                // The server does not go on from there: from the beginning, then.
                _ => part.clear().await?,
            }
            let mut pieces = response.bytes_stream();
            while let Some(piece) = pieces.try_next().await? {
                self.bytes_fetched += piece.len() as u64;
                if part.length() + piece.len() as u64 > self.medium.size {
                    part.clear().await?;
                    return Err(Error::protocol("more bytes came than the medium has"));
                }
                part.append(&piece).await?;
                self.meter.set(part.length());
            }
        }
        Ok(())
    }

    async fn ask(&self, offset: u64) -> Result<Response> {
        let path = format!("/v1/media/{}", self.medium.id);
        let build = |request: RequestBuilder| {
            // What stands between an app and an object store, nobody knows: this server is there.
            let request = request.header("prefer", "redirect=no");
            if offset == 0 {
                return request;
            }
            request
                .header(header::RANGE, format!("bytes={offset}-"))
                .header(header::IF_RANGE, format!("\"{}\"", hex::encode(self.medium.sha256)))
        };
        self.core.http.send(Method::GET, &path, build).await
    }

    fn check_start(&self, response: &Response, offset: u64) -> Result<()> {
        let expected = format!("bytes {offset}-");
        let range = response.headers().get(header::CONTENT_RANGE);
        let is_right = range.is_some_and(|range| range.as_bytes().starts_with(expected.as_bytes()));
        if is_right {
            return Ok(());
        }
        Err(Error::Protocol(format!(
            "asked for {} from byte {offset}, got {range:?}",
            self.medium.id
        )))
    }
}
