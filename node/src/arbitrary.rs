//! Random ids and values for property tests.

use proptest::prelude::*;

use crate::ids::{Ballot, ClientId, Slot};
use crate::value::{Command, Value};

pub fn slot() -> impl Strategy<Value = Slot> {
    any::<u64>().prop_map(Slot)
}

pub fn ballot() -> impl Strategy<Value = Ballot> {
    (any::<u64>(), any::<u16>()).prop_map(|(round, server)| Ballot { round, server })
}

pub fn commands() -> impl Strategy<Value = Vec<Command>> {
    let command = (
        any::<u64>(),
        any::<u64>(),
        ".{0,9}",
        any::<u64>(),
        ".{0,99}",
    )
        .prop_map(|(client, seq, name, at_ms, text)| Command {
            client: ClientId(client),
            seq,
            name,
            at_ms,
            text,
        });
    prop::collection::vec(command, 0..5)
}

pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Noop), commands().prop_map(Value::batch)]
}
