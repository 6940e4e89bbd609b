//! What happened when: all that the charts of a report show beside the result.
//!
//! Times are microseconds since the cluster was ready. What is numerous is kept as columns of
//! numbers, each the difference from the one before where that keeps it short, so that a run of
//! 200,000 operations makes a page of a few megabytes.

use std::collections::HashMap;

use serde::Serialize;

use super::model::RunResult;
use super::text::{clip, plain};
use crate::check::Context;
use crate::history::{Evidence, Phase, Reach, Server, Session, Span, What};

/// Texts of messages are shown up to so many messages; more would make the page large.
const TEXTS: usize = 5_000;
/// Each replica's chosen index is kept exactly up to so many steps, and else at the beginning and
/// the end of each of half so many equal parts of the run.
const STEPS: usize = 20_000;

/// The run over time.
#[derive(Debug, Serialize)]
pub struct Timeline {
    end_us: u64,
    phases: Vec<(u64, Phase)>,
    /// Servers, balancer, clients.
    lanes: Vec<Lane>,
    bands: Vec<Band>,
    /// When no majority of servers could have talked to each other.
    no_majority: Vec<(u64, u64)>,
    operations: Operations,
    /// Of each server, in the plan's order.
    chosen: Vec<Steps>,
    marks: Vec<Mark>,
}

/// One process.
#[derive(Debug, Serialize)]
struct Lane {
    node: String,
    kind: Kind,
    /// How many sessions it had, for a client.
    sessions: usize,
    /// When it ran, paused or not.
    up: Vec<(u64, u64)>,
    paused: Vec<(u64, u64)>,
    /// When it ended unasked, and how.
    deaths: Vec<(u64, String)>,
    leads: Vec<Lead>,
    /// From when to when a client with one session was joined at which server, and why it left.
    joined: Vec<Stay>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Server,
    Balancer,
    Client,
}

/// A time in which a server held itself for the leader.
#[derive(Debug, Serialize)]
struct Lead {
    from_us: u64,
    to_us: u64,
    /// From when on another led with a higher ballot, when this one did not know it yet.
    superseded_us: Option<u64>,
    ballot: String,
}

#[derive(Debug, Serialize)]
struct Stay {
    from_us: u64,
    to_us: u64,
    server: String,
    left: Option<String>,
}

/// One firing of one fault.
#[derive(Debug, Serialize)]
struct Band {
    fault: String,
    planned: String,
    target: String,
    effect: String,
    problem: Option<String>,
    from_us: u64,
    /// `None`: never healed.
    to_us: Option<u64>,
}

/// Messages and reads, by the time at which they were said or asked.
#[derive(Debug, Default, Serialize)]
struct Operations {
    /// Each from the one before.
    said_us: Vec<u64>,
    /// 0 for those without an answer.
    latency_us: Vec<u64>,
    /// A digit each, see [`Fate`]; 3 more for a read.
    fates: String,
    /// The client's place in the lanes.
    by: Vec<usize>,
    /// The number of the server that answered; 0 for none.
    via: Vec<u16>,
    /// Empty when there are too many.
    texts: Vec<String>,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It was answered.
    Ok,
    /// It was not, and is in the log, or may be: a log could not be read.
    Unknown,
    /// It was not, and is in no log; or it is a read, which leaves nothing behind.
    Failed,
}

/// A step function, each step as differences from the one before. A restart may step down.
#[derive(Debug, Default, Serialize)]
struct Steps {
    at_us: Vec<u64>,
    upto: Vec<i64>,
}

/// Where a violation belongs on the time axis.
#[derive(Debug, Serialize)]
struct Mark {
    /// Its place among all violations of the result.
    violation: usize,
    at_us: u64,
}

impl Timeline {
    /// Everything of a run that has a time. `result` is what the same evidence was judged to be.
    pub fn new(context: &Context, result: &RunResult) -> Timeline {
        let evidence = context.evidence;
        let lanes = lanes(evidence, &context.reach);
        Timeline {
            end_us: evidence.end_us,
            phases: evidence.phases.clone(),
            operations: operations(context, &lanes),
            lanes,
            bands: bands(result),
            no_majority: within(context.reach.surely_no_majority(), evidence.end_us),
            chosen: evidence
                .servers
                .iter()
                .map(|server| steps(server, evidence.end_us))
                .collect(),
            marks: marks(result, evidence.end_us),
        }
    }
}

fn lanes(evidence: &Evidence, reach: &Reach) -> Vec<Lane> {
    let servers = &evidence.header.servers;
    let leads = leads(evidence, reach);
    let mut lanes: Vec<Lane> = servers
        .iter()
        .zip(leads)
        .map(|(name, leads)| Lane {
            leads,
            ..lane(evidence, reach, name, Kind::Server)
        })
        .collect();
    let others = evidence.nodes.iter().map(|node| node.name.as_str());
    let mut balancers = Vec::new();
    let mut clients: Vec<&str> = evidence.header.clients.iter().map(String::as_str).collect();
    clients.retain(|name| evidence.node(name).is_some());
    for name in others.filter(|name| !servers.iter().any(|server| server == name)) {
        if name == "balancer" {
            balancers.push(lane(evidence, reach, name, Kind::Balancer));
        } else if !clients.contains(&name) {
            clients.push(name);
        }
    }
    lanes.extend(balancers);
    lanes.extend(clients.into_iter().map(|name| {
        let sessions: Vec<&Session> = evidence.sessions_of(name).collect();
        let joined = match sessions[..] {
            [session] => stays(session, evidence.end_us),
            _ => Vec::new(),
        };
        Lane {
            sessions: sessions.len(),
            joined,
            ..lane(evidence, reach, name, Kind::Client)
        }
    }));
    lanes
}

fn lane(evidence: &Evidence, reach: &Reach, name: &str, kind: Kind) -> Lane {
    let end_us = evidence.end_us;
    let spans = |all: &std::collections::BTreeMap<String, Vec<Span>>| -> Vec<(u64, u64)> {
        let of_node = all.get(name).map_or(&[][..], Vec::as_slice);
        within(
            of_node.iter().map(|s| (s.from_us, s.to_us)).collect(),
            end_us,
        )
    };
    let down = spans(&reach.lifetimes.down);
    let node = evidence.node(name);
    let began_us = node.and_then(|node| node.started_us.first()).copied();
    // A process that went by itself, in an orderly way, is no more from then on.
    let left_us = node
        .filter(|node| kind == Kind::Client && node.started_us.len() == 1)
        .and_then(|node| node.stopping.last())
        .map_or(end_us, |&(at_us, _)| at_us);
    let mut up = Vec::new();
    let mut from_us = began_us.unwrap_or(0);
    for &(down_us, again_us) in &down {
        if down_us > from_us {
            up.push((from_us, down_us));
        }
        from_us = from_us.max(again_us);
    }
    if left_us > from_us {
        up.push((from_us, left_us));
    }
    Lane {
        node: plain(name),
        kind,
        sessions: 0,
        up,
        paused: spans(&reach.lifetimes.paused),
        deaths: evidence
            .deaths
            .iter()
            .filter(|death| death.node == name)
            .map(|death| (death.at_us, clip(&death.status, 200)))
            .collect(),
        leads: Vec::new(),
        joined: Vec::new(),
    }
}

/// The spans that begin before the end, none reaching over it.
fn within(spans: Vec<(u64, u64)>, end_us: u64) -> Vec<(u64, u64)> {
    spans
        .into_iter()
        .filter(|&(from_us, _)| from_us < end_us)
        .map(|(from_us, to_us)| (from_us, to_us.min(end_us)))
        .collect()
}

/// When each server held itself for the leader.
fn leads(evidence: &Evidence, reach: &Reach) -> Vec<Vec<Lead>> {
    let mut beginnings: Vec<(u64, u32)> = Vec::new();
    for server in &evidence.servers {
        for event in &server.events {
            if let What::Leading(leading) = event.what {
                let ballot = server.leaderships[leading as usize].ballot;
                beginnings.push((event.at_us, ballot));
            }
        }
    }
    beginnings.sort_unstable();
    let servers = evidence.servers.iter().zip(&evidence.header.servers);
    servers
        .map(|(server, name)| {
            let down = reach.lifetimes.down.get(name);
            let mut leads = Vec::new();
            let mut open: Option<(u64, u32)> = None;
            let mut close = |open: &mut Option<(u64, u32)>, at_us: u64| {
                let Some((from_us, ballot)) = open.take() else {
                    return;
                };
                // A process that was killed says nothing of its end.
                let died = down.into_iter().flatten().map(|span| span.from_us);
                let to_us = died
                    .filter(|&down_us| down_us >= from_us)
                    .fold(at_us, u64::min);
                let higher = beginnings.iter().find(|&&(at_us, other)| {
                    at_us >= from_us
                        && at_us < to_us
                        && evidence.ballots[other as usize] > evidence.ballots[ballot as usize]
                });
                leads.push(Lead {
                    from_us,
                    to_us,
                    superseded_us: higher.map(|&(at_us, _)| at_us),
                    ballot: evidence.ballots[ballot as usize].to_string(),
                });
            };
            for event in &server.events {
                match event.what {
                    What::Leading(leading) => {
                        let ballot = server.leaderships[leading as usize].ballot;
                        close(&mut open, event.at_us);
                        open = Some((event.at_us, ballot));
                    }
                    What::Started | What::SteppedDown(_) => close(&mut open, event.at_us),
                    What::Recovered(_)
                    | What::Formed
                    | What::NotVoting
                    | What::Promised(_)
                    | What::Accepted(_)
                    | What::Chosen(_)
                    | What::ChosenOnDisk(_) => {}
                }
            }
            close(&mut open, evidence.end_us);
            leads
        })
        .collect()
}

fn stays(session: &Session, end_us: u64) -> Vec<Stay> {
    let mut stays: Vec<Stay> = Vec::new();
    let mut reroutes = session.reroutes.iter().peekable();
    for (place, join) in session.joins.iter().enumerate() {
        let next_us = session
            .joins
            .get(place + 1)
            .map_or(end_us, |next| next.at_us);
        while reroutes.next_if(|r| r.at_us < join.at_us).is_some() {}
        let left = reroutes.next_if(|reroute| reroute.at_us < next_us);
        stays.push(Stay {
            from_us: join.at_us,
            to_us: left.map_or(next_us, |reroute| reroute.at_us),
            server: join.server.to_string(),
            left: left.map(|reroute| clip(&reroute.reason, 200)),
        });
    }
    stays
}

fn bands(result: &RunResult) -> Vec<Band> {
    let bands = result.faults.iter().map(|row| Band {
        fault: if row.firings > 1 {
            format!("{} {}/{}", plain(&row.fault), row.firing, row.firings)
        } else {
            plain(&row.fault)
        },
        planned: plain(&row.planned),
        target: clip(&row.resolved.join(", "), 200),
        effect: plain(&row.effect),
        problem: row.problem.as_deref().map(plain),
        from_us: row.fired_at_us,
        to_us: row.healed_at_us,
    });
    bands.collect()
}

fn operations(context: &Context, lanes: &[Lane]) -> Operations {
    let evidence = context.evidence;
    let lane_of: HashMap<&str, usize> = lanes
        .iter()
        .enumerate()
        .map(|(place, lane)| (lane.node.as_str(), place))
        .collect();
    let by: Vec<usize> = evidence
        .nodes
        .iter()
        .map(|node| {
            lane_of
                .get(plain(&node.name).as_str())
                .copied()
                .unwrap_or(0)
        })
        .collect();
    let logs_known = evidence.replicas.iter().all(Context::readable);
    /// When it was said, when and by whom it was answered, its fate, by whom, and what.
    type Row<'a> = (u64, u64, u16, u8, usize, Option<&'a str>);
    let mut rows: Vec<Row> = Vec::with_capacity(evidence.messages.len());
    for (message, &index) in evidence.messages.iter().zip(&context.index_of) {
        let fate = match message.ack {
            Some(_) => Fate::Ok,
            None if index == 0 && logs_known => Fate::Failed,
            None => Fate::Unknown,
        };
        let answer = message.ack.map(|ack| (ack.at_us, ack.server.0));
        let node = evidence.sessions[message.session as usize].node;
        rows.push(row(
            message.said_us,
            answer,
            fate as u8,
            by[node as usize],
            Some(&message.text),
        ));
    }
    for session in &evidence.sessions {
        for read in &session.reads {
            let answer = read.done.map(|(at_us, _, server)| (at_us, server.0));
            let fate = answer.map_or(Fate::Failed, |_| Fate::Ok);
            rows.push(row(
                read.asked_us,
                answer,
                fate as u8 + 3,
                by[session.node as usize],
                None,
            ));
        }
    }
    rows.sort_by_key(|row| row.0);
    let with_texts = rows.len() <= TEXTS;
    let mut operations = Operations::default();
    let mut before_us = 0;
    for (said_us, latency_us, via, fate, by, text) in rows {
        operations.said_us.push(said_us - before_us);
        before_us = said_us;
        operations.latency_us.push(latency_us);
        operations.fates.push(char::from(b'0' + fate));
        operations.by.push(by);
        operations.via.push(via);
        if with_texts {
            operations
                .texts
                .push(text.map_or_else(String::new, |text| clip(text, 60)));
        }
    }
    operations
}

fn row(
    said_us: u64,
    answer: Option<(u64, u16)>,
    fate: u8,
    by: usize,
    text: Option<&str>,
) -> (u64, u64, u16, u8, usize, Option<&str>) {
    // An answer in the same microsecond is one all the same.
    let latency_us = answer.map_or(0, |(at_us, _)| at_us.saturating_sub(said_us).max(1));
    (
        said_us,
        latency_us,
        answer.map_or(0, |(_, via)| via),
        fate,
        by,
        text,
    )
}

fn steps(server: &Server, end_us: u64) -> Steps {
    let all: Vec<(u64, u32)> = server
        .events
        .iter()
        .filter_map(|event| Some((event.at_us, server.chosen_by(event.what)?)))
        .collect();
    let part = |at_us: u64| u128::from(at_us) * (STEPS as u128 / 2) / u128::from(end_us.max(1));
    let kept = |place: usize| {
        all.len() <= STEPS
            || place == 0
            || place + 1 == all.len()
            || part(all[place].0) != part(all[place - 1].0)
            || part(all[place].0) != part(all[place + 1].0)
    };
    let mut steps = Steps::default();
    let mut before = (0, 0);
    for (_, &(at_us, upto)) in all.iter().enumerate().filter(|(place, _)| kept(*place)) {
        // Of two lives of one server, the lines of the second may be stamped earlier.
        let at_us = at_us.max(before.0);
        steps.at_us.push(at_us - before.0);
        steps.upto.push(i64::from(upto) - before.1);
        before = (at_us, i64::from(upto));
    }
    steps
}

fn marks(result: &RunResult, end_us: u64) -> Vec<Mark> {
    let violations = result.violations().enumerate();
    violations
        .filter_map(|(violation, found)| {
            found.at_us.map(|at_us| Mark {
                violation,
                at_us: at_us.min(end_us),
            })
        })
        .collect()
}
