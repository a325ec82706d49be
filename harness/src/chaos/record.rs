//! What was seen.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nudge_client_sdk::{Message, Position, Sent};
use nudge_proto::{ClientMessageId, ConversationId, UserId};
use tokio::time::Instant;

use super::{ChaosConfig, Progress, Report, faults::Counts};
use crate::{
    History,
    history::{AcknowledgedSend, Content, Deliveries, ObservedPage, Told},
};

/// What apps and observers saw.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    history: History,
    deliveries: Deliveries,
    /// When messages were known to be sent.
    settled_at: std::collections::HashMap<ClientMessageId, Instant>,
    /// From then until another app was told.
    latencies: Vec<Duration>,
    files: u64,
    file_bytes: u64,
    downloads: u64,
    /// How often a state folder kept an app waiting until the SDK gave up.
    busy_states: u64,
    /// Failures that no app or observer may meet.
    refusals: Vec<String>,
}

impl Record {
    pub(super) fn conversation(
        &self,
        id: ConversationId,
        members: impl IntoIterator<Item = UserId> + Clone,
    ) {
        let mut seen = self.seen();
        seen.history.conversation(id, members.clone());
        seen.deliveries.conversation(id, members);
    }

    /// Answers so far: what is sent from now on is later than these.
    pub(super) fn acknowledged_count(&self) -> usize {
        self.seen().history.acknowledged_count()
    }

    pub(super) fn observed_count(&self) -> usize {
        self.seen().history.observed_count()
    }

    pub(super) fn given(&self, id: ClientMessageId, content: Content, file_bytes: Option<usize>) {
        let mut seen = self.seen();
        seen.files += u64::from(file_bytes.is_some());
        seen.file_bytes += file_bytes.unwrap_or(0) as u64;
        seen.deliveries.given(id, content);
    }

    pub(super) fn sent(&self, sender_id: UserId, begun_after: usize, sent: &Sent) {
        let id = sent.client_message_id;
        let mut seen = self.seen();
        seen.settled_at.entry(id).or_insert_with(Instant::now);
        seen.deliveries.settled(id, sender_id, sent.conversation_id, sent.message_id);
        seen.history.acknowledged(AcknowledgedSend {
            sender_id,
            client_message_id: id,
            message_id: sent.message_id,
            conversation_id: sent.conversation_id,
            conversation_seq: sent.seq,
            inbox_seq: None,
            begun_after,
        });
    }

    pub(super) fn told(&self, user_id: UserId, position: Position, message: &Message) {
        let told = Told {
            position: position.0,
            message_id: message.id,
            client_message_id: message.client_message_id,
            conversation_id: message.conversation_id,
            seq: message.seq,
            text: message.text().unwrap_or_default().to_owned(),
            media: message.media.len(),
        };
        let mut seen = self.seen();
        if let Some(settled_at) = seen.settled_at.get(&message.client_message_id) {
            let latency = settled_at.elapsed();
            seen.latencies.push(latency);
        }
        seen.deliveries.told(user_id, told);
    }

    pub(super) fn downloaded(&self, user_id: UserId, id: ClientMessageId, sha256: [u8; 32]) {
        let mut seen = self.seen();
        seen.downloads += 1;
        seen.deliveries.downloaded(user_id, id, sha256);
    }

    pub(super) fn observed(&self, page: ObservedPage) {
        self.seen().history.observed(page);
    }

    /// An app's state folder was not free in time: the SDK said so, and nothing was done.
    pub(super) fn state_was_busy(&self) {
        self.seen().busy_states += 1;
    }

    pub(super) fn refused(&self, what: String) {
        self.seen().refusals.push(what);
    }

    /// Deliveries that are still to come.
    pub(super) fn missing(&self) -> usize {
        self.seen().deliveries.missing()
    }

    pub(super) fn progress(&self, elapsed: Duration, faults: Counts) -> Progress {
        let seen = self.seen();
        let (given, settled) = seen.deliveries.counts();
        Progress { elapsed, given, settled, missing: seen.deliveries.missing(), faults }
    }

    pub(super) fn report(
        &self,
        elapsed: Duration,
        settled_in: Duration,
        faults: Counts,
        config: &ChaosConfig,
    ) -> Report {
        let seen = &mut *self.seen();
        seen.latencies.sort_unstable();
        let (summary, mut violations) = match seen.history.verify() {
            Ok(summary) => (summary, Vec::new()),
            Err(wrong) => (wrong.summary, wrong.violations),
        };
        violations.extend(seen.deliveries.verify());
        let (given, settled) = seen.deliveries.counts();
        let unsent = (given - settled) as u64;
        let mut wrong: Vec<_> = violations.iter().map(ToString::to_string).collect();
        wrong.append(&mut seen.refusals);
        if unsent > 0 {
            wrong.push(format!("{unsent} messages are still in their outboxes"));
        }
        Report {
            seed: config.seed,
            people: config.people,
            elapsed,
            settled_in,
            faults,
            summary,
            given,
            files: seen.files,
            file_bytes: seen.file_bytes,
            downloads: seen.downloads,
            busy_states: seen.busy_states,
            told: seen.latencies.len(),
            latency_p50: percentile(&seen.latencies, 50),
            latency_p99: percentile(&seen.latencies, 99),
            latency_max: percentile(&seen.latencies, 100),
            wrong,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of sorted values; nothing at all is zero.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}
