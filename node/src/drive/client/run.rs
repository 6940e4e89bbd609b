//! Feeds a client's sessions from its connections and its user, until they have left.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::connections::{Connections, Peer};
use super::{Ask, Input, News};
use crate::client::{FAREWELL, Host, HostEffect};

/// Inputs taken before their effects are carried out together.
const GATHER: usize = 1024;

/// What the sessions reach.
struct World {
    connections: Connections,
    news: Box<dyn FnMut(News) + Send>,
}

/// Runs until the sessions have left, because they were asked to or `asks` is closed.
pub async fn run(
    mut host: Host,
    connections: Connections,
    mut asks: mpsc::UnboundedReceiver<Ask>,
    mut inputs: mpsc::Receiver<Input>,
    news: Box<dyn FnMut(News) + Send>,
) {
    let started = Instant::now();
    let mut world = World { connections, news };
    loop {
        let wake = started + host.next_tick(started.elapsed());
        tokio::select! {
            biased;
            Some(input) = inputs.recv() => {
                world.take(&mut host, started, input);
                for _ in 0..GATHER {
                    let Ok(input) = inputs.try_recv() else { break };
                    world.take(&mut host, started, input);
                }
            }
            ask = asks.recv() => {
                host.ask(started.elapsed(), wall_clock_ms(), ask.unwrap_or(Ask::Leave));
            }
            () = tokio::time::sleep_until(wake) => {}
        }
        let now = started.elapsed();
        host.tick(now, wall_clock_ms());
        let leaves = host.may_leave(now);
        if leaves {
            host.leave(now);
        }
        world.carry_out(host.take_effects());
        if leaves {
            tokio::time::sleep(FAREWELL).await;
            return (world.news)(News::Ended);
        }
    }
}

impl World {
    fn take(&mut self, host: &mut Host, started: Instant, input: Input) {
        let now = started.elapsed();
        match input {
            Input::Server { server, message } => host.from_server(now, server, message),
            Input::Balancer(answer) => host.from_balancer(now, answer),
            Input::Refused { peer, reason } => host.refused(peer, reason),
            Input::Closed(closed) => {
                if self.connections.closed(&closed) {
                    match closed.peer {
                        Peer::Balancer => host.balancer_gone(now),
                        Peer::Server(server) => host.server_gone(now, server),
                    }
                }
            }
        }
    }

    fn carry_out(&mut self, effects: Vec<HostEffect>) {
        for effect in effects {
            match effect {
                HostEffect::ToBalancer(message) => self.connections.send_to_balancer(message),
                HostEffect::ToServer {
                    server,
                    address,
                    message,
                } => {
                    // The balancer passes on what the server said of itself; nonsense is as good as
                    // a server that cannot be reached.
                    if let Ok(address) = address.parse() {
                        self.connections.send_to_server(server, address, message);
                    }
                }
                HostEffect::ForgetServer(server) => self.connections.forget_server(server),
                HostEffect::News(news) => (self.news)(news),
            }
        }
    }
}

/// Milliseconds since the Unix epoch, for people.
fn wall_clock_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|since| since.as_millis() as u64)
        .unwrap_or(0)
}
