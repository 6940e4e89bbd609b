//! Every client sees one gapless, duplicate-free prefix of the same log, through any number of
//! reroutes; and one that listens until the end sees all of it (P5).

use super::context::Context;
use super::findings::Findings;
use crate::history::{Applied, Delivery, Ending, Session};
use crate::plan::Say;
use crate::report::{CheckResult, Violation, clip, count, time};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "prefix");
    let evidence = context.evidence;
    let chat = evidence.chat();
    // Without any log, all that can be said is whether the indexes are gapless.
    let no_log = !evidence.replicas.iter().any(Context::readable);
    if no_log {
        findings.undecided("no replica's log could be read".to_string());
    }
    let mut deliveries = 0;
    let mut listeners = 0;
    for session in evidence
        .sessions
        .iter()
        .filter(|s| !s.deliveries.is_empty())
    {
        listeners += 1;
        deliveries += session.deliveries.len() as u64;
        let mut expected = 1;
        for delivery in &session.deliveries {
            let applied = usize::try_from(delivery.index)
                .ok()
                .and_then(|index| chat.get(index.checked_sub(1)?));
            let problem = judge(delivery, expected, applied)
                .filter(|problem| !no_log || matches!(problem, Problem::Order))
                .filter(|problem| {
                    let is_beyond = matches!(problem, Problem::Beyond);
                    !is_beyond || !context.is_after_reads(delivery.at_us)
                });
            if let Some(problem) = problem {
                findings.violate(|| describe(context, session, delivery, expected, &problem));
                // One gap would otherwise be reported again for everything behind it.
                if !matches!(problem, Problem::Order) || delivery.index >= expected {
                    expected = delivery.index.saturating_add(1);
                }
                continue;
            }
            expected += 1;
        }
    }
    if evidence.ending == Ending::Complete {
        for client in &evidence.header.clients {
            if !context.is_load(client) && joined(context, client) && context.lives_to_end(client) {
                complete(context, &mut findings, client);
            }
        }
    }
    findings.finish(format!(
        "{} to {}",
        if deliveries == 1 {
            "1 delivery".to_string()
        } else {
            format!("{deliveries} deliveries")
        },
        count(listeners, "client")
    ))
}

enum Problem {
    /// Not the next index.
    Order,
    /// The log does not go so far.
    Beyond,
    /// Another message stands there.
    Other,
    /// The right message with another text.
    Text,
}

fn judge(delivery: &Delivery, expected: u64, applied: Option<&Applied>) -> Option<Problem> {
    if delivery.index != expected {
        return Some(Problem::Order);
    }
    let Some(applied) = applied else {
        return Some(Problem::Beyond);
    };
    if (applied.client, applied.seq) != (delivery.from, delivery.seq) {
        return Some(Problem::Other);
    }
    (applied.digest != delivery.digest).then_some(Problem::Text)
}

fn describe(
    context: &Context,
    session: &Session,
    delivery: &Delivery,
    expected: u64,
    problem: &Problem,
) -> Violation {
    let who = clip(&session.name, 40);
    let index = delivery.index;
    let applied = usize::try_from(index)
        .ok()
        .and_then(|index| context.evidence.chat().get(index.checked_sub(1)?));
    let message = match problem {
        Problem::Order if index < expected => {
            format!("{who} was shown index {index} after index {}", expected - 1)
        }
        Problem::Order => {
            format!("{who} was shown index {index} and not index {expected} before it")
        }
        Problem::Beyond => format!(
            "{who} was shown index {index}, and the log has only {}",
            count(context.evidence.chat().len() as u64, "message")
        ),
        Problem::Other => format!(
            "{who} was shown message {} of {} at index {index}, where the log has {}",
            delivery.seq,
            context
                .evidence
                .session(delivery.from)
                .map_or_else(|| delivery.from.to_string(), |from| clip(&from.name, 40)),
            applied.map_or_else(String::new, |applied| context.name_applied(applied))
        ),
        Problem::Text => format!(
            "{who} was shown {} at index {index} with another text (CRC32C {:08x})",
            applied.map_or_else(String::new, |applied| context.name_applied(applied)),
            delivery.digest
        ),
    };
    Violation {
        message,
        slot: applied.map(|applied| applied.slot),
        at_us: Some(delivery.at_us),
        ..Violation::default()
    }
}

fn joined(context: &Context, client: &str) -> bool {
    // A client that the plan lets join, and that never managed to, has seen nothing of the log:
    // that is a finding too, unless it never became a process.
    let planned =
        context
            .plan
            .cluster
            .clients
            .iter()
            .any(|name| name == client)
            || context.plan.traffic.iter().any(
                |traffic| matches!(&traffic.what, Say::Join { client: name } if name == client),
            );
    planned && context.evidence.node(client).is_some()
}

/// A client whose run ended before the settling time was over may have been about to see the rest.
fn complete(context: &Context, findings: &mut Findings, client: &str) {
    let evidence = context.evidence;
    let length = evidence.chat().len() as u64;
    let seen = evidence
        .sessions_of(client)
        .last()
        .and_then(|session| session.deliveries.last())
        .map_or(0, |delivery| delivery.index);
    if seen >= length {
        return;
    }
    let text = format!(
        "{} has seen {seen} of {} by the end",
        clip(client, 40),
        count(length, "message")
    );
    let calm_us = context.calm_us().unwrap_or(evidence.end_us);
    let waited_us = evidence.end_us - calm_us.min(evidence.end_us);
    if waited_us >= crate::history::micros(context.plan.settle) {
        findings.say(Some(evidence.end_us), || text);
    } else {
        findings.undecided(format!(
            "{text}, {} after the healing began",
            time(waited_us)
        ));
    }
}
