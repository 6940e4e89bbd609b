//! Each planted bug of a session does the wrong thing where the other tests find the right one.

use super::*;
use crate::planted::{Bug, plant};

/// A session that had two messages of the chat at s1, and comes to s2.
fn rerouted(bug: Bug) -> (Session, Vec<Effect>) {
    let _bug = plant(Some(bug)).unwrap();
    let mut session = at_s1(Some(0));
    from_server(&mut session, 10, 1, deliver(1, &[1, 2]));
    failed(&mut session, 20, 1);
    let joins = from_balancer(&mut session, 30, go_to(2));
    (session, joins)
}

#[test]
fn reroute_skips() {
    let (mut session, joins) = rerouted(Bug::RerouteSkips);
    assert_eq!(joins.last(), Some(&send(2, join(Some(3)))));
    from_server(&mut session, 40, 2, joined(1, 4));
    let heard = from_server(&mut session, 50, 2, deliver(4, &[4]));
    assert_eq!(heard, [delivered(4, 4)]);
}

#[test]
fn reroute_repeats() {
    let (mut session, joins) = rerouted(Bug::RerouteRepeats);
    assert_eq!(joins.last(), Some(&send(2, join(Some(1)))));
    from_server(&mut session, 40, 2, joined(1, 3));
    let heard = from_server(&mut session, 50, 2, deliver(2, &[2, 3]));
    assert_eq!(heard, [delivered(2, 2), delivered(3, 3)]);
}

#[test]
fn retry_under_new_session() {
    let _bug = plant(Some(Bug::RetryUnderNewSession)).unwrap();
    let mut session = at_s1(None);
    say_next(&mut session, 10);
    say_next(&mut session, 10);
    failed(&mut session, 20, 1);
    from_balancer(&mut session, 30, go_to(2));
    // The first was stored.
    let effects = from_server(&mut session, 40, 2, joined(2, 0));
    let under = |seq, said: u64| {
        send(
            2,
            ClientMessage::Say(Command {
                seq,
                ..command(said)
            }),
        )
    };
    assert_eq!(effects[1..], [under(2, 1), under(3, 2)]);
    assert_eq!(say_next(&mut session, 50), 4);
}
