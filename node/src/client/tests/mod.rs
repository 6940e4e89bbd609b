//! Every rule of a session, with the exact effects.

mod conversation;
mod place;
#[cfg(feature = "planted-bugs")]
mod planted;

use super::*;
use crate::wire::{Asked, BalancerAnswer, ServerMessage};

const ANN: ClientId = ClientId(7);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn s(id: u16) -> ServerId {
    ServerId(id)
}

/// Waiting times without jitter, so that tests can name them.
fn session(seen: Option<u64>) -> Session {
    let config = Config {
        client: ANN,
        name: "ann".into(),
        seen,
        seed: 1,
        timing: Timing {
            jitter_percent: 0,
            ..Timing::default()
        },
    };
    Session::new(config, ms(0))
}

fn ask(avoid: Option<u16>) -> Effect {
    Effect::AskBalancer {
        avoid: avoid.map(s),
    }
}

fn send(server: u16, message: ClientMessage) -> Effect {
    Effect::Send {
        server: s(server),
        address: format!("127.0.0.1:2100{server}").into(),
        message,
    }
}

fn happened(news: Happened) -> Effect {
    Effect::Happened(news)
}

fn rerouting(from: u16, reason: &str) -> Effect {
    happened(Happened::Rerouting {
        from: Some(s(from)),
        reason: reason.into(),
    })
}

fn majority(majority: bool) -> Effect {
    happened(Happened::Majority(majority))
}

fn join(seen: Option<u64>) -> ClientMessage {
    ClientMessage::Join {
        client: ANN,
        name: "ann".into(),
        seen,
    }
}

fn leave() -> ClientMessage {
    ClientMessage::Leave { client: ANN }
}

fn ping(seen: Option<u64>) -> ClientMessage {
    ClientMessage::Ping { client: ANN, seen }
}

fn read(id: u64) -> ClientMessage {
    ClientMessage::Read { client: ANN, id }
}

fn command(seq: u64) -> Command {
    Command {
        client: ANN,
        seq,
        name: "ann".into(),
        at_ms: 1000 + seq,
        text: format!("message {seq}"),
    }
}

fn say(seq: u64) -> ClientMessage {
    ClientMessage::Say(command(seq))
}

fn go_to(server: u16) -> BalancerAnswer {
    BalancerAnswer::GoTo {
        client: ANN,
        server: s(server),
        address: format!("127.0.0.1:2100{server}"),
    }
}

fn no_majority() -> BalancerAnswer {
    BalancerAnswer::NoMajority {
        client: ANN,
        up: 1,
        servers: 3,
    }
}

fn not_ready(registered: u16) -> BalancerAnswer {
    BalancerAnswer::NotReady {
        client: ANN,
        registered,
        servers: 3,
    }
}

fn joined(next_seq: u64, last: u64) -> ServerMessage {
    ServerMessage::Joined {
        client: ANN,
        next_seq,
        last,
    }
}

fn ack(seq: u64) -> ServerMessage {
    ServerMessage::Ack {
        client: ANN,
        seq,
        index: 10 + seq,
        slot: Slot(20 + seq),
    }
}

fn acked(seq: u64, server: u16) -> Effect {
    happened(Happened::Acked {
        seq,
        index: 10 + seq,
        slot: Slot(20 + seq),
        server: s(server),
    })
}

fn pong(last: u64, majority: bool) -> ServerMessage {
    ServerMessage::Pong {
        client: ANN,
        last,
        majority,
    }
}

fn deliver(first: u64, seqs: &[u64]) -> ServerMessage {
    ServerMessage::Deliver {
        client: ANN,
        first,
        messages: seqs.iter().map(|&seq| command(seq)).collect(),
    }
}

fn delivered(index: u64, seq: u64) -> Effect {
    happened(Happened::Delivered {
        index,
        command: command(seq),
    })
}

fn go_elsewhere() -> ServerMessage {
    ServerMessage::GoElsewhere {
        client: ANN,
        reason: "stopping".into(),
    }
}

fn say_next(session: &mut Session, at_ms: u64) -> u64 {
    let seq = session.last_said() + 1;
    session.say(ms(at_ms), 1000 + seq, format!("message {seq}"))
}

fn from_balancer(session: &mut Session, at_ms: u64, answer: BalancerAnswer) -> Vec<Effect> {
    session.from_balancer(ms(at_ms), answer);
    session.take_effects()
}

fn from_server(
    session: &mut Session,
    at_ms: u64,
    server: u16,
    message: ServerMessage,
) -> Vec<Effect> {
    session.from_server(ms(at_ms), s(server), message);
    session.take_effects()
}

fn tick(session: &mut Session, at_ms: u64) -> Vec<Effect> {
    session.tick(ms(at_ms));
    session.take_effects()
}

fn failed(session: &mut Session, at_ms: u64, server: u16) -> Vec<Effect> {
    session.server_failed(ms(at_ms), s(server));
    session.take_effects()
}

/// A session that is open at s1 since 0 ms.
fn at_s1(seen: Option<u64>) -> Session {
    let mut session = session(seen);
    assert_eq!(session.take_effects(), [ask(None)]);
    assert_eq!(
        from_balancer(&mut session, 0, go_to(1)),
        [send(1, join(seen))]
    );
    assert_eq!(
        from_server(&mut session, 0, 1, joined(1, seen.unwrap_or(0))),
        [happened(Happened::Joined { server: s(1) })]
    );
    assert_eq!(session.server(), Some(s(1)));
    session
}

/// Runs all ticks up to a time and returns what they did, each with its time in milliseconds.
fn run(session: &mut Session, until_ms: u64) -> Vec<(u128, Effect)> {
    let mut all = Vec::new();
    while let Some(at) = session.next_tick().filter(|&at| at <= ms(until_ms)) {
        session.tick(at);
        let effects = session.take_effects();
        assert!(
            session.next_tick().is_none_or(|next| next > at),
            "a tick at {at:?} is due again at once"
        );
        all.extend(effects.into_iter().map(|effect| (at.as_millis(), effect)));
    }
    all
}
