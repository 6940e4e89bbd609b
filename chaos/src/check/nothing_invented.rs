//! Nothing is invented or altered: every message in any replica's log was said by its client, with
//! exactly that text under that name, and not after the log had it (P3).

use super::context::Context;
use super::findings::Findings;
use crate::history::{HOLE, Message, What};
use crate::report::{CheckResult, Violation, clip, count};
use paxosctl_node::value::Command;

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "nothing-invented");
    let evidence = context.evidence;
    let known_by = first_known(context);
    let mut judged = vec![false; evidence.values.len()];
    let mut commands_seen = 0;
    for replica in evidence.replicas.iter().filter(|r| Context::readable(r)) {
        for (place, &value) in replica.values.iter().enumerate() {
            if value == HOLE || std::mem::replace(&mut judged[value as usize], true) {
                continue;
            }
            for command in evidence.values[value as usize].commands() {
                commands_seen += 1;
                let said = evidence
                    .session(command.client)
                    .and_then(|session| session.message(command.seq))
                    .map(|message| &evidence.messages[message as usize]);
                let known_us = known_by.get(place).copied().unwrap_or(u64::MAX);
                let problem = match said {
                    None => Some(Problem::NeverSaid),
                    Some(message) if *message.text != *command.text => Some(Problem::Text(message)),
                    Some(message) if name_of(context, message) != command.name => {
                        Some(Problem::Name(message))
                    }
                    Some(message) if message.said_us > known_us => {
                        Some(Problem::Early(message, known_us))
                    }
                    Some(_) => None,
                };
                if let Some(problem) = problem {
                    findings.violate(|| Violation {
                        message: describe(context, command, &problem),
                        slot: Some(place as u64 + 1),
                        servers: vec![replica.name.clone()],
                        at_us: (known_us != u64::MAX).then_some(known_us),
                        ..Violation::default()
                    });
                }
            }
        }
    }
    findings.finish(format!("{} in the log", count(commands_seen, "message")))
}

enum Problem<'a> {
    NeverSaid,
    Text(&'a Message),
    Name(&'a Message),
    Early(&'a Message, u64),
}

fn describe(context: &Context, command: &Command, problem: &Problem) -> String {
    let stored = format!(
        "the log holds message {} of {} \"{}\"",
        command.seq,
        clip(&command.name, 40),
        clip(&command.text, 60)
    );
    match problem {
        Problem::NeverSaid => format!("{stored}, which nobody said"),
        Problem::Text(said) => format!(
            "{stored}, but what was said is \"{}\"",
            clip(&said.text, 60)
        ),
        Problem::Name(said) => format!(
            "{stored}, but it was said under the name {}",
            clip(name_of(context, said), 40)
        ),
        Problem::Early(said, known_us) => format!(
            "{stored} and a server knew its slot as chosen {} before it was said",
            crate::report::time(said.said_us - known_us)
        ),
    }
}

fn name_of<'a>(context: &'a Context, message: &'a Message) -> &'a str {
    message
        .other_name
        .as_deref()
        .unwrap_or(&context.evidence.sessions[message.session as usize].name)
}

/// For each slot: when the first server knew it as chosen; `u64::MAX` if none said so.
fn first_known(context: &Context) -> Vec<u64> {
    let slots = context
        .evidence
        .replicas
        .iter()
        .map(|replica| replica.values.len())
        .max()
        .unwrap_or(0);
    let mut known = vec![u64::MAX; slots];
    for server in &context.evidence.servers {
        // The chosen index covers all slots below, so each server's record is walked once.
        let mut next = 0;
        for event in &server.events {
            if let What::Chosen(upto) = event.what {
                let upto = (upto as usize).min(slots);
                for known_us in known.get_mut(next..upto).unwrap_or_default() {
                    *known_us = (*known_us).min(event.at_us);
                }
                next = next.max(upto);
            }
        }
    }
    known
}
