//! Each planted bug of a server does the wrong thing where other tests find the right one.

use std::sync::Arc;
use std::time::Duration;

use super::membership::Membership;
use super::{Output, Server, Start};
use crate::ids::{ClientId, ConnId, ServerId, Slot};
use crate::log::{Identity, Log, LogWriter, Member, MemoryDisk, Record};
use crate::planted::{Bug, Planted, plant};
use crate::value::Command;
use crate::wire::{ClientMessage, PeerMessage, ServerMessage};

const ANN: ClientId = ClientId(7);
const CONN: ConnId = ConnId(1);

fn planted(bug: Bug) -> Planted {
    plant(Some(bug)).unwrap()
}

/// One life of a server over its disk.
struct Life {
    server: Server,
    writer: LogWriter,
}

impl Life {
    fn begin(disk: &MemoryDisk, servers: u16) -> Life {
        let me = ServerId(1);
        let identity = Identity {
            cluster: 1,
            server: me,
            servers,
        };
        let opened = Log::open(Arc::new(disk.clone()), identity, 11).unwrap();
        let start = Start {
            me,
            servers,
            address: "127.0.0.1:21001".into(),
            first_leader: None,
            seed: 1,
            first_read: 0,
            recovered: opened.recovered,
            history: opened.history,
        };
        Life {
            server: Server::new(start, Duration::ZERO).unwrap(),
            writer: opened.writer,
        }
    }

    /// A server alone, which leads, and where Ann is, who has so much of the chat.
    fn with_ann(disk: &MemoryDisk, seen: u64) -> (Life, Vec<ServerMessage>) {
        let mut life = Life::begin(disk, 1);
        life.settle();
        life.server.tick(life.server.next_tick());
        life.settle();
        assert!(life.server.replica.leads());
        let told = life.client(ClientMessage::Join {
            client: ANN,
            name: "ann".into(),
            seen: Some(seen),
        });
        (life, told)
    }

    /// Ends when its disk knows what is chosen.
    fn end(mut self) {
        self.server.tick(Duration::from_secs(1));
        self.settle();
    }

    fn output(&mut self) -> Output {
        self.server.take_output(Duration::ZERO).unwrap()
    }

    /// Writes what is to be written until there is no more, and returns what clients were told.
    fn settle(&mut self) -> Vec<ServerMessage> {
        let mut told = Vec::new();
        loop {
            let output = self.output();
            told.extend(output.to_clients.into_iter().map(|(_, message)| message));
            if output.persist.is_empty() {
                return told;
            }
            let located = self.writer.commit(&output.persist).unwrap();
            self.server
                .persisted(Duration::ZERO, output.write, &located);
        }
    }

    fn client(&mut self, message: ClientMessage) -> Vec<ServerMessage> {
        self.server.client(Duration::ZERO, CONN, message).unwrap();
        self.settle()
    }

    fn say(&mut self, seq: u64, text: &str) -> Vec<ServerMessage> {
        self.client(ClientMessage::Say(command(seq, text)))
    }
}

fn command(seq: u64, text: &str) -> Command {
    Command {
        client: ANN,
        seq,
        name: "ann".into(),
        at_ms: 0,
        text: text.into(),
    }
}

fn ack(seq: u64, index: u64, slot: u64) -> ServerMessage {
    ServerMessage::Ack {
        client: ANN,
        seq,
        index,
        slot: Slot(slot),
    }
}

fn deliver(first: u64, message: Command) -> ServerMessage {
    ServerMessage::Deliver {
        client: ANN,
        first,
        messages: vec![message],
    }
}

#[test]
fn ack_before_fsync() {
    let _bug = planted(Bug::AckBeforeFsync);
    let mut life = Life::begin(&MemoryDisk::new(), 3);
    life.output();
    let introduce = PeerMessage::Introduce { incarnation: 22 };
    life.server.peer(Duration::ZERO, ServerId(2), 22, introduce);
    let output = life.output();
    let (server, incarnation) = (ServerId(2), 22);
    let member = Member {
        server,
        incarnation,
    };
    assert_eq!(output.persist, [Record::Member(member)]);
    let remembered = PeerMessage::Remembered { you: 22 };
    assert_eq!(output.to_peers, [(server, remembered)]);
}

#[test]
fn session_table_lost() {
    let disk = MemoryDisk::new();
    let (mut life, _) = Life::with_ann(&disk, 0);
    life.say(1, "hi");
    life.end();
    let _bug = planted(Bug::SessionTableLost);
    let (mut life, told) = Life::with_ann(&disk, 1);
    let joined = ServerMessage::Joined {
        client: ANN,
        next_seq: 1,
        last: 1,
    };
    assert_eq!(told, [joined]);
    // Sent again, it is stored again.
    let told = life.say(1, "hi");
    assert_eq!(told, [ack(1, 2, 2), deliver(2, command(1, "hi"))]);
}

#[test]
fn dedup_by_text() {
    let _bug = planted(Bug::DedupByText);
    let (mut life, _) = Life::with_ann(&MemoryDisk::new(), 0);
    let first = [ack(1, 1, 1), deliver(1, command(1, "hi"))];
    assert_eq!(life.say(1, "hi"), first);
    assert_eq!(life.say(2, "hi"), []);
    // Asked again, it is said to be stored.
    assert_eq!(life.say(2, "hi"), [ack(2, 1, 2)]);
    let third = [ack(3, 2, 3), deliver(2, command(3, "ho"))];
    assert_eq!(life.say(3, "ho"), third);
}

#[test]
fn reapply_after_restart() {
    let disk = MemoryDisk::new();
    let _bug = planted(Bug::ReapplyAfterRestart);
    let (mut life, _) = Life::with_ann(&disk, 0);
    let first = [ack(1, 1, 1), deliver(1, command(1, "hi"))];
    assert_eq!(life.say(1, "hi"), first);
    life.end();
    let (mut life, _) = Life::with_ann(&disk, 1);
    let second = [ack(2, 2, 2), deliver(2, command(1, "hi"))];
    assert_eq!(life.say(2, "ho"), second);
}

#[test]
fn delivered_before_chosen() {
    let _bug = planted(Bug::DeliveredBeforeChosen);
    let (mut life, _) = Life::with_ann(&MemoryDisk::new(), 0);
    let say = ClientMessage::Say(command(1, "hi"));
    life.server.client(Duration::ZERO, CONN, say).unwrap();
    let told = life.output().to_clients;
    assert_eq!(told, [(CONN, deliver(1, command(1, "hi")))]);
    assert_eq!(life.server.replica.chosen(), Slot(0));
}

#[test]
fn wiped_server_votes() {
    let _bug = planted(Bug::WipedServerVotes);
    let mut membership = Membership::new(ServerId(1), 3, 11, &[], false, false);
    membership.introduced(ServerId(2), 22);
    let wiped = membership.introduced(ServerId(2), 23);
    let remembered = PeerMessage::Remembered { you: 23 };
    assert_eq!(wiped.reply_after_persist, Some(remembered));
    assert!(membership.trusts(ServerId(2), 23));
}
