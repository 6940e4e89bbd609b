//! How long it takes to read and to judge a large run, and how much memory: 100,000 messages on five
//! replicas, and then ten times as many, so that the ratio shows how each part grows.
//!
//! `cargo bench -p paxosctl-chaos --bench checks`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use paxosctl_chaos::check::judge_observed;
use paxosctl_chaos::history::{self, Line, Phase, RunHeader, VERSION, Writer};
use paxosctl_chaos::plan::{self, Plan};
use paxosctl_chaos::target::LogSource;
use paxosctl_node::event::{Acceptance, Event};
use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::value::{Command, Value};

const SERVERS: u16 = 5;
const BATCH: u64 = 4;
/// Sessions of the load.
const SESSIONS: u64 = 64;
/// Microseconds from one slot to the next.
const SLOT_US: u64 = 40;
/// The leader changes, and a server restarts, so many times.
const CHANGES: u64 = 10;

const PLAN: &str = "
version: 1
cluster: {servers: 5, clients: [ann, bob]}
traffic: [{at: 1s, for: 9s, load: {clients: 64}}]
";

fn main() -> io::Result<()> {
    let plan = plan::parse(Path::new("bench.yaml"), PLAN).expect("a plan");
    let file = tempfile::NamedTempFile::new()?;
    let mut measured: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    let mut out = io::stdout().lock();
    for messages in [100_000, 1_000_000] {
        let events = write_history(file.path(), messages)?;
        let bytes = file.as_file().metadata()?.len();
        let mut note = |what: &str, seconds: f64| {
            if !order.iter().any(|known| known == what) {
                order.push(what.to_string());
            }
            measured.entry(what.to_string()).or_default().push(seconds);
        };
        let (verdict, peak) = measure(file.path(), &plan, &mut note)?;
        writeln!(
            out,
            "{messages} messages × {SERVERS} replicas: {events} events of nodes, {} MB; {verdict}; peak memory {peak} MB",
            bytes >> 20
        )?;
    }
    writeln!(
        out,
        "\n{:24} {:>10} {:>10} {:>7}",
        "seconds", "100,000", "1,000,000", "ratio"
    )?;
    for what in order {
        let [small, large] = measured[&what][..] else {
            continue;
        };
        writeln!(
            out,
            "{what:24} {small:>10.4} {large:>10.4} {:>7.1}",
            large / small.max(1e-9)
        )?;
    }
    Ok(())
}

/// Reads and judges; returns the verdict and the peak memory of the process in megabytes.
fn measure(
    path: &Path,
    plan: &Plan,
    note: &mut impl FnMut(&str, f64),
) -> io::Result<(&'static str, u64)> {
    let begun = Instant::now();
    let evidence = history::read(File::open(path)?)
        .expect("a readable history");
    note("read", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let mut last = begun;
    let result = judge_observed(&evidence, plan, &mut |part| {
        note(part, last.elapsed().as_secs_f64());
        last = Instant::now();
    });
    note("judging, all of it", begun.elapsed().as_secs_f64());
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| {
            line.trim()
                .trim_end_matches(" kB")
                .trim()
                .parse::<u64>()
                .ok()
        })
        .unwrap_or(0);
    for reason in &result.reasons {
        writeln!(io::stderr(), "{reason}")?;
    }
    Ok((result.verdict.word(), peak >> 10))
}

struct History {
    writer: Writer<File>,
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
}

/// A sound run of so many messages. Returns the number of events of nodes.
fn write_history(path: &Path, messages: u64) -> io::Result<u64> {
    let mut history = History {
        writer: Writer::new(File::create(path)?),
        events: 0,
    };
    let servers: Vec<String> = (1..=SERVERS).map(|server| format!("s{server}")).collect();
    history.line(&Line::Run(RunHeader {
        version: VERSION,
        plan: "bench".to_string(),
        seed: 1,
        servers: servers.clone(),
        clients: vec!["ann".to_string(), "bob".to_string(), "load1".to_string()],
        command: "paxosctl run bench.yaml --seed 1".to_string(),
        world: Default::default(),
    }))?;
    for server in 0..SERVERS {
        begin(&mut history, server, Ballot::ZERO, Slot(0))?;
        history.node(0, &servers[usize::from(server)], Event::Formed)?;
    }
    for name in ["ann", "bob", "load1"] {
        history.node(0, name, Event::Started { pid: 1, links: 0 })?;
    }
    history.line(&Line::Phase {
        at_us: 0,
        phase: Phase::Run,
    })?;
    let slots = messages / BATCH;
    let mut seqs = vec![0; SESSIONS as usize];
    let mut values = Vec::with_capacity(slots as usize);
    let mut index = 0;
    let mut ballot = Ballot::ZERO;
    for slot in 1..=slots {
        let said_us = slot * SLOT_US;
        if (slot - 1) % (slots / CHANGES) == 0 {
            if slot > 1 {
                // A server that follows restarts just before.
                let server = (ballot.server % SERVERS) + 1;
                begin(&mut history, server - 1, ballot, Slot(slot - 1))?;
            }
            let leader = ServerId(ballot.server % SERVERS + 1);
            ballot = Ballot::new(ballot.round + 1, leader);
            elect(&mut history, said_us, ballot, Slot(slot - 1))?;
        }
        let mut commands = Vec::new();
        for number in 0..BATCH {
            let session = (slot * BATCH + number) % SESSIONS;
            let client = ClientId(session + 10);
            seqs[session as usize] += 1;
            let seq = seqs[session as usize];
            let name = format!("load1-{session}");
            let text =
                format!("message {seq} of {name}, padded to sixty-four bytes or thereabouts");
            let say = Event::Say {
                client,
                name: name.clone(),
                seq,
                at_ms: 0,
                text: text.clone(),
            };
            history.node(said_us, "load1", say)?;
            commands.push(Command {
                client,
                seq,
                name,
                at_ms: 0,
                text,
            });
        }
        let value = Value::batch(commands);
        let upto = Slot(slot);
        for server in &servers {
            let accepted = Event::Accepted(Acceptance {
                ballot,
                slot: upto,
                digest: value.digest(),
            });
            history.node(said_us + 10, server, accepted)?;
            history.node(said_us + 20, server, Event::Chosen { upto })?;
            history.node(said_us + 21, server, Event::ChosenOnDisk { upto })?;
        }
        for command in value.commands() {
            index += 1;
            let acked = Event::Acked {
                client: command.client,
                seq: command.seq,
                index,
                slot: upto,
                server: ServerId(1),
            };
            history.node(said_us + 30, "load1", acked)?;
            for (client, name) in [(1, "ann"), (2, "bob")] {
                let shown = Event::Delivered {
                    client: ClientId(client),
                    index,
                    from: command.client,
                    seq: command.seq,
                    digest: crc32c::crc32c(command.text.as_bytes()),
                };
                history.node(said_us + 35, name, shown)?;
            }
        }
        if slot % 100 == 0 {
            read(&mut history, said_us + 36, slot, index)?;
        }
        values.push(value);
    }
    finish(&mut history, slots * SLOT_US + 1_000_000, &values)?;
    history.writer.finish()?;
    Ok(history.events)
}

/// A server starts and says what its disk holds.
fn begin(history: &mut History, server: u16, promised: Ballot, chosen: Slot) -> io::Result<()> {
    let at_us = chosen.0 * SLOT_US + 25;
    let name = format!("s{}", server + 1);
    history.node(at_us, &name, Event::Started { pid: 1, links: 0 })?;
    let recovered = Event::Recovered {
        promised,
        accepted: Vec::new(),
        chosen,
        incarnation: u64::from(server),
        formed: chosen.0 > 0,
        cut_bytes: 0,
    };
    history.node(at_us, &name, recovered)
}

fn elect(history: &mut History, at_us: u64, ballot: Ballot, after: Slot) -> io::Result<()> {
    for server in 1..=SERVERS {
        history.node(at_us, &format!("s{server}"), Event::Promised { ballot })?;
    }
    let leading = Event::Leading {
        ballot,
        promised_by: (1..=SERVERS).map(ServerId).collect(),
        after,
    };
    history.node(at_us + 1, &format!("s{}", ballot.server), leading)
}

fn read(history: &mut History, at_us: u64, id: u64, length: u64) -> io::Result<()> {
    let client = ClientId(1);
    history.node(at_us, "ann", Event::ReadAsked { client, id })?;
    let done = Event::ReadDone {
        client,
        id,
        length,
        server: ServerId(2),
    };
    history.node(at_us + 1, "ann", done)
}

fn finish(history: &mut History, end_us: u64, values: &[Value]) -> io::Result<()> {
    for phase in [
        Phase::Heal,
        Phase::Drain,
        Phase::Settle,
        Phase::Converged,
        Phase::FinalReads,
    ] {
        history.line(&Line::Phase {
            at_us: end_us,
            phase,
        })?;
    }
    for server in (1..=SERVERS).map(ServerId) {
        history.line(&Line::Log {
            server,
            source: LogSource::Served,
            chosen: Slot(values.len() as u64),
        })?;
        for (slot, value) in (1..).zip(values) {
            history.line(&Line::Slot {
                server,
                slot: Slot(slot),
                value: value.clone(),
            })?;
        }
    }
    history.line(&Line::End {
        at_us: end_us,
        interrupted: false,
    })
}
