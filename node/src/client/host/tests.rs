use super::*;
use crate::client::{Arrivals, Mix};
use crate::ids::Slot;
use crate::value::Command;
use crate::wire::ClientInfo;

const ANN: ClientId = ClientId(7);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A sole session, which says what it is asked to.
fn sole() -> Host {
    let config = HostConfig {
        name: "ann".into(),
        client: Some(ANN),
        load: None,
        seed: 1,
    };
    Host::new(config, ms(0))
}

/// Sessions that say messages for a second in a closed loop.
fn crowd(sessions: u32, seed: u64) -> Host {
    let load = Load {
        sessions,
        rate: None,
        arrivals: Arrivals::Steady,
        burst: None,
        mix: Mix::default(),
        bytes: (20, 20),
        lasts: ms(1000),
        seed: 1,
    };
    let config = HostConfig {
        name: "ann".into(),
        client: None,
        load: Some(load),
        seed,
    };
    Host::new(config, ms(0))
}

/// Lets a session join a server, and forgets what it did for that.
fn join(host: &mut Host, session: usize, server: u16) {
    let client = host.sessions[session].client();
    host.from_balancer(ms(0), go_to(client, server));
    let joined = ServerMessage::Joined {
        client,
        next_seq: 1,
        last: 0,
    };
    host.from_server(ms(0), ServerId(server), joined);
    host.take_effects();
}

fn joined_sole() -> Host {
    let mut host = sole();
    join(&mut host, 0, 1);
    host
}

fn go_to(client: ClientId, server: u16) -> BalancerAnswer {
    BalancerAnswer::GoTo {
        client,
        server: ServerId(server),
        address: format!("server {server}"),
    }
}

fn route(client: ClientId, avoid: Option<u16>) -> HostEffect {
    HostEffect::ToBalancer(BalancerMessage::Route {
        client,
        name: "ann".into(),
        avoid: avoid.map(ServerId),
    })
}

fn send(server: u16, message: ClientMessage) -> HostEffect {
    HostEffect::ToServer {
        server: ServerId(server),
        address: format!("server {server}").into(),
        message,
    }
}

fn say(client: ClientId, seq: u64, at_ms: u64, text: &str) -> ClientMessage {
    ClientMessage::Say(Command {
        client,
        seq,
        name: "ann".into(),
        at_ms,
        text: text.into(),
    })
}

fn said(client: ClientId, seq: u64, at_ms: u64, text: &str) -> HostEffect {
    HostEffect::News(News::Said {
        client,
        seq,
        at_ms,
        text: text.into(),
    })
}

fn leave(client: ClientId) -> ClientMessage {
    ClientMessage::Leave { client }
}

fn happened(client: ClientId, what: Happened) -> HostEffect {
    HostEffect::News(News::Happened { client, what })
}

fn ack(client: ClientId, seq: u64) -> ServerMessage {
    ServerMessage::Ack {
        client,
        seq,
        index: seq,
        slot: Slot(seq),
    }
}

fn acked(client: ClientId, seq: u64) -> HostEffect {
    let what = Happened::Acked {
        seq,
        index: seq,
        slot: Slot(seq),
        server: ServerId(1),
    };
    happened(client, what)
}

#[test]
fn a_session_asks_for_a_server_and_goes_where_the_balancer_says() {
    let mut host = sole();
    assert_eq!(host.take_effects(), [route(ANN, None)]);
    host.from_balancer(ms(1), go_to(ClientId(8), 1));
    assert_eq!(host.take_effects(), []);
    host.from_balancer(ms(1), go_to(ANN, 1));
    let join = ClientMessage::Join {
        client: ANN,
        name: "ann".into(),
        seen: Some(0),
    };
    assert_eq!(host.take_effects(), [send(1, join)]);
}

#[test]
fn what_was_said_or_asked_is_told_before_it_leaves() {
    let mut host = joined_sole();
    host.ask(ms(1), 1000, Ask::Say("hi".into()));
    assert_eq!(
        host.take_effects(),
        [said(ANN, 1, 1000, "hi"), send(1, say(ANN, 1, 1000, "hi"))]
    );
    host.ask(ms(2), 1001, Ask::Read);
    assert_eq!(
        host.take_effects(),
        [
            HostEffect::News(News::ReadAsked { client: ANN, id: 1 }),
            send(1, ClientMessage::Read { client: ANN, id: 1 }),
        ]
    );
    host.ask(ms(3), 1002, Ask::History { from: 4, limit: 5 });
    let page = ClientMessage::History {
        client: ANN,
        from: 4,
        limit: 5,
    };
    assert_eq!(host.take_effects(), [send(1, page)]);
}

#[test]
fn effects_of_several_inputs_keep_their_order() {
    let mut host = joined_sole();
    host.ask(ms(1), 1000, Ask::Say("one".into()));
    host.from_server(ms(2), ServerId(1), ack(ANN, 1));
    host.ask(ms(3), 1001, Ask::Who);
    assert_eq!(
        host.take_effects(),
        [
            said(ANN, 1, 1000, "one"),
            send(1, say(ANN, 1, 1000, "one")),
            acked(ANN, 1),
            HostEffect::ToBalancer(BalancerMessage::Who),
        ]
    );
    assert_eq!(host.take_effects(), []);
}

#[test]
fn who_is_there_is_passed_on_to_the_user() {
    let mut host = joined_sole();
    let bob = ClientInfo {
        client: ClientId(8),
        name: "bob".into(),
    };
    let who = vec![(ServerId(2), bob)];
    host.from_balancer(ms(1), BalancerAnswer::Who(who.clone()));
    assert_eq!(host.take_effects(), [HostEffect::News(News::Who(who))]);
}

#[test]
fn a_refusal_is_told_once_for_each_reason() {
    let mut host = joined_sole();
    let refused = |reason: &str| News::Refused {
        peer: "s1".into(),
        reason: reason.into(),
    };
    host.refused("s1".into(), "full".into());
    host.refused("s2".into(), "full".into());
    host.refused("s1".into(), "wrong cluster".into());
    assert_eq!(
        host.take_effects(),
        [
            HostEffect::News(refused("full")),
            HostEffect::News(refused("wrong cluster"))
        ]
    );
}

#[test]
fn a_closed_connection_is_told_to_every_session_that_used_it() {
    let mut host = crowd(3, 1);
    for (session, server) in [(0, 1), (1, 2), (2, 1)] {
        join(&mut host, session, server);
    }
    host.server_gone(ms(200), ServerId(1));
    let lost = |session: usize| {
        let client = host.sessions[session].client();
        let what = Happened::Rerouting {
            from: Some(ServerId(1)),
            reason: "connection lost".into(),
        };
        [happened(client, what), route(client, Some(1))]
    };
    let expected = [lost(0), lost(2)].concat();
    assert_eq!(host.take_effects(), expected);
}

#[test]
fn every_session_asks_again_when_the_balancer_is_gone() {
    let mut host = crowd(2, 1);
    host.generator = None;
    let asks: Vec<HostEffect> = (host.sessions.iter())
        .map(|session| route(session.client(), None))
        .collect();
    assert_eq!(host.take_effects(), asks);
    host.balancer_gone(ms(100));
    assert_eq!(host.take_effects(), []);
    host.tick(ms(1000), 0);
    let mut again = host.take_effects();
    again.sort_by_key(|effect| asks.iter().position(|ask| ask == effect));
    assert_eq!(again, asks);
}

#[test]
fn only_a_sole_session_gives_up_the_connection() {
    let mut host = joined_sole();
    host.leave(ms(1));
    assert_eq!(
        host.take_effects(),
        [send(1, leave(ANN)), HostEffect::ForgetServer(ServerId(1))]
    );
    let mut host = crowd(2, 1);
    join(&mut host, 0, 1);
    join(&mut host, 1, 2);
    host.leave(ms(1));
    assert_eq!(
        host.take_effects(),
        [
            send(1, leave(host.sessions[0].client())),
            send(2, leave(host.sessions[1].client())),
        ]
    );
}

#[test]
fn a_load_says_its_messages_and_reports_when_it_is_done() {
    let mut host = crowd(1, 1);
    join(&mut host, 0, 1);
    let client = host.sessions[0].client();
    assert_eq!(host.next_tick(ms(0)), ms(0));
    host.tick(ms(0), 1000);
    let first = host.take_effects();
    let [HostEffect::News(News::Said { text, .. }), _] = &first[..] else {
        panic!("{first:?}");
    };
    let expected = [
        said(client, 1, 1000, text),
        send(1, say(client, 1, 1000, text)),
    ];
    assert_eq!(first, expected);
    // In a closed loop the next one waits for the acknowledgement.
    host.tick(ms(10), 1010);
    assert_eq!(host.take_effects(), []);
    host.from_server(ms(20), ServerId(1), ack(client, 1));
    assert_eq!(host.take_effects(), [acked(client, 1)]);
    assert_eq!(host.next_tick(ms(20)), ms(20));
    host.tick(ms(20), 1020);
    assert_eq!(host.take_effects().len(), 2);
    // It is over, and that has to be told.
    assert!(host.next_tick(ms(999)) <= ms(1000));
    host.generate(ms(999), 1999);
    assert_eq!(host.take_effects(), []);
    assert!(host.next_tick(ms(1001)) <= ms(1001));
    host.generate(ms(1001), 2001);
    let done = News::LoadDone { said: 2, acked: 1 };
    assert_eq!(host.take_effects(), [HostEffect::News(done)]);
    host.generate(ms(1002), 2002);
    assert_eq!(host.take_effects(), []);
}

#[test]
fn a_client_leaves_when_what_is_open_is_answered() {
    let mut host = joined_sole();
    assert!(!host.may_leave(ms(0)));
    host.ask(ms(1), 1000, Ask::Say("hi".into()));
    host.ask(ms(1), 1000, Ask::Leave);
    assert!(!host.may_leave(ms(1)));
    host.from_server(ms(2), ServerId(1), ack(ANN, 1));
    assert!(host.may_leave(ms(2)));
}

#[test]
fn a_client_does_not_wait_for_answers_for_ever() {
    let mut host = joined_sole();
    host.ask(ms(0), 1000, Ask::Say("hi".into()));
    host.ask(ms(1000), 2000, Ask::Leave);
    host.ask(ms(3000), 4000, Ask::Leave);
    assert!(!host.may_leave(ms(5999)));
    assert!(host.next_tick(ms(5999)) <= ms(6000));
    assert!(host.may_leave(ms(6000)));
}

#[test]
fn a_client_that_is_leaving_generates_nothing() {
    let mut host = crowd(1, 1);
    join(&mut host, 0, 1);
    host.ask(ms(0), 1000, Ask::Leave);
    host.generate(ms(0), 1000);
    assert_eq!(host.take_effects(), []);
    assert!(host.may_leave(ms(0)));
}

#[test]
fn a_session_parts_when_it_is_answered_and_another_takes_its_place() {
    let mut host = crowd(2, 1);
    host.generator = None;
    join(&mut host, 0, 1);
    join(&mut host, 1, 1);
    let old = host.sessions[1].client();
    host.carry(ms(1), 1000, 1, Deed::Say("bye".into()));
    host.take_effects();
    host.carry(ms(2), 1001, 1, Deed::Leave);
    host.carry(ms(3), 1002, 1, Deed::Say("too late".into()));
    assert_eq!(host.take_effects(), []);
    host.from_server(ms(4), ServerId(1), ack(old, 1));
    host.replace_parted(ms(4));
    let new = host.sessions[1].client();
    assert_ne!(new, old);
    assert_eq!(
        host.take_effects(),
        [acked(old, 1), send(1, leave(old)), route(new, None)]
    );
    host.from_balancer(ms(5), go_to(old, 2));
    assert_eq!(host.take_effects(), []);
    host.from_balancer(ms(5), go_to(new, 2));
    let join = ClientMessage::Join {
        client: new,
        name: "ann".into(),
        seen: None,
    };
    assert_eq!(host.take_effects(), [send(2, join)]);
}

#[test]
fn the_first_session_stays_since_it_listens_for_all() {
    let mut host = crowd(2, 1);
    join(&mut host, 0, 1);
    let first = host.sessions[0].client();
    host.carry(ms(1), 1000, 0, Deed::Leave);
    assert_eq!(host.take_effects(), []);
    assert_eq!(host.sessions[0].client(), first);
}

#[test]
fn after_a_tick_nobody_is_due_at_once() {
    let mut host = sole();
    for step in 0..100 {
        let now = host.next_tick(ms(step));
        host.tick(now, 0);
        assert!(host.next_tick(now) > now);
    }
}

#[test]
fn the_same_seed_gives_the_same_effects() {
    let run = |seed| {
        let mut host = crowd(5, seed);
        let mut effects = host.take_effects();
        for session in 0..5 {
            join(&mut host, session, 1);
        }
        let mut now = ms(0);
        while now < ms(2000) {
            host.tick(now, 1000);
            if now < ms(500) {
                host.carry(now, 1000, 3, Deed::Leave);
            }
            effects.extend(host.take_effects());
            now = host.next_tick(now);
        }
        effects
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
