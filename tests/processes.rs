//! Real processes under the target that the run loop drives: every action with its observed effect,
//! and nothing left behind. The nodes are a script, so only the handling of processes is tested.

mod support;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use paxosctl_chaos::plan::{Arrivals, Load, Mix};
use paxosctl_chaos::target::{Action, Change, Observation, Op, Target};
use paxosctl_node::event::Event;
use paxosctl_node::link::{Rule, Side, What};
use support::fake::{Observed, apply, kill, names, nothing, pause, pid_of, start, start_again};
use support::{Place, wait_until};

#[test]
fn a_cluster_starts_and_goes_without_a_trace() {
    let place = Place::new();
    let mut target = start(&place);
    let nodes: Vec<String> = target
        .processes()
        .map(|(spec, _, _)| spec.name.clone())
        .collect();
    assert_eq!(nodes, ["balancer", "s1", "s2", "s3", "ann"]);
    // What happened before the cluster was ready has the time 0.
    let first = target.poll(Duration::ZERO);
    assert!(matches!(
        &first[0],
        Observation::Node { event, .. } if event.at_us == 0 && matches!(event.event, Event::Started { .. })
    ));
    // A paused node must go too.
    pause(&mut target, &["s2"]);
    drop(target);
    assert_eq!(place.processes(), Vec::<u32>::new());
}

#[test]
fn kill_and_start_are_observed() {
    let place = Place::new();
    let mut target = start(&place);
    let before = pid_of(&target, "s1");
    let both = ["s1", "s3"];
    let exited = |node: &str| Change::Exited {
        node: node.into(),
        status: "signal 9".into(),
    };
    assert_eq!(kill(&mut target, &both), [exited("s1"), exited("s3")]);
    assert_eq!(
        kill(&mut target, &["s1", "zed"]),
        [
            nothing("s1", "it is down already"),
            nothing("zed", "it was never started")
        ]
    );
    let started = start_again(&mut target, &both);
    let expected = |node: &str| Change::Started {
        node: node.into(),
        pid: pid_of(&target, node),
    };
    assert_eq!(started, [expected("s1"), expected("s3")]);
    assert_ne!(pid_of(&target, "s1"), before);
    assert_eq!(
        start_again(&mut target, &["s1"]),
        [nothing("s1", "it runs already")]
    );
    // Nobody died unasked.
    let observed = target.poll(target.now());
    let died = observed
        .iter()
        .any(|observation| matches!(observation, Observation::Died { .. }));
    assert!(!died, "{observed:?}");
}

#[test]
fn stop_is_an_orderly_end() {
    let place = Place::new();
    let mut target = start(&place);
    pause(&mut target, &["s1"]);
    assert_eq!(
        apply(
            &mut target,
            Action::Stop {
                nodes: names(&["s2", "s1"])
            }
        ),
        [
            Change::Exited {
                node: "s2".into(),
                status: "exit 0".into()
            },
            nothing("s1", "it is paused, and cannot stop in order"),
        ]
    );
}

#[test]
fn pause_and_resume_are_observed() {
    let place = Place::new();
    let mut target = start(&place);
    let s1 = names(&["s1"]);
    let paused = Change::Paused { node: "s1".into() };
    let resumed = Change::Resumed { node: "s1".into() };
    let pausing = Action::Pause { nodes: s1.clone() };
    let resuming = Action::Resume { nodes: s1 };
    assert_eq!(
        apply(&mut target, resuming.clone()),
        [nothing("s1", "it is not paused")]
    );
    assert_eq!(apply(&mut target, pausing.clone()), [paused]);
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid_of(&target, "s1"))).expect("stat");
    assert!(stat.contains(") T "), "{stat}");
    assert_eq!(
        apply(&mut target, pausing),
        [nothing("s1", "it is paused already")]
    );
    assert_eq!(apply(&mut target, resuming), [resumed]);
    // A paused node can be killed.
    pause(&mut target, &["s1"]);
    let killed = kill(&mut target, &["s1"]);
    assert!(matches!(&killed[0], Change::Exited { status, .. } if status == "signal 9"));
}

#[test]
fn link_tables_reach_everybody_now_or_later() {
    let place = Place::new();
    let mut target = start(&place);
    let mut observed = Observed::default();
    kill(&mut target, &["s2"]);
    pause(&mut target, &["s3"]);
    let rule = Rule {
        id: "f1".into(),
        from: "s1".into(),
        to: "s2".into(),
        kinds: Vec::new(),
        on: Side::Send,
        probability: 1.0,
        what: What::Drop,
    };
    let now = |node: &str, generation| Change::Links {
        node: node.into(),
        generation,
    };
    let later = |node: &str, generation| Change::LinksLater {
        node: node.into(),
        generation,
    };
    assert_eq!(
        apply(&mut target, Action::Links { rules: vec![rule] }),
        [
            now("balancer", 1),
            now("s1", 1),
            later("s2", 1),
            later("s3", 1),
            now("ann", 1)
        ]
    );
    // The paused one takes it when it goes on, the dead one when it starts.
    apply(
        &mut target,
        Action::Resume {
            nodes: names(&["s3"]),
        },
    );
    let of_s3 = observed.next(&mut target, |observation| match observation {
        Observation::Node { node, event } if node == "s3" => match event.event {
            Event::Links { generation } => Some(generation),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(of_s3, 1);
    start_again(&mut target, &["s2"]);
    let of_s2 = observed.next(&mut target, |observation| match observation {
        Observation::Node { node, event } if node == "s2" => match event.event {
            Event::Started { links, .. } => Some(links),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(of_s2, 1);
    let healed = apply(&mut target, Action::Links { rules: Vec::new() });
    assert_eq!(
        healed,
        ["balancer", "s1", "s2", "s3", "ann"].map(|node| now(node, 2))
    );
}

#[test]
fn clients_are_told_what_to_do_and_leave_in_order() {
    let place = Place::new();
    let mut target = start(&place);
    let mut observed = Observed::default();
    let asked = |observation| match observation {
        Observation::Node { node, event } => match event.event {
            Event::ReadAsked { id, .. } => Some((node, id)),
            _ => None,
        },
        _ => None,
    };
    let ann = || "ann".to_string();
    target.submit(Op::Read { client: ann() });
    assert_eq!(observed.next(&mut target, asked), (ann(), 1));
    // A paused client reads nothing, and nobody waits for it.
    pause(&mut target, &["ann"]);
    for _ in 0..2_000 {
        target.submit(Op::Say {
            client: ann(),
            text: "x".repeat(100),
        });
    }
    apply(
        &mut target,
        Action::Resume {
            nodes: names(&["ann"]),
        },
    );
    let mut last = 1;
    while last < 2_001 {
        last = observed.next(&mut target, asked).1;
    }
    target.submit(Op::Join {
        client: "bob".into(),
    });
    target.submit(Op::Load {
        name: "load1".into(),
        load: Load {
            clients: 2,
            rate: None,
            arrivals: Arrivals::Steady,
            burst: None,
            mix: Mix::default(),
            bytes: (1, 2),
            lasts: Duration::from_secs(1),
            seed: 1,
        },
    });
    let mut joined = Vec::new();
    while joined.len() < 2 {
        joined.push(observed.next(&mut target, |observation| match observation {
            Observation::Node { node, event } => {
                matches!(event.event, Event::Joined { .. }).then_some(node)
            }
            _ => None,
        }));
    }
    joined.sort();
    assert_eq!(joined, ["bob", "load1"]);
    target.submit(Op::Leave {
        client: "bob".into(),
    });
    target.submit(Op::EndLoad {
        name: "load1".into(),
    });
    let (bob, load) = (pid_of(&target, "bob"), pid_of(&target, "load1"));
    wait_until("the clients end", || {
        let new = target.poll(target.now() + Duration::from_millis(10));
        let died = |observation: &Observation| matches!(observation, Observation::Died { .. });
        assert!(!new.iter().any(died), "{new:?}");
        let gone = |pid: u32| !PathBuf::from(format!("/proc/{pid}")).exists();
        (gone(bob) && gone(load)).then_some(())
    });
    // Who left takes no link table any more.
    let nodes = apply(&mut target, Action::Links { rules: Vec::new() }).len();
    assert_eq!(nodes, 5);
}
