//! A read sees at least everything acknowledged before it was asked, and nothing that was not yet
//! said when it was answered (linearizability, Herlihy and Wing 1990).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, Violation, clip, count};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "reads");
    let evidence = context.evidence;
    let reads: u64 = evidence.sessions.iter().map(|s| s.reads.len() as u64).sum();
    if reads == 0 {
        return findings.not_judged("no reads");
    }
    // By time: the highest acknowledged index so far; and when each message was said.
    let mut acked: Vec<(u64, u64)> = evidence
        .messages
        .iter()
        .filter_map(|message| message.ack.map(|ack| (ack.at_us, ack.index)))
        .collect();
    acked.sort_unstable();
    let mut highest = 0;
    for (_, index) in &mut acked {
        highest = highest.max(*index);
        *index = highest;
    }
    let mut said: Vec<u64> = evidence.messages.iter().map(|m| m.said_us).collect();
    said.sort_unstable();

    let mut done = 0;
    for session in &evidence.sessions {
        for read in &session.reads {
            let Some((done_us, length, server)) = read.done else {
                continue;
            };
            done += 1;
            let before = acked.partition_point(|&(at_us, _)| at_us < read.asked_us);
            let at_least = before.checked_sub(1).map_or(0, |last| acked[last].1);
            let at_most = said.partition_point(|&said_us| said_us <= done_us) as u64;
            let problem = if length < at_least {
                format!("index {at_least} was acknowledged before it was asked")
            } else if length > at_most {
                format!("only {} had been said by then", count(at_most, "message"))
            } else {
                continue;
            };
            findings.violate(|| Violation {
                message: format!(
                    "{}'s read {} was answered by {server} with {}, but {problem}",
                    clip(&session.name, 40),
                    read.id,
                    count(length, "message")
                ),
                servers: vec![server.to_string()],
                at_us: Some(done_us),
                ..Violation::default()
            });
        }
    }
    findings.finish(format!("{} answered of {reads}", count(done, "read")))
}
