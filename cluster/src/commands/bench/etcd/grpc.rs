//! As much of gRPC as two calls of etcd take: messages in frames
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>) of fields in protobuf's
//! encoding (<https://protobuf.dev/programming-guides/encoding/>).

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, Uri, Version};
use tokio::net::TcpStream;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("cannot connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error(transparent)]
    Http(#[from] h2::Error),
    #[error("HTTP status {0}")]
    Status(http::StatusCode),
    /// The server says that the call failed.
    #[error("gRPC status {code}: {message}")]
    Grpc { code: String, message: String },
    #[error("not an answer of gRPC")]
    Malformed,
}

impl CallError {
    /// Whether the same call may succeed later, or elsewhere.
    pub fn may_pass(&self) -> bool {
        match self {
            CallError::Connect(_) | CallError::Http(_) => true,
            // Too late, too much to do, and unavailable.
            CallError::Grpc { code, .. } => ["4", "8", "14"].contains(&code.as_str()),
            CallError::Status(_) | CallError::Malformed => false,
        }
    }
}

/// A connection to one member. Clones share it.
#[derive(Clone)]
pub struct Channel {
    requests: SendRequest<Bytes>,
    address: SocketAddr,
}

impl Channel {
    /// Connects. The connection's task ends with the last clone.
    pub async fn connect(address: SocketAddr) -> Result<Channel, CallError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = h2::client::handshake(stream).await?;
        // Its end is seen by the calls that it carries.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Channel { requests, address })
    }

    /// Calls a method, and returns the message of its answer.
    pub async fn call(&self, method: &Procedure, message: &[u8]) -> Result<Bytes, CallError> {
        let mut requests = self.requests.clone().ready().await?;
        let request = method.request(self.address);
        let (answer, mut sending) = requests.send_request(request, false)?;
        sending.send_data(framed(message), true)?;
        let answer = answer.await?;
        if !answer.status().is_success() {
            return Err(CallError::Status(answer.status()));
        }
        // A call that fails at once has its status in the headers.
        let mut status = answer.headers().get("grpc-status").cloned();
        let headers = answer.headers().clone();
        let mut body = answer.into_body();
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        let trailers = match body.trailers().await? {
            Some(trailers) => {
                status = trailers.get("grpc-status").cloned();
                trailers
            }
            None => headers,
        };
        match status {
            Some(status) if status == "0" => unframed(bytes.freeze()),
            Some(status) => Err(CallError::Grpc {
                code: status.to_str().unwrap_or("?").to_owned(),
                message: text_of(&trailers, "grpc-message"),
            }),
            None => Err(CallError::Malformed),
        }
    }
}

fn text_of(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// A method of a service, as its path.
pub struct Procedure(&'static str);

pub const PUT: Procedure = Procedure("/etcdserverpb.KV/Put");
pub const RANGE: Procedure = Procedure("/etcdserverpb.KV/Range");

impl Procedure {
    fn request(&self, address: SocketAddr) -> Request<()> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(address.to_string())
            .path_and_query(self.0);
        Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(uri.build().expect("an address and a path are a URI"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("plain headers")
    }
}

/// Not compressed, and so long.
fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

fn unframed(bytes: Bytes) -> Result<Bytes, CallError> {
    let length = bytes.get(1..5).and_then(|length| length.try_into().ok());
    let length = length.map(u32::from_be_bytes).ok_or(CallError::Malformed)?;
    match bytes[0] == 0 && bytes.len() == 5 + length as usize {
        true => Ok(bytes.slice(5..)),
        false => Err(CallError::Malformed),
    }
}

/// `PutRequest` of a key and a value.
pub fn put(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(key.len() + value.len() + 16);
    bytes_field(&mut message, 1, key);
    bytes_field(&mut message, 2, value);
    message
}

/// `RangeRequest` of all keys, of which only the count is wanted.
pub fn count_all() -> Vec<u8> {
    let mut message = Vec::new();
    bytes_field(&mut message, 1, &[0]);
    bytes_field(&mut message, 2, &[0]);
    varint(&mut message, 9 << 3);
    varint(&mut message, 1);
    message
}

/// The count in a `RangeResponse`.
pub fn count_in(message: &[u8]) -> Option<u64> {
    let mut rest = message;
    // A field that is 0 is left out.
    let mut count = 0;
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        match tag & 7 {
            0 => {
                let value = take_varint(&mut rest)?;
                if tag >> 3 == 4 {
                    count = value;
                }
            }
            2 => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            _ => return None,
        }
    }
    Some(count)
}

fn bytes_field(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(message, field << 3 | 2);
    varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_protobufs_encoding() {
        assert_eq!(put(b"k", b"vv"), b"\x0a\x01k\x12\x02vv");
        let long = put(b"k", &[7; 300]);
        assert_eq!(long[..6], [0x0a, 1, b'k', 0x12, 0xac, 0x02]);
        assert_eq!(count_all(), [0x0a, 1, 0, 0x12, 1, 0, 0x48, 1]);
    }

    #[test]
    fn a_count_is_found_behind_other_fields() {
        let mut answer = Vec::new();
        bytes_field(&mut answer, 1, b"a header");
        assert_eq!(count_in(&answer), Some(0));
        varint(&mut answer, 4 << 3);
        varint(&mut answer, 1_000_000);
        assert_eq!(count_in(&answer), Some(1_000_000));
        assert_eq!(count_in(&answer[..4]), None);
        assert_eq!(count_in(&[0xff; 11]), None);
    }

    #[test]
    fn frames_say_their_length() {
        assert_eq!(framed(b"abc")[..], *b"\0\0\0\0\x03abc");
        assert_eq!(unframed(framed(b"abc")).expect("a frame"), "abc");
        for bad in [&b""[..], b"\0\0\0\0\x04abc", b"\x01\0\0\0\x03abc"] {
            assert!(unframed(Bytes::copy_from_slice(bad)).is_err());
        }
    }
}
