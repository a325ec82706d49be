//! Which fetch node is asked next.

use std::{collections::HashMap, net::SocketAddr, time::Instant};

use fastrand::Rng;
use nudge_proto::session::Backoff;

use crate::limits::{WATCH_LEFT_TIME, WATCH_RETRY_MAX, WATCH_RETRY_MIN, WATCH_WELL_AFTER};

/// One address of a fetch node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    /// The place of its URL in the configuration.
    pub(super) target: usize,
    pub(super) address: SocketAddr,
}

/// What is known of the addresses: those that failed.
#[derive(Debug)]
pub(super) struct Endpoints {
    troubles: HashMap<Candidate, Trouble>,
    rng: Rng,
}

#[derive(Debug)]
struct Trouble {
    backoff: Backoff,
    /// Until then it is asked last.
    until: Instant,
}

impl Endpoints {
    pub(super) fn new(seed: u64) -> Self {
        Self { troubles: HashMap::new(), rng: Rng::with_seed(seed) }
    }

    /// In which order to ask: those that are well in a random one, so that many signal nodes spread over
    /// them, and then the others, the one that may be well again first.
    pub(super) fn order(&mut self, mut candidates: Vec<Candidate>, now: Instant) -> Vec<Candidate> {
        self.troubles.retain(|candidate, _| candidates.contains(candidate));
        self.rng.shuffle(&mut candidates);
        let until = |candidate: &Candidate| {
            let trouble = self.troubles.get(candidate).filter(|trouble| trouble.until > now);
            trouble.map(|trouble| trouble.until)
        };
        // Stable: the well ones stay in their random order.
        candidates.sort_by_key(until);
        candidates
    }

    /// It could not be reached, or would not serve.
    pub(super) fn failed(&mut self, candidate: Candidate, now: Instant) {
        let trouble = self.trouble(candidate, now);
        let wait = trouble.backoff.next_wait();
        trouble.until = trouble.until.max(now + wait);
    }

    /// A stream to it broke.
    pub(super) fn broke(&mut self, candidate: Candidate, opened_at: Instant, now: Instant) {
        if now.saturating_duration_since(opened_at) >= WATCH_WELL_AFTER {
            self.trouble(candidate, now).backoff.reset();
        }
        self.failed(candidate, now);
    }

    /// It sends its nodes elsewhere.
    pub(super) fn leaves(&mut self, candidate: Candidate, now: Instant) {
        self.trouble(candidate, now).until = now + WATCH_LEFT_TIME;
    }

    fn trouble(&mut self, candidate: Candidate, now: Instant) -> &mut Trouble {
        let seed = self.rng.u64(..);
        self.troubles.entry(candidate).or_insert_with(|| Trouble {
            backoff: Backoff::new(WATCH_RETRY_MIN, WATCH_RETRY_MAX, seed),
            until: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn candidates(count: u16) -> Vec<Candidate> {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        (1..=count).map(|port| Candidate { target: 0, address: address(port) }).collect()
    }

    #[test]
    fn many_signal_nodes_spread_over_all_fetch_nodes() {
        let all = candidates(4);
        let mut firsts = HashMap::new();
        for seed in 0..400 {
            let order = Endpoints::new(seed).order(all.clone(), Instant::now());
            assert_eq!(order.len(), 4);
            *firsts.entry(order[0]).or_insert(0) += 1;
        }
        assert!(all.iter().all(|candidate| firsts[candidate] > 50), "{firsts:?}");
    }

    #[test]
    fn what_failed_is_asked_last_and_for_longer_each_time() {
        let all = candidates(3);
        let (now, mut endpoints) = (Instant::now(), Endpoints::new(1));
        for _ in 0..20 {
            endpoints.failed(all[0], now);
        }
        endpoints.failed(all[1], now);
        let order = endpoints.order(all.clone(), now);
        assert_eq!(order, [all[2], all[1], all[0]]);
        let later = now + WATCH_RETRY_MAX;
        let firsts: Vec<_> = (0..100).map(|_| endpoints.order(all.clone(), later)[0]).collect();
        assert!(all.iter().all(|candidate| firsts.contains(candidate)), "it is forgiven");
    }

    #[test]
    fn after_a_break_another_node_is_asked_first() {
        let all = candidates(2);
        let (now, mut endpoints) = (Instant::now(), Endpoints::new(1));
        for round in 0..20 {
            let at = now + 2 * WATCH_RETRY_MAX * u32::try_from(round).unwrap();
            let (broken, other) = (all[round % 2], all[(round + 1) % 2]);
            endpoints.broke(broken, at, at);
            let soon = at + Duration::from_millis(1);
            assert_eq!(endpoints.order(all.clone(), soon), [other, broken]);
        }
    }

    #[test]
    fn a_node_that_sends_its_nodes_elsewhere_is_asked_last_while_it_restarts() {
        let all = candidates(2);
        let (now, mut endpoints) = (Instant::now(), Endpoints::new(1));
        endpoints.leaves(all[0], now);
        endpoints.failed(all[1], now);
        let soon = now + WATCH_RETRY_MAX;
        assert_eq!(endpoints.order(all.clone(), soon)[0], all[1]);
        // Alone it is asked nevertheless.
        assert_eq!(endpoints.order(vec![all[0]], soon), [all[0]]);
    }

    #[test]
    fn p5_what_is_not_there_any_more_is_forgotten() {
        let (now, mut endpoints) = (Instant::now(), Endpoints::new(1));
        candidates(100).into_iter().for_each(|candidate| endpoints.failed(candidate, now));
        endpoints.order(candidates(2), now);
        assert_eq!(endpoints.troubles.len(), 2);
    }

    #[test]
    fn a_stream_that_stood_for_long_makes_the_next_failure_the_first() {
        let node = candidates(1)[0];
        let (start, mut endpoints) = (Instant::now(), Endpoints::new(1));
        for _ in 0..20 {
            endpoints.failed(node, start);
        }
        let now = start + Duration::from_secs(3600);
        endpoints.broke(node, start, now);
        assert!(endpoints.troubles[&node].until <= now + WATCH_RETRY_MIN * 3);
    }
}
