//! What must hold at every step, checked from outside: from the messages that really left, the
//! records that were really durable and the values that came out.

use std::collections::{BTreeMap, BTreeSet};

use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::log::Record;
use paxosctl_node::paxos::{Chosen, Message};
use paxosctl_node::value::{Command, Value};

/// Everything that ever happened in a cluster, as far as agreement is concerned. Crashes change
/// nothing here: what was said was said.
#[derive(Default)]
pub struct Audit {
    servers: usize,
    /// Commands that a client really said.
    said: BTreeSet<(ClientId, u64, String)>,
    /// The value chosen in each slot, and the ballot in which a majority had it on disk when it was
    /// first reported.
    chosen: BTreeMap<Slot, (Value, Ballot)>,
    /// Who durably accepted which value in which slot and ballot, ever.
    votes: BTreeMap<(Slot, Ballot), (Value, BTreeSet<ServerId>)>,
    /// What each server durably holds now.
    durable: BTreeMap<ServerId, Durable>,
    /// The ballots under which each server last spoke as an acceptor.
    spoke: BTreeMap<ServerId, Ballot>,
    /// The process life in which each ballot was opened.
    opened: BTreeMap<Ballot, (ServerId, u64)>,
    /// The one value that each ballot proposes in each slot.
    proposed: BTreeMap<(Ballot, Slot), Value>,
    /// The highest slot chosen anywhere when a read was asked.
    asked: BTreeMap<(ServerId, u64), Slot>,
}

#[derive(Default, Clone)]
struct Durable {
    promised: Ballot,
    accepted: BTreeSet<(Slot, Ballot)>,
}

impl Audit {
    pub fn new(servers: u16) -> Audit {
        Audit {
            servers: usize::from(servers),
            ..Audit::default()
        }
    }

    pub fn said(&mut self, command: &Command) {
        self.said
            .insert((command.client, command.seq, command.text.clone()));
    }

    /// The highest slot chosen anywhere.
    pub fn highest_chosen(&self) -> Slot {
        self.chosen.keys().next_back().copied().unwrap_or(Slot(0))
    }

    pub fn became_durable(&mut self, server: ServerId, record: &Record) {
        let durable = self.durable.entry(server).or_default();
        match record {
            Record::Promised { ballot } => durable.promised = durable.promised.max(*ballot),
            Record::Accepted {
                slot,
                ballot,
                value,
            } => {
                assert!(
                    *ballot >= durable.promised,
                    "{server} accepted in {ballot} after promising {}",
                    durable.promised
                );
                durable.promised = *ballot;
                durable.accepted.insert((*slot, *ballot));
                let (known, voters) = self
                    .votes
                    .entry((*slot, *ballot))
                    .or_insert_with(|| (value.clone(), BTreeSet::new()));
                assert_eq!(known, value, "two values in slot {slot} of ballot {ballot}");
                voters.insert(server);
            }
            Record::Learned { slot, value } => {
                self.agrees(server, *slot, value);
            }
            Record::Chosen { .. }
            | Record::Member(_)
            | Record::Formed
            | Record::Opened
            | Record::Lost => {}
        }
    }

    /// The server's disk was emptied. What it once had stays counted; what it may say does not.
    pub fn forgot(&mut self, server: ServerId) {
        self.durable.remove(&server);
    }

    /// A message leaves `from` for the network, in the given life of its process.
    pub fn left(&mut self, from: ServerId, life: u64, message: &Message) {
        let durable = self.durable.entry(from).or_default();
        match message {
            Message::Prepare { ballot, .. } => {
                assert_eq!(ballot.owner(), Some(from));
                let first = *self.opened.entry(*ballot).or_insert((from, life));
                assert_eq!(first, (from, life), "ballot {ballot} is used again");
                assert!(
                    durable.promised >= *ballot,
                    "{from} prepares {ballot}, which a crash would forget"
                );
            }
            Message::Promise { ballot, .. } => {
                assert!(
                    durable.promised >= *ballot,
                    "{from} promises {ballot} before it is durable"
                );
                self.speaks(from, *ballot);
            }
            Message::Accept {
                ballot,
                slot,
                value,
            } => {
                assert_eq!(ballot.owner(), Some(from));
                let known = self
                    .proposed
                    .entry((*ballot, *slot))
                    .or_insert_with(|| value.clone());
                assert_eq!(
                    known, value,
                    "ballot {ballot} proposes twice in slot {slot}"
                );
                // A leader that was deposed without knowing may still repeat what it proposed.
                if let Some((chosen, chosen_in)) = self.chosen.get(slot)
                    && ballot > chosen_in
                {
                    assert_eq!(chosen, value, "{from} proposes over chosen slot {slot}");
                }
            }
            Message::Accepted { ballot, slot } => {
                assert!(
                    durable.accepted.contains(&(*slot, *ballot)) || self.chosen.contains_key(slot),
                    "{from} says it accepted slot {slot} in {ballot} before that is durable"
                );
                self.speaks(from, *ballot);
            }
            _ => {}
        }
    }

    /// An acceptor never speaks under a lower ballot than before, in all its lives.
    fn speaks(&mut self, server: ServerId, ballot: Ballot) {
        let last = self.spoke.entry(server).or_insert(Ballot::ZERO);
        assert!(
            ballot >= *last,
            "{server} speaks under {ballot} after {last}"
        );
        *last = ballot;
    }

    /// `server` says that a value is chosen.
    pub fn chose(&mut self, server: ServerId, chosen: &Chosen) {
        for command in chosen.value.commands() {
            let named = (command.client, command.seq, command.text.clone());
            assert!(self.said.contains(&named), "nobody said {command:?}");
        }
        let chosen_in = self.agrees(server, chosen.slot, &chosen.value);
        self.chosen
            .entry(chosen.slot)
            .or_insert_with(|| (chosen.value.clone(), chosen_in));
    }

    /// Returns the ballot in which it was chosen.
    fn agrees(&self, server: ServerId, slot: Slot, value: &Value) -> Ballot {
        if let Some((known, chosen_in)) = self.chosen.get(&slot) {
            assert_eq!(known, value, "{server} disagrees on slot {slot}");
            return *chosen_in;
        }
        let in_slot = self
            .votes
            .range((slot, Ballot::ZERO)..(slot.next(), Ballot::ZERO));
        let backed = in_slot
            .filter(|(_, (accepted, voters))| accepted == value && 2 * voters.len() > self.servers)
            .map(|((_, ballot), _)| *ballot)
            .next();
        backed.unwrap_or_else(|| {
            panic!(
                "{server} takes slot {slot} as chosen, but no majority has it on disk in one ballot"
            )
        })
    }

    pub fn asked(&mut self, server: ServerId, id: u64) {
        let highest = self.highest_chosen();
        self.asked.entry((server, id)).or_insert(highest);
    }

    pub fn answered(&mut self, server: ServerId, id: u64, slot: Slot) {
        let asked_at = self.asked.get(&(server, id));
        assert!(
            asked_at.is_some_and(|&highest| slot >= highest),
            "read {id} at {server} sees {slot}, but {asked_at:?} was chosen before it was asked"
        );
    }
}
