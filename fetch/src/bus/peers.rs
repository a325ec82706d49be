use std::collections::HashMap;

use crate::limits::BUS_PEERS_MAX;

/// The last batch heard from each process: a number that is passed over was lost.
#[derive(Debug, Default)]
pub(super) struct Peers(HashMap<u64, u64>);

impl Peers {
    /// Whether something was lost before this batch. The first that is heard of a process at all must be
    /// its first.
    pub(super) fn has_gap_before(&mut self, node: u64, number: u64) -> bool {
        if !self.0.contains_key(&node) && self.0.len() >= BUS_PEERS_MAX {
            // Whoever still lives is met anew.
            self.0 = HashMap::new();
        }
        let last = self.0.entry(node).or_default();
        let has_gap = number > *last + 1;
        *last = number.max(*last);
        has_gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_passed_over_is_a_gap_and_one_that_comes_twice_is_none() {
        let mut peers = Peers::default();
        for (number, expected) in
            [(1, false), (2, false), (4, true), (5, false), (5, false), (3, false), (6, false)]
        {
            assert_eq!(peers.has_gap_before(7, number), expected, "at {number}");
        }
        assert!(peers.has_gap_before(8, 2), "its first was lost, or came before we listened");
        assert!(!peers.has_gap_before(9, 1));
    }

    #[test]
    fn p5_however_many_processes_come_and_go_few_are_remembered() {
        let mut peers = Peers::default();
        for node in 0..2 * BUS_PEERS_MAX as u64 + 1 {
            assert!(!peers.has_gap_before(node, 1));
            assert!(peers.0.len() <= BUS_PEERS_MAX);
        }
    }
}
