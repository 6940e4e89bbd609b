//! Clusters that are up as far as files tell: `up`, `down` and `ps` over processes that live, are
//! paused, were killed, or are somebody else's by now.

mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use paxosctl::runtime::Identity;
use paxosctl::state::{Clusters, RunningCluster, RunningNode};
use support::{Place, wait_until};

const PLAN: &str = "\
version: 1
name: chat
cluster: {servers: 1, clients: [ann]}
";

/// A process in a group of its own. It ignores SIGTERM if it is told so.
struct Stranger {
    child: Child,
    identity: Identity,
}

impl Stranger {
    fn start(ignores_term: bool) -> Stranger {
        let trap = if ignores_term { "trap '' TERM; " } else { "" };
        let child = Command::new("sh")
            .args([
                "-c",
                // A shell that forks for a command cannot be stopped in the middle of that.
                &format!("{trap}echo ready; exec sleep 100000"),
            ])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let mut stranger = Stranger {
            identity: Identity::of(child.id()).expect("it runs"),
            child,
        };
        let mut line = [0; 6];
        let stdout = stranger.child.stdout.as_mut().expect("piped");
        std::io::Read::read_exact(stdout, &mut line).expect("it is ready");
        stranger
    }

    fn signal(&self, signal: Signal) {
        killpg(Pid::from_raw(self.child.id() as i32), signal).expect("signalled");
    }

    fn node(&self, name: &str) -> RunningNode {
        node(name, self.identity)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn node(name: &str, identity: Identity) -> RunningNode {
    RunningNode {
        name: name.into(),
        address: "127.0.0.1:9".parse().ok(),
        dir: name.into(),
        arguments: Vec::new(),
        identity,
    }
}

/// Writes the state of a cluster that `up` would have started.
fn pretend_up(place: &Place, name: &str, nodes: Vec<RunningNode>) {
    let clusters = Clusters::new(&place.path().join(".paxosctl"));
    fs::create_dir_all(clusters.dir_of(name)).expect("a directory");
    let balancer = "127.0.0.1:9".parse().expect("an address");
    let plan = place.file("chat.yaml", PLAN);
    let cluster = RunningCluster::new(name, &plan, 7, balancer, None, nodes);
    clusters.write(&cluster).expect("written");
}

fn is_up(place: &Place, name: &str) -> bool {
    place
        .path()
        .join(".paxosctl/clusters")
        .join(name)
        .join("state.json")
        .exists()
}

#[test]
fn down_ends_running_paused_and_stubborn_processes() {
    let place = Place::new();
    let (running, paused, stubborn) = (
        Stranger::start(false),
        Stranger::start(false),
        Stranger::start(true),
    );
    paused.signal(Signal::SIGSTOP);
    wait_until("it stops", || paused.identity.is_stopped().then_some(()));
    let nodes = vec![
        running.node("balancer"),
        paused.node("s1"),
        stubborn.node("s2"),
    ];
    pretend_up(&place, "chat", nodes);
    let down = place.run(&["down"]);
    down.expect_code(0);
    assert!(
        down.stderr.contains("`chat` is down (3 processes ended)"),
        "{}",
        down.stderr
    );
    for stranger in [&running, &paused, &stubborn] {
        assert!(stranger.identity.group_is_empty());
    }
    let again = place.run(&["down"]);
    again.expect_code(0);
    assert_eq!(again.stderr, "nothing is running\n");
}

#[test]
fn down_after_everything_was_killed_clears_the_state() {
    let place = Place::new();
    let killed = Stranger::start(false);
    let node = killed.node("s1");
    drop(killed);
    pretend_up(&place, "chat", vec![node]);
    let ps = place.run(&["ps"]);
    ps.expect_code(0);
    assert!(ps.stdout.contains("down"), "{}", ps.stdout);
    assert!(ps.stderr.contains("paxosctl down chat"), "{}", ps.stderr);
    let down = place.run(&["down", "chat"]);
    down.expect_code(0);
    assert!(down.stderr.contains("were gone already"), "{}", down.stderr);
    assert!(!is_up(&place, "chat"));
}

#[test]
fn a_process_under_a_reused_pid_is_left_alone() {
    let place = Place::new();
    let innocent = Stranger::start(false);
    let earlier = Identity {
        start_ticks: innocent.identity.start_ticks - 1,
        ..innocent.identity
    };
    pretend_up(&place, "chat", vec![node("s1", earlier)]);
    place.run(&["down"]).expect_code(0);
    assert!(innocent.identity.is_alive());
    assert!(!is_up(&place, "chat"));
}

#[test]
fn ps_tells_up_paused_and_down_apart() {
    let place = Place::new();
    let (running, paused) = (Stranger::start(false), Stranger::start(false));
    paused.signal(Signal::SIGSTOP);
    wait_until("it stops", || paused.identity.is_stopped().then_some(()));
    let gone = Identity {
        start_ticks: 1,
        ..running.identity
    };
    let nodes = vec![running.node("s1"), paused.node("s2"), node("s3", gone)];
    pretend_up(&place, "chat", nodes);
    let ps = place.run(&["ps"]);
    ps.expect_code(0);
    let row = |name: &str| {
        let line = ps.stdout.lines().find(|line| line.starts_with(name));
        let words: Vec<&str> = line.expect("a row").split_whitespace().collect();
        words[..3].join(" ")
    };
    assert_eq!(row("s1"), format!("s1 up {}", running.child.id()));
    assert_eq!(row("s2"), format!("s2 paused {}", paused.child.id()));
    assert_eq!(row("s3"), "s3 down -");
    assert!(ps.stderr.contains("s1 does not answer"), "{}", ps.stderr);
}

#[test]
fn several_clusters_have_to_be_named() {
    let place = Place::new();
    let (one, two) = (Stranger::start(false), Stranger::start(false));
    pretend_up(&place, "one", vec![one.node("s1")]);
    pretend_up(&place, "two", vec![two.node("s1")]);
    for command in ["down", "ps", "chat"] {
        let output = place.run(&[command]);
        output.expect_code(2);
        assert!(output.stderr.contains("one, two"), "{}", output.stderr);
    }
    place.run(&["down", "two"]).expect_code(0);
    assert!(!two.identity.is_alive());
    assert!(one.identity.is_alive());
    place.run(&["down"]).expect_code(0);
    assert!(!one.identity.is_alive());
}

#[test]
fn up_over_a_running_cluster_says_how_to_reach_it() {
    let place = Place::new();
    let running = Stranger::start(false);
    pretend_up(&place, "chat", vec![running.node("s1")]);
    let up = place.run(&["up", "chat.yaml", "-d"]);
    up.expect_code(3);
    for words in [
        "is up already",
        "paxosctl chat --cluster chat",
        "paxosctl down chat",
    ] {
        assert!(up.stderr.contains(words), "{}", up.stderr);
    }
    assert!(running.identity.is_alive());
    assert!(is_up(&place, "chat"));
}

#[test]
fn one_command_at_a_time_starts_or_stops_a_cluster() {
    let place = Place::new();
    let running = Stranger::start(false);
    pretend_up(&place, "chat", vec![running.node("s1")]);
    let clusters = Clusters::new(&place.path().join(".paxosctl"));
    let _lock = clusters.lock("chat").expect("free");
    for command in [&["up", "chat.yaml", "-d"][..], &["down", "chat"]] {
        let output = place.run(command);
        output.expect_code(3);
        assert!(
            output.stderr.contains("another paxosctl"),
            "{}",
            output.stderr
        );
    }
    assert!(running.identity.is_alive());
}
