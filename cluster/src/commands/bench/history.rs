//! Whether a cluster stays as fast and as small while its history grows, and how fast who was away
//! is back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use paxosctl_node::ids::ServerId;
use serde::Serialize;

use super::load::Load;
use super::nodes::Nodes;
use super::row::{self, Shape, time};
use super::workplace::Workplace;
use crate::cli::HistoryArgs;
use crate::clock::monotonic;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::print;

/// Steps of the way, each with a line.
const TENTHS: u64 = 10;
/// The messages that somebody new wants to see at once.
const PAGE: u32 = 100;
/// How long the others are watched before the one that was away is started.
const UNDISTURBED: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a server gets to say how it is while it is looked at again and again.
const SOON: Duration = Duration::from_millis(500);
/// How long a server may take to be back.
const BACK_WITHIN: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub struct History {
    shape: Shape,
    messages: u64,
    json: bool,
}

impl History {
    pub(super) fn new(typed: &HistoryArgs) -> History {
        History {
            shape: Shape {
                servers: typed.servers,
                clients: typed.clients,
                connections: typed.clients,
                in_flight: typed.in_flight,
                bytes: typed.bytes,
            },
            messages: typed.messages,
            json: typed.json,
        }
    }
}

/// What one step came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Step {
    /// Another tenth was stored.
    Stored {
        messages: u64,
        acks_per_s: f64,
        /// By server, in bytes.
        resident: BTreeMap<String, u64>,
        peak_resident: BTreeMap<String, u64>,
        on_disk: BTreeMap<String, u64>,
    },
    /// A server was killed and started again.
    Restarted {
        server: String,
        messages: u64,
        /// Until it answered.
        serves_ms: f64,
        /// Until it had what the others had when it was started.
        caught_up_ms: f64,
    },
    /// A client came new.
    Newcomer {
        messages: u64,
        /// Until it had the last messages.
        last_page_ms: f64,
        /// And then the first.
        first_page_ms: f64,
    },
    /// A server that was away came back under load.
    CaughtUp {
        server: String,
        /// Messages that it did not have.
        behind: u64,
        seconds: f64,
        messages_per_s: f64,
        /// What was acknowledged before it went away, while it was away, and while it caught up.
        all_per_s: f64,
        others_before_per_s: f64,
        others_meanwhile_per_s: f64,
        share_of_all: f64,
        share_of_others: f64,
    },
}

pub(super) fn measure(request: &History) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let mut workplace = Workplace::new()?;
    let dir = workplace.fresh();
    let nodes = Nodes::start(request.shape.servers, &dir, &interrupt)?;
    let mut course = Course {
        request,
        interrupt,
        dir: &dir,
        nodes,
        stored: 0,
        open: 0,
    };
    course.fill()?;
    course.restart()?;
    course.newcomer()?;
    course.be_away()?;
    course.nodes.end()?;
    Ok(Outcome::Success)
}

/// A measurement on its way.
struct Course<'a> {
    request: &'a History,
    interrupt: Interrupt,
    dir: &'a Path,
    nodes: Nodes,
    /// Messages of loads that ended: acknowledged, and unknown.
    stored: u64,
    open: u64,
}

impl Course<'_> {
    /// Stores all messages, and tells of each tenth.
    fn fill(&mut self) -> Result<(), Failure> {
        let load = self.nodes.talk(self.request.shape)?;
        load.await_all(&self.interrupt)?;
        let mut since = (monotonic(), load.tally().acks);
        for tenth in 1..=TENTHS {
            self.await_acks(&load, self.request.messages * tenth / TENTHS)?;
            let now = (monotonic(), load.tally().acks);
            let memory = self.nodes.memory();
            let names: Vec<String> = memory.keys().cloned().collect();
            self.tell(&Step::Stored {
                messages: now.1,
                acks_per_s: (now.1 - since.1) as f64 / (now.0 - since.0).as_secs_f64(),
                resident: memory
                    .iter()
                    .map(|(name, of)| (name.clone(), of.resident))
                    .collect(),
                peak_resident: memory
                    .into_iter()
                    .map(|(name, of)| (name, of.peak))
                    .collect(),
                on_disk: names
                    .into_iter()
                    .map(|name| (name.clone(), on_disk(&self.dir.join(name))))
                    .collect(),
            })?;
            since = now;
        }
        self.end(load)
    }

    /// Kills a server that does not lead, and starts it again at once.
    fn restart(&mut self) -> Result<(), Failure> {
        let (server, node) = self.follower()?;
        self.nodes.kill(node)?;
        let wanted = self.most_chosen();
        let began = monotonic();
        self.nodes.start_again(node)?;
        let (serves, caught_up) = self.await_back(server, wanted)?;
        self.tell(&Step::Restarted {
            server: server.to_string(),
            messages: self.stored,
            serves_ms: (serves - began).as_secs_f64() * 1e3,
            caught_up_ms: (caught_up - began).as_secs_f64() * 1e3,
        })
    }

    fn newcomer(&mut self) -> Result<(), Failure> {
        let look = self.nodes.look_in(PAGE)?;
        self.tell(&Step::Newcomer {
            messages: look.length,
            last_page_ms: look.last.as_secs_f64() * 1e3,
            first_page_ms: look.first.as_secs_f64() * 1e3,
        })
    }

    /// Kills a server under load, stores half as many messages again, and starts it.
    fn be_away(&mut self) -> Result<(), Failure> {
        let load = self.nodes.talk(self.request.shape)?;
        load.await_all(&self.interrupt)?;
        let all = self.rate_over(&load, UNDISTURBED)?;
        let (server, node) = self.follower()?;
        let had = self
            .nodes
            .status(server, SOON)
            .map_or(0, |status| status.messages);
        self.nodes.kill(node)?;
        let until = load.tally().acks + self.request.messages / 2;
        self.await_acks(&load, until)?;
        let before = self.rate_over(&load, UNDISTURBED)?;

        let (others, wanted) = self.longest();
        let (began, acks) = (monotonic(), load.tally().acks);
        self.nodes.start_again(node)?;
        let (_, caught_up) = self.await_back(server, wanted)?;
        let seconds = (caught_up - began).as_secs_f64();
        let meanwhile = (load.tally().acks - acks) as f64 / (monotonic() - began).as_secs_f64();
        let behind = others.saturating_sub(had);
        self.tell(&Step::CaughtUp {
            server: server.to_string(),
            behind,
            seconds,
            messages_per_s: behind as f64 / seconds,
            all_per_s: all,
            others_before_per_s: before,
            others_meanwhile_per_s: meanwhile,
            share_of_all: meanwhile / all,
            share_of_others: meanwhile / before,
        })?;
        self.end(load)
    }

    /// Stops a load, and looks whether all is there.
    fn end(&mut self, load: Load) -> Result<(), Failure> {
        let said = load.end()?;
        self.stored += said.acks;
        self.open += said.open;
        let all = super::load::Said {
            acks: self.stored,
            open: self.open,
        };
        self.nodes.hold(all, &self.interrupt)
    }

    fn await_acks(&self, load: &Load, acks: u64) -> Result<(), Failure> {
        while load.tally().acks < acks {
            load.wait(LOOK_EVERY, &self.interrupt)?;
        }
        Ok(())
    }

    fn rate_over(&self, load: &Load, time: Duration) -> Result<f64, Failure> {
        let (began, acks) = (monotonic(), load.tally().acks);
        load.wait(time, &self.interrupt)?;
        Ok((load.tally().acks - acks) as f64 / (monotonic() - began).as_secs_f64())
    }

    /// A server that does not lead, and its place among the nodes.
    fn follower(&self) -> Result<(ServerId, usize), Failure> {
        let leader = self.nodes.leader();
        let servers = (1..=self.request.shape.servers).rev().map(ServerId);
        servers
            .filter_map(|server| Some((server, self.nodes.place(server)?)))
            .find(|(_, node)| Some(*node) != leader)
            .ok_or_else(|| Failure::Cluster("every server leads".into()))
    }

    /// The most messages and the last chosen slot that any server knows.
    fn longest(&self) -> (u64, u64) {
        let servers = (1..=self.request.shape.servers).map(ServerId);
        let known = servers.filter_map(|server| self.nodes.status(server, SOON));
        known.fold((0, 0), |(messages, chosen), status| {
            (messages.max(status.messages), chosen.max(status.chosen.0))
        })
    }

    fn most_chosen(&self) -> u64 {
        self.longest().1
    }

    /// When a server that was started answered, and when it knew the slot `wanted`.
    fn await_back(&self, server: ServerId, wanted: u64) -> Result<(Duration, Duration), Failure> {
        let deadline = monotonic() + BACK_WITHIN;
        let mut serves = None;
        loop {
            self.interrupt.check()?;
            if let Some(status) = self.nodes.status(server, SOON) {
                let now = monotonic();
                let serves = *serves.get_or_insert(now);
                if status.chosen.0 >= wanted {
                    return Ok((serves, now));
                }
            }
            if monotonic() >= deadline {
                return Err(Failure::Cluster(format!(
                    "{server} is not back after {} s",
                    BACK_WITHIN.as_secs()
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn tell(&self, step: &Step) -> Result<(), Failure> {
        print(&match self.request.json {
            true => row::json(step),
            false => words(step),
        })
    }
}

/// Bytes that the files below a directory take.
fn on_disk(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let file = entry.metadata().ok()?;
            Some(match file.is_dir() {
                true => on_disk(&entry.path()),
                false => file.len(),
            })
        })
        .sum()
}

/// A step for a person.
fn words(step: &Step) -> String {
    match step {
        Step::Stored {
            messages,
            acks_per_s,
            resident,
            peak_resident,
            on_disk,
        } => {
            let servers: Vec<String> = resident
                .iter()
                .map(|(name, bytes)| {
                    let (peak, disk) = (mib(peak_resident[name]), mib(on_disk[name]));
                    format!(
                        "{name} {} resident (at most {peak}), {disk} on disk",
                        mib(*bytes)
                    )
                })
                .collect();
            format!(
                "{messages} messages, the last ones at {acks_per_s:.0}/s; {}\n",
                servers.join("; ")
            )
        }
        Step::Restarted {
            server,
            messages,
            serves_ms,
            caught_up_ms,
        } => format!(
            "{server} was killed with {messages} messages: it serves again after {}, and is up to \
             date after {}\n",
            time(serves_ms * 1e3),
            time(caught_up_ms * 1e3)
        ),
        Step::Newcomer {
            messages,
            last_page_ms,
            first_page_ms,
        } => format!(
            "a new client sees the last {PAGE} of {messages} messages after {}, and the first \
             {PAGE} another {} later\n",
            time(last_page_ms * 1e3),
            time(first_page_ms * 1e3)
        ),
        Step::CaughtUp {
            server,
            behind,
            seconds,
            messages_per_s,
            all_per_s,
            others_before_per_s,
            others_meanwhile_per_s,
            share_of_all,
            share_of_others,
        } => format!(
            "{server} was {behind} messages behind, and up to date after {seconds:.2} s \
             ({messages_per_s:.0}/s); meanwhile {others_meanwhile_per_s:.0}/s were acknowledged: \
             {:.0} % of the {all_per_s:.0}/s of all servers, {:.0} % of the \
             {others_before_per_s:.0}/s of the others alone\n",
            share_of_all * 100.0,
            share_of_others * 100.0
        ),
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_measured_through_all_directories() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("log")).expect("a directory");
        std::fs::write(dir.path().join("log/1"), [0; 100]).expect("a file");
        std::fs::write(dir.path().join("words"), [0; 11]).expect("a file");
        assert_eq!(on_disk(dir.path()), 111);
        assert_eq!(on_disk(&dir.path().join("nowhere")), 0);
    }
}
