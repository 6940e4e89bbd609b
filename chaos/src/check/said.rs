//! Which message in the history a line of the plan became.

use std::collections::HashMap;

use super::context::Context;
use super::findings::Findings;
use crate::history::Message;
use crate::plan::{Say, Traffic};
use crate::report::clip;

/// Each line of the plan by which a client says something and of which `demanded` holds, with the
/// place of its message in the evidence: the n-th line of a client with a text is the n-th message
/// that it said with that text. A line that was never said is noted as undecided and left out.
pub(crate) fn said_lines<'a>(
    context: &Context<'a>,
    findings: &mut Findings,
    demanded: impl Fn(&Say) -> bool,
) -> Vec<(&'a Traffic, &'a Message)> {
    let evidence = context.evidence;
    let mut said: HashMap<(&str, &str), Vec<&Message>> = HashMap::new();
    for message in &evidence.messages {
        said.entry((evidence.speaker(message), &message.text))
            .or_default()
            .push(message);
    }
    let mut taken: HashMap<(&str, &str), usize> = HashMap::new();
    let mut lines = Vec::new();
    for traffic in &context.plan.traffic {
        let Say::Say { client, text, .. } = &traffic.what else {
            continue;
        };
        let taken = taken.entry((client, text)).or_insert(0);
        let number = *taken;
        *taken += 1;
        if !demanded(&traffic.what) {
            continue;
        }
        let message = said
            .get(&(client.as_str(), text.as_str()))
            .and_then(|said| said.get(number));
        match message {
            Some(message) => lines.push((traffic, *message)),
            None => findings.undecided(format!(
                "{} never said \"{}\" (line {} of the plan)",
                clip(client, 40),
                clip(text, 40),
                traffic.line
            )),
        }
    }
    lines
}
