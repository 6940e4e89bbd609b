//! A client process: one session that a script or a person speaks through, or many that say
//! generated messages.

mod connections;
mod run;
mod work;

use std::time::Duration;

use tokio::sync::mpsc;

use super::gate::Gate;
use super::reporter::Reporter;
use super::{ClientConfig, NodeError, process};
use crate::client::{Host, HostConfig, Load};
use crate::ids::ServerId;
use crate::value::Command;
use crate::wire::{BalancerAnswer, ServerMessage};

use connections::{Closed, Connections};

pub use crate::client::{Ask, News};
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
    asks: mpsc::UnboundedReceiver<Ask>,
    news: Box<dyn FnMut(News) + Send>,
) {
    let (inputs, arriving) = mpsc::channel(INPUTS);
    let connections = Connections::new(config.cluster, gate, config.balancer, inputs);
    let host = Host::new(
        HostConfig {
            name: config.name.clone(),
            client: config.client,
            load,
            seed: rand::random(),
        },
        Duration::ZERO,
    );
    run::run(host, connections, asks, arriving, news).await;
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
