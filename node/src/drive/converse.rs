//! A connection on which a node is asked and answers: a client's or an observer's at a server, and
//! everybody's at the balancer.

use std::time::Duration;

use tokio::sync::mpsc;

use super::door::Door;
use super::gate::Gate;
use super::net::{self, Connection, Linked, Reading};
use super::outbox::{self, Outbox};
use super::room::Room;

/// What becomes of such a connection, in this order.
pub enum Talk<Out, In> {
    /// It stands; answers are left here.
    Open(Outbox<Out>),
    Message(In),
    /// It ended. Messages that were delayed by the link table may still come.
    Closed,
}

/// What a node grants to those who talk to it.
pub struct Terms<'a> {
    pub gate: &'a Gate,
    pub door: &'a Door,
    /// Where answers wait.
    pub room: &'a Room,
    /// The largest message, in bytes.
    pub limit_bytes: usize,
    /// A connection that says nothing for so long ends.
    pub idle_limit: Duration,
}

/// Talks to `peer` until either side ends, and tells `inputs` of it through `wrap`.
pub async fn converse<Out: Linked, In: Linked, I: Send + 'static>(
    mut connection: Connection,
    peer: &str,
    terms: Terms<'_>,
    inputs: &mpsc::Sender<I>,
    wrap: impl Fn(Talk<Out, In>) -> I,
) {
    let (outbox, mut queue) = Outbox::new(peer, terms.gate, terms.room);
    let answers = outbox.queued();
    if inputs.send(wrap(Talk::Open(outbox))).await.is_err() {
        return;
    }
    let read = net::read_all(
        &mut connection.reader,
        Reading {
            limit_bytes: terms.limit_bytes,
            from: peer,
            gate: terms.gate,
            answers: Some(answers),
            idle_limit: Some(terms.idle_limit),
        },
        inputs,
        |message| wrap(Talk::Message(message)),
    );
    tokio::select! {
        _ = outbox::write_all(&mut queue, &mut connection.writer) => {}
        end = read => terms.door.note_end(peer, &end),
    }
    drop(inputs.send(wrap(Talk::Closed)).await);
}
