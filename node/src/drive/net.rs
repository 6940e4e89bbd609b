//! Connections: dialling, the handshake, and messages in frames.
//!
//! A connection carries messages like datagrams: the queue towards a slow reader is bounded and
//! what does not fit is dropped, since every exchange above can be repeated. Bytes that are not a
//! sound frame close the connection that they came on, and nothing else.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::gate::Gate;
use super::reporter::Reporter;
use crate::event::Event;
use crate::link::{Kind, Side, Verdict};
use crate::wire::frame::{self, FrameDecoder, FrameError};
use crate::wire::{Hello, Welcome};

/// A side that does not finish the handshake in this time is dropped.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(2);

/// Bytes that one write may gather.
const WRITE_BYTES: usize = 1024 * 1024;

/// Bytes asked of the socket at a time.
const READ_BYTES: usize = 64 * 1024;

/// A message type that the link table knows.
pub trait Linked: Clone + Send + Serialize + DeserializeOwned + 'static {
    fn kind(&self) -> Kind;
}

/// Why a connection could not be made, or ended.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no answer within {} s", HANDSHAKE_LIMIT.as_secs())]
    Silent,
    #[error("the other side closed the connection")]
    Closed,
    #[error("bad bytes: {0}")]
    Frame(#[from] FrameError),
    #[error("refused by {peer}: {reason}")]
    Refused { peer: String, reason: String },
}

/// The two halves of a connection after the handshake.
pub struct Connection {
    pub reader: FrameReader,
    pub writer: OwnedWriteHalf,
}

/// Reads frames, keeping what came of the next one.
pub struct FrameReader {
    half: OwnedReadHalf,
    decoder: FrameDecoder,
    buffer: Vec<u8>,
}

impl FrameReader {
    /// The next message of at most `limit` bytes.
    pub async fn next<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, NetError> {
        loop {
            if let Some(body) = self.decoder.next_frame(limit)? {
                return Ok(frame::decode(body)?);
            }
            let count = self.half.read(&mut self.buffer).await?;
            if count == 0 {
                return Err(NetError::Closed);
            }
            self.decoder.extend(&self.buffer[..count]);
        }
    }
}

fn split(stream: TcpStream) -> Connection {
    // Without it small frames wait for the acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    let (half, writer) = stream.into_split();
    Connection {
        reader: FrameReader {
            half,
            decoder: FrameDecoder::default(),
            buffer: vec![0; READ_BYTES],
        },
        writer,
    }
}

async fn write_one<T: Serialize>(writer: &mut OwnedWriteHalf, message: &T) -> Result<(), NetError> {
    let mut bytes = Vec::new();
    frame::encode(message, &mut bytes)?;
    writer.write_all(&bytes).await?;
    Ok(())
}

/// Waits as long as the link table wants; forever (until the caller's limit) if the frame is lost.
async fn pass(gate: &Gate, side: Side, peer: &str) {
    match gate.handshake(side, peer) {
        Some(delay) => tokio::time::sleep(delay).await,
        None => std::future::pending().await,
    }
}

/// Connects to `peer` and introduces this node.
pub async fn dial(
    address: SocketAddr,
    peer: &str,
    hello: &Hello,
    gate: &Gate,
) -> Result<Connection, NetError> {
    let shake = async {
        let mut connection = split(TcpStream::connect(address).await?);
        pass(gate, Side::Send, peer).await;
        write_one(&mut connection.writer, hello).await?;
        let welcome = connection.reader.next(frame::HANDSHAKE_LIMIT_BYTES).await?;
        pass(gate, Side::Receive, peer).await;
        match welcome {
            Welcome::Accepted { .. } => Ok(connection),
            Welcome::Refused { reason } => Err(NetError::Refused {
                peer: peer.to_string(),
                reason,
            }),
        }
    };
    timeout(HANDSHAKE_LIMIT, shake)
        .await
        .map_err(|_| NetError::Silent)?
}

/// Takes a connection: reads the Hello and answers what `judge` says.
pub async fn greet(
    stream: TcpStream,
    gate: &Gate,
    judge: impl FnOnce(&Hello) -> Welcome,
) -> Result<(Connection, Hello), NetError> {
    let shake = async {
        let mut connection = split(stream);
        let hello: Hello = connection.reader.next(frame::HANDSHAKE_LIMIT_BYTES).await?;
        pass(gate, Side::Receive, &hello.node).await;
        let welcome = judge(&hello);
        pass(gate, Side::Send, &hello.node).await;
        write_one(&mut connection.writer, &welcome).await?;
        match welcome {
            Welcome::Accepted { .. } => Ok((connection, hello)),
            Welcome::Refused { reason } => {
                // Only after the last frame has left may the socket close.
                let _ = connection.writer.shutdown().await;
                Err(NetError::Refused {
                    peer: gate.me().to_string(),
                    reason,
                })
            }
        }
    };
    timeout(HANDSHAKE_LIMIT, shake)
        .await
        .map_err(|_| NetError::Silent)?
}

/// Where messages for one peer are left.
#[derive(Clone)]
pub struct Outbox<T> {
    to: String,
    gate: Gate,
    queue: mpsc::Sender<T>,
}

impl<T: Linked> Outbox<T> {
    /// An outbox of at most `messages`, and the queue to be given to [`write_all`].
    pub fn new(to: &str, gate: &Gate, messages: usize) -> (Outbox<T>, mpsc::Receiver<T>) {
        let (queue, receiver) = mpsc::channel(messages);
        (
            Outbox {
                to: to.to_string(),
                gate: gate.clone(),
                queue,
            },
            receiver,
        )
    }

    /// Sends through the link table. A full queue drops the message.
    pub fn send(&self, message: T) {
        match self.gate.sending(&self.to, message.kind()) {
            Verdict::Dropped => {}
            Verdict::Untouched => drop(self.queue.try_send(message)),
            Verdict::Copies(delays) => {
                for delay in delays {
                    let (queue, message) = (self.queue.clone(), message.clone());
                    later(delay, async move { drop(queue.try_send(message)) });
                }
            }
        }
    }
}

/// Does something after a delay, holding up nobody.
fn later(delay: Duration, action: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        action.await;
    });
}

/// Waits for something while there is no connection. What comes out of the queue meanwhile is
/// dropped: it would be stale by the time that it could be sent, and take memory until then.
pub async fn discarding<T, R>(queue: &mut mpsc::Receiver<T>, until: impl Future<Output = R>) -> R {
    let drain = async {
        while queue.recv().await.is_some() {}
        std::future::pending::<R>().await
    };
    tokio::select! {
        biased;
        result = until => result,
        result = drain => result,
    }
}

/// Writes what comes out of the queue, many messages at a time, until either side ends.
pub async fn write_all<T: Linked>(
    queue: &mut mpsc::Receiver<T>,
    writer: &mut OwnedWriteHalf,
) -> Result<(), NetError> {
    let mut bytes = Vec::new();
    while let Some(message) = queue.recv().await {
        bytes.clear();
        frame::encode(&message, &mut bytes)?;
        while bytes.len() < WRITE_BYTES
            && let Ok(message) = queue.try_recv()
        {
            frame::encode(&message, &mut bytes)?;
        }
        writer.write_all(&bytes).await?;
    }
    Ok(())
}

/// Reads messages of at most `limit` bytes from `from` through the link table into `inputs`, until
/// the connection ends. A full `inputs` holds the connection back.
pub async fn read_all<T: Linked, I: Send + 'static>(
    reader: &mut FrameReader,
    limit: usize,
    from: &str,
    gate: &Gate,
    inputs: &mpsc::Sender<I>,
    wrap: impl Fn(T) -> I,
) -> NetError {
    loop {
        let message = match reader.next::<T>(limit).await {
            Ok(message) => message,
            Err(error) => return error,
        };
        match gate.receiving(from, message.kind()) {
            Verdict::Dropped => {}
            Verdict::Untouched => {
                if inputs.send(wrap(message)).await.is_err() {
                    return NetError::Closed;
                }
            }
            Verdict::Copies(delays) => {
                for delay in delays {
                    let (inputs, input) = (inputs.clone(), wrap(message.clone()));
                    later(delay, async move { drop(inputs.send(input).await) });
                }
            }
        }
    }
}

/// A connection that never became one: said once, and forgotten.
pub fn note_bad_start(reporter: Reporter, from: SocketAddr, error: &NetError) {
    match error {
        NetError::Refused { reason, .. } => {
            reporter.say(format_args!("refused {from}: {reason}"));
            reporter.event(Event::Refused {
                peer: from.to_string(),
                reason: reason.clone(),
            });
        }
        NetError::Frame(error) => {
            reporter.say(format_args!("closed a connection from {from}: {error}"));
        }
        // A port scan, a health check, a node that died: nothing to say.
        NetError::Io(_) | NetError::Silent | NetError::Closed => {}
    }
}
