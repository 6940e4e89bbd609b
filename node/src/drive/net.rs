//! Connections: dialling, the handshake, and messages in frames.
//!
//! A connection carries messages like datagrams: the queue towards a slow reader is bounded and
//! what does not fit is dropped, since every exchange above can be repeated. Bytes that are not a
//! sound frame close the connection that they came on, and nothing else.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, timeout};

use super::gate::Gate;
use super::room::Queued;
use crate::link::{Kind, Side, Verdict};
use crate::wire::frame::{self, FrameDecoder, FrameError};
use crate::wire::{Hello, Welcome};

/// A side that does not finish the handshake in this time is dropped.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(2);

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
            if let Some(message) = self.arrived(limit)? {
                return Ok(message);
            }
            std::future::poll_fn(|context| self.poll_more(context)).await?;
        }
    }

    /// The next message, if all of it has arrived.
    fn arrived<T: DeserializeOwned>(&mut self, limit: usize) -> Result<Option<T>, NetError> {
        let Some(body) = self.decoder.next_frame(limit)? else {
            return Ok(None);
        };
        self.last_bytes = body.len();
        Ok(Some(frame::decode(body)?))
    }

    /// Takes in what arrives, at least one byte.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<(), NetError>> {
        ARRIVING.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            // This, unlike `try_read`, takes a buffer that is not filled for the end of what has
            // arrived, and saves the call that would say so.
            ready!(Pin::new(&mut self.half).poll_read(context, &mut buffer))?;
            let read = buffer.filled();
            self.decoder.extend(read);
            Poll::Ready(match read {
                [] => Err(NetError::Closed),
                _ => Ok(()),
            })
        })
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

/// Ends a connection on which nothing comes for too long.
struct Patience {
    limit: Duration,
    heard_at: Instant,
    /// Set anew only when it goes off, because something comes far more often.
    alarm: Pin<Box<Sleep>>,
}

impl Patience {
    fn new(limit: Duration) -> Patience {
        Patience {
            limit,
            heard_at: Instant::now(),
            alarm: Box::pin(tokio::time::sleep(limit)),
        }
    }

    /// Ready when nothing was heard for too long.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<NetError> {
        loop {
            ready!(self.alarm.as_mut().poll(context));
            let until = self.heard_at + self.limit;
            if Instant::now() >= until {
                let limit = self.limit;
                return Poll::Ready(NetError::Idle { limit });
            }
            self.alarm.as_mut().reset(until);
        }
    }

    /// What comes of `work`, unless that takes too long.
    async fn during<R>(
        patience: &mut Option<Patience>,
        work: impl Future<Output = Result<R, NetError>>,
    ) -> Result<R, NetError> {
        let Some(patience) = patience else {
            return work.await;
        };
        let mut work = pin!(work);
        std::future::poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => {
                patience.heard_at = Instant::now();
                Poll::Ready(done)
            }
            Poll::Pending => patience.poll_end(context).map(Err),
        })
        .await
    }
}

impl Reading<'_> {
    async fn next<T: Linked>(
        &self,
        reader: &mut FrameReader,
        patience: &mut Option<Patience>,
    ) -> Result<T, NetError> {
        if let Some(answers) = self.answers.as_ref().filter(|answers| answers.is_crowded()) {
            let taken = async {
                answers.uncrowded().await;
                Ok(())
            };
            Patience::during(patience, taken).await?;
        }
        match reader.arrived(self.limit_bytes)? {
            Some(message) => Ok(message),
            None => Patience::during(patience, reader.next(self.limit_bytes)).await,
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
    let mut patience = reading.idle_limit.map(Patience::new);
    loop {
        let message = match reading.next::<T>(reader, &mut patience).await {
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
                    reading.gate.later(reader.last_bytes, delay, async move {
                        drop(inputs.send(input).await);
                    });
                }
            }
        }
    }
}
