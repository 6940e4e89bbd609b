use super::*;
use crate::chat::command::Span;
use paxosctl_node::ids::Slot;
use paxosctl_node::value::Command;

const ME: ClientId = ClientId(1);
const S2: ServerId = ServerId(2);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn happened(what: Happened) -> News {
    News::Happened { client: ME, what }
}

fn command(client: u64, text: &str) -> Command {
    Command {
        client: ClientId(client),
        seq: 1,
        name: "ann".into(),
        at_ms: 0,
        text: text.into(),
    }
}

fn delivered(index: u64, client: u64, text: &str) -> News {
    let command = command(client, text);
    happened(Happened::Delivered { index, command })
}

fn acked(seq: u64, index: u64) -> News {
    happened(Happened::Acked {
        seq,
        index,
        slot: Slot(1),
        server: S2,
    })
}

fn said(seq: u64, text: &str) -> News {
    News::Said {
        client: ME,
        seq,
        at_ms: 0,
        text: text.into(),
    }
}

fn message(client: u64, text: &str) -> Effect {
    Effect::Show(Shown::Message {
        command: command(client, text),
        own: client == ME.0,
        place: None,
    })
}

fn notice(text: &str) -> Vec<Effect> {
    vec![Effect::Show(Shown::Notice(text.into()))]
}

fn answer(lines: &[&str]) -> Vec<Effect> {
    let lines = lines.iter().map(|line| line.to_string()).collect();
    vec![Effect::Show(Shown::Answer(lines))]
}

fn new_view() -> View {
    View::new(ME, "demo".into(), "127.0.0.1:9".into(), true, ms(0))
}

/// Connected to s2, with an empty chat.
fn connected() -> View {
    let mut view = new_view();
    view.news(ms(0), happened(Happened::Joined { server: S2 }));
    view.news(ms(0), length(0));
    assert_eq!(view.tick(ms(0)), notice("nothing was said yet"));
    view
}

fn length(last: u64) -> News {
    happened(Happened::Page {
        first: u64::MAX,
        messages: vec![],
        last,
    })
}

#[test]
fn the_start_connects_asks_for_the_length_and_shows_the_chat() {
    let mut view = new_view();
    assert!(!view.was_connected());
    let ask = Ask::History {
        from: u64::MAX,
        limit: 1,
    };
    assert_eq!(
        view.news(ms(5), happened(Happened::Joined { server: S2 })),
        [notice("connected to s2"), vec![Effect::Ask(ask)]].concat()
    );
    assert!(view.was_connected());
    assert_eq!(view.news(ms(6), delivered(1, 8, "hi")), []);
    assert_eq!(view.tick(ms(6)), []);
    assert_eq!(view.news(ms(7), length(2)), []);
    assert_eq!(view.news(ms(8), delivered(2, 1, "ho")), []);
    assert!(!view.is_settled());
    assert_eq!(view.tick(ms(8)), [message(8, "hi"), message(1, "ho")]);
    assert!(view.is_settled());
}

#[test]
fn what_is_said_is_shown_once_when_it_is_chosen() {
    let mut view = connected();
    let say = view.typed(ms(200), Line::Say("hello".into()));
    assert_eq!(say, [Effect::Ask(Ask::Say("hello".into()))]);
    assert_eq!(view.unsent(), 1);
    assert!(!view.is_settled());
    assert_eq!(view.news(ms(200), said(1, "hello")), []);
    assert_eq!(view.unsent(), 1);
    assert_eq!(view.news(ms(210), acked(1, 1)), []);
    assert_eq!(view.unsent(), 0);
    assert!(!view.is_settled());
    assert_eq!(view.news(ms(211), delivered(1, 1, "hello")), []);
    assert_eq!(view.tick(ms(211)), [message(1, "hello")]);
    assert!(view.is_settled());
    assert_eq!(view.next_tick(), None);
}

#[test]
fn what_is_not_stored_after_a_second_is_told_once_a_second_at_most() {
    let mut view = connected();
    let long = "a message that is rather long, and longer than that";
    view.news(ms(1000), said(1, long));
    assert_eq!(view.next_tick(), Some(ms(2000)));
    assert_eq!(view.tick(ms(1999)), []);
    assert_eq!(
        view.tick(ms(2000)),
        notice("not stored yet: “a message that is rather…”; kept, and sent when possible")
    );
    assert_eq!(view.next_tick(), None);
    view.news(ms(2100), said(2, "two"));
    view.news(ms(2200), said(3, "three"));
    assert_eq!(view.next_tick(), Some(ms(3100)));
    assert_eq!(
        view.tick(ms(3100)),
        notice("not stored yet: 3 messages; kept, and sent when possible")
    );
    view.news(ms(3200), acked(1, 1));
    view.news(ms(3200), acked(2, 2));
    assert_eq!(view.unsent(), 1);
    assert_eq!(view.next_tick(), None);
}

#[test]
fn server_says_how_things_are() {
    let mut view = connected();
    assert_eq!(
        view.typed(ms(0), Line::Server),
        answer(&[
            "cluster demo: connected to s2",
            "0 messages in the chat; everything that you said is stored",
            "a majority of the servers is there",
        ])
    );
    view.news(ms(0), delivered(1, 8, "hi"));
    view.news(ms(0), said(1, "x"));
    view.news(ms(0), happened(Happened::Majority(false)));
    let from = Some(S2);
    let reason = "silent".into();
    view.news(ms(0), happened(Happened::Rerouting { from, reason }));
    assert_eq!(
        view.typed(ms(0), Line::Server),
        answer(&[
            "cluster demo: looking for a server",
            "1 message in the chat; 1 of your messages is not stored yet",
            "no majority: nothing can be stored now",
        ])
    );
}

#[test]
fn who_is_grouped_by_server() {
    let mut view = connected();
    assert_eq!(view.typed(ms(0), Line::Who), [Effect::Ask(Ask::Who)]);
    let client = |server: u16, client: u64, name: &str| {
        let name = name.to_owned();
        let client = ClientId(client);
        (ServerId(server), ClientInfo { client, name })
    };
    let who = vec![
        client(3, 9, "load"),
        client(2, 1, "ann"),
        client(3, 8, "load"),
        client(3, 7, "bob"),
    ];
    assert_eq!(
        view.news(ms(1), News::Who(who.clone())),
        answer(&["s2: ann (you)", "s3: bob, load ×2"])
    );
    // The answer to a repeated question.
    assert_eq!(view.news(ms(2), News::Who(who)), []);
    view.typed(ms(3), Line::Who);
    assert_eq!(
        view.news(ms(4), News::Who(vec![])),
        answer(&["s2: you, just arrived"])
    );
    view.typed(ms(5), Line::Who);
    let crowd = (1..=25).map(|number| client(1, number + 50, &format!("c{number:02}")));
    let names: Vec<_> = (1..=20).map(|number| format!("c{number:02}")).collect();
    let line = format!("s1: {}, 5 more", names.join(", "));
    assert_eq!(
        view.news(ms(6), News::Who(crowd.collect())),
        answer(&[&line, "s2: you, just arrived"])
    );
}

#[test]
fn who_is_asked_again_and_given_up() {
    let mut view = connected();
    view.typed(ms(0), Line::Who);
    assert_eq!(view.tick(ms(499)), []);
    for again in [500, 1000, 1500, 2000, 2500] {
        assert_eq!(view.next_tick(), Some(ms(again)));
        assert_eq!(view.tick(ms(again)), [Effect::Ask(Ask::Who)]);
    }
    assert_eq!(
        view.tick(ms(3000)),
        [Effect::Show(Shown::Warning(
            "the balancer, which knows who is where, does not answer".into()
        ))]
    );
    assert_eq!(view.next_tick(), None);
}

#[test]
fn history_is_asked_and_shown_with_places() {
    let mut view = new_view();
    assert_eq!(
        view.typed(ms(0), Line::History(Span::Earlier)),
        notice("the chat is not here yet: try again when you are connected")
    );
    view.news(ms(0), happened(Happened::Joined { server: S2 }));
    view.news(ms(0), length(22));
    for index in 1..=22 {
        view.news(ms(0), delivered(index, 8, &index.to_string()));
    }
    let shown = view.tick(ms(0));
    assert_eq!(shown.len(), 21);
    assert_eq!(shown[..1], notice("… 2 earlier messages: /history"));
    assert_eq!(shown[1], message(8, "3"));
    let (from, limit) = (1, 2);
    assert_eq!(
        view.typed(ms(1), Line::History(Span::Earlier)),
        [Effect::Ask(Ask::History { from, limit })]
    );
    assert!(!view.is_settled());
    let page = Happened::Page {
        first: 1,
        messages: vec![command(8, "1"), command(8, "2")],
        last: 22,
    };
    let placed = |place: u64| {
        Effect::Show(Shown::Message {
            command: command(8, &place.to_string()),
            own: false,
            place: Some(place),
        })
    };
    assert_eq!(view.news(ms(2), happened(page)), [placed(1), placed(2)]);
    assert!(view.is_settled());
    let from = Some(S2);
    let reason = "silent".into();
    view.news(ms(3), happened(Happened::Rerouting { from, reason }));
    let effects = view.typed(ms(3), Line::History(Span::Last(1)));
    let (from, limit) = (22, 1);
    assert_eq!(
        effects,
        [
            vec![Effect::Ask(Ask::History { from, limit })],
            notice("not connected now: the history comes when a server is found")
        ]
        .concat()
    );
}

#[test]
fn lines_that_are_no_messages_are_not_said() {
    let mut view = connected();
    assert_eq!(view.typed(ms(0), Line::Empty), []);
    assert_eq!(
        view.typed(ms(0), Line::Advice("what?".into())),
        [Effect::Show(Shown::Warning("what?".into()))]
    );
    let help = view.typed(ms(0), Line::Help);
    assert!(
        matches!(&help[..], [Effect::Show(Shown::Answer(lines))] if lines.len() == COMMANDS.len()),
        "{help:?}"
    );
}

#[test]
fn the_end_is_noticed() {
    let mut view = connected();
    assert!(!view.has_ended());
    assert_eq!(view.news(ms(0), News::Ended), []);
    assert!(view.has_ended());
}
