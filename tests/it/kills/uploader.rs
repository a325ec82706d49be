//! A user who uploads all the time: an offset that was answered is never taken back.

use std::{fmt, time::Duration};

use bytes::Bytes;
use nudge_harness::{Api, ApiError, ServerProcess};
use nudge_proto::RequestId;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::serve::user;

const UPLOAD_BYTES: u64 = 400_000;
/// One request carries this much.
const CHUNK_BYTES: u64 = 100_000;
const RETRY_DELAY: Duration = Duration::from_millis(10);

pub(super) struct Uploader(Api);

#[derive(Default)]
pub(super) struct Uploads {
    pub(super) finished: usize,
    /// Requests without an answer.
    pub(super) cut: usize,
}

impl Uploader {
    pub(super) async fn new(server: &ServerProcess) -> Self {
        Self(user(server, "uploader").await)
    }

    /// Uploads one after the other, then reads all of them back.
    pub(super) async fn work(self, stop: CancellationToken) -> Uploads {
        let mut uploads = Uploads::default();
        let mut finished = Vec::new();
        while !stop.is_cancelled() {
            let mut content = vec![0; UPLOAD_BYTES as usize];
            fastrand::fill(&mut content);
            let content = Bytes::from(content);
            finished.push((self.upload(&content, &mut uploads).await, content));
        }
        for (id, content) in &finished {
            let stored = self.0.medium(id).await.unwrap();
            assert!(stored == *content, "{id} is not what was uploaded");
        }
        uploads.finished = finished.len();
        uploads
    }

    async fn upload(&self, content: &Bytes, uploads: &mut Uploads) -> String {
        let request_id = RequestId::random();
        let id = loop {
            if let Some(id) = uploads.answer(self.0.create_upload(request_id, UPLOAD_BYTES).await) {
                break id;
            }
            sleep(RETRY_DELAY).await;
        };
        let mut answered = 0;
        while answered < UPLOAD_BYTES {
            let chunk = answered as usize..(answered + CHUNK_BYTES).min(UPLOAD_BYTES) as usize;
            let append = self.0.append_upload(&id, answered, content.slice(chunk));
            if let Some(offset) = uploads.answer(append.await) {
                answered = offset;
                continue;
            }
            let offset = self.offset(&id, uploads).await;
            assert!(offset >= answered, "{id} was at {answered} and went back to {offset}");
            answered = offset;
        }
        id
    }

    async fn offset(&self, id: &str, uploads: &mut Uploads) -> u64 {
        loop {
            sleep(RETRY_DELAY).await;
            if let Some(offset) = uploads.answer(self.0.upload_offset(id).await) {
                return offset;
            }
        }
    }
}

impl Uploads {
    /// `None` when the same is to be asked again.
    fn answer<A>(&mut self, answer: Result<A, ApiError>) -> Option<A> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) if error.is_passing() => {
                self.cut += 1;
                None
            }
            Err(error) => panic!("the upload was refused: {error}"),
        }
    }
}

impl fmt::Display for Uploads {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { finished, cut } = self;
        write!(formatter, "{finished} uploads, with {cut} requests that were not answered")
    }
}
