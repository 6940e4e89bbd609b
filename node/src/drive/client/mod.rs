//! A client process around its [`Host`]: connections, the clocks, and what its user asks.

mod connections;
mod crowd;
mod look;
mod work;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::gate::Gate;
use super::reporter::Reporter;
use super::{ClientConfig, NodeError, process};
use crate::client::{Ask, FAREWELL, Host, HostConfig, Load, News};
use crate::ids::ServerId;
use crate::value::Command;
use crate::wire::{BalancerAnswer, ServerMessage};

use connections::{Closed, Connections};

pub use crowd::{Answered, Crowd, run_crowd};
pub use look::{Look, look_in};
pub use work::run_client;

/// Inputs that may wait; more hold their connections back.
const INPUTS: usize = 16_384;

/// What reaches the sessions from outside.
pub(super) enum Input {
    Server {
        server: ServerId,
        message: ServerMessage,
    },
    Balancer(BalancerAnswer),
    /// A node did not want the connection, and said why.
    Refused {
        peer: String,
        reason: String,
    },
    Closed(Closed),
}

/// Checks that a name can be used in a chat.
fn check_name(name: &str) -> Result<(), NodeError> {
    if name.len() > Command::MAX_NAME_BYTES {
        return Err(NodeError::NameTooLong {
            name: name.to_string(),
            length: name.len(),
            limit: Command::MAX_NAME_BYTES,
        });
    }
    Ok(())
}

/// Runs a client's sessions on the current tokio runtime, until it was asked to leave or `asks` is
/// closed.
pub(super) async fn drive(
    config: &ClientConfig,
    load: Option<Load>,
    gate: Gate,
    mut asks: mpsc::UnboundedReceiver<Ask>,
    mut news: Box<dyn FnMut(News) + Send>,
) {
    let (sender, mut inputs) = mpsc::channel(INPUTS);
    let mut connections = Connections::new(config.cluster, gate, config.balancer, sender);
    let host = HostConfig {
        name: config.name.clone(),
        client: config.client,
        load,
        seed: rand::random(),
    };
    let started = Instant::now();
    let mut host = Host::new(host, Duration::ZERO);
    // A closed channel is ready again and again, but asks only once.
    let mut asking = true;
    loop {
        connections.carry_out(&mut host, &mut news);
        let now = started.elapsed();
        if host.may_leave(now) {
            host.leave(now);
            connections.carry_out(&mut host, &mut news);
            tokio::time::sleep(FAREWELL).await;
            return news(News::Ended);
        }
        tokio::select! {
            biased;
            Some(input) = inputs.recv() => {
                connections.take(&mut host, started.elapsed(), input);
                for _ in 0..1024 {
                    let Ok(input) = inputs.try_recv() else { break };
                    connections.carry_out(&mut host, &mut news);
                    connections.take(&mut host, started.elapsed(), input);
                }
            }
            ask = asks.recv(), if asking => {
                asking = ask.is_some();
                host.ask(started.elapsed(), wall_clock_ms(), ask.unwrap_or(Ask::Leave));
            }
            () = tokio::time::sleep_until(started + host.next_tick(now)) => {}
        }
        host.tick(started.elapsed(), wall_clock_ms());
    }
}

/// Milliseconds since the Unix epoch, for people.
fn wall_clock_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|since| since.as_millis() as u64)
        .unwrap_or(0)
}

/// A client that a program speaks through, on a thread of its own.
pub struct Client {
    asks: mpsc::UnboundedSender<Ask>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Client {
    /// Starts the client; `news` is called from its thread.
    ///
    /// # Errors
    /// If the name is too long or the system has no thread left.
    pub fn start(
        config: ClientConfig,
        news: impl FnMut(News) + Send + 'static,
    ) -> Result<Client, NodeError> {
        check_name(&config.name)?;
        let (asks, asked) = mpsc::unbounded_channel();
        let runtime = process::runtime()?;
        let gate = super::links::open_gate(&config.name, &config.dir, Vec::new(), Reporter);
        let thread = std::thread::Builder::new()
            .name("client".into())
            .spawn(move || {
                runtime.block_on(drive(&config, None, gate, asked, Box::new(news)));
            })
            .map_err(NodeError::Start)?;
        Ok(Client {
            asks,
            thread: Some(thread),
        })
    }

    /// Asks something of the session; ignored once it has ended.
    pub fn ask(&self, ask: Ask) {
        let _ = self.asks.send(ask);
    }

    /// Leaves, and waits until that is done.
    pub fn leave(mut self) {
        self.ask(Ask::Leave);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
