//! The clients of an etcd: each puts one value after the other.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use paxosctl_node::drive::Answered;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;

use super::grpc::{self, CallError, Channel};
use crate::commands::bench::load::Ears;
use crate::commands::bench::row::Shape;

/// How long a call may take: longer than etcd itself waits before it gives one up.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The pause before the next member is tried.
const AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Who puts where.
pub struct Talk {
    pub members: Vec<SocketAddr>,
    pub shape: Shape,
}

/// Answers of all clients.
type Answers = Arc<Mutex<Box<dyn FnMut(Answered) + Send>>>;

/// Puts until it is told to stop, and returns how many values were not acknowledged.
pub fn talk(talk: &Talk, ears: Ears) -> Result<u64, String> {
    let answers: Answers = Arc::new(Mutex::new(ears.answered));
    runtime()?.block_on(async {
        let mut clients = JoinSet::new();
        // One after the other goes to the next member: so many to each.
        let count = talk
            .shape
            .connections
            .saturating_mul(talk.shape.servers.into());
        let count = count.min(talk.shape.clients);
        let connections: Vec<Connection> = (0..count as usize)
            .map(|number| Connection::new(&talk.members, number))
            .collect();
        for client in 0..talk.shape.clients {
            let connection = &connections[(client % count) as usize];
            for lane in 0..talk.shape.in_flight {
                let client = Client {
                    number: client,
                    lane,
                    connection: connection.clone(),
                    value: vec![b'v'; talk.shape.bytes as usize],
                };
                clients.spawn(client.put_on(ears.stop.clone(), answers.clone()));
            }
        }
        let mut open = 0;
        while let Some(left) = clients.join_next().await {
            let left = left.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            open += left.map_err(|error| error.to_string())?;
        }
        Ok(open)
    })
}

/// How many keys a member has, once it has what a majority has.
pub fn count_keys(member: SocketAddr) -> Result<u64, String> {
    let count = async {
        let channel = Channel::connect(member).await?;
        let answer = channel.call(&grpc::RANGE, &grpc::count_all()).await?;
        grpc::count_in(&answer).ok_or(CallError::Malformed)
    };
    let count = runtime()?.block_on(count);
    count.map_err(|error| format!("etcd does not say how many keys it has: {error}"))
}

fn runtime() -> Result<Runtime, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())
}

/// A connection that some clients share, to one member after the other as they fail.
#[derive(Clone)]
struct Connection {
    members: Arc<[SocketAddr]>,
    current: Arc<Mutex<Current>>,
}

struct Current {
    /// The place of the member, counted on with each that failed.
    place: usize,
    channel: Arc<OnceCell<Channel>>,
}

impl Connection {
    fn new(members: &[SocketAddr], place: usize) -> Connection {
        Connection {
            members: members.into(),
            current: Arc::new(Mutex::new(Current {
                place,
                channel: Arc::default(),
            })),
        }
    }

    async fn call(&self, message: &[u8]) -> Result<(), CallError> {
        let (place, cell) = {
            let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            (current.place, current.channel.clone())
        };
        let member = self.members[place % self.members.len()];
        let call = async {
            let channel = cell.get_or_try_init(|| Channel::connect(member)).await?;
            channel.call(&grpc::PUT, message).await.map(drop)
        };
        let called = match tokio::time::timeout(ANSWER_WITHIN, call).await {
            Ok(called) => called,
            Err(_) => Err(CallError::Connect(std::io::ErrorKind::TimedOut.into())),
        };
        if called.is_err() {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            if current.place == place {
                *current = Current {
                    place: place + 1,
                    channel: Arc::default(),
                };
            }
        }
        called
    }
}

struct Client {
    number: u32,
    /// Tells it from the others of the client that put at the same time.
    lane: u32,
    connection: Connection,
    value: Vec<u8>,
}

impl Client {
    /// Puts values under a new key each. One that fails is put again elsewhere, until it is
    /// acknowledged or the load stops; returns how many are open then.
    ///
    /// # Errors
    /// The call failed in a way that repeating it does not mend.
    async fn put_on(
        self,
        mut stop: watch::Receiver<bool>,
        answers: Answers,
    ) -> Result<u64, CallError> {
        for number in 0_u64.. {
            if *stop.borrow() {
                break;
            }
            let key = format!("{}/{}/{number}", self.number, self.lane);
            let message = grpc::put(key.as_bytes(), &self.value);
            let began = Instant::now();
            while let Err(error) = self.connection.call(&message).await {
                if !error.may_pass() {
                    return Err(error);
                }
                let stopped = stop.wait_for(|stop| *stop);
                if tokio::time::timeout(AGAIN_AFTER, stopped).await.is_ok() {
                    return Ok(1);
                }
            }
            let mut answered = answers.lock().unwrap_or_else(PoisonError::into_inner);
            answered(Answered {
                client: self.number,
                after: began.elapsed(),
            });
        }
        Ok(0)
    }
}
