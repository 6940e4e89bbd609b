//! When nothing was acknowledged though messages were open, and whether an acknowledgement was owed.
//!
//! Not owed is time in which a majority was impossible, and time in which the message's own client
//! was out or could not reach a server that could serve it: more was broken than a cluster must
//! survive. A message that is never acknowledged is open to the end.

use crate::history::{Evidence, Reach, Session};

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub from_us: u64,
    pub to_us: u64,
}

impl Gap {
    pub fn length_us(self) -> u64 {
        self.to_us - self.from_us
    }
}

/// Silences that are shorter are not kept.
pub(crate) const KEPT_US: u64 = 500_000;

/// The silences of a run.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// The longest stretch in which at least one message was open and owed all the time and none
    /// was acknowledged. After a time that is not owed the count begins anew.
    pub longest: Option<Gap>,
    /// The silences of at least [`KEPT_US`], and whether an acknowledgement was owed.
    pub kept: Vec<(Gap, bool)>,
    /// When some open message was owed an acknowledgement: ascending and apart.
    pub busy: Vec<(u64, u64)>,
    /// The time of every acknowledgement, ascending.
    pub acks: Vec<u64>,
    /// When no majority was possible.
    pub nowhere: Vec<(u64, u64)>,
}

/// What happens at a moment, in this order.
const OPENS: u64 = 0;
const OPENS_UNOWED: u64 = 1;
const IS_OWED: u64 = 2;
const ACKED: u64 = 3;
const ACKED_UNOWED: u64 = 4;
const CLOSES: u64 = 5;
const IS_NOT_OWED: u64 = 6;
const CLOSES_UNOWED: u64 = 7;
const KIND_BITS: u32 = 3;

impl Gaps {
    pub fn of(evidence: &Evidence, reach: &Reach) -> Gaps {
        let nowhere = reach.maybe_no_majority();
        let mut gaps = Gaps {
            acks: evidence
                .messages
                .iter()
                .filter_map(|message| Some(message.ack?.at_us))
                .collect(),
            ..Gaps::default()
        };
        gaps.acks.sort_unstable();
        let excuses = excuses(evidence, reach, &nowhere);
        gaps.nowhere = nowhere;
        gaps.sweep(steps(evidence, &excuses));
        gaps
    }

    fn sweep(&mut self, steps: Vec<u64>) {
        let (mut open, mut owed) = (0_u64, 0_u64);
        let mut since_us = 0;
        for step in steps {
            let (at_us, kind) = (step >> KIND_BITS, step & ((1 << KIND_BITS) - 1));
            let before = (open > 0, owed > 0);
            match kind {
                OPENS => (open, owed) = (open + 1, owed + 1),
                OPENS_UNOWED => open += 1,
                IS_OWED => owed += 1,
                ACKED | CLOSES => (open, owed) = (open - 1, owed - 1),
                ACKED_UNOWED | CLOSES_UNOWED => open -= 1,
                _ => owed -= 1,
            }
            let acked = matches!(kind, ACKED | ACKED_UNOWED);
            let after = (open > 0, owed > 0);
            if !acked && before == after {
                continue;
            }
            if before.0 {
                let gap = Gap {
                    from_us: since_us,
                    to_us: at_us,
                };
                self.note(gap, before.1);
            }
            since_us = at_us;
        }
    }

    fn note(&mut self, gap: Gap, owed: bool) {
        if owed {
            if self
                .longest
                .is_none_or(|longest| gap.length_us() > longest.length_us())
            {
                self.longest = Some(gap);
            }
            match self.busy.last_mut() {
                Some(last) if last.1 == gap.from_us => last.1 = gap.to_us,
                _ => self.busy.push((gap.from_us, gap.to_us)),
            }
        }
        if gap.length_us() >= KEPT_US {
            self.kept.push((gap, owed));
        }
    }

    /// The first moment from this one on at which an open message was owed an acknowledgement.
    pub fn owed_from(&self, from_us: u64) -> Option<u64> {
        let next = self.busy.partition_point(|&(_, to_us)| to_us <= from_us);
        self.busy
            .get(next)
            .map(|&(since_us, _)| since_us.max(from_us))
    }

    /// The first acknowledgement at or after this moment.
    pub fn acked_from(&self, from_us: u64) -> Option<u64> {
        let next = self.acks.partition_point(|&at_us| at_us < from_us);
        self.acks.get(next).copied()
    }
}

/// Every beginning and end, ascending, with its kind in the lowest bits.
fn steps(evidence: &Evidence, excuses: &[Vec<(u64, u64)>]) -> Vec<u64> {
    let mut steps: Vec<u64> = Vec::with_capacity(evidence.messages.len() * 2);
    for message in &evidence.messages {
        let mut step = |at_us: u64, kind: u64| steps.push(at_us << KIND_BITS | kind);
        let said_us = message.said_us;
        let to_us = message.ack.map_or(evidence.end_us, |ack| ack.at_us);
        if to_us < said_us {
            continue;
        }
        let (acked, acked_unowed) = match message.ack {
            Some(_) => (ACKED, ACKED_UNOWED),
            None => (CLOSES, CLOSES_UNOWED),
        };
        let node = evidence.sessions[message.session as usize].node as usize;
        let (mut at_first, mut at_last) = (false, false);
        owed(said_us, to_us, &excuses[node], |from_us, until_us| {
            if from_us == said_us {
                at_first = true;
            } else {
                step(from_us, IS_OWED);
            }
            if until_us == to_us {
                at_last = true;
            } else {
                step(until_us, IS_NOT_OWED);
            }
        });
        step(said_us, if at_first { OPENS } else { OPENS_UNOWED });
        step(to_us, if at_last { acked } else { acked_unowed });
    }
    steps.sort_unstable();
    steps
}

/// For each node: when its messages were not owed an answer.
fn excuses(evidence: &Evidence, reach: &Reach, nowhere: &[(u64, u64)]) -> Vec<Vec<(u64, u64)>> {
    let mut journeys: Vec<Vec<(u64, String)>> = vec![Vec::new(); evidence.nodes.len()];
    for session in &evidence.sessions {
        journeys[session.node as usize].extend(journey(session));
    }
    evidence
        .nodes
        .iter()
        .zip(&mut journeys)
        .map(|(node, journey)| {
            if journey.is_empty() {
                return nowhere.to_vec();
            }
            journey.sort();
            reach.maybe_unserved(&node.name, journey)
        })
        .collect()
}

fn journey(session: &Session) -> impl Iterator<Item = (u64, String)> {
    session
        .joins
        .iter()
        .map(|join| (join.at_us, join.server.to_string()))
}

/// Calls `each` with the parts of a stretch that no excuse covers. Excuses ascend and are apart.
fn owed(from_us: u64, to_us: u64, excuses: &[(u64, u64)], mut each: impl FnMut(u64, u64)) {
    let mut from_us = from_us;
    let first = excuses.partition_point(|&(_, end_us)| end_us <= from_us);
    for &(excuse_from, excuse_to) in &excuses[first..] {
        if excuse_from >= to_us {
            break;
        }
        if excuse_from > from_us {
            each(from_us, excuse_from);
        }
        from_us = from_us.max(excuse_to);
    }
    if from_us < to_us {
        each(from_us, to_us);
    }
}

#[cfg(test)]
mod tests {
    use super::owed;

    fn parts(from_us: u64, to_us: u64, excuses: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut parts = Vec::new();
        owed(from_us, to_us, excuses, |from, to| parts.push((from, to)));
        parts
    }

    #[test]
    fn excused_time_is_cut_out() {
        assert_eq!(parts(10, 20, &[]), [(10, 20)]);
        assert_eq!(parts(10, 20, &[(0, 5), (25, 30)]), [(10, 20)]);
        assert_eq!(parts(10, 20, &[(12, 15)]), [(10, 12), (15, 20)]);
        assert_eq!(parts(10, 20, &[(5, 12), (18, u64::MAX)]), [(12, 18)]);
        assert_eq!(parts(10, 20, &[(10, 20)]), []);
        assert_eq!(parts(10, 20, &[(0, 10), (20, 30)]), [(10, 20)]);
    }
}
