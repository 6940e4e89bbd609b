//! A client that comes new to a chat, reads its last messages and then its first ones, and leaves:
//! how long that takes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::connections::Connections;
use super::{INPUTS, wall_clock_ms};
use crate::client::{Ask, FAREWELL, Happened, Host, News};
use crate::drive::gate::Gate;
use crate::drive::{NodeError, process};
use crate::link::NodeLinks;

/// The name that it goes by.
const NAME: &str = "newcomer";

/// How long it waits for what it asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a newcomer saw, and how long after it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Messages in the chat.
    pub length: u64,
    /// When all of the last messages were there.
    pub last: Duration,
    /// How long the first messages took after that.
    pub first: Duration,
}

/// Reads the last `count` messages of a chat and then the first. `None` if they do not come.
///
/// # Errors
/// The system has no runtime left to give.
pub fn look_in(
    cluster: u64,
    balancer: SocketAddr,
    count: u32,
    seed: u64,
) -> Result<Option<Look>, NodeError> {
    process::runtime()?.block_on(async {
        let looked = tokio::time::timeout(PATIENCE, look(cluster, balancer, count, seed));
        Ok(looked.await.ok())
    })
}

async fn look(cluster: u64, balancer: SocketAddr, count: u32, seed: u64) -> Look {
    let gate = Gate::new(NodeLinks::new(NAME, Vec::new()));
    let (sender, mut inputs) = mpsc::channel(INPUTS);
    let started = Instant::now();
    let mut connections = Connections::new(cluster, gate, balancer, sender);
    let mut host = Host::crowd(NAME.to_owned(), 1, seed, Duration::ZERO);
    let mut reading = Reading::new(count);
    host.ask(Duration::ZERO, wall_clock_ms(), Ask::Read);
    loop {
        let mut asks = Vec::new();
        connections.carry_out(&mut host, &mut |news| {
            if let News::Happened { what, .. } = news {
                asks.extend(reading.hear(started.elapsed(), &what));
            }
        });
        let now = started.elapsed();
        if let Some(look) = reading.done {
            host.leave(now);
            connections.carry_out(&mut host, &mut |_| {});
            tokio::time::sleep(FAREWELL).await;
            return look;
        }
        if !asks.is_empty() {
            for ask in asks {
                host.ask(now, wall_clock_ms(), ask);
            }
            continue;
        }
        tokio::select! {
            Some(input) = inputs.recv() => {
                connections.take(&mut host, started.elapsed(), input);
            }
            () = tokio::time::sleep_until(started + host.next_tick(now)) => {}
        }
        host.tick(started.elapsed(), wall_clock_ms());
    }
}

/// How far the reading is.
struct Reading {
    count: u64,
    length: u64,
    /// The next message and the end of what is wanted now.
    wanted: std::ops::Range<u64>,
    /// When the last messages were there.
    last: Option<Duration>,
    done: Option<Look>,
}

impl Reading {
    fn new(count: u32) -> Reading {
        Reading {
            count: count.max(1).into(),
            length: 0,
            wanted: 0..0,
            last: None,
            done: None,
        }
    }

    /// What to ask next.
    fn hear(&mut self, now: Duration, what: &Happened) -> Option<Ask> {
        match what {
            Happened::ReadDone { length, .. } => {
                self.length = *length;
                self.wanted = (length + 1).saturating_sub(self.count).max(1)..length + 1;
            }
            Happened::Page {
                first, messages, ..
            } => self.wanted.start = first + messages.len() as u64,
            _ => return None,
        }
        if self.wanted.is_empty() {
            match self.last {
                None => {
                    self.last = Some(now);
                    self.wanted = 1..(self.count + 1).min(self.length + 1);
                }
                Some(last) => {
                    self.done = Some(Look {
                        length: self.length,
                        last,
                        first: now.saturating_sub(last),
                    });
                    return None;
                }
            }
        }
        let limit = self.wanted.end - self.wanted.start;
        Some(Ask::History {
            from: self.wanted.start,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ClientId, ServerId};
    use crate::value::Command;

    fn page(first: u64, count: u64) -> Happened {
        let command = |seq| Command {
            client: ClientId(1),
            seq,
            name: "ann".into(),
            at_ms: 0,
            text: "hello".into(),
        };
        Happened::Page {
            first,
            messages: (1..=count).map(command).collect(),
            last: 1000,
        }
    }

    fn asks(from: u64, limit: u32) -> Option<Ask> {
        Some(Ask::History { from, limit })
    }

    #[test]
    fn the_last_messages_are_read_and_then_the_first_in_as_many_pages_as_it_takes() {
        let ms = Duration::from_millis;
        let mut reading = Reading::new(100);
        let read = Happened::ReadDone {
            id: 1,
            length: 1000,
            server: ServerId(1),
        };
        assert_eq!(reading.hear(ms(1), &read), asks(901, 100));
        assert_eq!(reading.hear(ms(2), &page(901, 60)), asks(961, 40));
        assert_eq!(reading.hear(ms(3), &page(961, 40)), asks(1, 100));
        assert_eq!(reading.hear(ms(5), &page(1, 100)), None);
        let look = Look {
            length: 1000,
            last: ms(3),
            first: ms(2),
        };
        assert_eq!(reading.done, Some(look));
    }
}
