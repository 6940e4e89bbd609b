//! The exact effects of each handler, one call at a time.

mod acceptor;
mod election;
mod leader;
mod learner;
mod phase1;
#[cfg(feature = "planted-bugs")]
mod planted;
mod push;
mod serve;
mod slow_disk;

use std::time::Duration;

use super::{
    Applied, Chosen, Config, Effects, Led, Limits, Message, Recovered, Replica, Sessions, Timing,
};
use crate::ids::{Ballot, ClientId, ServerId, Slot};
use crate::log::Record;
use crate::value::{Command, Value};

const S1: ServerId = ServerId(1);
const S2: ServerId = ServerId(2);
const S3: ServerId = ServerId(3);
const ANN: ClientId = ClientId(1);
const BOB: ClientId = ClientId(2);

fn ballot(round: u64, server: ServerId) -> Ballot {
    Ballot::new(round, server)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn say(client: ClientId, seq: u64) -> Command {
    Command {
        client,
        seq,
        name: "x".to_owned(),
        at_ms: 0,
        text: format!("{seq}"),
    }
}

fn value(client: ClientId, seq: u64) -> Value {
    Value::batch(vec![say(client, seq)])
}

fn chosen(slot: u64, value: Value, applied: &[(u64, ClientId, u64)]) -> Chosen {
    let commands = value.commands();
    let position = |client, seq| {
        let said = |command: &Command| (command.client, command.seq) == (client, seq);
        commands.iter().position(said).unwrap() as u32
    };
    let applied = applied.iter().map(|&(index, client, seq)| Applied {
        index,
        position: position(client, seq),
    });
    Chosen {
        slot: Slot(slot),
        applied: applied.collect(),
        value,
    }
}

/// A replica on the given durable state, at time zero.
fn replica_of(me: ServerId, servers: u16, recovered: Recovered) -> Replica {
    let config = Config {
        me,
        servers,
        first_leader: None,
        seed: 1,
        timing: Timing {
            gather: Duration::ZERO,
            ..Timing::default()
        },
        limits: Limits {
            window_slots: 2,
            ..Limits::default()
        },
    };
    Replica::new(config, recovered, Duration::ZERO)
}

fn replica(me: ServerId, servers: u16) -> Replica {
    replica_of(me, servers, Recovered::empty())
}

/// Durable state: a promise, acceptances, and chosen no-ops up to a slot.
fn recovered(promised: Ballot, accepted: &[(u64, Ballot, Value)], chosen: u64) -> Recovered {
    Recovered {
        promised,
        accepted: accepted
            .iter()
            .map(|(slot, ballot, value)| (Slot(*slot), *ballot, value.clone()))
            .collect(),
        chosen: Slot(chosen),
        voting: true,
        sessions: Sessions::new(),
    }
}

/// One step, and all that came of it.
fn step(replica: &mut Replica, from: ServerId, message: Message) -> Effects {
    replica.step(replica.now, from, message);
    replica.take_effects()
}

/// Everything written so far is durable.
fn sync(replica: &mut Replica) -> Effects {
    let upto = replica.outbox.records();
    replica.persisted(replica.now, upto);
    replica.take_effects()
}

/// Stands for election: a whole round of pre-votes.
fn stand(replica: &mut Replica) -> Ballot {
    while !matches!(replica.role, super::replica::Role::Preparing(_)) {
        let due = replica.next_tick();
        replica.tick(due);
        let asked = replica.take_effects().send;
        for (to, message) in asked {
            if let Message::PreVote { ballot } = message {
                let reply = granted(ballot, Ballot::ZERO);
                replica.step(due, to, reply);
            }
        }
    }
    replica.take_effects();
    replica.promised()
}

/// Leads with the promises of all others, who accepted nothing and know no chosen slot.
fn lead(replica: &mut Replica) -> Ballot {
    let ballot = stand(replica);
    sync(replica);
    for peer in replica.peers() {
        replica.step(replica.now, peer, promise(ballot, 0, &[]));
    }
    assert!(replica.leads());
    replica.take_effects();
    ballot
}

fn granted(ballot: Ballot, promised: Ballot) -> Message {
    Message::PreVoteReply {
        ballot,
        granted: true,
        promised,
        leader: None,
    }
}

fn promise(ballot: Ballot, chosen: u64, accepted: &[(u64, Ballot, Value)]) -> Message {
    Message::Promise {
        ballot,
        chosen: Slot(chosen),
        accepted: accepted
            .iter()
            .map(|(slot, ballot, value)| (Slot(*slot), *ballot, value.clone()))
            .collect(),
    }
}

fn accept(ballot: Ballot, slot: u64, value: Value) -> Message {
    Message::Accept {
        ballot,
        slot: Slot(slot),
        value,
    }
}

fn accepted(ballot: Ballot, slot: u64) -> Message {
    Message::Accepted {
        ballot,
        slot: Slot(slot),
    }
}

fn commit(ballot: Ballot, chosen: u64) -> Message {
    Message::Commit {
        ballot,
        chosen: Slot(chosen),
    }
}

fn reject(ballot: Ballot, promised: Ballot, follows: bool) -> Message {
    Message::Reject {
        ballot,
        promised,
        follows,
    }
}

fn heartbeat(ballot: Ballot, probe: u64) -> Message {
    Message::Heartbeat { ballot, probe }
}

fn heartbeat_reply(ballot: Ballot, probe: u64, chosen: u64) -> Message {
    Message::HeartbeatReply {
        ballot,
        probe,
        chosen: Slot(chosen),
    }
}

fn learn(from: u64, values: &[Value], chosen: u64) -> Message {
    Message::Learn {
        from: Slot(from),
        values: values.to_vec(),
        chosen: Slot(chosen),
    }
}

fn catch_up(from: u64) -> Message {
    Message::CatchUp { from: Slot(from) }
}

fn record_accepted(slot: u64, ballot: Ballot, value: Value) -> Record {
    Record::Accepted {
        slot: Slot(slot),
        ballot,
        value,
    }
}

fn nothing(persist_upto: u64) -> Effects {
    Effects {
        persist_upto,
        ..Effects::default()
    }
}

fn to_all(peers: &[ServerId], message: Message) -> Vec<(ServerId, Message)> {
    peers.iter().map(|&peer| (peer, message.clone())).collect()
}
