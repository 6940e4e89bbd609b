//! Every state that a small cluster can reach: three of the real replicas, the records on their
//! disks, and everything that was ever said between them. In each state agreement and the other
//! rules of [`judge::Broken`] must hold.
//!
//! ```text
//! cargo test -p paxosctl-node --test exhaustive -- --nocapture             # about half a minute
//! cargo test -p paxosctl-node --test exhaustive -- --nocapture --ignored   # about a quarter of an hour
//! ```
//!
//! Each search has a [`Scope`]: how many ballots, messages of clients, crashes and slow writes.
//! Within it every order is tried. The network has no bound: a message that left is never taken out
//! of it, so it arrives late, out of order, again, or never.
//!
//! What is left out, besides what is beyond the bounds:
//!
//! - Time. A server's clock moves only where the server stands for election, and there by more than
//!   any timeout. So nobody loses patience but whom the search picks, leaders send one round of
//!   heartbeats, nothing is repeated by a timer (the network repeats everything), and a leader that
//!   is refused gives up instead of renewing its ballot. All timeouts have one length, so that the
//!   random draws do not matter.
//! - Pre-votes. Whoever loses patience is granted its votes at once, by one that promised nothing
//!   or what some server has promised by now: pre-votes only keep servers from standing.
//! - A chunk limit: whoever asks for chosen slots is sent all.
//! - Reads, hand-over, servers that may not vote, full queues and windows.
//! - Gathering: the host takes the effects out after every call, so a batch is one message.
//! - States whose fingerprints of 64 bits are those of others.
//! - Damage: of the records under way when a server crashes, a prefix is on the disk.
//!
//! What is cut short without loss:
//!
//! - A message whose arrival changes nothing at its receiver is answered at once. With the answers
//!   in the network everything is possible that was possible without them.
//! - A write becomes durable right after the call that made it, or stays under way until something
//!   else happened to its server (`Scope::waits` says how often), or a crash cuts it short. Where it
//!   becomes durable later, but before anything else happens to the server, nobody else can tell the
//!   difference: its messages are only late.
//! - A crash and the restart after it are one step: a server that is down gets no messages, like one
//!   whose messages are lost.

mod cluster;
mod judge;
#[path = "../support/recovery.rs"]
mod recovery;
mod scope;
mod server;
#[path = "../support/text.rs"]
#[allow(dead_code)] // Only messages are shown.
mod text;

use std::time::Instant;

use cluster::Cluster;
use judge::{Broken, Sight};
use paxosctl_node::planted::Bug;
use scope::Scope;
use stateright::{Checker, HasDiscoveries, Model};

/// Searches the whole scope. No rule may be broken, and all of `sights` must come up.
fn search(scope: Scope, sights: &[Sight]) {
    let begun = Instant::now();
    let checker = Cluster::new(scope, None).checker().spawn_bfs().join();
    println!("{}", summary(scope.name, &checker, begun));
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let steps = path.into_actions();
        panic!("not so: {property}\nin {scope:?}, after\n{steps:#?}");
    }
    for sight in sights {
        let (name, what) = (scope.name, sight.what());
        assert!(
            checker.model().has_seen(*sight),
            "{name}: never, that {what}"
        );
    }
}

/// Searches for the shortest way to break the rule with the bug.
fn find(bug: Bug, broken: Broken, scope: Scope) {
    let begun = Instant::now();
    let checker = Cluster::new(scope, Some(bug)).checker();
    let found = HasDiscoveries::AnyOf([broken.property()].into());
    let checker = checker.finish_when(found).spawn_bfs().join();
    let summary = summary(scope.name, &checker, begun);
    let path = checker.discovery(broken.property());
    let path = path.unwrap_or_else(|| panic!("{bug} is not found: {summary}"));
    let steps = path.into_actions().len();
    println!("{bug}: {broken:?} is broken in {steps} steps, {summary}");
}

fn summary(scope: &str, checker: &impl Checker<Cluster>, begun: Instant) -> String {
    format!(
        "{scope}: {} states ({} of single servers), {} transitions, {} deep, {:.1} s",
        checker.unique_state_count(),
        checker.model().server_states(),
        checker.state_count(),
        // The first state is not a step.
        checker.max_depth() - 1,
        begun.elapsed().as_secs_f64()
    )
}

#[test]
fn two_candidates_and_a_crash() {
    search(
        scope::ELECTIONS,
        &[
            Sight::SecondLeader,
            Sight::ProposedAgain,
            Sight::TwoLeaders,
            Sight::CrashBeforeAnswer,
        ],
    );
}

#[test]
fn a_leader_finds_holes() {
    search(scope::HOLES, &[Sight::NoopChosen, Sight::SecondLeader]);
}

#[test]
fn a_candidate_stands_again() {
    search(scope::AGAIN, &[Sight::ProposedAgain, Sight::TwoLeaders]);
}

#[test]
fn disks_are_slow() {
    search(scope::SLOW_DISKS, &[Sight::CrashBeforeAnswer]);
}

#[test]
fn servers_learn_and_one_crashes() {
    search(scope::LEARNING, &[Sight::Learned, Sight::CrashBeforeAnswer]);
}

/// A search that finds nothing proves little unless it would. Of the catalogue's bugs of the core,
/// [`Bug::DuplicatePromiseCounted`] is out of reach: among three servers the candidate itself and any
/// other one are a majority.
#[test]
fn planted_bugs_are_found() {
    let one_leader = Scope {
        stands: [2, 0, 0],
        says: [2, 0, 0],
        ..scope::ELECTIONS
    };
    let no_crash = Scope {
        crashes: 0,
        ..scope::ELECTIONS
    };
    let learning = Scope {
        says: [2, 1, 0],
        crashes: 0,
        ..scope::LEARNING
    };
    let two_candidacies = Scope {
        says: [1, 1, 0],
        ..scope::AGAIN
    };
    find(Bug::PromiseNotPersisted, Broken::Memory, scope::ELECTIONS);
    find(Bug::AckBeforeFsync, Broken::Durability, scope::ELECTIONS);
    find(Bug::BallotReused, Broken::Durability, one_leader);
    for (bug, broken) in [
        (Bug::AcceptDoesNotRaisePromise, Broken::Promise),
        (Bug::OlderBallotAccepted, Broken::Agreement),
        (Bug::QuorumOfHalf, Broken::Agreement),
        (Bug::AcceptedValuesIgnored, Broken::Agreement),
        (Bug::NoOpOverChosen, Broken::Agreement),
        (Bug::AcksWithoutMajority, Broken::Agreement),
    ] {
        find(bug, broken, no_crash);
    }
    find(Bug::StalePromiseCounted, Broken::Agreement, two_candidacies);
    find(Bug::LowestBallotWins, Broken::Agreement, two_candidacies);
    find(Bug::ChosenIndexOfAnotherBallot, Broken::Agreement, learning);
    find(Bug::GapApplied, Broken::Agreement, learning);
}

#[test]
#[ignore = "minutes"]
fn larger_scopes() {
    use scope::{AGAIN, ELECTIONS, HOLES, LEARNING, SLOW_DISKS};

    let scopes = [
        Scope {
            name: "two crashes",
            crashes: 2,
            ..ELECTIONS
        },
        Scope {
            name: "slow disks of two that speak",
            says: [1, 1, 0],
            waits: 1,
            ..SLOW_DISKS
        },
        Scope {
            name: "three candidates",
            stands: [1, 1, 1],
            says: [1, 0, 0],
            ..ELECTIONS
        },
        Scope {
            name: "holes and a crash",
            crashes: 1,
            ..HOLES
        },
        Scope {
            name: "again, and both speak",
            says: [1, 1, 0],
            ..AGAIN
        },
        Scope {
            name: "learning of two that speak",
            says: [1, 1, 0],
            crashes: 0,
            ..LEARNING
        },
        Scope {
            name: "no kind of message is always lost",
            crashes: 0,
            lost: &[],
            ..LEARNING
        },
    ];
    for scope in scopes {
        search(scope, &[Sight::SecondLeader, Sight::ProposedAgain]);
    }
}
