//! The longest time without an acknowledgement while one was owed.

use super::context::Context;
use crate::history::Session;

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

/// The longest stretch in which at least one message was open all the time and none was
/// acknowledged. Not owed, and so not counted: time in which a majority was impossible, and time in
/// which the message's own client was out or could not reach a server that could serve it. After
/// such a time the count begins anew. A message that is never acknowledged is open to the end.
pub(crate) fn longest(context: &Context) -> Option<Gap> {
    let evidence = context.evidence;
    let end_us = evidence.end_us;
    let nowhere = context.reach.maybe_no_majority();
    let excuses: Vec<Vec<(u64, u64)>> = excuses(context, &nowhere);

    // +1 when a message opens, 0 for an acknowledgement, -1 when one closes; in this order at one
    // moment, so that what is answered at once leaves no gap.
    let mut steps: Vec<(u64, u8, i64)> = Vec::with_capacity(evidence.messages.len() * 2);
    for message in &evidence.messages {
        let to_us = message.ack.map_or(end_us, |ack| ack.at_us);
        let node = evidence.sessions[message.session as usize].node as usize;
        owed(message.said_us, to_us, &excuses[node], |from_us, to_us| {
            steps.push((from_us, 0, 1));
            steps.push((to_us, 2, -1));
        });
        if let Some(ack) = message.ack {
            steps.push((ack.at_us, 1, 0));
        }
    }
    // Whoever is open through such a time has its clock set back at the end of it.
    steps.sort_unstable();
    let mut open = 0;
    let mut since_us = 0;
    let mut longest: Option<Gap> = None;
    for (at_us, _, change) in steps {
        if open > 0 {
            let gap = Gap {
                from_us: since_us,
                to_us: at_us,
            };
            if longest.is_none_or(|longest| gap.length_us() > longest.length_us()) {
                longest = Some(gap);
            }
        }
        match change {
            0 => since_us = at_us,
            1 if open == 0 => since_us = at_us,
            _ => {}
        }
        open += change;
    }
    longest
}

/// For each node: when its messages were not owed an answer.
fn excuses(context: &Context, nowhere: &[(u64, u64)]) -> Vec<Vec<(u64, u64)>> {
    let evidence = context.evidence;
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
            context.reach.maybe_unserved(&node.name, journey)
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
