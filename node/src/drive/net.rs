//! Connections: dialling, the handshake, and messages in frames.
//!
//! A connection carries messages like datagrams: the queue towards a slow reader is bounded and
//! what does not fit is dropped, since every exchange above can be repeated. Bytes that are not a
//! sound frame close the connection that they came on, and nothing else.

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::gate::Gate;
use super::room::{Queued, Room};
use crate::link::{Kind, Side, Verdict};
use crate::wire::frame::{self, FrameDecoder, FrameError};
use crate::wire::{Hello, Welcome};

/// A side that does not finish the handshake in this time is dropped.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(2);

/// Bytes that one write may gather.
const WRITE_BYTES: usize = 1024 * 1024;

/// Bytes asked of the socket at a time.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where bytes arrive. Shared by all connections of the thread, so that one that says nothing
    /// costs next to nothing.
    static ARRIVING: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

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
    #[error("nothing was said for {} s", limit.as_secs())]
    Idle { limit: Duration },
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
    /// The length of the last message.
    last_bytes: usize,
}

impl FrameReader {
    /// The next message of at most `limit` bytes.
    pub async fn next<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, NetError> {
        loop {
            if let Some(body) = self.decoder.next_frame(limit)? {
                self.last_bytes = body.len();
                return Ok(frame::decode(body)?);
            }
            self.half.readable().await?;
            let (half, decoder) = (&self.half, &mut self.decoder);
            let read = ARRIVING.with_borrow_mut(|buffer| {
                let count = half.try_read(buffer)?;
                decoder.extend(&buffer[..count]);
                Ok::<usize, io::Error>(count)
            });
            match read {
                Ok(0) => return Err(NetError::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
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
            last_bytes: 0,
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
    match gate.with_links(|links| links.handshake(side, peer)) {
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
    frames: FrameSender<T>,
}

/// Puts messages as frames into the queue of a connection, as far as there is room.
struct FrameSender<T> {
    queue: mpsc::UnboundedSender<Vec<u8>>,
    queued: Queued,
    of: PhantomData<fn(T)>,
}

impl<T> Clone for FrameSender<T> {
    fn clone(&self) -> FrameSender<T> {
        FrameSender {
            queue: self.queue.clone(),
            queued: self.queued.clone(),
            of: PhantomData,
        }
    }
}

impl<T: Linked> FrameSender<T> {
    fn send(&self, message: &T) {
        if !self.queued.is_full()
            && let Some(bytes) = encoded(message)
        {
            self.send_frame(bytes);
        }
    }

    fn send_frame(&self, bytes: Vec<u8>) {
        let length = bytes.len();
        if self.queued.enter(length) && self.queue.send(bytes).is_err() {
            self.queued.leave(length);
        }
    }
}

/// The message as a frame. What cannot be encoded cannot be sent: like a lost message.
fn encoded<T: Serialize>(message: &T) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    frame::encode(message, &mut bytes).ok().map(|()| bytes)
}

/// The frames that wait for a connection: what [`write_all`] writes.
pub struct Frames {
    queue: mpsc::UnboundedReceiver<Vec<u8>>,
    queued: Queued,
    /// Bytes that were taken out and are being written.
    leaving: usize,
}

impl Frames {
    /// The next frames, at least one, once there are any.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.queue.recv().await?;
        while bytes.len() < WRITE_BYTES
            && let Ok(more) = self.queue.try_recv()
        {
            bytes.extend_from_slice(&more);
        }
        self.leaving = bytes.len();
        Some(bytes)
    }

    /// What was taken out last has left.
    fn left(&mut self) {
        self.queued.leave(std::mem::take(&mut self.leaving));
    }

    /// Forgets everything that waits.
    pub fn clear(&mut self) {
        while let Ok(bytes) = self.queue.try_recv() {
            self.queued.leave(bytes.len());
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.queue.close();
        self.clear();
        self.left();
    }
}

impl<T: Linked> Outbox<T> {
    /// An outbox within `room`, and the queue to be given to [`write_all`].
    pub fn new(to: &str, gate: &Gate, room: &Room) -> (Outbox<T>, Frames) {
        let (queue, receiver) = mpsc::unbounded_channel();
        let queued = room.queue();
        let frames = FrameSender {
            queue,
            queued: queued.clone(),
            of: PhantomData,
        };
        let outbox = Outbox {
            to: to.to_string(),
            gate: gate.clone(),
            frames,
        };
        let frames = Frames {
            queue: receiver,
            queued,
            leaving: 0,
        };
        (outbox, frames)
    }

    /// How much waits here.
    pub fn queued(&self) -> Queued {
        self.frames.queued.clone()
    }

    /// Sends through the link table. A full queue drops the message.
    pub fn send(&self, message: T) {
        let kind = message.kind();
        match self.gate.with_links(|links| links.sending(&self.to, kind)) {
            Verdict::Dropped => {}
            Verdict::Untouched => self.frames.send(&message),
            Verdict::Copies(delays) => {
                for delay in delays {
                    if delay.is_zero() {
                        self.frames.send(&message);
                        continue;
                    }
                    let Some(bytes) = encoded(&message) else {
                        return;
                    };
                    let (frames, length) = (self.frames.clone(), bytes.len());
                    let send = async move { frames.send_frame(bytes) };
                    later(&self.gate, length, delay, send);
                }
            }
        }
    }
}

/// Does something with a message after a delay, holding up nobody. Where too many are held back
/// already, the message is lost.
fn later(
    gate: &Gate,
    bytes: usize,
    delay: Duration,
    action: impl Future<Output = ()> + Send + 'static,
) {
    let Some(held) = gate.hold(bytes) else {
        return;
    };
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        action.await;
        drop(held);
    });
}

/// Waits for something while there is no connection. What comes out of the queue meanwhile is
/// dropped: it would be stale by the time that it could be sent, and take memory until then.
pub async fn discarding<R>(frames: &mut Frames, until: impl Future<Output = R>) -> R {
    let drain = async {
        while frames.next().await.is_some() {
            frames.left();
        }
        std::future::pending::<R>().await
    };
    tokio::select! {
        biased;
        result = until => result,
        result = drain => result,
    }
}

/// Writes what comes out of the queue, many messages at a time, until either side ends.
pub async fn write_all(frames: &mut Frames, writer: &mut OwnedWriteHalf) -> Result<(), NetError> {
    while let Some(bytes) = frames.next().await {
        writer.write_all(&bytes).await?;
        frames.left();
    }
    Ok(())
}

/// How a connection is read.
pub struct Reading<'a> {
    /// The largest message, in bytes.
    pub limit_bytes: usize,
    /// The node at the other end.
    pub from: &'a str,
    pub gate: &'a Gate,
    /// Whoever does not take its answers is not asked for more requests.
    pub answers: Option<Queued>,
    /// A connection that says nothing for so long ends.
    pub idle_limit: Option<Duration>,
}

impl Reading<'_> {
    async fn next<T: Linked>(&self, reader: &mut FrameReader) -> Result<T, NetError> {
        let next = async {
            if let Some(answers) = &self.answers {
                answers.uncrowded().await;
            }
            reader.next::<T>(self.limit_bytes).await
        };
        match self.idle_limit {
            None => next.await,
            Some(limit) => timeout(limit, next)
                .await
                .map_err(|_| NetError::Idle { limit })?,
        }
    }
}

/// Reads messages through the link table into `inputs`, until the connection ends. A full `inputs`
/// holds the connection back.
pub async fn read_all<T: Linked, I: Send + 'static>(
    reader: &mut FrameReader,
    reading: Reading<'_>,
    inputs: &mpsc::Sender<I>,
    wrap: impl Fn(T) -> I,
) -> NetError {
    loop {
        let message = match reading.next::<T>(reader).await {
            Ok(message) => message,
            Err(error) => return error,
        };
        let (from, kind) = (reading.from, message.kind());
        match reading.gate.with_links(|links| links.receiving(from, kind)) {
            Verdict::Dropped => {}
            Verdict::Untouched => {
                if inputs.send(wrap(message)).await.is_err() {
                    return NetError::Closed;
                }
            }
            Verdict::Copies(delays) => {
                for delay in delays {
                    let (inputs, input) = (inputs.clone(), wrap(message.clone()));
                    if delay.is_zero() {
                        if inputs.send(input).await.is_err() {
                            return NetError::Closed;
                        }
                        continue;
                    }
                    later(reading.gate, reader.last_bytes, delay, async move {
                        drop(inputs.send(input).await);
                    });
                }
            }
        }
    }
}
