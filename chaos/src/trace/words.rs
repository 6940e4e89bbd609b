//! Messages and actions as a person reads them. With each message comes whether it only says that
//! somebody is alive.

use paxosctl_node::ids::{Ballot, Slot};
use paxosctl_node::paxos::Message;
use paxosctl_node::value::{Command, Value};
use paxosctl_node::wire::{
    BalancerAnswer, BalancerMessage, ClientMessage, PeerMessage, ServerMessage,
};

use crate::report::count;
use crate::target::Action;

/// Letters of a text that are shown.
const MOST_LETTERS: usize = 24;

pub(crate) fn peer(message: &PeerMessage) -> (String, bool) {
    let message = match message {
        PeerMessage::Paxos(message) => message,
        PeerMessage::Introduce { .. } => return ("Introduce".into(), true),
        PeerMessage::Remembered { .. } => return ("Remembered".into(), true),
        PeerMessage::Stranger { .. } => return ("Stranger: another disk is known".into(), false),
    };
    let words = match message {
        Message::PreVote { ballot } => return (format!("PreVote {ballot}"), true),
        Message::PreVoteReply {
            ballot, granted, ..
        } => {
            let answer = if *granted { "granted" } else { "refused" };
            return (format!("PreVoteReply {ballot} {answer}"), true);
        }
        Message::Heartbeat { ballot, .. } => return (format!("Heartbeat {ballot}"), true),
        Message::HeartbeatReply { ballot, .. } => {
            return (format!("HeartbeatReply {ballot}"), true);
        }
        Message::Prepare { ballot, from } => format!("Prepare {ballot} from slot {from}"),
        Message::Promise {
            ballot,
            chosen,
            accepted,
        } => format!("Promise {ballot}, chosen {chosen}{}", held(accepted)),
        Message::Accept {
            ballot,
            slot,
            value,
        } => format!("Accept {ballot} slot {slot}: {}", value_words(value)),
        Message::Accepted { ballot, slot } => format!("Accepted {ballot} slot {slot}"),
        Message::Reject {
            ballot, promised, ..
        } => format!("Reject {ballot}, promised {promised}"),
        Message::Commit { ballot, chosen } => format!("Commit {ballot} up to slot {chosen}"),
        Message::CatchUp { from } => format!("CatchUp from slot {from}"),
        Message::Learn { from, values, .. } => {
            format!(
                "Learn {} from slot {from}",
                count(values.len() as u64, "slot")
            )
        }
        Message::Forward { commands, .. } => format!("Forward {}", commands_words(commands)),
        Message::ReadIndex { origin, id, .. } => format!("ReadIndex s{origin}#{id}"),
        Message::ReadIndexReply { origin, id, slot } => {
            format!("ReadIndexReply s{origin}#{id} slot {slot}")
        }
        Message::HandOver { ballot } => format!("HandOver {ballot}"),
    };
    (words, false)
}

pub(crate) fn to_server(message: &ClientMessage) -> (String, bool) {
    match message {
        ClientMessage::Join { seen, .. } => match seen {
            Some(seen) => (format!("Join, seen {seen}"), false),
            None => ("Join".into(), false),
        },
        ClientMessage::Leave { .. } => ("Leave".into(), false),
        ClientMessage::Say(command) => (format!("Say {}", command_words(command)), false),
        ClientMessage::Read { id, .. } => (format!("Read #{id}"), false),
        ClientMessage::History { from, .. } => (format!("History from {from}"), false),
        ClientMessage::Ping { .. } => ("Ping".into(), true),
        ClientMessage::Status => ("Status".into(), true),
        ClientMessage::Slots { from } => (format!("Slots from {from}"), true),
    }
}

pub(crate) fn to_client(message: &ServerMessage) -> (String, bool) {
    match message {
        ServerMessage::Joined { last, .. } => (format!("Joined, chat of {last}"), false),
        ServerMessage::Ack {
            seq, index, slot, ..
        } => (format!("Ack #{seq}: index {index}, slot {slot}"), false),
        ServerMessage::Gap { next_seq, .. } => (format!("Gap: #{next_seq} is missing"), false),
        ServerMessage::Busy { asked, .. } => (format!("Busy: {asked:?}"), false),
        ServerMessage::Deliver {
            first, messages, ..
        } => {
            let last = first + (messages.len() as u64).saturating_sub(1);
            (format!("Deliver {first}..{last}"), false)
        }
        ServerMessage::Page {
            first, messages, ..
        } => (format!("Page of {} from {first}", messages.len()), false),
        ServerMessage::ReadResult { id, length, .. } => {
            (format!("ReadResult #{id}: chat of {length}"), false)
        }
        ServerMessage::Pong { majority, .. } => match majority {
            true => ("Pong".into(), true),
            false => ("Pong: no majority".into(), false),
        },
        ServerMessage::GoElsewhere { .. } => ("GoElsewhere".into(), false),
        ServerMessage::Status(_) => ("Status".into(), true),
        ServerMessage::Slots { .. } => ("Slots".into(), true),
    }
}

pub(crate) fn to_balancer(message: &BalancerMessage) -> (String, bool) {
    match message {
        BalancerMessage::Report(_) => ("Report".into(), true),
        BalancerMessage::Route { .. } => ("Route".into(), false),
        BalancerMessage::Who => ("Who".into(), true),
    }
}

pub(crate) fn from_balancer(answer: &BalancerAnswer) -> (String, bool) {
    match answer {
        BalancerAnswer::GoTo { server, .. } => (format!("GoTo {server}"), false),
        BalancerAnswer::NotReady { .. } => ("NotReady".into(), false),
        BalancerAnswer::NoMajority { .. } => ("NoMajority".into(), false),
        BalancerAnswer::Registered { .. } => ("Registered".into(), true),
        BalancerAnswer::Refused { .. } => ("Refused".into(), false),
        BalancerAnswer::Who(_) => ("Who".into(), true),
    }
}

/// What was done to the cluster.
pub(crate) fn action(action: &Action) -> String {
    let verb = match action {
        Action::Kill { .. } => "kill",
        Action::Stop { .. } => "stop",
        Action::Start { .. } => "start",
        Action::Pause { .. } => "pause",
        Action::Resume { .. } => "resume",
        Action::Damage { .. } => "damage the disk of",
        Action::Fall { .. } => "fallen:",
        Action::Links { rules } if rules.is_empty() => return "all links are sound".into(),
        Action::Links { rules } => {
            return format!("{} in force", count(rules.len() as u64, "link rule"));
        }
        Action::Machine { rules } if rules.is_empty() => return "all machines are sound".into(),
        Action::Machine { rules } => {
            return format!("{} in force", count(rules.len() as u64, "machine rule"));
        }
    };
    format!("{verb} {}", action.nodes().unwrap_or_default().join(", "))
}

fn held(accepted: &[(Slot, Ballot, Value)]) -> String {
    const MOST: usize = 4;
    if accepted.is_empty() {
        return ", accepted nothing".into();
    }
    let slots: Vec<String> = accepted
        .iter()
        .take(MOST)
        .map(|(slot, ballot, value)| format!("{slot} in {ballot} ({})", value_words(value)))
        .collect();
    let more = accepted.len().saturating_sub(MOST);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(", accepted {}{more}", slots.join(", "))
}

fn value_words(value: &Value) -> String {
    match value {
        Value::Noop => "no-op".into(),
        value => commands_words(value.commands()),
    }
}

fn commands_words(commands: &[Command]) -> String {
    match commands {
        [] => "nothing".into(),
        [only] => command_words(only),
        [first, ..] => format!("{} and {} more", command_words(first), commands.len() - 1),
    }
}

fn command_words(command: &Command) -> String {
    let mut text: String = command.text.chars().take(MOST_LETTERS).collect();
    if command.text.chars().nth(MOST_LETTERS).is_some() {
        text.push('…');
    }
    format!("{}#{} {text:?}", command.name, command.seq)
}
