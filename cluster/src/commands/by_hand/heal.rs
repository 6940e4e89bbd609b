//! Healing what was broken by hand.

use paxosctl_chaos::plan::{Nodes, Verb};
use paxosctl_chaos::schedule::{Resolved, firing_rng, resolve};
use paxosctl_chaos::target::{Action, Change};

use super::session::Session;
use super::{is_change, started, unchanged};
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::note;
use crate::progress::happened;
use crate::state::{Clusters, DisturbedLinks, Record, TypedFault};

/// Nodes that shall go on.
#[derive(Debug)]
pub struct ResumeRequest {
    pub target: String,
    pub cluster: Option<String>,
    pub clusters: Clusters,
}

/// All that was broken by hand.
#[derive(Debug)]
pub struct HealRequest {
    pub cluster: Option<String>,
    pub clusters: Clusters,
}

/// Lets paused nodes go on.
pub fn resume(request: &ResumeRequest) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let mut session = Session::open(&request.clusters, request.cluster.as_deref(), &interrupt)?;
    let view = session.view();
    // What can be paused can go on: its target is read the same way.
    let typed = TypedFault {
        verb: "pause".into(),
        on: request.target.clone(),
        options: None,
    };
    let fault = session.read(&typed, None, &view)?;
    let Verb::Pause(target) = &fault.verb else {
        return Err(Failure::Usage(format!("`{}` is no target", request.target)));
    };
    let words = format!("resume {target}");
    let mut rng = firing_rng(0, &fault.id, 1);
    let mut nodes = match resolve(&fault.verb, &view, &mut rng) {
        Ok(Resolved::Nodes(nodes)) => nodes,
        Ok(_) => Vec::new(),
        Err(reason) => {
            note(&format!("{words}: nothing changed: {reason}"));
            return Ok(Outcome::Inconclusive);
        }
    };
    // Of many, those are meant that are paused.
    if !matches!(target, Nodes::Named(_)) && nodes.iter().any(|node| view.paused.contains(node)) {
        nodes.retain(|node| view.paused.contains(node));
    }
    let changes = heal_by(&mut session, &words, Action::Resume { nodes })?;
    Ok(outcome(&changes))
}

/// Lets everything go on that is paused, takes every disturbance from the links, and starts what was
/// killed or stopped by hand.
pub fn heal(request: &HealRequest) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let mut session = Session::open(&request.clusters, request.cluster.as_deref(), &interrupt)?;
    let view = session.view();
    let mut changes = Vec::new();
    if !view.paused.is_empty() {
        let nodes = view.paused.iter().cloned().collect();
        changes.extend(heal_by(&mut session, "heal all", Action::Resume { nodes })?);
    }
    if !session.in_force.links.is_empty() {
        changes.extend(heal_links(&mut session, "heal all", |_| true)?);
    }
    let (by_hand, unasked): (Vec<String>, Vec<String>) = view
        .down
        .into_iter()
        .partition(|node| session.in_force.down.contains(node));
    match session.cluster.keeper() {
        Some(keeper) if !by_hand.is_empty() => note(&format!(
            "{} stays down: the cluster runs in the foreground of pid {}, and its nodes end with \
             that",
            by_hand.join(", "),
            keeper.pid
        )),
        None if !by_hand.is_empty() => {
            let action = Action::Start { nodes: by_hand };
            let begun = heal_by(&mut session, "heal all", action)?;
            if let Some(reason) = begun.iter().find_map(unchanged) {
                return Err(Failure::Cluster(format!(
                    "not every node runs again: {reason}"
                )));
            }
            changes.extend(begun);
        }
        _ => {}
    }
    for node in unasked {
        note(&format!(
            "{node} is down, and not by hand: `paxosctl logs {node}` says why, `paxosctl restart \
             {node}` starts it"
        ));
    }
    if changes.is_empty() {
        note("nothing is broken by hand");
        return Ok(Outcome::Success);
    }
    Ok(outcome(&changes))
}

fn outcome(changes: &[Change]) -> Outcome {
    if changes.iter().any(is_change) {
        Outcome::Success
    } else {
        note("nothing changed");
        Outcome::Inconclusive
    }
}

/// Takes the link faults away that are meant, and leaves the others in force.
pub(super) fn heal_links(
    session: &mut Session,
    words: &str,
    meant: impl Fn(&DisturbedLinks) -> bool,
) -> Result<Vec<Change>, Failure> {
    let in_force = &mut session.in_force;
    let over: Vec<String> = in_force
        .links
        .iter()
        .filter(|links| meant(links))
        .map(|links| links.fault.clone())
        .collect();
    if over.is_empty() {
        note(&format!("{words}: it was healed already"));
        return Ok(Vec::new());
    }
    in_force.links.retain(|links| !over.contains(&links.fault));
    let action = Action::Links {
        rules: in_force.rules(),
    };
    write_down(session, words, over, action)
}

/// Heals nodes.
pub(super) fn heal_by(
    session: &mut Session,
    words: &str,
    action: Action,
) -> Result<Vec<Change>, Failure> {
    write_down(session, words, Vec::new(), action)
}

fn write_down(
    session: &mut Session,
    words: &str,
    links: Vec<String>,
    action: Action,
) -> Result<Vec<Change>, Failure> {
    let nodes = match &action {
        Action::Resume { nodes } | Action::Start { nodes } => nodes.clone(),
        _ => Vec::new(),
    };
    let (changes, times) = session.act([action])?;
    for node in changes.iter().filter_map(started) {
        session.in_force.down.retain(|other| other != node);
    }
    note(&happened(words, &nodes, &changes));
    session.save(&Record::Heal {
        at_us: times.at_us,
        done_us: times.done_us,
        words: words.to_owned(),
        links,
        changes: changes.clone(),
    })?;
    Ok(changes)
}
