//! Each client's session keeps its guarantees through reroutes and rejoining: read your writes,
//! monotonic reads, monotonic writes, writes follow reads (Terry et al., "Session Guarantees for
//! Weakly Consistent Replicated Data", PDIS 1994).
//!
//! A client's session is all that its process does, one thing after another: what it says, what is
//! acknowledged and shown to it, what it reads. A load is many clients, each with one session of the
//! protocol. `prefix` and `client-order` judge the order within one such session from the log.

use std::collections::BTreeMap;

use super::context::Context;
use super::findings::Findings;
use crate::history::Session;
use crate::report::{CheckResult, Violation, clip, count};

/// What a client did or learned, in the order of one moment: what it learned counts first only for
/// what comes later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// It asked a read, which was answered with this length; or said what stands at this index.
    Read(u64),
    Said(u64),
    /// It learned that the chat has this length.
    Knows(u64),
    /// What it said was acknowledged at this index.
    Wrote(u64),
}

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "sessions");
    let evidence = context.evidence;
    let mut clients: BTreeMap<(u32, u32), Vec<&Session>> = BTreeMap::new();
    for (place, session) in evidence.sessions.iter().enumerate() {
        let name = &evidence.nodes[session.node as usize].name;
        let client = if context.is_load(name) {
            place as u32 + 1
        } else {
            0
        };
        clients
            .entry((session.node, client))
            .or_default()
            .push(session);
    }
    let mut steps = Vec::new();
    let mut judged = 0;
    for sessions in clients.values() {
        steps.clear();
        for session in sessions {
            gather(context, session, &mut steps);
        }
        steps.sort_unstable();
        judged += steps.len() as u64;
        // One session after the other, each in the order of time.
        let mut shown = sessions.iter().flat_map(|s| &s.deliveries).peekable();
        let (mut knows, mut wrote) = (0, 0);
        for &(at_us, step) in &steps {
            while let Some(delivery) = shown.next_if(|delivery| delivery.at_us < at_us) {
                judged += 1;
                knows = knows.max(context.index_of_message(delivery.from, delivery.seq));
            }
            let (index, problem) = match step {
                Step::Knows(length) => {
                    knows = knows.max(length);
                    continue;
                }
                Step::Wrote(index) => {
                    wrote = wrote.max(index);
                    continue;
                }
                Step::Read(length) if length < knows => (
                    length,
                    format!("though it had seen index {knows} (monotonic reads)"),
                ),
                Step::Read(length) if length < wrote => (
                    length,
                    format!("though its own index {wrote} was acknowledged (read your writes)"),
                ),
                Step::Said(index) if index <= knows => (
                    index,
                    format!(
                        "though it had seen index {knows} before it spoke (writes follow reads)"
                    ),
                ),
                Step::Said(index) if index <= wrote => (
                    index,
                    format!(
                        "though its own index {wrote} was acknowledged before it spoke (monotonic writes)"
                    ),
                ),
                Step::Read(_) | Step::Said(_) => continue,
            };
            let who = clip(&sessions[0].name, 40);
            findings.violate(|| Violation {
                message: match step {
                    Step::Read(_) => format!(
                        "{who} read a chat of {}, {problem}",
                        count(index, "message")
                    ),
                    _ => format!("what {who} said stands at index {index}, {problem}"),
                },
                at_us: Some(at_us),
                ..Violation::default()
            });
        }
    }
    findings.finish(format!(
        "{} of {}",
        count(judged, "step"),
        count(clients.len() as u64, "client")
    ))
}

fn gather(context: &Context, session: &Session, steps: &mut Vec<(u64, Step)>) {
    // Where messages stand is taken from the log throughout: whether the client was told the same
    // is for other checks.
    for &(_, place) in &session.messages {
        let message = &context.evidence.messages[place as usize];
        let index = u64::from(context.index_of[place as usize]);
        if index == 0 {
            continue;
        }
        steps.push((message.said_us, Step::Said(index)));
        if let Some(ack) = message.ack {
            steps.push((ack.at_us, Step::Wrote(index)));
        }
    }
    for read in &session.reads {
        if let Some((done_us, length, _)) = read.done {
            steps.push((read.asked_us, Step::Read(length)));
            steps.push((done_us, Step::Knows(length)));
        }
    }
}
