//! Protocol things as short text, for traces that people read.

use std::fmt::Write;

use paxosctl_node::ids::{Ballot, Slot};
use paxosctl_node::log::Record;
use paxosctl_node::paxos::Message;
use paxosctl_node::value::{Command, Value};

pub fn command(command: &Command) -> String {
    format!("{}#{} {:?}", command.name, command.seq, command.text)
}

pub fn commands(commands: &[Command]) -> String {
    commands.iter().map(command).collect::<Vec<_>>().join(" + ")
}

pub fn value(value: &Value) -> String {
    match value {
        Value::Noop => "no-op".to_owned(),
        Value::Batch(batch) => commands(batch),
    }
}

pub fn accepted(accepted: &[(Slot, Ballot, Value)]) -> String {
    let mut text = String::from("[");
    for (i, (slot, ballot, accepted)) in accepted.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{slot} in {ballot}: {}", value(accepted));
    }
    text.push(']');
    text
}

pub fn record(record: &Record) -> String {
    match record {
        Record::Promised { ballot } => format!("Promised {ballot}"),
        Record::Accepted {
            slot,
            ballot,
            value: accepted,
        } => format!("Accepted {slot} in {ballot}: {}", value(accepted)),
        Record::Learned {
            slot,
            value: learned,
        } => format!("Learned {slot}: {}", value(learned)),
        Record::Chosen { upto } => format!("Chosen {upto}"),
        other => format!("{other:?}"),
    }
}

/// The name under which scripts select a message.
pub fn name(message: &Message) -> &'static str {
    match message {
        Message::PreVote { .. } => "PreVote",
        Message::PreVoteReply { .. } => "PreVoteReply",
        Message::Prepare { .. } => "Prepare",
        Message::Promise { .. } => "Promise",
        Message::Accept { .. } => "Accept",
        Message::Accepted { .. } => "Accepted",
        Message::Reject { .. } => "Reject",
        Message::Heartbeat { .. } => "Heartbeat",
        Message::HeartbeatReply { .. } => "HeartbeatReply",
        Message::Commit { .. } => "Commit",
        Message::CatchUp { .. } => "CatchUp",
        Message::Learn { .. } => "Learn",
        Message::Forward { .. } => "Forward",
        Message::ReadIndex { .. } => "ReadIndex",
        Message::ReadIndexReply { .. } => "ReadIndexReply",
        Message::HandOver { .. } => "HandOver",
    }
}

pub fn message(message: &Message) -> String {
    let what = match message {
        Message::PreVote { ballot } | Message::HandOver { ballot } => format!("{ballot}"),
        Message::PreVoteReply {
            ballot,
            granted,
            promised,
            leader,
        } => {
            let answer = if *granted { "granted" } else { "refused" };
            let leader = leader.map_or(String::new(), |leader| format!(", {leader} leads"));
            format!("{ballot} {answer}, promised {promised}{leader}")
        }
        Message::Prepare { ballot, from } => format!("{ballot} from {from}"),
        Message::Promise {
            ballot,
            chosen,
            accepted: values,
        } => format!("{ballot} chosen {chosen} accepted {}", accepted(values)),
        Message::Accept {
            ballot,
            slot,
            value: proposed,
        } => format!("{ballot} {slot}: {}", value(proposed)),
        Message::Accepted { ballot, slot } => format!("{ballot} {slot}"),
        Message::Reject {
            ballot,
            promised,
            follows,
        } => {
            let follows = if *follows { ", follows it" } else { "" };
            format!("{ballot}, promised {promised}{follows}")
        }
        Message::Heartbeat { ballot, probe } => format!("{ballot} probe {probe}"),
        Message::HeartbeatReply {
            ballot,
            probe,
            chosen,
        } => format!("{ballot} probe {probe} chosen {chosen}"),
        Message::Commit { ballot, chosen } => format!("{ballot} chosen {chosen}"),
        Message::CatchUp { from } => format!("from {from}"),
        Message::Learn {
            from,
            values,
            chosen,
        } => {
            let values: Vec<String> = values.iter().map(value).collect();
            format!("from {from} [{}] chosen {chosen}", values.join(", "))
        }
        Message::Forward {
            commands: forwarded,
            hops,
        } => format!("{} hops {hops}", commands(forwarded)),
        Message::ReadIndex { origin, id, hops } => format!("s{origin} read {id} hops {hops}"),
        Message::ReadIndexReply { origin, id, slot } => format!("s{origin} read {id} at {slot}"),
    };
    format!("{} {what}", name(message))
}
