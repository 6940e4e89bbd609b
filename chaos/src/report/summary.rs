//! The rows of a result, from the evidence.

use super::model::{ClientRow, FaultRow, Latency, ReplicaRow, TrafficSummary};
use super::text::{count, plain};
use crate::check::{
    Context, faults_problem, latencies, link_hits, machine_effects, percentile, recovery,
};
use crate::fnv::fnv1a;
use crate::history::{ActionLine, Applied, Firing, Replica, State};
use crate::target::{Action, Change};

/// One row a server, in the plan's order.
pub(crate) fn replicas(context: &Context) -> Vec<ReplicaRow> {
    let evidence = context.evidence;
    let lags = worst_lags(context);
    // Replicas that are level share a chat, and its digest is worked out once.
    let mut known: Vec<((usize, usize), String)> = Vec::new();
    let mut digest_of = |replica: &Replica| {
        let key = (replica.chat, replica.messages);
        if let Some((_, digest)) = known.iter().find(|(known, _)| *known == key) {
            return digest.clone();
        }
        let digest = digest(evidence.chat_of(replica));
        known.push((key, digest.clone()));
        digest
    };
    evidence
        .replicas
        .iter()
        .enumerate()
        .map(|(place, replica)| {
            let readable = Context::readable(replica);
            ReplicaRow {
                server: replica.name.clone(),
                state: state(context, place, replica),
                slots: replica.values.len() as u64,
                messages: replica.messages as u64,
                digest: readable.then(|| digest_of(replica)),
                restarts: evidence
                    .node(&replica.name)
                    .map_or(0, |node| node.started_us.len().saturating_sub(1) as u64),
                worst_lag_slots: lags[place],
            }
        })
        .collect()
}

fn state(context: &Context, place: usize, replica: &Replica) -> String {
    let word = match context.reach.lifetimes.at_end(&replica.name) {
        State::Down => "down",
        State::Paused => "paused",
        State::Up if !Context::readable(replica) => "unreadable",
        State::Up if context.evidence.servers[place].not_voting.is_some() => "not voting",
        State::Up => "up",
    };
    word.to_string()
}

/// The digest that [`ReplicaRow::digest`] describes.
fn digest(chat: &[Applied]) -> String {
    let hash = fnv1a(chat.iter().flat_map(|applied| {
        let (client, seq) = (applied.client.0.to_le_bytes(), applied.seq.to_le_bytes());
        let digest = applied.digest.to_le_bytes();
        client.into_iter().chain(seq).chain(digest)
    }));
    format!("{hash:016x}")
}

/// For each server: the most slots that another server knew as chosen beyond its own.
fn worst_lags(context: &Context) -> Vec<u64> {
    let servers = &context.evidence.servers;
    let front = &context.chosen_front;
    let furthest = front.last().map_or(0, |&(_, upto)| u64::from(upto));
    servers
        .iter()
        .map(|server| {
            let mut own = 0;
            let mut next = 0;
            let mut front_now = 0;
            let mut worst = 0;
            // A server is furthest behind just before it learns something, and at the end.
            for event in &server.events {
                let Some(upto) = server.chosen_by(event.what).map(u64::from) else {
                    continue;
                };
                while next < front.len() && front[next].0 < event.at_us {
                    front_now = u64::from(front[next].1);
                    next += 1;
                }
                worst = worst.max(front_now.saturating_sub(own));
                own = upto;
            }
            worst.max(furthest.saturating_sub(own))
        })
        .collect()
}

/// One row a firing.
pub(crate) fn faults(context: &Context) -> Vec<FaultRow> {
    context
        .firings
        .iter()
        .map(|firing| {
            let planned = context.plan.faults.iter().find(|f| f.id == firing.fault);
            let problem = faults_problem(context, firing);
            let mut resolved: Vec<String> = Vec::new();
            for name in firing.breaks.iter().flat_map(|line| &line.resolved) {
                if !resolved.contains(name) {
                    resolved.push(name.clone());
                }
            }
            let recovery = recovery(context, firing);
            FaultRow {
                fault: firing.fault.to_string(),
                firing: firing.number,
                firings: planned.map_or(firing.number, |fault| fault.times),
                planned: plain(firing.planned),
                fired_at_us: firing.begun_us(),
                resolved,
                effect: effect(context, firing),
                healed_at_us: firing.healed_us(),
                recovery_us: recovery.and_then(|recovery| recovery.first_ack_us),
                level_us: recovery.and_then(|recovery| recovery.level_us),
                bit: problem.is_none(),
                problem,
            }
        })
        .collect()
}

/// What was observed, in a few words: `s2 ended: signal 9`, `37 messages hit`.
fn effect(context: &Context, firing: &Firing) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut tables: Vec<(u64, u64)> = Vec::new();
    for change in firing.breaks.iter().flat_map(|line| &line.changes) {
        match change {
            Change::Exited { node, status } => {
                parts.push(format!("{node} ended: {}", plain(status)))
            }
            Change::Started { node, pid } => parts.push(format!("{node} runs as {pid}")),
            Change::Paused { node } => parts.push(format!("{node} paused")),
            Change::Resumed { node } => parts.push(format!("{node} resumed")),
            Change::Nothing { node, reason } => {
                parts.push(format!("{node} unchanged: {}", plain(reason)));
            }
            // What came of it is told below.
            Change::Machine { .. } => {}
            Change::MachineLater { node, .. } => {
                parts.push(format!("{node} concerned when it returns"));
            }
            Change::Flipped {
                node,
                file,
                offset,
                from,
                to,
            } => parts.push(format!(
                "{node}: {} byte {offset} {from:02x} → {to:02x}",
                plain(file)
            )),
            Change::Wiped { node, bytes } => {
                parts.push(format!("{node}: log of {} removed", count(*bytes, "byte")));
            }
            Change::Links { generation, .. } | Change::LinksLater { generation, .. } => {
                match tables.iter_mut().find(|(known, _)| known == generation) {
                    Some((_, nodes)) => *nodes += 1,
                    None => tables.push((*generation, 1)),
                }
            }
        }
    }
    let mut machines = machine_effects(context, firing);
    let fell = |line: &&ActionLine| matches!(line.action, Action::Fall { .. });
    if firing.breaks.iter().any(fell) {
        // Why it ended comes before that it did.
        machines.append(&mut parts);
        parts = machines;
    } else {
        parts.append(&mut machines);
    }
    if let Some(&(from, _)) = tables.iter().min() {
        let to = firing
            .heals
            .iter()
            .filter(|line| matches!(line.action, Action::Links { .. }))
            .flat_map(|line| &line.changes)
            .filter_map(|change| match change {
                Change::Links { generation, .. } | Change::LinksLater { generation, .. } => {
                    Some(*generation)
                }
                _ => None,
            })
            .min()
            .unwrap_or(u64::MAX);
        let hits = link_hits(context, firing.fault, from, to);
        if hits == 0 {
            let nodes = tables.iter().map(|(_, nodes)| *nodes).max().unwrap_or(0);
            parts.push(format!("in force on {}", count(nodes, "node")));
        }
        parts.push(format!("{} hit", count(hits, "message")));
    }
    if parts.is_empty() {
        "nothing observed".to_string()
    } else {
        parts.join(", ")
    }
}

/// The whole run's traffic.
pub(crate) fn traffic(context: &Context) -> TrafficSummary {
    let evidence = context.evidence;
    let sorted = latencies(context);
    let sent = evidence.messages.len() as u64;
    let acked = sorted.len() as u64;
    let unknown_in_log = evidence
        .messages
        .iter()
        .zip(&context.index_of)
        .filter(|(message, index)| message.ack.is_none() && **index != 0)
        .count() as u64;
    let rank = |share: f64| percentile(&sorted, share);
    let latency = rank(0.5)
        .zip(rank(0.95))
        .zip(rank(0.99))
        .zip(rank(1.0))
        .map(|(((p50_us, p95_us), p99_us), max_us)| Latency {
            p50_us,
            p95_us,
            p99_us,
            max_us,
        });
    let gap = context.gaps.longest;
    TrafficSummary {
        sent,
        acked,
        unknown: sent - acked,
        unknown_in_log,
        reads: evidence.sessions.iter().map(|s| s.reads.len() as u64).sum(),
        latency,
        longest_gap_us: gap.map(|gap| gap.length_us()),
        longest_gap_at_us: gap.map(|gap| gap.from_us),
    }
}

/// One row for each client process of the plan that appeared, in the plan's order, and after them
/// those that the plan does not name.
pub(crate) fn clients(context: &Context) -> Vec<ClientRow> {
    let evidence = context.evidence;
    let mut names: Vec<&str> = Vec::new();
    let known = evidence.header.clients.iter().map(String::as_str);
    let seen = evidence
        .sessions
        .iter()
        .map(|session| evidence.nodes[session.node as usize].name.as_str());
    for name in known.chain(seen) {
        if !names.contains(&name) && evidence.node(name).is_some() {
            names.push(name);
        }
    }
    names
        .into_iter()
        .map(|name| {
            let mut row = ClientRow {
                client: plain(name),
                sessions: 0,
                sent: 0,
                acked: 0,
                unknown: 0,
                delivered: 0,
                journey: Vec::new(),
                reroutes: 0,
            };
            for session in evidence.sessions_of(name) {
                row.sessions += 1;
                row.sent += session.messages.len() as u64;
                row.acked += session
                    .messages
                    .iter()
                    .filter(|(_, m)| evidence.messages[*m as usize].ack.is_some())
                    .count() as u64;
                row.delivered += session.deliveries.len() as u64;
                row.reroutes += session.reroutes.len() as u64;
                for join in &session.joins {
                    let server = join.server.to_string();
                    if row.journey.last() != Some(&server) {
                        row.journey.push(server);
                    }
                }
            }
            row.unknown = row.sent - row.acked;
            if row.sessions > 1 && context.is_load(name) {
                // Many sessions go many ways.
                row.journey.clear();
            }
            row
        })
        .collect()
}
