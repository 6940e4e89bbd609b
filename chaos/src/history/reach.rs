//! Who could exchange messages with whom, and so when a majority was possible at all.

mod over_time;

use std::collections::BTreeMap;

use paxosctl_node::ids::ServerId;
use paxosctl_node::link::{Kind, Rule, Side, What};

use super::{Evidence, Lifetimes, Span};
use crate::target::{Action, Change};

/// The processes and links of a run over time.
///
/// There are two readings of it, because the moment at which a break takes hold is only known to
/// lie between its beginning and its observation. A safety check counts as broken only what surely
/// was; a check that demands progress excuses all that may have been.
#[derive(Debug)]
pub struct Reach {
    pub lifetimes: Lifetimes,
    /// By sender and receiver: when everything that one sent to the other was lost.
    cuts: BTreeMap<(String, String), Vec<Span>>,
    servers: Vec<String>,
    /// For each server: from when on it may not, and from when on it surely does not vote, because
    /// what it had promised was lost.
    silenced: Vec<Option<(u64, u64)>>,
    /// Nothing changes between two of these, which ascend from 0.
    moments: Vec<u64>,
}

impl Reach {
    pub fn of(evidence: &Evidence) -> Reach {
        let lifetimes = Lifetimes::of(evidence);
        let cuts = cuts(evidence, &lifetimes);
        let mut moments: Vec<u64> = lifetimes.moments().collect();
        for span in cuts.values().flatten() {
            moments.extend([
                span.from_us,
                span.surely_from_us,
                span.surely_to_us,
                span.to_us,
            ]);
        }
        let silenced = silenced(evidence);
        for (maybe_us, surely_us) in silenced.iter().flatten() {
            moments.extend([maybe_us, surely_us]);
        }
        moments.push(0);
        moments.retain(|&at_us| at_us != u64::MAX);
        moments.sort_unstable();
        moments.dedup();
        Reach {
            lifetimes,
            cuts,
            servers: evidence.header.servers.clone(),
            silenced,
            moments,
        }
    }

    /// How many servers may vote to the end: neither was their disk changed, nor did they say that
    /// they do not vote.
    pub fn voters_left(&self) -> usize {
        self.silenced
            .iter()
            .filter(|silenced| silenced.is_none())
            .count()
    }

    /// The spans, ascending and apart, in which no set of servers that can reach each other, even
    /// over others, is a majority at once. What is said in such a span can still be acknowledged in
    /// it where servers come and go: see [`Reach::may_be_chosen_within`].
    pub fn surely_no_majority(&self) -> Vec<(u64, u64)> {
        self.spans(|at_us| {
            let open = self.open_links(
                |span| span.surely(at_us),
                |name| self.lifetimes.surely_out(name, at_us),
            );
            largest_component(open, |server| self.may_vote(server, at_us)) <= self.servers.len() / 2
        })
    }

    /// Whether the server did not yet surely cease to vote.
    fn may_vote(&self, server: usize, at_us: u64) -> bool {
        self.silenced[server].is_none_or(|(_, surely_us)| at_us < surely_us)
    }

    /// The spans, ascending and apart, in which it may be that no server could exchange messages,
    /// both ways, with a majority: no progress is owed in them.
    pub fn maybe_no_majority(&self) -> Vec<(u64, u64)> {
        self.spans(|at_us| self.serving(at_us).is_empty())
    }

    /// The spans in which this client may have been out, or unable to reach a server that could
    /// serve it: none of its messages is owed an answer in them. `journey` is where it was joined,
    /// from when on.
    pub fn maybe_unserved(&self, client: &str, journey: &[(u64, String)]) -> Vec<(u64, u64)> {
        self.spans(|at_us| {
            if self.lifetimes.maybe_out(client, at_us) {
                return true;
            }
            let reachable = |other: &str| {
                !self.lifetimes.maybe_out(other, at_us)
                    && !self.maybe_cut(client, other, at_us)
                    && !self.maybe_cut(other, client, at_us)
            };
            let serving = self.serving(at_us);
            let mut near = serving.iter().filter(|server| reachable(server)).peekable();
            if near.peek().is_none() {
                return true;
            }
            // Without the balancer a client stays where it is, and cannot go elsewhere.
            let here = journey.iter().rev().find(|(joined, _)| *joined <= at_us);
            !reachable("balancer") && !near.any(|server| here.is_some_and(|(_, at)| at == *server))
        })
    }

    /// The servers that, at this moment, belong to a majority that surely works: a hub that
    /// exchanges messages both ways with a majority, and all that do so with it.
    fn serving(&self, at_us: u64) -> Vec<&str> {
        let open = self.open_links(
            |span| span.maybe(at_us),
            |name| self.lifetimes.maybe_out(name, at_us),
        );
        let both = |a: usize, b: usize| open[a][b] && open[b][a];
        let votes =
            |server: usize| self.silenced[server].is_none_or(|(maybe_us, _)| at_us < maybe_us);
        let all = 0..self.servers.len();
        let hubs: Vec<usize> = all
            .clone()
            .filter(|&hub| {
                let voters = all
                    .clone()
                    .filter(|&other| votes(other) && both(hub, other));
                votes(hub) && voters.count() > self.servers.len() / 2
            })
            .collect();
        all.filter(|&server| hubs.iter().any(|&hub| both(hub, server)))
            .map(|server| self.servers[server].as_str())
            .collect()
    }

    fn maybe_cut(&self, from: &str, to: &str, at_us: u64) -> bool {
        self.cuts
            .get(&(from.to_string(), to.to_string()))
            .is_some_and(|spans| spans.iter().any(|span| span.maybe(at_us)))
    }

    /// Whether each server's messages can reach each other one; a running server reaches itself.
    fn open_links(
        &self,
        cut: impl Fn(&Span) -> bool,
        out: impl Fn(&str) -> bool,
    ) -> Vec<Vec<bool>> {
        let out: Vec<bool> = self.servers.iter().map(|name| out(name)).collect();
        let count = self.servers.len();
        let mut open = vec![vec![false; count]; count];
        for from in 0..count {
            for to in 0..count {
                let is_cut = from != to
                    && self
                        .cuts
                        .get(&(self.servers[from].clone(), self.servers[to].clone()))
                        .is_some_and(|spans| spans.iter().any(&cut));
                open[from][to] = !out[from] && !out[to] && !is_cut;
            }
        }
        open
    }

    fn spans(&self, holds: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for (place, &from_us) in self.moments.iter().enumerate() {
            let to_us = self.moments.get(place + 1).copied().unwrap_or(u64::MAX);
            if holds(from_us) {
                match spans.last_mut() {
                    Some(last) if last.1 == from_us => last.1 = to_us,
                    _ => spans.push((from_us, to_us)),
                }
            }
        }
        spans
    }
}

/// The most voters in any set of servers in which each can reach each, over others too.
fn largest_component(mut reach: Vec<Vec<bool>>, votes: impl Fn(usize) -> bool) -> usize {
    let count = reach.len();
    for over in 0..count {
        let onward = reach[over].clone();
        for from in reach.iter_mut().filter(|from| from[over]) {
            for (to, onward) in from.iter_mut().zip(&onward) {
                *to |= onward;
            }
        }
    }
    (0..count)
        .map(|a| {
            let reached = (0..count).filter(|&b| reach[a][b] && reach[b][a]);
            reached.filter(|&b| votes(b)).count()
        })
        .max()
        .unwrap_or(0)
}

/// When each server ceased to vote, at the earliest and surely: its disk was changed, and it said
/// that it does not vote.
fn silenced(evidence: &Evidence) -> Vec<Option<(u64, u64)>> {
    let changed_us = |name: &String| {
        let lines = evidence.actions.iter().filter(|line| match &line.action {
            Action::Damage { nodes, .. } => nodes.contains(name),
            _ => false,
        });
        lines.map(|line| line.at_us).min()
    };
    let servers = evidence.header.servers.iter().zip(&evidence.servers);
    servers
        .map(|(name, server)| {
            let surely_us = server.not_voting_us;
            let maybe_us = changed_us(name).or(surely_us)?;
            Some((maybe_us, surely_us.unwrap_or(u64::MAX)))
        })
        .collect()
}

/// Every direction between two nodes in which, for some time, everything was lost.
fn cuts(evidence: &Evidence, lifetimes: &Lifetimes) -> BTreeMap<(String, String), Vec<Span>> {
    let mut names: Vec<&str> = evidence.header.servers.iter().map(String::as_str).collect();
    names.extend(evidence.header.clients.iter().map(String::as_str));
    names.push("balancer");
    let mut cuts: BTreeMap<(String, String), Vec<Span>> = BTreeMap::new();
    let mut tables: Vec<_> = evidence
        .actions
        .iter()
        .filter_map(|line| match &line.action {
            Action::Links { rules } => Some((line, rules)),
            _ => None,
        })
        .collect();
    tables.sort_by_key(|(line, _)| line.at_us);
    for (line, rules) in tables {
        // Only a node that reported the table surely enforces it, or one that is down, which starts
        // with it. A paused one goes on with its old table for a moment when it is resumed.
        let enforces = |node: &str| {
            line.changes.iter().any(|change| match change {
                Change::Links { node: changed, .. } => changed == node,
                Change::LinksLater { node: changed, .. } => {
                    changed == node && !lifetimes.maybe_paused(node, line.done_us)
                }
                _ => false,
            })
        };
        let total: Vec<&Rule> = rules
            .iter()
            .filter(|rule| loses_all_of_a_kind(rule))
            .collect();
        for from in &names {
            for to in names.iter().filter(|to| *to != from) {
                let matching: Vec<&&Rule> = total
                    .iter()
                    .filter(|rule| matches(&rule.from, from) && matches(&rule.to, to))
                    .filter(|rule| cuts_off(rule, from, to))
                    .collect();
                let sure = matching.iter().any(|rule| match rule.on {
                    Side::Send => enforces(from),
                    Side::Receive => enforces(to),
                });
                let key = (from.to_string(), to.to_string());
                let open = cuts
                    .get_mut(&key)
                    .and_then(|spans| spans.last_mut())
                    .filter(|span| span.to_us == u64::MAX);
                match (matching.is_empty(), open) {
                    (true, Some(span)) => {
                        span.surely_to_us = span.surely_to_us.min(line.at_us);
                        span.to_us = line.done_us;
                    }
                    (false, Some(span)) if sure => {
                        // Sure from now on at the latest.
                        span.surely_from_us = span.surely_from_us.min(line.done_us);
                    }
                    (false, None) => {
                        let surely_from_us = if sure { line.done_us } else { u64::MAX };
                        let span = Span::open(line.at_us, surely_from_us);
                        cuts.entry(key).or_default().push(span);
                    }
                    _ => {}
                }
            }
        }
    }
    cuts
}

fn loses_all_of_a_kind(rule: &Rule) -> bool {
    rule.what == What::Drop && rule.probability >= 1.0
}

/// Whether the kinds that the rule loses are all that matter between the two: a server whose mode is
/// dead loses everything but what registers it.
fn cuts_off(rule: &Rule, from: &str, to: &str) -> bool {
    let is_server = |name: &str| name.parse::<ServerId>().is_ok();
    let needed = Kind::ALL.iter().filter(|kind| match kind {
        Kind::Control => from == "balancer" || to == "balancer",
        Kind::Request | Kind::LogRead | Kind::Session => is_server(from) != is_server(to),
        _ => is_server(from) && is_server(to),
    });
    rule.kinds.is_empty() || needed.into_iter().all(|kind| rule.kinds.contains(kind))
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern == "*" || pattern == name
}
