//! What goes wrong with processes by itself is told, with the node's last words.

mod support;

use std::fs;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use paxosctl_chaos::target::{Change, LogSource, Observation, Op, Target};
use support::Place;
use support::fake::{Observed, kill, names, nothing, pid_of, spec, start, start_again, start_with};

#[test]
fn a_node_that_will_not_stop_is_killed() {
    let place = Place::new();
    place.file("nodes/deaf-s3", "");
    let mut target = start(&place);
    target.tear_down().expect("everything ended");
    assert_eq!(place.processes(), Vec::<u32>::new());
}

#[test]
fn an_unasked_end_is_told_with_the_last_words() {
    let place = Place::new();
    let mut target = start(&place);
    let mut observed = Observed::default();
    let pid = pid_of(&target, "s2");
    fs::write(
        place.path().join("nodes/s2/stderr.log"),
        "first\nlast words\n",
    )
    .expect("written");
    killpg(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("killed");
    let died = observed.next(&mut target, |observation| match observation {
        Observation::Died {
            node,
            status,
            last_lines,
        } => Some((node, status, last_lines)),
        _ => None,
    });
    let expected = (
        "s2".to_string(),
        "signal 9".to_string(),
        names(&["first", "last words"]),
    );
    assert_eq!(died, expected);
}

#[test]
fn a_node_that_fails_at_the_start_is_named_with_its_words() {
    let place = Place::new();
    place.file("nodes/fail-s2", "");
    let error = start_with(spec(&place)).expect_err("s2 fails").to_string();
    assert!(
        error.starts_with("s2 ended before it was ready (exit 3)"),
        "{error}"
    );
    assert!(error.contains("cannot listen: no such luck"), "{error}");
    assert_eq!(place.processes(), Vec::<u32>::new());
}

#[test]
fn a_restart_that_fails_changes_nothing_and_is_told() {
    let place = Place::new();
    let mut target = start(&place);
    kill(&mut target, &["s2"]);
    place.file("nodes/fail-s2", "");
    assert_eq!(
        start_again(&mut target, &["s2"]),
        [nothing(
            "s2",
            "it ended before it was ready (exit 3): cannot listen: no such luck"
        )]
    );
}

#[test]
fn logs_that_cannot_be_read_are_told_for_every_server() {
    let place = Place::new();
    let mut target = start(&place);
    let mut observed = Observed::default();
    kill(&mut target, &["s3"]);
    target.submit(Op::ReadLogs);
    let mut servers = Vec::new();
    while servers.len() < 3 {
        servers.push(observed.next(&mut target, |observation| match observation {
            Observation::Log { server, log } => {
                assert!(
                    matches!(log.source, LogSource::Unreadable { .. }),
                    "{log:?}"
                );
                Some(server.0)
            }
            _ => None,
        }));
    }
    servers.sort_unstable();
    assert_eq!(servers, [1, 2, 3]);
}

#[test]
fn half_a_line_of_a_killed_node_spoils_nothing() {
    let place = Place::new();
    let mut target = start(&place);
    kill(&mut target, &["s2"]);
    let events = place.path().join("nodes/s2/events.jsonl");
    let mut text = fs::read_to_string(&events).expect("events");
    text.push_str("{\"at_us\":12,\"event\":\"acc");
    fs::write(&events, text).expect("written");
    let started = start_again(&mut target, &["s2"]);
    assert!(matches!(started[0], Change::Started { .. }), "{started:?}");
    assert!(target.failure().is_none());
}
