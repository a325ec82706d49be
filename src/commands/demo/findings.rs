//! What the demo saw: filled by the story, judged at its end, printed.

use std::fmt;

use nudge_proto::limits::{NOTICE_BYTES_MAX, PART_BYTES};
use serde::Serialize;

use super::{
    cut,
    observer::Seen,
    source::Source,
    timeline::{Moment, Step, Timeline},
};
use crate::failure::Failure;

/// Everything that was seen.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) timeline: Timeline,
    /// Notices on the observer's socket.
    pub(super) notices: u64,
    /// The longest of them in bytes, its length prefix included.
    pub(super) notice_bytes_max: u64,
    pub(super) text: Text,
    pub(super) media: Media,
    pub(super) counts: Counts,
    promises: Vec<Promise>,
}

/// The text's way.
#[derive(Debug, Default, Serialize)]
pub(super) struct Text {
    /// It arrived at the recipient's app as it was sent, and the sender was told.
    pub(super) delivered: bool,
    pub(super) bytes: u64,
    /// From the sender's call until the recipient's app had it.
    pub(super) latency_ms: Option<u64>,
}

/// The file's way.
#[derive(Debug, Default, Serialize)]
pub(super) struct Media {
    pub(super) file: String,
    pub(super) bytes: u64,
    /// Of the file that was sent, computed apart from the system.
    pub(super) sha256: String,
    /// Bytes that had arrived when the recipient's app was closed; `None` when it was not.
    pub(super) cut_at: Option<u64>,
    /// Bytes that the next run of the app found; `None` without a cut.
    pub(super) resumed_from: Option<u64>,
    /// Bytes taken from the network, over all runs of the app.
    pub(super) bytes_fetched: u64,
    pub(super) bytes_fetched_twice: u64,
    /// The bytes under the recipient's name have the digest of what was sent.
    pub(super) verified: bool,
}

/// How often things were there that must be there once.
#[derive(Debug, Default, Serialize)]
pub(super) struct Counts {
    pub(super) sent: usize,
    /// Messages told to the recipient's app, as often as each was told.
    pub(super) received: usize,
    /// Messages in the conversation on the server.
    pub(super) in_history: usize,
}

/// What was promised, and what was seen.
#[derive(Debug, Serialize)]
struct Promise {
    promise: String,
    held: bool,
    seen: String,
}

#[derive(Serialize)]
struct Report<'f> {
    ok: bool,
    notice_bytes_max: u64,
    notices: u64,
    text: &'f Text,
    media: &'f Media,
    messages: &'f Counts,
    promises: &'f [Promise],
    timeline: &'f [Step],
}

impl Findings {
    /// Nothing was seen yet.
    pub(super) fn new(source: &Source, timeline: Timeline) -> Self {
        let media = Media {
            file: source.path.display().to_string(),
            bytes: source.size,
            sha256: hex::encode(source.sha256),
            ..Media::default()
        };
        Self {
            timeline,
            notices: 0,
            notice_bytes_max: 0,
            text: Text::default(),
            media,
            counts: Counts::default(),
            promises: Vec::new(),
        }
    }

    /// Something happened now.
    pub(super) fn happened(&mut self, step: impl Into<String>) {
        self.timeline.add([Moment::now(step)]);
    }

    /// Something of so many bytes happened now.
    pub(super) fn moved(&mut self, bytes: u64, step: impl Into<String>) {
        self.timeline.add([Moment::now(step).of(bytes)]);
    }

    /// What the observer has seen by now; the moment of the newest notice, if there is a new one.
    pub(super) fn note_notices(&mut self, seen: Seen) -> Option<Moment> {
        let is_new = seen.notices > self.notices;
        self.notices = seen.notices;
        self.notice_bytes_max = seen.notice_bytes_max;
        let moment = Moment::now("a notice on bob's other device");
        is_new.then(|| moment.of(seen.notice_bytes).at(seen.at))
    }

    /// Holds what was seen against what was promised; `broken` is what ended the story early.
    pub(super) fn judge(&mut self, broken: Option<Failure>) {
        let Self { text, media, counts, .. } = &*self;
        let twice = media.bytes_fetched_twice;
        let mut promises = vec![
            Promise::new(
                format!("a notice takes at most {NOTICE_BYTES_MAX} bytes on the wire"),
                self.notices > 0 && self.notice_bytes_max <= NOTICE_BYTES_MAX as u64,
                format!("{} of at most {} bytes", self.notices, self.notice_bytes_max),
            ),
            Promise::new(
                "the text arrives as it was sent, and its sender is told",
                text.delivered,
                text.latency_ms.map_or("not seen".to_owned(), |latency| format!("{latency} ms")),
            ),
            Promise::new(
                "every message arrives exactly once",
                counts.sent > 0
                    && counts.received == counts.sent
                    && counts.in_history == counts.sent,
                format!(
                    "{} sent, {} received, {} in the history",
                    counts.sent, counts.received, counts.in_history
                ),
            ),
            Promise::new(
                "the file is what was sent, byte for byte",
                media.verified,
                format!("SHA-256 {}", media.sha256),
            ),
            Promise::new(
                format!("a cut download fetches at most {PART_BYTES} bytes twice"),
                media.bytes_fetched >= media.bytes && twice <= PART_BYTES,
                format!("{twice} bytes"),
            ),
        ];
        if media.cut_at.is_some() || cut::is_certain(media.bytes) {
            promises.push(Promise::new(
                "a download goes on where it was cut",
                media.resumed_from.is_some_and(|from| from > 0),
                match (media.cut_at, media.resumed_from) {
                    (Some(cut), Some(from)) => format!("cut at {cut}, resumed from {from}"),
                    _ => "it was there sooner than it could be cut".to_owned(),
                },
            ));
        }
        if let Some(failure) = broken {
            promises.insert(0, Promise::new("nothing fails", false, failure.to_string()));
        }
        self.promises = promises;
    }

    /// Whether every promise held.
    pub(super) fn ok(&self) -> bool {
        !self.promises.is_empty() && self.promises.iter().all(|promise| promise.held)
    }

    /// Everything, for programs.
    pub(super) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Report {
            ok: self.ok(),
            notice_bytes_max: self.notice_bytes_max,
            notices: self.notices,
            text: &self.text,
            media: &self.media,
            messages: &self.counts,
            promises: &self.promises,
            timeline: self.timeline.steps(),
        })
    }
}

impl Promise {
    fn new(promise: impl Into<String>, held: bool, seen: impl Into<String>) -> Self {
        Self { promise: promise.into(), held, seen: seen.into() }
    }
}

/// The verdict, for people.
impl fmt::Display for Findings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out)?;
        for Promise { promise, held, seen } in &self.promises {
            let mark = if *held { "held  " } else { "BROKEN" };
            writeln!(out, "  {mark}  {promise}: {seen}")?;
        }
        writeln!(out)
    }
}
