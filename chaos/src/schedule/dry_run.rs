//! What a run would do, without a cluster.

use std::time::Duration;

use super::{Resolved, View, clients, firing_rng, resolve, servers, timeline};
use crate::history::Step;
use crate::plan::{Burst, Fault, MachineTrouble, Nodes, Plan, Say, Verb};

/// One line of the timeline, for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub at: Duration,
    /// Line in the plan file.
    pub line: usize,
    /// The client, the load, or the fault's id.
    pub subject: String,
    /// What is done, as the plan says it.
    pub action: String,
    /// What it acts on; empty for traffic.
    pub on: String,
}

/// Traffic and faults in the order of time. What depends on the state of the cluster stays a word;
/// what is drawn at random is drawn as the run would draw it with all servers up.
pub fn dry_run(plan: &Plan, seed: u64) -> Vec<Row> {
    let mut rows: Vec<Row> = plan
        .traffic
        .iter()
        .map(|traffic| {
            let (subject, action) = traffic_text(&traffic.what);
            Row {
                at: traffic.at,
                line: traffic.line,
                subject,
                action,
                on: String::new(),
            }
        })
        .collect();
    let view = View {
        servers: servers(plan),
        clients: clients(plan),
        ..View::default()
    };
    for step in timeline(plan).steps {
        let fault = &plan.faults[step.fault];
        let mut subject = fault.id.clone();
        if fault.times > 1 {
            subject = format!("{subject} ({} of {})", step.firing, fault.times);
        }
        let mut rng = firing_rng(seed, &fault.id, step.firing);
        let (action, on) = match step.step {
            Step::Break => {
                let on = match resolve(&fault.verb, &view, &mut rng) {
                    Ok(resolved) => resolved_text(&fault.verb, &resolved),
                    Err(_) => "known when it fires".to_owned(),
                };
                (fault.verb.to_string(), on)
            }
            Step::Heal => (heal_text(fault).to_owned(), String::new()),
        };
        rows.push(Row {
            at: step.at,
            line: fault.line,
            subject,
            action,
            on,
        });
    }
    rows.sort_by_key(|row| row.at);
    rows
}

fn heal_text(fault: &Fault) -> &'static str {
    match &fault.verb {
        Verb::Kill(_) | Verb::Stop(_) | Verb::Restart(_) => "start again",
        Verb::Pause(_) => "resume",
        Verb::Links(_) | Verb::Partition(_) => "heal the links",
        Verb::Machine(fault) if fault.what.is_deadly() => "heal the disk, start again",
        Verb::Machine(fault) => match fault.what {
            MachineTrouble::SlowDisk { .. } => "heal the disk",
            _ => "set the clock right",
        },
        Verb::Damage(_) => "start again",
        Verb::Mode(_) => "end the mode",
    }
}

fn traffic_text(what: &Say) -> (String, String) {
    match what {
        Say::Say {
            client,
            text,
            seen_by,
            within,
            learned,
        } => {
            let mut action = format!("says {text:?}");
            if !seen_by.is_empty() {
                action = format!("{action}, seen by {}", seen_by.join(", "));
            }
            if let Some(within) = within {
                action = format!("{action} within {within:?}");
            }
            for demand in learned {
                action = format!("{action}, {demand}");
            }
            (client.clone(), action)
        }
        Say::Join { client } => (client.clone(), "joins".to_owned()),
        Say::Leave { client } => (client.clone(), "leaves".to_owned()),
        Say::Read { client } => (client.clone(), "reads".to_owned()),
        Say::Load { name, load } => {
            let mut rate = match (load.rate, load.burst) {
                (Some(rate), _) => format!("{rate} operations a second"),
                (None, Some(_)) => "bursts".to_owned(),
                (None, None) => "as fast as they are answered".to_owned(),
            };
            if let Some(Burst { of, every_ms }) = load.burst {
                rate = format!("{rate}, {of} at once every {every_ms} ms");
            }
            let bytes = match load.bytes {
                (least, most) if least == most => format!("{most} bytes"),
                (least, most) => format!("{least} to {most} bytes"),
            };
            let action = format!(
                "{} sessions for {:?}, {rate}, {bytes}",
                load.clients, load.lasts
            );
            (name.clone(), action)
        }
    }
}

fn resolved_text(verb: &Verb, resolved: &Resolved) -> String {
    let drawn = match verb {
        Verb::Kill(nodes) | Verb::Stop(nodes) | Verb::Restart(nodes) | Verb::Pause(nodes) => {
            matches!(nodes, Nodes::Random(_))
        }
        Verb::Machine(fault) => matches!(fault.servers, Nodes::Random(_)),
        Verb::Damage(fault) => matches!(fault.servers, Nodes::Random(_)),
        _ => false,
    };
    match resolved {
        Resolved::Nodes(nodes) if drawn => format!("{}, if up", nodes.join(", ")),
        Resolved::Nodes(nodes) => nodes.join(", "),
        Resolved::Links(links) => link_names(links).join(", "),
        Resolved::Modes(modes) => {
            let servers: Vec<&str> = modes.iter().map(|(server, _)| server.as_str()).collect();
            servers.join(", ")
        }
    }
}

/// `s1->s2` for each link.
pub fn link_names(links: &[(String, String)]) -> Vec<String> {
    links
        .iter()
        .map(|(from, to)| format!("{from}->{to}"))
        .collect()
}
