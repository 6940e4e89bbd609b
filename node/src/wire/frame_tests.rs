//! Frames round trip however the stream is cut, and nothing else gets through.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{ballot, commands, slot, value};
use crate::ids::{ClientId, ServerId, Slot};
use crate::paxos::Message;
use crate::value::Command;
use crate::wire::{BalancerMessage, ClientMessage, Hello, Role, ServerMessage, Welcome};

fn frame_of<T: Serialize>(message: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, &mut out).unwrap();
    out
}

/// A frame with a right checksum around any body.
fn frame_around(body: &[u8], version: u16) -> Vec<u8> {
    let mut checked = version.to_le_bytes().to_vec();
    checked.extend_from_slice(&[0, 0]);
    checked.extend_from_slice(body);
    let mut frame = (body.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&crc32c::crc32c(&checked).to_le_bytes());
    frame.extend_from_slice(&checked);
    frame
}

fn any_message() -> impl Strategy<Value = Message> {
    let accepted = prop::collection::vec((slot(), ballot(), value()), 0..4);
    prop_oneof![
        (ballot(), slot(), accepted).prop_map(|(ballot, chosen, accepted)| Message::Promise {
            ballot,
            chosen,
            accepted,
        }),
        (ballot(), slot(), value()).prop_map(|(ballot, slot, value)| Message::Accept {
            ballot,
            slot,
            value,
        }),
        (slot(), prop::collection::vec(value(), 0..4), slot()).prop_map(
            |(from, values, chosen)| {
                Message::Learn {
                    from,
                    values,
                    chosen,
                }
            }
        ),
        (commands(), any::<u8>()).prop_map(|(commands, hops)| Message::Forward { commands, hops }),
        (
            ballot(),
            any::<bool>(),
            ballot(),
            prop::option::of(ballot())
        )
            .prop_map(
                |(ballot, granted, promised, leader)| Message::PreVoteReply {
                    ballot,
                    granted,
                    promised,
                    leader,
                }
            ),
    ]
}

proptest! {
    #[test]
    fn round_trips_in_any_pieces(
        messages in prop::collection::vec(any_message(), 1..6),
        pieces in prop::collection::vec(1..40usize, 1..50),
    ) {
        let mut stream = Vec::new();
        for message in &messages {
            encode(message, &mut stream).unwrap();
        }
        let mut decoder = FrameDecoder::new();
        let mut found = Vec::new();
        let mut rest = &stream[..];
        let mut pieces = pieces.iter().cycle();
        while !rest.is_empty() {
            let piece;
            (piece, rest) = rest.split_at(rest.len().min(*pieces.next().unwrap()));
            decoder.extend(piece);
            while let Some(body) = decoder.next_frame(PEER_LIMIT_BYTES).unwrap() {
                found.push(decode::<Message>(body).unwrap());
            }
        }
        prop_assert!(decoder.is_empty());
        prop_assert_eq!(found, messages);
    }

    /// A changed bit of a frame is noticed, wherever it is, or the frame stays incomplete.
    #[test]
    fn a_flipped_bit_never_gets_through(message in any_message(), at in any::<usize>(), bit in 0..8u8) {
        let mut frame = frame_of(&message);
        let at = at % frame.len();
        frame[at] ^= 1 << bit;
        let mut decoder = FrameDecoder::new();
        decoder.extend(&frame);
        match decoder.next_frame(PEER_LIMIT_BYTES) {
            Ok(None) | Err(FrameError::OverLimit { .. }) => prop_assert!(at < 4),
            Err(error) => prop_assert_eq!(error, FrameError::BadChecksum),
            Ok(Some(body)) => prop_assert!(false, "{body:?} got through"),
        }
    }

    #[test]
    fn garbage_is_refused_or_waited_for(pieces in prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..60), 0..30,
    )) {
        let mut decoder = FrameDecoder::new();
        let mut error = None;
        for piece in &pieces {
            decoder.extend(piece);
            match decoder.next_frame(HANDSHAKE_LIMIT_BYTES) {
                Ok(found) => {
                    prop_assert_eq!(found, None);
                    prop_assert_eq!(&error, &None);
                }
                Err(found) => {
                    // Once refused, always refused, for the same reason.
                    prop_assert!(error.is_none() || error.as_ref() == Some(&found));
                    error = Some(found);
                }
            }
        }
    }

    /// Whatever a body claims, it is decoded or refused, and what is decoded was really said.
    #[test]
    fn any_body(body in prop::collection::vec(any::<u8>(), 0..200)) {
        fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
            body: &[u8],
        ) -> Result<(), TestCaseError> {
            if let Ok(message) = decode::<T>(body) {
                let again = postcard::to_stdvec(&message).unwrap();
                prop_assert_eq!(decode::<T>(&again), Ok(message));
            }
            Ok(())
        }
        check::<Message>(&body)?;
        check::<Hello>(&body)?;
        check::<Welcome>(&body)?;
        check::<ClientMessage>(&body)?;
        check::<ServerMessage>(&body)?;
        check::<BalancerMessage>(&body)?;
    }
}

#[test]
fn the_layout_of_a_frame() {
    let frame = frame_of(&Slot(300));
    // 300 is a varint of two bytes.
    assert_eq!(frame, frame_around(&[0xAC, 0x02], 1));
    assert_eq!(frame[..4], [2, 0, 0, 0]);
    assert_eq!(frame[8..], [1, 0, 0, 0, 0xAC, 0x02]);
}

#[test]
fn a_length_above_the_limit_is_refused_before_the_body_comes() {
    let limit = CLIENT_LIMIT_BYTES as u32;
    for (length, refused) in [(limit, false), (limit + 1, true), (u32::MAX, true)] {
        let mut decoder = FrameDecoder::new();
        decoder.extend(&length.to_le_bytes()[..3]);
        assert_eq!(decoder.next_frame(CLIENT_LIMIT_BYTES), Ok(None));
        decoder.extend(&length.to_le_bytes()[3..]);
        let expected = match refused {
            true => Err(FrameError::OverLimit {
                bytes: u64::from(length),
                limit: u64::from(limit),
            }),
            false => Ok(None),
        };
        assert_eq!(decoder.next_frame(CLIENT_LIMIT_BYTES), expected);
        decoder.extend(&[0; 100]);
        assert_eq!(decoder.next_frame(CLIENT_LIMIT_BYTES), expected);
    }
}

#[test]
fn a_message_above_the_limit_is_not_sent() {
    let hello = Hello {
        cluster: 1,
        node: "n".repeat(HANDSHAKE_LIMIT_BYTES),
        role: Role::Client,
    };
    let mut out = b"before".to_vec();
    let refused = encode_within(HANDSHAKE_LIMIT_BYTES, &hello, &mut out);
    assert_eq!(
        refused,
        Err(FrameError::OverLimit {
            bytes: 4100,
            limit: 4096,
        })
    );
    assert_eq!(out, b"before");
    encode_within(4100, &hello, &mut out).unwrap();
    let mut decoder = FrameDecoder::new();
    decoder.extend(&out[6..]);
    let body = decoder.next_frame(4100).unwrap().unwrap();
    assert_eq!(decode(body), Ok(hello));
}

#[test]
fn another_version_is_named() {
    let mut decoder = FrameDecoder::new();
    decoder.extend(&frame_around(b"whatever it says", 7));
    let error = decoder.next_frame(HANDSHAKE_LIMIT_BYTES).unwrap_err();
    assert_eq!(error, FrameError::OtherVersion { theirs: 7, ours: 1 });
    assert_eq!(
        error.to_string(),
        "the other end speaks protocol version 7, this one 1: use the same paxosctl"
    );
}

#[test]
fn words_of_other_protocols_are_refused() {
    for words in [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
    ] {
        let mut decoder = FrameDecoder::new();
        decoder.extend(words.as_bytes());
        let refused = decoder.next_frame(HANDSHAKE_LIMIT_BYTES);
        assert!(
            matches!(refused, Err(FrameError::OverLimit { .. })),
            "{words}: {refused:?}"
        );
    }
    // Zeros are an empty frame with a wrong checksum.
    let mut decoder = FrameDecoder::new();
    decoder.extend(&[0; 64]);
    assert_eq!(
        decoder.next_frame(HANDSHAKE_LIMIT_BYTES),
        Err(FrameError::BadChecksum)
    );
}

#[test]
fn bodies_that_do_not_decode() {
    assert_eq!(
        decode::<Slot>(&[1, 0, 0]),
        Err(FrameError::TrailingBytes { bytes: 2 })
    );
    for body in [&[][..], &[200], &[0x80], &[2, 0x80]] {
        let decoded = decode::<Message>(body);
        assert!(
            matches!(decoded, Err(FrameError::Undecodable { .. })),
            "{body:?}"
        );
    }
}

/// A decoder that read a large frame does not keep its memory.
#[test]
fn memory_is_returned() {
    let server = ServerId(1);
    let text = "x".repeat(8 << 20);
    let large = Message::Forward {
        commands: vec![Command {
            client: ClientId(1),
            seq: 1,
            name: server.to_string(),
            at_ms: 0,
            text,
        }],
        hops: 1,
    };
    let mut decoder = FrameDecoder::new();
    decoder.extend(&frame_of(&large));
    assert!(decoder.next_frame(PEER_LIMIT_BYTES).unwrap().is_some());
    decoder.extend(&frame_of(&Message::CatchUp { from: Slot(1) }));
    assert!(decoder.buffer.capacity() <= IDLE_BUFFER_BYTES);
    assert!(decoder.next_frame(PEER_LIMIT_BYTES).unwrap().is_some());
}
