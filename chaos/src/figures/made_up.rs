//! A sound run, made up, of any length: what the figures of reading and judging are taken from.

use std::fs::File;
use std::io;

use paxosctl_node::event::{Acceptance, Event};
use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::value::{Command, Value};

use crate::history::{Line, Phase, RunHeader, VERSION, Writer};
use crate::target::LogSource;

/// Messages in a slot.
const BATCH: u64 = 4;
/// Sessions of the load.
const SESSIONS: u64 = 64;
/// Microseconds from one slot to the next.
const SLOT_US: u64 = 40;
/// The leader changes, and a server restarts, so many times.
const CHANGES: u64 = 10;

/// The plan of such a run.
pub(super) fn plan(servers: u16) -> String {
    format!(
        "version: 1\ncluster: {{servers: {servers}, clients: [ann, bob]}}\ntraffic: [{{at: 1s, for: 9s, load: {{clients: {SESSIONS}}}}}]\n"
    )
}

struct History {
    writer: Writer<File>,
    servers: u16,
    events: u64,
}

impl History {
    fn line(&mut self, line: &Line) -> io::Result<()> {
        self.writer.write(line)
    }

    fn node(&mut self, at_us: u64, node: &str, what: Event) -> io::Result<()> {
        self.events += 1;
        let node = node.to_string();
        self.writer.write(&Line::Node { at_us, node, what })
    }

    /// A server starts and says what its disk holds.
    fn begin(&mut self, server: u16, promised: Ballot, chosen: Slot) -> io::Result<()> {
        let at_us = chosen.0 * SLOT_US + 25;
        let name = format!("s{}", server + 1);
        self.node(at_us, &name, Event::Started { pid: 1, links: 0 })?;
        let recovered = Event::Recovered {
            promised,
            accepted: Vec::new(),
            chosen,
            incarnation: u64::from(server),
            formed: chosen.0 > 0,
            cut_bytes: 0,
        };
        self.node(at_us, &name, recovered)
    }

    fn elect(&mut self, at_us: u64, ballot: Ballot, after: Slot) -> io::Result<()> {
        for server in 1..=self.servers {
            self.node(at_us, &format!("s{server}"), Event::Promised { ballot })?;
        }
        let leading = Event::Leading {
            ballot,
            promised_by: (1..=self.servers).map(ServerId).collect(),
            after,
        };
        self.node(at_us + 1, &format!("s{}", ballot.server), leading)
    }

    fn read(&mut self, at_us: u64, id: u64, length: u64) -> io::Result<()> {
        let client = ClientId(1);
        self.node(at_us, "ann", Event::ReadAsked { client, id })?;
        let done = Event::ReadDone {
            client,
            id,
            length,
            server: ServerId(2),
        };
        self.node(at_us + 1, "ann", done)
    }

    /// What is said, stored, acknowledged and shown in one slot.
    fn chat(&mut self, slot: u64, ballot: Ballot, servers: &[String]) -> io::Result<()> {
        let said_us = slot * SLOT_US;
        let value = value(slot);
        for command in value.commands() {
            let say = Event::Say {
                client: command.client,
                name: command.name.clone(),
                seq: command.seq,
                at_ms: command.at_ms,
                text: command.text.clone(),
            };
            self.node(said_us, "load1", say)?;
        }
        let upto = Slot(slot);
        for server in servers {
            let accepted = Event::Accepted(Acceptance {
                ballot,
                slot: upto,
                digest: value.digest(),
            });
            self.node(said_us + 10, server, accepted)?;
            self.node(said_us + 20, server, Event::Chosen { upto })?;
            self.node(said_us + 21, server, Event::ChosenOnDisk { upto })?;
        }
        for (index, command) in ((slot - 1) * BATCH + 1..).zip(value.commands()) {
            let acked = Event::Acked {
                client: command.client,
                seq: command.seq,
                index,
                slot: upto,
                server: ServerId(1),
            };
            self.node(said_us + 30, "load1", acked)?;
            for (client, name) in [(1, "ann"), (2, "bob")] {
                let shown = Event::Delivered {
                    client: ClientId(client),
                    index,
                    from: command.client,
                    seq: command.seq,
                    digest: crc32c::crc32c(command.text.as_bytes()),
                };
                self.node(said_us + 35, name, shown)?;
            }
        }
        if slot.is_multiple_of(100) {
            self.read(said_us + 36, slot, slot * BATCH)?;
        }
        Ok(())
    }

    fn finish(&mut self, slots: u64) -> io::Result<()> {
        let at_us = slots * SLOT_US + 1_000_000;
        for phase in [
            Phase::Heal,
            Phase::Drain,
            Phase::Settle,
            Phase::Converged,
            Phase::FinalReads,
        ] {
            self.line(&Line::Phase { at_us, phase })?;
        }
        for server in (1..=self.servers).map(ServerId) {
            self.line(&Line::Log {
                server,
                source: LogSource::Served,
                chosen: Slot(slots),
            })?;
            for slot in 1..=slots {
                self.line(&Line::Slot {
                    server,
                    slot: Slot(slot),
                    value: value(slot),
                })?;
            }
        }
        self.line(&Line::End {
            at_us,
            interrupted: false,
        })
    }
}

/// What a slot holds.
fn value(slot: u64) -> Value {
    let command = |message: u64| {
        let (session, seq) = (message % SESSIONS, message / SESSIONS + 1);
        let name = format!("load1-{session}");
        Command {
            client: ClientId(session + 10),
            seq,
            text: format!("message {seq} of {name}, padded to sixty-four bytes or thereabouts"),
            name,
            at_ms: 0,
        }
    };
    let first = (slot - 1) * BATCH;
    Value::batch((first..first + BATCH).map(command).collect())
}

/// Saves a sound run of so many messages, or some fewer. Returns how many there are, and how many
/// events of nodes.
pub(super) fn write(file: File, messages: u64, servers: u16) -> io::Result<(u64, u64)> {
    let mut history = History {
        writer: Writer::new(file),
        servers,
        events: 0,
    };
    let names: Vec<String> = (1..=servers).map(|server| format!("s{server}")).collect();
    history.line(&Line::Run(RunHeader {
        version: VERSION,
        plan: "bench".to_string(),
        seed: 1,
        servers: names.clone(),
        clients: vec!["ann".to_string(), "bob".to_string(), "load1".to_string()],
        command: "paxosctl run bench.yaml --seed 1".to_string(),
        world: Default::default(),
    }))?;
    for server in 0..servers {
        history.begin(server, Ballot::ZERO, Slot(0))?;
        history.node(0, &names[usize::from(server)], Event::Formed)?;
    }
    for name in ["ann", "bob", "load1"] {
        history.node(0, name, Event::Started { pid: 1, links: 0 })?;
    }
    history.line(&Line::Phase {
        at_us: 0,
        phase: Phase::Run,
    })?;
    let slots = messages / BATCH;
    let mut ballot = Ballot::ZERO;
    for slot in 1..=slots {
        if (slot - 1) % (slots / CHANGES).max(1) == 0 {
            if slot > 1 {
                // A server that follows restarts just before.
                let server = (ballot.server % servers) + 1;
                history.begin(server - 1, ballot, Slot(slot - 1))?;
            }
            let leader = ServerId(ballot.server % servers + 1);
            ballot = Ballot::new(ballot.round + 1, leader);
            history.elect(slot * SLOT_US, ballot, Slot(slot - 1))?;
        }
        history.chat(slot, ballot, &names)?;
    }
    history.finish(slots)?;
    history.writer.finish()?;
    Ok((slots * BATCH, history.events))
}
