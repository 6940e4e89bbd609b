//! Breaking something by hand.

use std::thread;
use std::time::Duration;

use paxosctl_chaos::plan::{Fault, Verb};
use paxosctl_chaos::run::rules;
use paxosctl_chaos::schedule::{Resolved, View, firing_rng, resolve};
use paxosctl_chaos::target::{Action, Change};
use paxosctl_node::link::{Rule, Side};

use super::heal::heal_links;
use super::session::{Session, Times};
use super::{exited, is_change, nodes_of, paused, started, unchanged};
use crate::clock::monotonic;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::note;
use crate::progress::happened;
use crate::randomness::random_u64;
use crate::state::{Clusters, DisturbedLinks, Record, TypedFault};

/// How long a target may take to mean something, as in a run: a leader is being elected.
const PATIENCE: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(50);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Something to break.
#[derive(Debug)]
pub struct BreakRequest {
    pub typed: TypedFault,
    /// The plan's key for how long it lasts, and the length: `for` or `restart_after`.
    pub lasts: Option<(&'static str, String)>,
    pub cluster: Option<String>,
    pub clusters: Clusters,
}

/// What a fault came to, and what is to be healed of it later.
struct Broken {
    fault: String,
    words: String,
    changes: Vec<Change>,
}

/// Breaks it, and returns once the effect was observed; with a length of time, once it is healed.
pub fn break_it(request: &BreakRequest) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let open = || Session::open(&request.clusters, request.cluster.as_deref(), &interrupt);
    let mut session = open()?;
    let lasts = request
        .lasts
        .as_ref()
        .map(|(key, length)| (*key, length.as_str()));
    let mut view = session.view();
    let fault = session.read(&request.typed, lasts, &view)?;
    refuse_in_foreground(&session, &fault)?;
    let resolved = match meaning(&session, &fault, &mut view, &interrupt)? {
        Ok(resolved) => resolved,
        Err(reason) => {
            note(&format!("{}: nothing changed: {reason}", fault.verb));
            return Ok(Outcome::Inconclusive);
        }
    };
    let broken = carry_out(&mut session, request, &fault, &view, resolved)?;
    refuse_unstarted(&fault.verb, &broken.changes)?;
    if !broken.changes.iter().any(is_change) {
        note("nothing changed");
        return Ok(Outcome::Inconclusive);
    }
    let name = session.cluster.name.clone();
    drop(session);
    if let Some(lasts) = fault.lasts {
        let length = request.lasts.as_ref().map_or("", |(_, length)| length);
        note(&format!("healed in {length}; Ctrl-C heals it at once"));
        let until = monotonic() + lasts;
        while monotonic() < until && !interrupt.is_set() {
            thread::sleep(LOOK_EVERY.min(until.saturating_sub(monotonic())));
        }
        let mut session = Session::open(&request.clusters, Some(&name), &Interrupt::default())?;
        heal_after(&mut session, &fault.verb, &broken)?;
        interrupt.check()?;
    }
    Ok(Outcome::Success)
}

/// Nodes of a foreground `up` end with it; one that we start would not.
fn refuse_in_foreground(session: &Session, fault: &Fault) -> Result<(), Failure> {
    let starts = match &fault.verb {
        Verb::Restart(_) => true,
        Verb::Kill(_) | Verb::Stop(_) => fault.lasts.is_some(),
        _ => false,
    };
    match session.cluster.keeper().filter(|_| starts) {
        None => Ok(()),
        Some(keeper) => Err(Failure::Usage(format!(
            "the cluster `{}` runs in the foreground of pid {}, and its nodes end with that; only \
             nodes of a cluster that was started with `up -d` can be restarted",
            session.cluster.name, keeper.pid
        ))),
    }
}

/// What the fault acts on; waits for a leader if it must.
fn meaning(
    session: &Session,
    fault: &Fault,
    view: &mut View,
    interrupt: &Interrupt,
) -> Result<Result<Resolved, String>, Failure> {
    let seed = random_u64()?;
    let deadline = monotonic() + PATIENCE;
    loop {
        let mut rng = firing_rng(seed, &fault.id, 1);
        match resolve(&fault.verb, view, &mut rng) {
            Ok(resolved) => return check_reach(session, resolved).map(Ok),
            Err(reason) if monotonic() >= deadline => return Ok(Err(reason.to_string())),
            Err(_) => {
                interrupt.check()?;
                thread::sleep(RETRY);
                *view = session.view();
            }
        }
    }
}

/// # Errors
/// A node that is none of the cluster's: a chat client, which somebody else started.
fn check_reach(session: &Session, resolved: Resolved) -> Result<Resolved, Failure> {
    if let Resolved::Nodes(nodes) = &resolved
        && let Some(stranger) = nodes.iter().find(|node| !session.has_node(node))
    {
        return Err(Failure::Usage(format!(
            "{stranger} is a client of somebody's chat, not a process of this cluster; its links \
             can be cut: paxosctl partition \"{stranger} | servers\""
        )));
    }
    Ok(resolved)
}

fn carry_out(
    session: &mut Session,
    request: &BreakRequest,
    fault: &Fault,
    view: &View,
    resolved: Resolved,
) -> Result<Broken, Failure> {
    let id = session.in_force.next_fault();
    let words = fault.verb.to_string();
    let (names, (changes, times)) = match resolved {
        Resolved::Nodes(nodes) => {
            let done = break_nodes(session, &fault.verb, view, &nodes)?;
            (nodes, done)
        }
        links => {
            let rules = rules(&id, &fault.verb, &links);
            check_enforceable(session, &rules)?;
            (links.names(), disturb(session, &id, &words, rules)?)
        }
    };
    note_down(session, &changes);
    note(&happened(&words, &names, &changes));
    session.save(&Record::Break {
        at_us: times.at_us,
        done_us: times.done_us,
        fault: id.clone(),
        typed: request.typed.clone(),
        words: words.clone(),
        resolved: names,
        leader: view.leader.clone(),
        changes: changes.clone(),
    })?;
    Ok(Broken {
        fault: id,
        words,
        changes,
    })
}

/// Puts rules in force beside those that are.
fn disturb(
    session: &mut Session,
    fault: &str,
    words: &str,
    rules: Vec<Rule>,
) -> Result<(Vec<Change>, Times), Failure> {
    session.in_force.links.push(DisturbedLinks {
        fault: fault.to_owned(),
        words: words.to_owned(),
        rules,
    });
    let rules = session.in_force.rules();
    session.act([Action::Links { rules }])
}

/// The steps of a verb on nodes, as a run takes them: what is paused goes on before it is stopped,
/// because it would not hear that it should.
fn break_nodes(
    session: &mut Session,
    verb: &Verb,
    view: &View,
    nodes: &[String],
) -> Result<(Vec<Change>, Times), Failure> {
    let those = |wanted: &dyn Fn(&&String) -> bool| -> Vec<String> {
        nodes.iter().filter(wanted).cloned().collect()
    };
    let resume = Action::Resume {
        nodes: those(&|node| view.paused.contains(*node)),
    };
    let all = nodes.to_vec();
    let actions = match verb {
        Verb::Kill(_) => vec![Action::Kill { nodes: all }],
        Verb::Stop(_) => vec![resume, Action::Stop { nodes: all }],
        Verb::Restart(_) => {
            let up = those(&|node| !view.down.contains(*node));
            vec![
                resume,
                Action::Stop { nodes: up },
                Action::Start { nodes: all },
            ]
        }
        _ => vec![Action::Pause { nodes: all }],
    };
    session.act(actions.into_iter().filter(|action| !action.is_of_no_node()))
}

/// Keeps account of what faults hold down.
fn note_down(session: &mut Session, changes: &[Change]) {
    let down = &mut session.in_force.down;
    for change in changes {
        if let Some(node) = exited(change)
            && !down.contains(node)
        {
            down.push(node.clone());
        }
        if let Some(node) = started(change) {
            down.retain(|other| other != node);
        }
    }
}

/// # Errors
/// A rule would have to act at a chat client, which takes no link table. A cut acts at both ends,
/// and one is enough.
fn check_enforceable(session: &Session, rules: &[Rule]) -> Result<(), Failure> {
    let acts_at_ours = |rule: &Rule| match rule.on {
        Side::Send => session.has_node(&rule.from),
        Side::Receive => session.has_node(&rule.to),
    };
    let helpless = rules.iter().find(|rule| {
        let link = |other: &&Rule| other.from == rule.from && other.to == rule.to;
        !rules.iter().filter(link).any(acts_at_ours)
    });
    match helpless {
        None => Ok(()),
        Some(rule) => Err(Failure::Usage(format!(
            "{} would have to disturb its messages itself, and it is a client of somebody's chat, not \
             a process of this cluster; a full cut works: paxosctl drop \"{} -> {}\"",
            match rule.on {
                Side::Send => &rule.from,
                Side::Receive => &rule.to,
            },
            rule.from,
            rule.to
        ))),
    }
}

/// # Errors
/// A restart that ended with the node down: that is nobody's wish.
fn refuse_unstarted(verb: &Verb, changes: &[Change]) -> Result<(), Failure> {
    if !matches!(verb, Verb::Restart(_)) {
        return Ok(());
    }
    let failed = changes.iter().find_map(unchanged);
    match failed {
        None => Ok(()),
        Some(reason) => Err(Failure::Cluster(format!(
            "not every node runs again: {reason}"
        ))),
    }
}

/// Heals what one fault did, unless somebody else healed it meanwhile.
fn heal_after(session: &mut Session, verb: &Verb, broken: &Broken) -> Result<(), Failure> {
    let words = format!("heal {}", broken.words);
    match verb {
        Verb::Pause(_) => {
            let nodes = nodes_of(&broken.changes, paused);
            heal_nodes(session, &words, Action::Resume { nodes })
        }
        Verb::Kill(_) | Verb::Stop(_) => {
            let down = session.in_force.down.clone();
            let mut nodes = nodes_of(&broken.changes, exited);
            nodes.retain(|node| down.contains(node));
            heal_nodes(session, &words, Action::Start { nodes })
        }
        // It healed when it was done.
        Verb::Restart(_) => Ok(()),
        _ => {
            let fault = broken.fault.as_str();
            heal_links(session, &words, |links| links.fault == fault).map(drop)
        }
    }
}

fn heal_nodes(session: &mut Session, words: &str, action: Action) -> Result<(), Failure> {
    if action.is_of_no_node() {
        note(&format!("{words}: it was healed already"));
        return Ok(());
    }
    super::heal::heal_by(session, words, action).map(drop)
}
