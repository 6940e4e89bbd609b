//! The client processes that a harness starts: scripted, or generating load.

use std::io::BufRead;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{check_name, drive};
use crate::client::{Ask, Load, Teller, Told};
use crate::drive::reporter::Reporter;
use crate::drive::{ClientCommand, ClientConfig, ClientWork, NodeError, links, process};
use crate::value::Command;

/// Runs a client process until its standard input ends, it is told to leave, or SIGTERM.
pub fn run_client(config: ClientConfig) -> Result<(), NodeError> {
    check_name(&config.name)?;
    let reporter = Reporter;
    let gate = process::begin(&config.name, &config.dir, Vec::new(), reporter);
    let runtime = process::runtime()?;
    let load = match &config.work {
        ClientWork::Scripted => None,
        ClientWork::Load(load) => Some(Load {
            sessions: load.sessions,
            rate: load.rate,
            arrivals: load.arrivals,
            burst: load.burst,
            mix: load.mix,
            bytes: load.bytes,
            lasts: Duration::from_millis(load.lasts_ms),
            seed: load.seed,
        }),
    };
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(NodeError::Start)?;
        let mut links_changed = signal(SignalKind::user_defined1()).map_err(NodeError::Start)?;
        let (asks, asked) = mpsc::unbounded_channel();
        read_commands(asks, reporter);
        let mut teller = Teller::new(config.name.clone());
        let news = Box::new(move |news| {
            for told in teller.tell(news) {
                match told {
                    Told::Events(events) => reporter.events(events),
                    Told::Say(words) => reporter.say(words),
                }
            }
        });
        let mut driven = std::pin::pin!(drive(&config, load, gate.clone(), asked, news));
        loop {
            tokio::select! {
                () = &mut driven => break,
                _ = terminate.recv() => break,
                _ = links_changed.recv() => links::reload(&gate, &config.dir, reporter),
            }
        }
        process::end(&gate, reporter);
        Ok(())
    })
}

/// Reads commands from standard input on a thread of its own, since such a read cannot be
/// cancelled. The end of the input is the order to leave.
fn read_commands(asks: mpsc::UnboundedSender<Ask>, reporter: Reporter) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n') {
            let Ok(line) = line else { break };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let ask = match serde_json::from_slice(&line) {
                Ok(ClientCommand::Say { text }) if text.len() > Command::MAX_TEXT_BYTES => {
                    reporter.say(format_args!(
                        "not sent: the text has {} bytes, at most {} are allowed",
                        text.len(),
                        Command::MAX_TEXT_BYTES
                    ));
                    continue;
                }
                Ok(ClientCommand::Say { text }) => Ask::Say(text),
                Ok(ClientCommand::Read) => Ask::Read,
                Ok(ClientCommand::Leave) => Ask::Leave,
                Err(error) => {
                    reporter.say(format_args!(
                        "not a command: {error}; a command looks like {{\"say\":{{\"text\":\"hi\"}}}}"
                    ));
                    continue;
                }
            };
            if asks.send(ask).is_err() {
                return;
            }
        }
        let _ = asks.send(Ask::Leave);
    });
}
