//! What must hold in every state, and what must be reached in some.

use std::collections::{BTreeMap, BTreeSet};

use paxosctl_node::ids::{Ballot, ServerId, Slot};
use paxosctl_node::log::Record;
use paxosctl_node::value::Value;

use crate::cluster::{State, Step};
use crate::scope::Scope;
use crate::server::Server;

/// What was chosen so far, whether or not anybody remembers it, and what went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Judgement {
    pub chosen: BTreeMap<Slot, Value>,
    pub broken: BTreeSet<Broken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Broken {
    Agreement,
    Validity,
    Durability,
    Memory,
    Promise,
    Assertion,
}

impl Broken {
    pub const ALL: [Broken; 6] = [
        Broken::Agreement,
        Broken::Validity,
        Broken::Durability,
        Broken::Memory,
        Broken::Promise,
        Broken::Assertion,
    ];

    /// The property that it breaks.
    pub fn property(self) -> &'static str {
        match self {
            Broken::Agreement => "one value is chosen in a slot, for ever",
            Broken::Validity => "what is chosen was said, or is a no-op",
            Broken::Durability => "what is chosen is on the disks of a majority in one ballot",
            Broken::Memory => {
                "nobody prepares, promises or says it accepted what is not on its disk"
            }
            Broken::Promise => "nobody prepares, promises or says it accepted below its promise",
            Broken::Assertion => "no assertion of the replica fails",
        }
    }
}

impl Judgement {
    /// One of `servers` takes the value as chosen.
    pub fn chose(&mut self, servers: &[&Server], slot: Slot, value: &Value) {
        if let Some(known) = self.chosen.get(&slot) {
            if known != value {
                self.broken.insert(Broken::Agreement);
            }
            return;
        }
        self.chosen.insert(slot, value.clone());
        let was_said = value.commands().iter().all(|command| {
            servers.iter().any(|server| {
                let mut said = (0..server.told).map(|index| Scope::command(server.id, index));
                said.any(|said| said == *command)
            })
        });
        if !was_said {
            self.broken.insert(Broken::Validity);
        }
        if chosen_in(servers, slot, value).is_none() {
            self.broken.insert(Broken::Durability);
        }
    }
}

/// The lowest ballot in which a majority has the value on disk.
fn chosen_in(servers: &[&Server], slot: Slot, value: &Value) -> Option<Ballot> {
    let mut voters: BTreeMap<Ballot, BTreeSet<ServerId>> = BTreeMap::new();
    for server in servers {
        for (ballot, accepted) in server.accepted_in(slot) {
            if accepted == value {
                voters.entry(ballot).or_default().insert(server.id);
            }
        }
    }
    let mut majorities = voters
        .into_iter()
        .filter(|(_, voters)| 2 * voters.len() > servers.len());
    majorities.next().map(|(ballot, _)| ballot)
}

/// Something that a search must come across to prove anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    SecondLeader,
    ProposedAgain,
    NoopChosen,
    CrashBeforeAnswer,
    TwoLeaders,
    Learned,
}

impl Sight {
    pub const ALL: [Sight; 6] = [
        Sight::SecondLeader,
        Sight::ProposedAgain,
        Sight::NoopChosen,
        Sight::CrashBeforeAnswer,
        Sight::TwoLeaders,
        Sight::Learned,
    ];

    pub fn what(self) -> &'static str {
        match self {
            Sight::SecondLeader => "a slot is chosen in a second leader's ballot",
            Sight::ProposedAgain => "a value is proposed again in a higher ballot",
            Sight::NoopChosen => "a no-op is chosen in a hole",
            Sight::CrashBeforeAnswer => "a crash comes between a durable acceptance and its answer",
            Sight::TwoLeaders => "two servers lead at once",
            Sight::Learned => "a server learns a value that it had not accepted",
        }
    }

    /// Whether `step` led to `state`, and shows it.
    pub fn is_in(self, state: &State, step: &Step) -> bool {
        let servers = state.servers();
        let chosen = &state.judgement.chosen;
        match self {
            Sight::SecondLeader => {
                let first = state.proposals().map(|(_, ballot, _)| ballot).min();
                chosen
                    .iter()
                    .any(|(slot, value)| chosen_in(&servers, *slot, value) > first)
            }
            Sight::ProposedAgain => state.proposals().any(|(slot, ballot, value)| {
                let mut others = state.proposals();
                *value != Value::Noop
                    && others.any(|other| (other.0, other.2) == (slot, value) && other.1 != ballot)
            }),
            Sight::NoopChosen => chosen.values().any(|value| *value == Value::Noop),
            Sight::CrashBeforeAnswer => step.cut_short,
            Sight::TwoLeaders => {
                let leaders = servers.iter().filter(|server| server.replica.leads());
                leaders.count() == 2
            }
            Sight::Learned => servers.iter().any(|server| {
                server.disk.iter().any(|record| match record {
                    Record::Learned { slot, .. } => server.accepted_in(*slot).next().is_none(),
                    _ => false,
                })
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scope;

    #[test]
    fn what_nobody_said_and_no_disk_holds_is_noticed() {
        let server = Server::new(ServerId(1));
        let value = Value::batch(vec![Scope::command(ServerId(1), 0)]);
        let mut judgement = Judgement::default();
        judgement.chose(&[&server], Slot(1), &value);
        let both = BTreeSet::from([Broken::Validity, Broken::Durability]);
        assert_eq!(judgement.broken, both);
        judgement.chose(&[&server], Slot(1), &Value::Noop);
        assert!(judgement.broken.contains(&Broken::Agreement));
    }
}
