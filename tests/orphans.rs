//! A node dies with the paxosctl that started it, whatever ended that, unless it was released.
//!
//! Three generations of this test program play it: the test starts a parent, the parent starts a
//! node, and the test kills the parent.

mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use paxosctl::runtime::{Identity, RELEASED_FILE, die_with_parent};
use support::{Place, wait_until};

const ROLE_DIR: &str = "PAXOSCTL_TEST_ROLE_DIR";
const PARENT: &str = "PAXOSCTL_TEST_PARENT";

/// This very program, in another role.
fn role(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--ignored", "--exact", name, "--nocapture"])
        .env(ROLE_DIR, dir)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn role_dir() -> Option<PathBuf> {
    std::env::var_os(ROLE_DIR).map(PathBuf::from)
}

fn say(dir: &Path, file: &str, text: &str) {
    let path = dir.join(file);
    let new = dir.join(format!("{file}.new"));
    fs::write(&new, text).expect("written");
    fs::rename(new, path).expect("renamed");
}

fn hear(dir: &Path, file: &str) -> String {
    wait_until(file, || fs::read_to_string(dir.join(file)).ok())
}

#[test]
#[ignore = "a role in the other tests"]
fn parent_role() {
    let Some(dir) = role_dir() else { return };
    let own = std::process::id().to_string();
    let mut node: Child = role("node_role", &dir)
        .env(PARENT, std::env::var(PARENT).unwrap_or(own))
        .spawn()
        .expect("a node");
    let status = node.wait().expect("a child");
    say(&dir, "ended", &status.to_string());
}

#[test]
#[ignore = "a role in the other tests"]
fn node_role() {
    let Some(dir) = role_dir() else { return };
    let parent = std::env::var(PARENT).expect("told").parse().expect("a pid");
    match die_with_parent(parent, &dir) {
        Ok(()) => say(&dir, "node", &std::process::id().to_string()),
        Err(error) => {
            say(&dir, "refused", &error.to_string());
            return;
        }
    }
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

struct Family {
    parent: Child,
    node: Identity,
}

impl Family {
    fn start(place: &Place) -> Family {
        let parent = role("parent_role", place.path()).spawn().expect("a parent");
        let pid = hear(place.path(), "node").parse().expect("a pid");
        let node = Identity::of(pid).expect("the node runs");
        Family { parent, node }
    }

    fn signal_node(&self, signal: Signal) {
        killpg(Pid::from_raw(self.node.pid as i32), signal).expect("signalled");
    }

    fn kill_parent(&mut self) {
        kill(Pid::from_raw(self.parent.id() as i32), Signal::SIGKILL).expect("killed");
        self.parent.wait().expect("a child");
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        let _ = self.parent.kill();
        let _ = self.parent.wait();
        if self.node.is_alive() {
            self.signal_node(Signal::SIGKILL);
        }
    }
}

#[test]
fn a_node_dies_with_its_killed_parent() {
    let place = Place::new();
    let mut family = Family::start(&place);
    assert!(family.node.is_alive());
    family.kill_parent();
    wait_until("the node dies", || (!family.node.is_alive()).then_some(()));
}

#[test]
fn a_paused_node_dies_too() {
    let place = Place::new();
    let mut family = Family::start(&place);
    family.signal_node(Signal::SIGSTOP);
    wait_until("the node stops", || family.node.is_stopped().then_some(()));
    family.kill_parent();
    wait_until("the node dies", || (!family.node.is_alive()).then_some(()));
}

#[test]
fn a_released_node_lives_on() {
    let place = Place::new();
    let mut family = Family::start(&place);
    family.signal_node(Signal::SIGUSR2);
    let released = hear(place.path(), RELEASED_FILE);
    assert_eq!(released, family.node.pid.to_string());
    family.kill_parent();
    // It is adopted by another process, which the kernel does after it sent the death signals.
    wait_until("the node is adopted", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", family.node.pid)).ok()?;
        let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
        (parent != family.parent.id().to_string()).then_some(())
    });
    assert!(family.node.is_alive());
}

#[test]
fn a_node_whose_parent_is_gone_does_not_start() {
    let place = Place::new();
    let mut parent = role("parent_role", place.path())
        // The parent that the node is told of is another process.
        .env(PARENT, "1")
        .spawn()
        .expect("a parent");
    let refused = hear(place.path(), "refused");
    parent.wait().expect("a child");
    assert_eq!(
        refused,
        "the process that started this node (pid 1) is gone"
    );
    assert!(hear(place.path(), "ended").contains("exit status: 0"));
}
