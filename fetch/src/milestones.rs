//! What becomes of messages, counted, logged, and remembered for a while.
//!
//! A milestone is told on the node where it happens. What a mark moved over is found out from the store
//! afterwards, in batches, so that an ack costs nothing more; what does not fit into the queue is only
//! counted.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use nudge_proto::{
    ConversationSeq, DeviceId, InboxSeq, MessageId, Milestone, UserId, milestone::seconds_since,
};
use tokio::sync::mpsc;

use crate::{
    limits::{
        MARK_SPANS_MAX, MILESTONES_REMEMBERED, SPAN_NUMBERS_MAX, SPANS_AT_ONCE, SPANS_WAITING_MAX,
    },
    store::{Ack, Span, Store, UnixMs},
    telemetry,
};

/// This node's account of what happened.
#[derive(Debug)]
pub struct Milestones {
    remembered: Mutex<VecDeque<Happened>>,
    spans: mpsc::Sender<(Span, Who, UnixMs)>,
    /// Taken once, by the task that accounts.
    waiting: Mutex<Option<mpsc::Receiver<(Span, Who, UnixMs)>>>,
}

/// A milestone of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Of which message.
    pub message_id: MessageId,
    /// What.
    pub milestone: Milestone,
    /// When.
    pub at: UnixMs,
    /// Whose doing it was, or to whom it happened.
    pub who: Who,
}

/// A user, and his device where one is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// Which user.
    pub user_id: UserId,
    /// Which device.
    pub device_id: Option<DeviceId>,
}

impl Default for Milestones {
    fn default() -> Self {
        let (spans, waiting) = mpsc::channel(SPANS_WAITING_MAX);
        Self { remembered: Mutex::default(), spans, waiting: Mutex::new(Some(waiting)) }
    }
}

impl Milestones {
    /// Something happened to a message.
    pub fn tell(&self, message_id: MessageId, milestone: Milestone, who: Who, at: UnixMs) {
        telemetry::milestone(milestone, seconds_since(message_id, at.0));
        let Who { user_id, device_id } = who;
        let device = device_id.map(tracing::field::display);
        let what = milestone.as_str();
        tracing::debug!(target: LOG, milestone = what, %message_id, %user_id, device, "delivery");
        self.remember(Happened { message_id, milestone, at, who });
    }

    /// A signal node was told of a message. Nothing is counted: that node does, once the notice is out.
    pub fn told_signal(&self, message_id: MessageId, user_id: UserId, at: UnixMs) {
        tracing::debug!(target: LOG, milestone = "noticed", %message_id, %user_id, "delivery");
        let who = Who { user_id, device_id: None };
        self.remember(Happened { message_id, milestone: Milestone::Noticed, at, who });
    }

    /// A device has stored everything up to a number; its mark stood at `before`.
    pub fn acknowledged(&self, ack: &Ack, before: InboxSeq, at: UnixMs) {
        let Ack { user_id, device_id, cursor } = *ack;
        let span = Span::Inbox { user_id, above: before, through: cursor.seq };
        self.moved(span, Who { user_id, device_id: Some(device_id) }, at);
    }

    /// A mark moved; what it passed over is found out later.
    pub fn moved(&self, span: Span, who: Who, at: UnixMs) {
        for piece in pieces(span) {
            if self.spans.try_send((piece, who, at)).is_err() {
                telemetry::unaccounted();
            }
        }
    }

    /// How many marks wait to be accounted for.
    #[must_use]
    pub fn waiting(&self) -> usize {
        SPANS_WAITING_MAX - self.spans.capacity()
    }

    /// What is remembered of a message, oldest first.
    #[must_use]
    pub fn of(&self, message_id: MessageId) -> Vec<Happened> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.iter().filter(|happened| happened.message_id == message_id).copied().collect()
    }

    /// Finds out what the marks passed over, for as long as the service runs.
    pub(crate) async fn account(&self, store: &dyn Store) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut waiting) = waiting else { return };
        let mut batch = Vec::with_capacity(SPANS_AT_ONCE);
        while waiting.recv_many(&mut batch, SPANS_AT_ONCE).await > 0 {
            let spans: Vec<_> = batch.iter().map(|(span, ..)| *span).collect();
            match store.passed(&spans).await {
                Ok(passed) => {
                    for passed in passed {
                        let (span, who, at) = batch[passed.span];
                        self.tell(passed.message_id, milestone_of(span), who, at);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "what was acknowledged could not be accounted for");
                    spans.iter().for_each(|_| telemetry::unaccounted());
                }
            }
            batch.clear();
        }
    }

    fn remember(&self, happened: Happened) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() == MILESTONES_REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back(happened);
    }
}

/// The log's target: `--log nudge_delivery=debug` follows every message and nothing else.
const LOG: &str = "nudge_delivery";

const fn milestone_of(span: Span) -> Milestone {
    match span {
        Span::Inbox { .. } => Milestone::Acknowledged,
        Span::Conversation { .. } => Milestone::Read,
    }
}

/// Cut so that no piece is longer than it may be; what is longer than all of them is left out.
fn pieces(span: Span) -> impl Iterator<Item = Span> {
    let (above, through) = match span {
        Span::Inbox { above, through, .. } => (above.0, through.0),
        Span::Conversation { above, through, .. } => (above.0, through.0),
    };
    let through = through.min(above.saturating_add(SPAN_NUMBERS_MAX * MARK_SPANS_MAX));
    let starts = (above..through).step_by(SPAN_NUMBERS_MAX as usize);
    starts.map(move |from| {
        let to = through.min(from + SPAN_NUMBERS_MAX);
        match span {
            Span::Inbox { user_id, .. } => {
                Span::Inbox { user_id, above: InboxSeq(from), through: InboxSeq(to) }
            }
            Span::Conversation { user_id, conversation_id, .. } => Span::Conversation {
                user_id,
                conversation_id,
                above: ConversationSeq(from),
                through: ConversationSeq(to),
            },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(above: u64, through: u64) -> Span {
        let user_id = UserId::from(uuid::Uuid::nil());
        Span::Inbox { user_id, above: InboxSeq(above), through: InboxSeq(through) }
    }

    #[test]
    fn a_long_span_is_cut_into_pieces_that_join() {
        let cut = |above, through| pieces(span(above, through)).collect::<Vec<_>>();
        assert_eq!(cut(0, 600), [span(0, 256), span(256, 512), span(512, 600)]);
        assert_eq!(cut(9, 10), [span(9, 10)]);
        assert_eq!(cut(10, 10), []);
        assert_eq!(cut(0, u64::MAX).len() as u64, MARK_SPANS_MAX, "a mark may be anything");
        assert_eq!(cut(11, 10), [], "a late ack moved nothing");
    }

    #[test]
    fn p5_only_the_newest_milestones_are_remembered() {
        let milestones = Milestones::default();
        let who = Who { user_id: UserId::random(), device_id: None };
        let (first, last) = (MessageId::at_time(1), MessageId::at_time(2));
        milestones.tell(first, Milestone::Committed, who, UnixMs(5));
        assert_eq!(milestones.of(first).len(), 1);
        for _ in 0..MILESTONES_REMEMBERED {
            milestones.tell(last, Milestone::Fetched, who, UnixMs(5));
        }
        assert!(milestones.of(first).is_empty());
        assert_eq!(milestones.of(last).len(), MILESTONES_REMEMBERED);
    }

    #[test]
    fn p5_marks_that_nobody_accounts_for_take_bounded_room() {
        let milestones = Milestones::default();
        let who = Who { user_id: UserId::random(), device_id: None };
        for _ in 0..SPANS_WAITING_MAX * 2 {
            milestones.moved(span(0, 1), who, UnixMs(5));
        }
        assert_eq!(milestones.waiting(), SPANS_WAITING_MAX);
    }
}
