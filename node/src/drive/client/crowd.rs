//! Many clients in one process that say one message after the other and keep no evidence: load for
//! measurements. They share some [`Host`]s, each with a connection to each server, as in as many client
//! processes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connections::Connections;
use super::{INPUTS, wall_clock_ms};
use crate::client::{FAREWELL, Happened, Host, News};
use crate::drive::door::raise_descriptors;
use crate::drive::gate::Gate;
use crate::drive::{NodeError, process};
use crate::ids::ClientId;
use crate::link::NodeLinks;

/// The name that all of them go by.
const NAME: &str = "crowd";

/// How long those that stop wait for their last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Who talks, and how much.
#[derive(Debug, Clone)]
pub struct Crowd {
    pub cluster: u64,
    pub balancer: SocketAddr,
    /// Sessions, at least one.
    pub clients: u32,
    /// How many connections to each server they share, evenly: as if they were the sessions of so
    /// many client processes.
    pub connections: u32,
    /// Messages of a session that wait for their acknowledgements at a time.
    pub in_flight: u32,
    /// The length of a message's text.
    pub bytes: u32,
    /// The ids of sessions are drawn from it.
    pub seed: u64,
}

/// A message was acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// Which of the crowd, numbered from 0.
    pub client: u32,
    /// From saying it to hearing of it.
    pub after: Duration,
}

/// Lets the crowd talk until `stop` is true and what was said by then is acknowledged, on the calling
/// thread. Returns the number of messages that were not acknowledged.
///
/// # Errors
/// The system has no runtime left to give.
pub fn run_crowd(
    crowd: &Crowd,
    stop: &watch::Receiver<bool>,
    answered: impl FnMut(Answered) + Send + 'static,
) -> Result<u64, NodeError> {
    raise_descriptors();
    let answered = Arc::new(Mutex::new(answered));
    let connections = crowd.connections.clamp(1, crowd.clients.max(1));
    process::runtime()?.block_on(async {
        let mut members = JoinSet::new();
        let mut first = 0;
        for number in 0..connections {
            let sessions = share(crowd.clients, connections, number);
            let member = Member::new(crowd, first, sessions, number);
            members.spawn(member.talk(stop.clone(), answered.clone()));
            first += sessions;
        }
        let mut open = 0;
        while let Some(left) = members.join_next().await {
            // A panic is this program's fault, and goes on here.
            open += left.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        Ok(open)
    })
}

/// How many of `all` come to part `number` of so many parts.
fn share(all: u32, parts: u32, number: u32) -> u32 {
    all / parts + u32::from(number < all % parts)
}

/// The sessions of one host.
struct Member {
    host: Host,
    connections: Connections,
    inputs: mpsc::Receiver<super::Input>,
    started: Instant,
    /// The number of its first session in the crowd.
    first: u32,
    /// When each session said what is not acknowledged yet, by sequence number.
    open: Vec<VecDeque<(u64, Duration)>>,
    acked: Vec<(ClientId, u64)>,
    texts: Texts,
    in_flight: u32,
}

impl Member {
    fn new(crowd: &Crowd, first: u32, sessions: u32, number: u32) -> Member {
        let gate = Gate::new(NodeLinks::new(NAME, Vec::new()));
        let (sender, inputs) = mpsc::channel(INPUTS);
        let seed = crowd.seed.wrapping_add(u64::from(number));
        Member {
            host: Host::crowd(NAME.to_owned(), sessions, seed, Duration::ZERO),
            connections: Connections::new(crowd.cluster, gate, crowd.balancer, sender),
            inputs,
            started: Instant::now(),
            first,
            open: vec![VecDeque::new(); sessions as usize],
            acked: Vec::new(),
            texts: Texts {
                bytes: crowd.bytes as usize,
                made: u64::from(number) << 40,
            },
            in_flight: crowd.in_flight.max(1),
        }
    }

    /// Talks until it is to stop, and returns how many messages are open then.
    async fn talk(
        mut self,
        mut stop: watch::Receiver<bool>,
        answered: Arc<Mutex<impl FnMut(Answered)>>,
    ) -> u64 {
        let (began, at_ms) = (self.started.elapsed(), wall_clock_ms());
        for session in 0..self.open.len() {
            for _ in 0..self.in_flight {
                self.say(began, at_ms, session);
            }
        }
        let mut until: Option<Duration> = None;
        loop {
            self.carry_out();
            let now = self.started.elapsed();
            if !self.acked.is_empty() {
                let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
                self.count(now, until.is_some(), &mut *answered);
                continue;
            }
            if let Some(until) = until {
                let open = self.open.iter().map(VecDeque::len).sum::<usize>();
                if open == 0 || now >= until {
                    self.host.leave(now);
                    self.carry_out();
                    tokio::time::sleep(FAREWELL).await;
                    return open as u64;
                }
            }
            let wake = self.host.next_tick(now).min(until.unwrap_or(Duration::MAX));
            tokio::select! {
                biased;
                Some(input) = self.inputs.recv() => {
                    let now = self.started.elapsed();
                    self.connections.take(&mut self.host, now, input);
                    while let Ok(input) = self.inputs.try_recv() {
                        self.connections.take(&mut self.host, now, input);
                    }
                }
                _ = stop.wait_for(|stop| *stop), if until.is_none() => {
                    until = Some(self.started.elapsed() + LAST_ANSWERS);
                }
                () = tokio::time::sleep_until(self.started + wake) => {}
            }
            let now = self.started.elapsed();
            if self.host.next_tick(now) <= now {
                self.host.tick(now, wall_clock_ms());
            }
        }
    }

    fn say(&mut self, now: Duration, at_ms: u64, session: usize) {
        let seq = (self.host).say_in(now, at_ms, session, self.texts.next());
        self.open[session].push_back((seq, now));
    }

    fn carry_out(&mut self) {
        let acked = &mut self.acked;
        self.connections.carry_out(&mut self.host, &mut |news| {
            if let News::Happened {
                client,
                what: Happened::Acked { seq, .. },
            } = news
            {
                acked.push((client, seq));
            }
        });
    }

    /// Tells of what was acknowledged, and says something new for each.
    fn count(&mut self, now: Duration, stopping: bool, answered: &mut impl FnMut(Answered)) {
        let at_ms = wall_clock_ms();
        for (client, seq) in std::mem::take(&mut self.acked) {
            let Some(session) = self.host.number_of(client) else {
                continue;
            };
            let open = &mut self.open[session];
            let Some(place) = open.iter().position(|(said, _)| *said == seq) else {
                continue;
            };
            let Some((_, said_at)) = open.remove(place) else {
                continue;
            };
            answered(Answered {
                client: self.first + session as u32,
                after: now.saturating_sub(said_at),
            });
            if !stopping {
                self.say(now, at_ms, session);
            }
        }
    }
}

/// Texts of one length, each another one if there is room for a number.
struct Texts {
    bytes: usize,
    made: u64,
}

impl Texts {
    fn next(&mut self) -> String {
        self.made += 1;
        let number = self.made.to_string();
        // The last digits tell one from the next.
        let digits = &number[number.len().saturating_sub(self.bytes)..];
        let mut text = "-".repeat(self.bytes - digits.len());
        text.push_str(digits);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_spread_evenly_over_connections() {
        let shares =
            |all, parts| Vec::from_iter((0..parts).map(|number| share(all, parts, number)));
        assert_eq!(shares(4, 4), [1, 1, 1, 1]);
        assert_eq!(shares(7, 3), [3, 2, 2]);
        assert_eq!(shares(1024, 16), [64; 16]);
    }

    #[test]
    fn texts_have_their_length_and_differ() {
        for bytes in [1, 5, 64, 256] {
            let mut texts = Texts { bytes, made: 7 };
            let (one, other) = (texts.next(), texts.next());
            assert_eq!((one.len(), other.len()), (bytes, bytes));
            assert_ne!(one, other);
        }
    }
}
