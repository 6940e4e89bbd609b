//! A body that claims to hold more than it does must not make the decoder take memory for it.
//!
//! The allocator of this test counts what the decoding thread asks for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use paxosctl_node::ids::Slot;
use paxosctl_node::log::Record;
use paxosctl_node::paxos::Message;
use paxosctl_node::value::Value;
use paxosctl_node::wire::{
    BalancerAnswer, BalancerMessage, ClientMessage, Hello, ServerMessage, Welcome, frame,
};
use proptest::prelude::*;
use serde::de::DeserializeOwned;

struct Counting;

thread_local! {
    static REQUESTED_BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        REQUESTED_BYTES.with(|bytes| bytes.set(bytes.get() + layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// All memory asked for while decoding, even if it was given back meanwhile.
fn requested_bytes<T: DeserializeOwned>(body: &[u8]) -> usize {
    let before = REQUESTED_BYTES.with(Cell::get);
    let decoded = frame::decode::<T>(body);
    let requested = REQUESTED_BYTES.with(Cell::get) - before;
    drop(decoded);
    requested
}

/// The largest element of a message takes about a hundred bytes and one byte of the body; vectors
/// that grow ask for up to three times what they hold in the end.
fn check<T: DeserializeOwned>(body: &[u8]) {
    let limit = 512 + body.len() * 300;
    let requested = requested_bytes::<T>(body);
    assert!(requested <= limit, "{requested} bytes for {body:?}");
}

fn check_all(body: &[u8]) {
    check::<Message>(body);
    check::<Record>(body);
    check::<Hello>(body);
    check::<Welcome>(body);
    check::<ClientMessage>(body);
    check::<ServerMessage>(body);
    check::<BalancerMessage>(body);
    check::<BalancerAnswer>(body);
}

#[test]
fn every_variant_with_huge_lengths() {
    // Ten bytes of a varint: 2^64 - 1; and 2^28 - 1 and 2^21 - 1, which are plausible.
    let lengths = [
        &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01][..],
        &[0xFF, 0xFF, 0xFF, 0x7F],
        &[0xFF, 0xFF, 0x7F],
    ];
    for variant in 0..20 {
        for fields in 0..8 {
            for field in [0, 1] {
                for length in lengths {
                    for rest in [0, 1, 40] {
                        let mut body = vec![variant];
                        body.extend(std::iter::repeat_n(field, fields));
                        body.extend_from_slice(length);
                        body.extend(std::iter::repeat_n(1, rest));
                        check_all(&body);
                    }
                }
            }
        }
    }
}

#[test]
fn a_body_full_of_the_smallest_elements() {
    let message = Message::Learn {
        from: Slot(1),
        values: vec![Value::Noop; 100_000],
        chosen: Slot(1),
    };
    let body = postcard::to_stdvec(&message).unwrap();
    // A byte each becomes sixteen.
    assert!(body.len() < 100_010);
    assert_eq!(frame::decode(&body), Ok(message));
    let requested = requested_bytes::<Message>(&body);
    assert!(requested <= 100_000 * 16 * 3, "{requested}");
}

proptest! {
    #[test]
    fn any_body(body in prop::collection::vec(
        prop_oneof![Just(0xFFu8), Just(0x7F), 0..30u8, any::<u8>()], 0..300,
    )) {
        check_all(&body);
    }
}
