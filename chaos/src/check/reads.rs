//! A read sees everything that was acknowledged, read or shown to anybody before it was asked, and
//! nothing that was said after it was answered (linearizability, Herlihy and Wing 1990).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, Violation, clip, count, moment};

/// Something by which one knew that the chat is so long.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    at_us: u64,
    length: u64,
    how: How,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Acknowledged,
    Read,
    Shown,
}

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "reads");
    let evidence = context.evidence;
    let reads: u64 = evidence.sessions.iter().map(|s| s.reads.len() as u64).sum();
    if reads == 0 {
        return findings.not_judged("no reads");
    }
    let known = known(context);
    let said = Said::of(context);
    let mut done = 0;
    for session in &evidence.sessions {
        for read in &session.reads {
            let Some((done_us, length, server)) = read.done else {
                continue;
            };
            done += 1;
            let before = known.partition_point(|known| known.at_us < read.asked_us);
            let least = before.checked_sub(1).map(|last| known[last]);
            let problem = match least.filter(|least| least.length > length) {
                Some(least) => {
                    let how = match least.how {
                        How::Acknowledged => "acknowledged",
                        How::Read => "read",
                        How::Shown => "shown to a client",
                    };
                    format!("index {} was {how} before it was asked", least.length)
                }
                None => match said.problem(context, length, done_us) {
                    Some(problem) => problem,
                    None => continue,
                },
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

/// Lengths that were known, by time, each higher than those before it.
fn known(context: &Context) -> Vec<Known> {
    let evidence = context.evidence;
    let mut known: Vec<Known> = Vec::new();
    known.extend(evidence.messages.iter().filter_map(|message| {
        let ack = message.ack?;
        Some(Known {
            at_us: ack.at_us,
            length: ack.index,
            how: How::Acknowledged,
        })
    }));
    keep_news(&mut known);
    // A message is nearly always shown after it was acknowledged, and then that is no news.
    let acknowledged = known.len();
    for session in &evidence.sessions {
        let mut next = 0;
        for delivery in &session.deliveries {
            while next < acknowledged && known[next].at_us <= delivery.at_us {
                next += 1;
            }
            if next == 0 || known[next - 1].length < delivery.index {
                known.push(Known {
                    at_us: delivery.at_us,
                    length: delivery.index,
                    how: How::Shown,
                });
            }
        }
        known.extend(session.reads.iter().filter_map(|read| {
            let (at_us, length, _) = read.done?;
            Some(Known {
                at_us,
                length,
                how: How::Read,
            })
        }));
    }
    keep_news(&mut known);
    known
}

/// Sorts by time, and drops what was known before.
fn keep_news(known: &mut Vec<Known>) {
    known.sort_unstable();
    let mut highest = 0;
    known.retain(|known| {
        let news = known.length > highest;
        highest = highest.max(known.length);
        news
    });
}

/// By when the messages up to each index had been said.
struct Said {
    by_us: Vec<u64>,
    /// All of them, ascending; used when there is no log to look into.
    times: Vec<u64>,
}

impl Said {
    fn of(context: &Context) -> Said {
        let evidence = context.evidence;
        let mut latest = 0;
        let by_us = evidence
            .chat()
            .iter()
            .map(|applied| {
                let message = evidence.messages.get(applied.message as usize);
                latest = latest.max(message.map_or(0, |message| message.said_us));
                latest
            })
            .collect();
        let mut times: Vec<u64> = evidence.messages.iter().map(|m| m.said_us).collect();
        times.sort_unstable();
        Said { by_us, times }
    }

    fn problem(&self, context: &Context, length: u64, done_us: u64) -> Option<String> {
        let said = self.times.partition_point(|&said_us| said_us <= done_us) as u64;
        if length > said {
            return Some(format!(
                "only {} had been said by then",
                count(said, "message")
            ));
        }
        if self.by_us.is_empty() {
            // No log could be read.
            return None;
        }
        let place = usize::try_from(length).ok()?.checked_sub(1)?;
        match self.by_us.get(place) {
            None if context.is_after_reads(done_us) => None,
            None => Some(format!(
                "the log has only {}",
                count(context.evidence.chat().len() as u64, "message")
            )),
            Some(&by_us) if by_us > done_us => Some(format!(
                "one of them was said only later, at {}",
                moment(by_us)
            )),
            Some(_) => None,
        }
    }
}
