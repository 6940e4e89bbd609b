//! A cluster of processes that only report, under the real target.

use std::collections::VecDeque;
use std::path::PathBuf;

use paxosctl::interrupt::Interrupt;
use paxosctl::ports::Wishes;
use paxosctl::real::{ClusterSpec, RealTarget, StartError};
use paxosctl::runtime::Runtime;
use paxosctl_chaos::target::{Action, Change, Observation, Target};

use super::{DEADLINE, Place};

pub fn spec(place: &Place) -> ClusterSpec {
    ClusterSpec {
        servers: 3,
        first_leader: None,
        clients: vec!["ann".into()],
        wishes: Wishes::default(),
        dir: place.path().join("nodes"),
        cluster: 0xc1,
        seed: 1,
    }
}

pub fn start_with(spec: ClusterSpec) -> Result<RealTarget, StartError> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/fake_node.sh");
    RealTarget::start(spec, Runtime::of_program(script), Interrupt::default())
}

pub fn start(place: &Place) -> RealTarget {
    start_with(spec(place)).expect("the cluster comes up")
}

pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

pub fn apply(target: &mut RealTarget, action: Action) -> Vec<Change> {
    target
        .apply(&action)
        .expect("the action is carried out")
        .changes
}

pub fn kill(target: &mut RealTarget, nodes: &[&str]) -> Vec<Change> {
    let nodes = names(nodes);
    apply(target, Action::Kill { nodes })
}

pub fn pause(target: &mut RealTarget, nodes: &[&str]) -> Vec<Change> {
    let nodes = names(nodes);
    apply(target, Action::Pause { nodes })
}

pub fn start_again(target: &mut RealTarget, nodes: &[&str]) -> Vec<Change> {
    let nodes = names(nodes);
    apply(target, Action::Start { nodes })
}

pub fn nothing(node: &str, reason: &str) -> Change {
    Change::Nothing {
        node: node.into(),
        reason: reason.into(),
    }
}

pub fn pid_of(target: &RealTarget, name: &str) -> u32 {
    target
        .processes()
        .find(|(spec, _, _)| spec.name == name)
        .map(|(_, _, process)| process.pid())
        .expect("such a node")
}

/// What was observed and not yet looked at.
#[derive(Default)]
pub struct Observed(VecDeque<Observation>);

impl Observed {
    /// Looks at one observation after the other until one is an answer.
    #[track_caller]
    pub fn next<T>(
        &mut self,
        target: &mut RealTarget,
        mut answer: impl FnMut(Observation) -> Option<T>,
    ) -> T {
        let deadline = target.now() + DEADLINE;
        loop {
            while let Some(observation) = self.0.pop_front() {
                if let Some(answer) = answer(observation) {
                    return answer;
                }
            }
            assert!(target.now() < deadline, "it was never observed");
            self.0.extend(target.poll(deadline));
        }
    }
}
