//! What must hold at every step of a whole cluster, seen from outside.

use std::collections::{BTreeMap, BTreeSet};

use paxosctl_node::event::{Acceptance, Event};
use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::log::{Record, RecoveredLog};
use paxosctl_node::paxos::{Chosen, Message};
use paxosctl_node::value::{Command, Value};
use paxosctl_node::wire::ServerMessage;

use super::audit::Audit;

pub(super) struct Judge {
    /// Agreement, majorities and promises.
    audit: Audit,
    /// The chosen values, by slot from 1.
    chosen: BTreeMap<Slot, Value>,
    /// The chat that they make, by the session rule applied here anew.
    chat: Vec<(ClientId, u64)>,
    /// The slots that the chat covers.
    applied: Slot,
    place: BTreeMap<(ClientId, u64), u64>,
    commands: BTreeMap<(ClientId, u64), Command>,
    last_applied: BTreeMap<ClientId, u64>,
    acked: BTreeSet<(ClientId, u64)>,
    /// The highest chat index of an acknowledged message.
    acked_index: u64,
    /// What had been acknowledged when a message was said or a read asked.
    said_after: BTreeMap<(ClientId, u64), u64>,
    asked_after: BTreeMap<(ClientId, u64), u64>,
    /// What each server's lines of evidence say.
    evidence: BTreeMap<ServerId, Evidence>,
    /// The disk under which each server ever spoke as a voter.
    voted_as: BTreeMap<ServerId, u64>,
    formed: BTreeSet<ServerId>,
    /// Whose disk is known where, durably.
    remembered: BTreeMap<ServerId, BTreeMap<ServerId, u64>>,
}

#[derive(Default)]
struct Evidence {
    promised: Ballot,
    accepted: BTreeSet<(Slot, Ballot)>,
    chosen: Slot,
}

impl Judge {
    pub fn new(servers: u16) -> Judge {
        Judge {
            audit: Audit::new(servers),
            chosen: BTreeMap::new(),
            chat: Vec::new(),
            applied: Slot(0),
            place: BTreeMap::new(),
            commands: BTreeMap::new(),
            last_applied: BTreeMap::new(),
            acked: BTreeSet::new(),
            acked_index: 0,
            said_after: BTreeMap::new(),
            asked_after: BTreeMap::new(),
            evidence: BTreeMap::new(),
            voted_as: BTreeMap::new(),
            formed: BTreeSet::new(),
            remembered: BTreeMap::new(),
        }
    }

    pub fn chosen(&self) -> Slot {
        self.applied
    }

    pub fn messages(&self) -> u64 {
        self.chat.len() as u64
    }

    /// The number of servers that said that they vote.
    pub fn formed(&self) -> usize {
        self.formed.len()
    }

    pub fn said(&mut self, command: &Command) {
        self.audit.said(command);
        let named = (command.client, command.seq);
        self.said_after.insert(named, self.acked_index);
        self.commands.insert(named, command.clone());
    }

    pub fn asked(&mut self, client: ClientId, id: u64) {
        self.asked_after.insert((client, id), self.acked_index);
    }

    /// P2 and agreement: a majority has it on disk in one ballot, and it is what others chose.
    pub fn chose(&mut self, server: ServerId, slot: Slot, value: Value) {
        let chosen = Chosen {
            slot,
            value,
            applied: Vec::new(),
        };
        self.audit.chose(server, &chosen);
        self.chosen.entry(slot).or_insert(chosen.value);
        while let Some(value) = self.chosen.get(&self.applied.next()) {
            self.applied = self.applied.next();
            for command in value.commands() {
                let last = self.last_applied.entry(command.client).or_insert(0);
                if command.seq == *last + 1 {
                    *last = command.seq;
                    let named = (command.client, command.seq);
                    assert_eq!(self.commands.get(&named), Some(command), "altered");
                    self.chat.push(named);
                    self.place.insert(named, self.chat.len() as u64);
                }
            }
        }
    }

    /// A message leaves for a client.
    pub fn answered(&mut self, server: ServerId, message: &ServerMessage) {
        match *message {
            ServerMessage::Ack {
                client,
                seq,
                index,
                slot,
            } => self.has_its_place(client, seq, index, slot),
            ServerMessage::ReadResult { length, .. } => {
                assert!(
                    length <= self.messages(),
                    "{server} reads what is not there"
                );
            }
            _ => {}
        }
    }

    /// The client hears that its message is stored.
    pub fn acked(&mut self, client: ClientId, seq: u64, index: u64, slot: Slot) {
        self.has_its_place(client, seq, index, slot);
        assert!(self.acked.insert((client, seq)), "acknowledged twice");
        let place = self.place[&(client, seq)];
        self.acked_index = self.acked_index.max(place);
    }

    fn has_its_place(&self, client: ClientId, seq: u64, index: u64, slot: Slot) {
        let place = self.place.get(&(client, seq));
        let place = *place.unwrap_or_else(|| panic!("{client} {seq} is acknowledged unchosen"));
        if index == 0 && slot == Slot(0) {
            return;
        }
        assert_eq!(place, index, "{client} {seq} stands elsewhere");
        let value = &self.chosen[&slot];
        let is_in_slot = value
            .commands()
            .iter()
            .any(|c| (c.client, c.seq) == (client, seq));
        assert!(is_in_slot, "{client} {seq} is not in slot {slot}");
    }

    /// P5: everyone hears the same chat.
    pub fn delivered(&self, client: ClientId, index: u64, command: &Command) {
        let named = self.chat.get(index as usize - 1);
        assert_eq!(
            named,
            Some(&(command.client, command.seq)),
            "{client} hears another chat at {index}"
        );
        assert_eq!(
            self.commands.get(&(command.client, command.seq)),
            Some(command)
        );
    }

    /// A linearizable read sees everything that was acknowledged before it was asked.
    pub fn read(&mut self, client: ClientId, id: u64, length: u64) {
        let floor = self.asked_after[&(client, id)];
        assert!(
            (floor..=self.messages()).contains(&length),
            "read {id} of {client} sees {length} messages; {floor} were acknowledged before"
        );
    }

    pub fn became_durable(&mut self, server: ServerId, records: &[Record]) {
        for record in records {
            self.audit.became_durable(server, record);
            if let Record::Member(member) = record {
                let remembers = self.remembered.entry(server).or_default();
                let before = remembers.insert(member.server, member.incarnation);
                assert_eq!(before, None, "{server} remembers another disk of a peer");
            }
        }
    }

    /// A process starts with what its disk remembers, and says so in its first line.
    pub fn recovered(&mut self, server: ServerId, log: &RecoveredLog) {
        let evidence = self.evidence.entry(server).or_default();
        evidence.promised = evidence.promised.max(log.promised);
        let accepted = log
            .accepted
            .iter()
            .map(|(slot, ballot, _)| (*slot, *ballot));
        evidence.accepted.extend(accepted);
        evidence.chosen = evidence.chosen.max(log.chosen);
    }

    pub fn wiped(&mut self, server: ServerId) {
        self.audit.forgot(server);
        self.remembered.remove(&server);
    }

    pub fn evidence(&mut self, server: ServerId, event: &Event) {
        let evidence = self.evidence.entry(server).or_default();
        match *event {
            Event::Promised { ballot } => evidence.promised = evidence.promised.max(ballot),
            Event::Accepted(Acceptance { ballot, slot, .. }) => {
                evidence.promised = evidence.promised.max(ballot);
                evidence.accepted.insert((slot, ballot));
            }
            Event::Chosen { upto } => evidence.chosen = evidence.chosen.max(upto),
            Event::Formed => {
                self.formed.insert(server);
            }
            _ => {}
        }
    }

    /// A server vouches for having the disk `incarnation` of a peer on its own.
    pub fn vouched(&self, server: ServerId, peer: ServerId, incarnation: u64) {
        let remembers = self.remembered.get(&server).and_then(|by| by.get(&peer));
        assert_eq!(
            remembers,
            Some(&incarnation),
            "{server} vouches for {peer} before that is durable"
        );
    }

    /// A message leaves for a peer.
    pub fn left(&mut self, from: ServerId, life: u64, incarnation: u64, message: &Message) {
        self.audit.left(from, life, message);
        let evidence = self.evidence.entry(from).or_default();
        match *message {
            Message::Promise { ballot, .. } => assert!(
                evidence.promised >= ballot,
                "{from} promises {ballot} before its line of evidence"
            ),
            Message::Accepted { ballot, slot } => assert!(
                evidence.accepted.contains(&(slot, ballot)) || slot <= evidence.chosen,
                "{from} accepts slot {slot} before its line of evidence"
            ),
            Message::Prepare { .. }
            | Message::Accept { .. }
            | Message::PreVote { .. }
            | Message::PreVoteReply { .. }
            | Message::HeartbeatReply { .. } => {}
            _ => return,
        }
        let voted_as = *self.voted_as.entry(from).or_insert(incarnation);
        assert_eq!(voted_as, incarnation, "two disks vote as {from}");
    }

    /// At the end: what was acknowledged before a message was said stands before it.
    pub fn finish(&self) {
        for (named, place) in &self.place {
            let before = self.said_after[named];
            assert!(
                *place > before,
                "{named:?} stands before what it came after"
            );
        }
    }
}
