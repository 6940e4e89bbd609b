//! Majorities: the arithmetic that agreement hangs on.
//!
//! Any two majorities of the same servers have a server in common ("The Part-Time Parliament",
//! section 2.1, B2). Phase 1, phase 2, pre-votes, read confirmation and the leader's own check that
//! it is still followed all use the same majority.

use crate::planted::{self, Bug};

/// The servers of a cluster, as a number of votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    servers: usize,
}

impl Quorum {
    /// # Panics
    /// If there is no server.
    pub fn new(servers: u16) -> Quorum {
        assert!(servers > 0, "a cluster has at least one server");
        Quorum {
            servers: usize::from(servers),
        }
    }

    /// The smallest number of servers that is more than half of them.
    pub fn majority(self) -> usize {
        if planted::is(Bug::QuorumOfHalf) {
            return (self.servers / 2).max(1);
        }
        self.servers / 2 + 1
    }

    /// Whether `count` different servers are a majority.
    pub fn is_majority(self, count: usize) -> bool {
        assert!(count <= self.servers, "more votes than servers");
        count >= self.majority()
    }

    /// Whether a majority can still agree when `refused` different servers never will.
    pub fn is_possible_without(self, refused: usize) -> bool {
        assert!(refused <= self.servers, "more refusals than servers");
        self.servers - refused >= self.majority()
    }

    /// The highest level that a majority has reached: given one value for each server, the greatest
    /// value that at least a majority of them equal or exceed.
    ///
    /// # Panics
    /// If there is not exactly one value for each server.
    pub fn reached<T: Ord + Copy>(self, mut values: Vec<T>) -> T {
        assert_eq!(values.len(), self.servers, "one value for each server");
        values.sort_unstable_by(|a, b| b.cmp(a));
        values[self.majority() - 1]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Counts instead of computing: no division, no sorting.
    fn dumb_is_majority(servers: usize, count: usize) -> bool {
        let others = servers - count;
        count > others
    }

    #[test]
    fn majorities_of_small_clusters() {
        let majorities: Vec<usize> = (1..=9).map(|n| Quorum::new(n).majority()).collect();
        assert_eq!(majorities, [1, 2, 2, 3, 3, 4, 4, 5, 5]);
    }

    /// Every pair of majorities of up to seven servers, as bit sets.
    #[test]
    fn any_two_majorities_meet() {
        for servers in 1..=7u16 {
            let quorum = Quorum::new(servers);
            let majorities: Vec<u32> = (0..1u32 << servers)
                .filter(|set| quorum.is_majority(set.count_ones() as usize))
                .collect();
            for a in &majorities {
                for b in &majorities {
                    assert_ne!(a & b, 0, "{a:b} and {b:b} of {servers} servers do not meet");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_counting(servers in 1..=25u16, part in 0..=25usize) {
            let count = part.min(usize::from(servers));
            let quorum = Quorum::new(servers);
            prop_assert_eq!(
                quorum.is_majority(count),
                dumb_is_majority(usize::from(servers), count)
            );
            prop_assert_eq!(
                quorum.is_possible_without(count),
                dumb_is_majority(usize::from(servers), usize::from(servers) - count)
            );
        }

        #[test]
        fn reached_is_the_highest_level_with_a_majority(
            values in prop::collection::vec(0..12u64, 1..10)
        ) {
            let servers = values.len();
            let reached_by = |level: u64| values.iter().filter(|&&value| value >= level).count();
            let dumb = (0..12)
                .filter(|&level| dumb_is_majority(servers, reached_by(level)))
                .max()
                .unwrap();
            prop_assert_eq!(Quorum::new(servers as u16).reached(values), dumb);
        }

        #[test]
        fn ballots_are_ordered_by_round_then_server(
            a in (0..4u64, 1..4u16), b in (0..4u64, 1..4u16)
        ) {
            use crate::ids::{Ballot, ServerId};
            let ballot = |(round, server)| Ballot::new(round, ServerId(server));
            let dumb = if a.0 == b.0 { a.1.cmp(&b.1) } else { a.0.cmp(&b.0) };
            prop_assert_eq!(ballot(a).cmp(&ballot(b)), dumb);
            prop_assert!(Ballot::ZERO < ballot(a));
            prop_assert_eq!(ballot(a).owner(), Some(ServerId(a.1)));
        }
    }
}
