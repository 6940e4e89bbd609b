//! Frames: how a message stands in a stream of bytes.
//!
//! Integers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the body |
//! | 4 | CRC32C of all that follows it, the body included |
//! | 2 | protocol version |
//! | 2 | reserved, 0 |
//! | … | body: the message in postcard encoding |
//!
//! The stream comes from anybody who can reach the port. A length is compared with the limit before
//! anything is stored for it. A decoded message takes at most some tens of times the memory of its
//! body, whatever lengths the body claims: postcard tells serde of a length only if the body has
//! that many bytes left, and every element of every message takes at least one byte.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Both ends of a connection must speak the same version.
pub const PROTOCOL_VERSION: u16 = 1;
/// The limit for the body of the handshake, before anything is known of the other end.
pub const HANDSHAKE_LIMIT_BYTES: usize = 4 << 10;
/// The limit for the body of a message to or from a client, the balancer or an observer.
pub const CLIENT_LIMIT_BYTES: usize = 1 << 20;
/// The limit for the body of a client's message to a server: one message of the chat and its name.
pub const REQUEST_LIMIT_BYTES: usize = 128 << 10;
/// The limit for the body of a message between servers.
pub const PEER_LIMIT_BYTES: usize = 64 << 20;

const HEADER_BYTES: usize = 12;
/// The checksum covers the frame from here on.
const CHECKED_FROM: usize = 8;
/// A decoder whose frames are all read keeps a buffer of at most this size.
const IDLE_BUFFER_BYTES: usize = 256 << 10;

/// What is wrong with a frame. The connection that it came from must be closed: there is no telling
/// where the next frame begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {bytes} bytes is above the limit of {limit} bytes here")]
    OverLimit { bytes: u64, limit: u64 },
    #[error("a frame with a wrong checksum: the bytes were changed, or are not from paxosctl")]
    BadChecksum,
    #[error(
        "the other end speaks protocol version {theirs}, this one {ours}: use the same paxosctl"
    )]
    OtherVersion { theirs: u16, ours: u16 },
    #[error("the message cannot be encoded: {reason}")]
    Unencodable { reason: String },
    #[error("the message cannot be decoded: {reason}")]
    Undecodable { reason: String },
    #[error("{bytes} bytes follow the message in its frame")]
    TrailingBytes { bytes: usize },
}

/// Appends the message as a frame to `out`. The limit is the largest one, [`PEER_LIMIT_BYTES`].
///
/// # Errors
/// [`FrameError::OverLimit`], or [`FrameError::Unencodable`] for a type that postcard cannot encode,
/// and `out` is as it was.
pub fn encode<T: Serialize>(message: &T, out: &mut Vec<u8>) -> Result<(), FrameError> {
    encode_within(PEER_LIMIT_BYTES, message, out)
}

/// [`encode`] with the limit that the receiver sets.
pub fn encode_within<T: Serialize>(
    limit_bytes: usize,
    message: &T,
    out: &mut Vec<u8>,
) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    let encoded = postcard::to_io(message, &mut *out).map(|_| ());
    let body_bytes = out.len() - start - HEADER_BYTES;
    let refused = match encoded {
        Err(error) => Some(FrameError::Unencodable {
            reason: error.to_string(),
        }),
        Ok(()) if body_bytes > limit_bytes => Some(FrameError::OverLimit {
            bytes: body_bytes as u64,
            limit: limit_bytes as u64,
        }),
        Ok(()) => None,
    };
    if let Some(error) = refused {
        out.truncate(start);
        return Err(error);
    }
    let frame = &mut out[start..];
    // Within the limit, so within 32 bits.
    frame[..4].copy_from_slice(&(body_bytes as u32).to_le_bytes());
    frame[8..10].copy_from_slice(&PROTOCOL_VERSION.to_le_bytes());
    let crc = crc32c::crc32c(&frame[CHECKED_FROM..]);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// The message of a body that [`FrameDecoder::next_frame`] returned.
///
/// # Errors
/// [`FrameError::Undecodable`] and [`FrameError::TrailingBytes`].
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(FrameError::TrailingBytes { bytes: rest.len() }),
        Err(error) => Err(FrameError::Undecodable {
            reason: error.to_string(),
        }),
    }
}

/// Cuts a stream of bytes into frames.
///
/// It holds what it was fed and has not returned: when every frame is taken after every read, that
/// is less than one frame of the limit and one read.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    /// Everything before it was returned.
    start: usize,
    /// Once bad, always bad.
    failed: Option<FrameError>,
}

impl FrameDecoder {
    pub fn new() -> FrameDecoder {
        FrameDecoder::default()
    }

    /// Takes bytes from the stream.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(IDLE_BUFFER_BYTES);
            self.start = 0;
        } else if self.start >= self.buffer.len() / 2 {
            // Moves each byte at most as often as one was returned.
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The body of the next frame, if all of it has arrived. `limit_bytes` is the largest body that
    /// is welcome.
    ///
    /// # Errors
    /// [`FrameError::OverLimit`] as soon as the length has arrived, [`FrameError::BadChecksum`],
    /// [`FrameError::OtherVersion`]. Every later call returns the same error.
    pub fn next_frame(&mut self, limit_bytes: usize) -> Result<Option<&[u8]>, FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.check_frame(limit_bytes) {
            Ok(None) => Ok(None),
            Ok(Some(frame_bytes)) => {
                let body = self.start + HEADER_BYTES..self.start + frame_bytes;
                self.start += frame_bytes;
                Ok(Some(&self.buffer[body]))
            }
            Err(error) => {
                self.buffer = Vec::new();
                self.start = 0;
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Whether the stream may end here: nothing of an unfinished frame was fed.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// The length of the frame that stands at the start, if all of it is there.
    fn check_frame(&self, limit_bytes: usize) -> Result<Option<usize>, FrameError> {
        let rest = &self.buffer[self.start..];
        let Some(length) = rest.first_chunk() else {
            return Ok(None);
        };
        let body_bytes = u32::from_le_bytes(*length);
        if u64::from(body_bytes) > limit_bytes as u64 {
            return Err(FrameError::OverLimit {
                bytes: u64::from(body_bytes),
                limit: limit_bytes as u64,
            });
        }
        let frame_bytes = HEADER_BYTES + body_bytes as usize;
        let Some(frame) = rest.get(..frame_bytes) else {
            return Ok(None);
        };
        let crc = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]);
        if crc32c::crc32c(&frame[CHECKED_FROM..]) != crc {
            return Err(FrameError::BadChecksum);
        }
        // After the checksum: random bytes are not the frame of another version.
        let version = u16::from_le_bytes([frame[8], frame[9]]);
        if version != PROTOCOL_VERSION {
            return Err(FrameError::OtherVersion {
                theirs: version,
                ours: PROTOCOL_VERSION,
            });
        }
        Ok(Some(frame_bytes))
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
