//! How long a server with a long log takes to be there again, how much memory it takes, how long a
//! page of the chat does, and what blank space made ahead saves a commit.
//!
//! `cargo bench -p paxosctl-node --bench long_log [-- MESSAGES [DIRECTORY]]`

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use paxosctl_node::drive::RealDisk;
use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::log::{Identity, Log, LogLimits, Record};
use paxosctl_node::paxos::Sessions;
use paxosctl_node::server::{Server, Start};
use paxosctl_node::value::{Command, Value};

const IDENTITY: Identity = Identity {
    cluster: 1,
    server: ServerId(1),
    servers: 3,
};
const CLIENTS: u64 = 1000;
/// Slots of one commit.
const COMMIT_SLOTS: u64 = 50;
const MESSAGE_BYTES: usize = 64;
const PAGE_MESSAGES: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["make", dir, messages, batch] => make(Path::new(dir), number(messages), number(batch)),
        ["open", dir] => open(Path::new(dir)),
        _ => all(
            words
                .first()
                .map_or(10_000_000, |messages| number(messages)),
            words.get(1).map(Path::new),
        ),
    }
}

fn number(word: &str) -> u64 {
    word.parse().expect("a number")
}

fn all(messages: u64, place: Option<&Path>) {
    let temporary = tempfile::tempdir().expect("a directory");
    let place = place.unwrap_or(temporary.path());
    commits(place);
    for (messages, batch) in [(messages, 20), (messages / 10, 1)] {
        println!("{messages} messages of {MESSAGE_BYTES} bytes, {batch} in a slot");
        let dir = place.join(format!("{messages}-{batch}"));
        let dir = dir.to_str().expect("a path in UTF-8");
        this(&["make", dir, &messages.to_string(), &batch.to_string()]);
        println!("  from the checkpoint:");
        this(&["open", dir]);
        let _ = std::fs::remove_file(Path::new(dir).join("checkpoint"));
        println!("  all of the log:");
        this(&["open", dir]);
        std::fs::remove_dir_all(dir).expect("removed");
    }
}

/// Commits of 4 KiB, in turn to a log whose segments are blank before they are used and to one whose
/// segments grow.
fn commits(place: &Path) {
    const COMMITS: usize = 1500;
    // The first segment is blank in any case.
    let limits = LogLimits {
        first_segment_bytes: 4 << 10,
        segment_bytes: 4 << 20,
        ..LogLimits::default()
    };
    let dirs = ["blank", "growing"].map(|name| place.join(name));
    let mut logs = dirs.clone().map(|dir| {
        let disk = Arc::new(RealDisk::open(&dir).expect("a directory"));
        Log::open_with(disk, IDENTITY, 7, limits).expect("a new log")
    });
    let mut took = [Vec::new(), Vec::new()];
    for slot in 1..=COMMITS as u64 {
        let record = Record::Accepted {
            slot: Slot(slot),
            ballot: Ballot::new(1, ServerId(1)),
            value: Value::batch(vec![Command {
                text: "x".repeat(4000),
                ..message(slot)
            }]),
        };
        for (opened, took) in logs.iter_mut().zip(&mut took) {
            let started = Instant::now();
            let written = opened.writer.commit(std::slice::from_ref(&record));
            written.expect("written");
            took.push(started.elapsed());
        }
        while let Some(work) = logs[0].writer.upkeep() {
            work.run().expect("the disk works");
        }
    }
    for (name, mut took) in ["blank", "growing"].into_iter().zip(took) {
        took.sort_unstable();
        let at = |share: usize| took[COMMITS * share / 100].as_secs_f64() * 1e3;
        println!(
            "a commit of 4 KiB, {name} segments: p10 {:.3} ms, p50 {:.3} ms, p90 {:.3} ms",
            at(10),
            at(50),
            at(90)
        );
    }
    drop(logs);
    for dir in dirs {
        std::fs::remove_dir_all(dir).expect("removed");
    }
}

/// Each step is a process of its own, so that its memory is.
fn this(arguments: &[&str]) {
    let program = std::env::current_exe().expect("this program");
    let status = Process::new(program).args(arguments).status();
    assert!(status.expect("started").success());
}

/// Writes the log as a server would, its checkpoints included.
fn make(dir: &Path, messages: u64, batch: u64) {
    let disk = Arc::new(RealDisk::open(dir).expect("a directory"));
    let mut opened = Log::open(disk, IDENTITY, 7).expect("a new log");
    let mut sessions = Sessions::new();
    let ballot = Ballot::new(1, ServerId(1));
    let started = Instant::now();
    let (mut said, mut slot, mut checkpoints) = (0, 0, 0);
    let mut longest = Duration::ZERO;
    while said < messages {
        let mut records = Vec::new();
        for _ in 0..COMMIT_SLOTS {
            slot += 1;
            let commands = (0..batch).map(|_| {
                said += 1;
                message(said)
            });
            let value = Value::batch(commands.collect());
            let applied = sessions.apply(Slot(slot), &value);
            opened.history.push(Slot(slot), value.clone());
            let next = opened.history.last_index() + 1 + applied.len() as u64;
            opened.history.note_index(Slot(slot), next, &[]);
            records.push(Record::Accepted {
                slot: Slot(slot),
                ballot,
                value,
            });
        }
        records.push(Record::Chosen { upto: Slot(slot) });
        let located = opened.writer.commit(&records).expect("written");
        opened.history.located(&located);
        if opened.writer.checkpoint_is_due() {
            let begun = Instant::now();
            let sessions = postcard::to_stdvec(&sessions).expect("encoded");
            let checkpoint = opened.history.checkpoint(sessions, Vec::new());
            longest = longest.max(begun.elapsed());
            let located = opened.writer.checkpoint(checkpoint).expect("written");
            opened.history.located(&located);
            checkpoints += 1;
        }
        while let Some(work) = opened.writer.upkeep() {
            work.run().expect("the disk works");
        }
    }
    println!(
        "  written in {:.1} s, {checkpoints} checkpoints, each made in {:.1} ms at most, {}",
        started.elapsed().as_secs_f64(),
        longest.as_secs_f64() * 1e3,
        memory(),
    );
}

fn message(number: u64) -> Command {
    Command {
        client: ClientId(number % CLIENTS),
        seq: number.div_ceil(CLIENTS),
        name: format!("user{}", number % CLIENTS),
        at_ms: 1_700_000_000_000 + number,
        text: format!("{number:0MESSAGE_BYTES$}"),
    }
}

/// Opens the log and makes the server, then reads pages of the chat.
fn open(dir: &Path) {
    let started = Instant::now();
    let disk = || Arc::new(RealDisk::open(dir).expect("a directory"));
    let opened = Log::open(disk(), IDENTITY, 7).expect("a sound log");
    let opened_in = started.elapsed();
    let start = Start {
        me: ServerId(1),
        servers: 3,
        address: String::new(),
        first_leader: None,
        seed: 1,
        first_read: 1,
        recovered: opened.recovered,
        history: opened.history,
    };
    let server = Server::new(start, Duration::ZERO).expect("a sound log");
    let all = started.elapsed();
    println!(
        "    {:.2} s ({:.2} s to open, {:.2} s to apply), {}",
        all.as_secs_f64(),
        opened_in.as_secs_f64(),
        (all - opened_in).as_secs_f64(),
        memory(),
    );
    drop((server, opened.writer, opened.unread));
    pages(dir);
}

fn pages(dir: &Path) {
    let disk = Arc::new(RealDisk::read_only(dir).expect("a directory"));
    let mut opened = Log::read_only(disk).expect("a sound log").expect("a log");
    let mut index = 0;
    let mut slot = Slot(1);
    while slot <= opened.history.chosen() {
        for value in opened.history.read(slot, 1 << 20).expect("a sound log") {
            index += value.commands().len() as u64;
            opened.history.note_index(slot, index + 1, &[]);
            slot = slot.next();
        }
    }
    for (place, first) in [
        ("first", 1),
        ("middle", index / 2),
        ("last", index + 1 - PAGE_MESSAGES as u64),
    ] {
        let started = Instant::now();
        let page = opened.history.messages(first, PAGE_MESSAGES, 1 << 20);
        let page = page.expect("a sound log");
        assert_eq!(page.len(), PAGE_MESSAGES);
        assert!(page[0].text.ends_with(&first.to_string()));
        let took = started.elapsed();
        println!(
            "    the {place} {PAGE_MESSAGES} messages: {:.2} ms",
            took.as_secs_f64() * 1e3
        );
    }
}

/// What the process holds in memory, now and at most.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let megabytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kilobytes.unwrap_or_default() / 1024
    };
    format!(
        "{} MB, at most {} MB",
        megabytes("VmRSS:"),
        megabytes("VmHWM:")
    )
}
