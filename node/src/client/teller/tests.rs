use super::*;
use crate::ids::{ServerId, Slot};

const ANN: ClientId = ClientId(7);

fn teller() -> Teller {
    Teller::new("ann".into())
}

fn happened(what: Happened) -> News {
    News::Happened { client: ANN, what }
}

fn event(event: Event) -> Vec<Told> {
    vec![Told::Events(vec![event])]
}

fn command(seq: u64, text: &str) -> Command {
    Command {
        client: ClientId(8),
        seq,
        name: "bob".into(),
        at_ms: 1000,
        text: text.into(),
    }
}

#[test]
fn a_process_is_ready_when_its_first_session_joined() {
    let mut teller = teller();
    let joined = |server| Event::Joined {
        client: ANN,
        name: "ann".into(),
        server: ServerId(server),
    };
    let ready = Event::Ready {
        address: String::new(),
    };
    let server = ServerId(1);
    assert_eq!(
        teller.tell(happened(Happened::Joined { server })),
        [Told::Events(vec![joined(1), ready])]
    );
    let server = ServerId(2);
    assert_eq!(
        teller.tell(happened(Happened::Joined { server })),
        event(joined(2))
    );
}

#[test]
fn what_was_said_and_acknowledged_is_evidence() {
    let said = News::Said {
        client: ANN,
        seq: 1,
        at_ms: 1000,
        text: "hi".into(),
    };
    let say = Event::Say {
        client: ANN,
        name: "ann".into(),
        seq: 1,
        at_ms: 1000,
        text: "hi".into(),
    };
    assert_eq!(teller().tell(said), event(say));
    let what = Happened::Acked {
        seq: 1,
        index: 2,
        slot: Slot(3),
        server: ServerId(1),
    };
    let acked = Event::Acked {
        client: ANN,
        seq: 1,
        index: 2,
        slot: Slot(3),
        server: ServerId(1),
    };
    assert_eq!(teller().tell(happened(what)), event(acked));
    let done = News::LoadDone { said: 2, acked: 1 };
    let load_done = Event::LoadDone { said: 2, acked: 1 };
    assert_eq!(teller().tell(done), event(load_done));
}

#[test]
fn what_was_shown_is_kept_as_digests() {
    let (one, two) = (command(1, "one"), command(2, "two"));
    let digest = |command: &Command| crc32c::crc32c(command.text.as_bytes());
    let delivered = Event::Delivered {
        client: ANN,
        index: 5,
        from: one.client,
        seq: 1,
        digest: digest(&one),
    };
    let what = Happened::Delivered {
        index: 5,
        command: one.clone(),
    };
    assert_eq!(teller().tell(happened(what)), event(delivered));
    let parts = [&one, &two].map(|command| (command.client, command.seq, digest(command)));
    let page = Event::Page {
        client: ANN,
        first: 5,
        count: 2,
        digest: event::page_digest(parts.into_iter()),
    };
    let what = Happened::Page {
        first: 5,
        messages: vec![one, two],
        last: 9,
    };
    assert_eq!(teller().tell(happened(what)), event(page));
}

#[test]
fn people_read_of_refusals_and_of_a_cluster_that_is_not_ready() {
    let refused = News::Refused {
        peer: "s1".into(),
        reason: "full".into(),
    };
    let evidence = Event::Refused {
        peer: "s1".into(),
        reason: "full".into(),
    };
    assert_eq!(
        teller().tell(refused),
        [
            Told::Say("refused by s1: full".into()),
            Told::Events(vec![evidence])
        ]
    );
    let what = Happened::NotReady {
        registered: 1,
        servers: 3,
    };
    assert_eq!(
        teller().tell(happened(what)),
        [Told::Say("not ready: 1 of 3 servers registered".into())]
    );
}

#[test]
fn what_only_a_person_wants_to_know_is_no_evidence() {
    assert_eq!(teller().tell(News::Who(Vec::new())), []);
    assert_eq!(teller().tell(News::Ended), []);
}
