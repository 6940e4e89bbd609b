//! Every value that was proposed was legal: in a slot in which some of the counted promisers had
//! accepted something, that of the highest ballot among them; in a slot known to be chosen, the
//! chosen one ("Paxos Made Simple", P2c; "The Part-Time Parliament", B3).
//!
//! What was proposed is known from who accepted it, because a leader that dies may have proposed
//! more than it accepted itself. What nobody accepted harms nobody.

use std::collections::BTreeMap;

use super::context::Context;
use super::findings::Findings;
use super::held::Held;
use crate::history::{Accepted, What};
use crate::report::{CheckResult, Violation, count, moment};

/// What a ballot may propose.
struct Rule {
    leader: usize,
    led_us: u64,
    /// Slots up to this one were known to be chosen.
    after: u32,
    /// In the slots behind it: what the promisers had accepted in the highest ballot, and who.
    bound: BTreeMap<u32, (Accepted, usize)>,
}

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "proposals");
    let evidence = context.evidence;
    if context.is_cut_short() {
        return findings.not_judged("the history is cut short");
    }
    if !context.acceptances.any() {
        return findings.not_judged("nothing was accepted");
    }
    let rules = rules(context);
    let mut accepted_in_all = 0;
    for (place, server) in evidence.servers.iter().enumerate() {
        for event in &server.events {
            let What::Accepted(accepted) = event.what else {
                continue;
            };
            accepted_in_all += 1;
            let Some(problem) = problem(context, &rules, event.at_us, accepted) else {
                continue;
            };
            let name = &evidence.header.servers[place];
            findings.violate(|| Violation {
                message: format!(
                    "{name} accepted in ballot {} a value (digest {:08x}) for slot {} {problem}",
                    evidence.ballots[accepted.ballot as usize], accepted.digest, accepted.slot,
                ),
                slot: Some(accepted.slot.into()),
                servers: vec![name.clone()],
                at_us: Some(event.at_us),
                ..Violation::default()
            });
        }
    }
    let bound: usize = rules.iter().flatten().map(|rule| rule.bound.len()).sum();
    findings.finish(format!(
        "{} in {}, {bound} bound by promises",
        count(accepted_in_all, "acceptance"),
        count(rules.iter().flatten().count() as u64, "ballot")
    ))
}

fn problem(
    context: &Context,
    rules: &[Option<Rule>],
    at_us: u64,
    accepted: Accepted,
) -> Option<String> {
    let evidence = context.evidence;
    let names = &evidence.header.servers;
    let Some(rule) = &rules[accepted.ballot as usize] else {
        return Some("that nobody can have proposed: the ballot never led".to_string());
    };
    if at_us < rule.led_us {
        return Some(format!("before the ballot led, at {}", moment(rule.led_us)));
    }
    if accepted.slot <= rule.after {
        let chosen = context.chosen_digest(accepted.slot)?;
        return (chosen != accepted.digest).then(|| {
            format!(
                "that {} knew to be chosen with another value (digest {chosen:08x})",
                names[rule.leader]
            )
        });
    }
    let (bound, by) = rule.bound.get(&accepted.slot)?;
    (bound.digest != accepted.digest).then(|| {
        format!(
            "in which {}, whose promise was counted, had accepted another one (digest {:08x}) in ballot {}",
            names[*by], bound.digest, evidence.ballots[bound.ballot as usize]
        )
    })
}

/// The rule of each ballot that led, by place in [`crate::history::Evidence::ballots`].
fn rules(context: &Context) -> Vec<Option<Rule>> {
    let evidence = context.evidence;
    let mut rules: Vec<Option<Rule>> = evidence.ballots.iter().map(|_| None).collect();
    let mut counted: Vec<Vec<usize>> = vec![Vec::new(); rules.len()];
    for (leader, server) in evidence.servers.iter().enumerate() {
        for event in &server.events {
            let What::Leading(leading) = event.what else {
                continue;
            };
            let leading = &server.leaderships[leading as usize];
            let ballot = leading.ballot as usize;
            if rules[ballot].is_some() {
                // `ballots` names it.
                continue;
            }
            rules[ballot] = Some(Rule {
                leader,
                led_us: event.at_us,
                after: leading.after,
                bound: BTreeMap::new(),
            });
            counted[ballot] = leading
                .promised_by
                .iter()
                .filter_map(|by| evidence.replicas.iter().position(|r| r.server == *by))
                .collect();
        }
    }
    for (place, server) in evidence.servers.iter().enumerate() {
        // What it ever accepted counts, whether it still remembers it or not.
        let mut held = Held::default();
        for event in &server.events {
            let promised = match event.what {
                What::Accepted(accepted) => {
                    held.accept(accepted);
                    continue;
                }
                What::Recovered(place) => {
                    let recovery = &server.recoveries[place as usize];
                    for &accepted in &recovery.accepted {
                        held.accept(accepted);
                    }
                    recovery.promised
                }
                What::Promised(ballot) => ballot,
                _ => continue,
            };
            // The first record of a promise is the one that was counted: nothing below it can be
            // accepted any more.
            let counted = &mut counted[promised as usize];
            let Some(position) = counted.iter().position(|&server| server == place) else {
                continue;
            };
            counted.swap_remove(position);
            if let Some(rule) = &mut rules[promised as usize] {
                bind(context, rule, promised, place, &held);
            }
        }
    }
    rules
}

/// Binds a ballot to what one promiser had accepted below it.
fn bind(context: &Context, rule: &mut Rule, promised: u32, by: usize, held: &Held) {
    let ballot_of = |ballot: u32| context.evidence.ballots[ballot as usize];
    for accepted in held.above(rule.after) {
        if ballot_of(accepted.ballot) >= ballot_of(promised) {
            continue;
        }
        let bound = rule.bound.entry(accepted.slot).or_insert((accepted, by));
        if ballot_of(bound.0.ballot) < ballot_of(accepted.ballot) {
            *bound = (accepted, by);
        }
    }
}
