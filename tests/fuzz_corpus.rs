//! The corpus of the fuzz targets (`tests/fuzz`), and changes of it, as ordinary tests.

#[path = "fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::link::Mode;
use paxosctl_node::log::{Log, Member, MemoryDisk, Record};
use paxosctl_node::paxos::Message;
use paxosctl_node::value::{Command, Value};
use paxosctl_node::wire::frame;
use paxosctl_node::wire::{ClientMessage, Hello, PeerMessage, Role, ServerMessage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder, in their order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// Gives the target every file of its corpus, and of `more`, and many changes of each.
fn fuzz(name: &str, more: &[PathBuf], changes: usize, target: fn(&[u8])) {
    let mut seeds = files(&root().join("tests/fuzz/corpus").join(name));
    seeds.extend_from_slice(more);
    assert!(!seeds.is_empty(), "{name} has no corpus");
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for seed in &seeds {
        let bytes = fs::read(seed).expect("a file");
        target(&bytes);
        for _ in 0..changes {
            let mut changed = bytes.clone();
            for _ in 0..rng.random_range(1..=4) {
                change(&mut changed, &mut rng);
            }
            target(&changed);
        }
    }
}

fn change(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..=bytes.len());
    match rng.random_range(0..5) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
        1 if at < bytes.len() => bytes[at] = rng.random(),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, rng.random()),
        _ => {
            let end = bytes.len().min(at + rng.random_range(0..40));
            let piece = bytes[at..end].to_vec();
            let to = rng.random_range(0..=bytes.len());
            bytes.splice(to..to, piece);
        }
    }
}

#[test]
fn frames() {
    write_anew("frame", frames_of_every_kind);
    fuzz("frame", &[], 1000, targets::frame);
}

#[test]
fn logs() {
    write_anew("log", some_logs);
    fuzz("log", &[], 300, targets::log);
}

#[test]
fn plans() {
    let mut plans = files(&root().join("plans"));
    plans.extend(files(&root().join("plans/broken")));
    plans.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    fuzz("plan", &plans, 12, targets::plan);
}

#[test]
fn link_tables() {
    write_anew("links", some_tables);
    fuzz("links", &[], 1000, targets::links);
}

/// With REWRITE=1, makes the corpus of a target.
fn write_anew(name: &str, make: fn() -> Vec<(String, Vec<u8>)>) {
    if std::env::var_os("REWRITE").is_none() {
        return;
    }
    for (file, bytes) in make() {
        let path = root().join("tests/fuzz/corpus").join(name).join(file);
        fs::write(path, bytes).expect("written");
    }
}

fn value() -> Value {
    Value::batch(vec![Command {
        client: ClientId(9),
        seq: 1,
        name: "ann".into(),
        at_ms: 1_767_225_600_000,
        text: "hello".into(),
    }])
}

fn frames_of_every_kind() -> Vec<(String, Vec<u8>)> {
    let ballot = Ballot::new(3, ServerId(1));
    let slot = Slot(17);
    let paxos = [
        Message::PreVote { ballot },
        Message::Prepare { ballot, from: slot },
        Message::Promise {
            ballot,
            chosen: slot,
            accepted: vec![(Slot(18), ballot, value()), (Slot(19), ballot, Value::Noop)],
        },
        Message::Accept {
            ballot,
            slot,
            value: value(),
        },
        Message::Accepted { ballot, slot },
        Message::Commit {
            ballot,
            chosen: slot,
        },
        Message::Learn {
            from: slot,
            values: vec![value(), Value::Noop],
            chosen: slot,
        },
        Message::Forward {
            commands: value().commands().to_vec(),
            hops: 3,
        },
    ];
    let mut files = Vec::new();
    let mut add = |name: String, encode: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        encode(&mut bytes);
        files.push((name, bytes));
    };
    for (number, message) in paxos.into_iter().enumerate() {
        let message = PeerMessage::Paxos(message);
        add(format!("peer-{number}"), &|bytes| {
            frame::encode(&message, bytes).expect("encoded");
        });
    }
    let hello = Hello {
        cluster: 7,
        node: "s1".into(),
        role: Role::Client,
    };
    let say = ClientMessage::Say(value().commands()[0].clone());
    let deliver = ServerMessage::Deliver {
        client: ClientId(9),
        first: 4,
        messages: value().commands().to_vec(),
    };
    add("conversation".into(), &|bytes| {
        frame::encode(&hello, bytes).expect("encoded");
        frame::encode(&say, bytes).expect("encoded");
        frame::encode(&deliver, bytes).expect("encoded");
    });
    files
}

fn some_logs() -> Vec<(String, Vec<u8>)> {
    let ballot = Ballot::new(3, ServerId(1));
    let accepted = |slot| Record::Accepted {
        slot: Slot(slot),
        ballot,
        value: value(),
    };
    let formed = [2, 3].map(|server| {
        Record::Member(Member {
            server: ServerId(server),
            incarnation: u64::from(server),
        })
    });
    let commits: [Vec<Record>; 5] = [
        formed.to_vec(),
        vec![Record::Formed, Record::Promised { ballot }],
        vec![accepted(1), accepted(2)],
        vec![Record::Chosen { upto: Slot(2) }, accepted(3)],
        vec![Record::Learned {
            slot: Slot(3),
            value: Value::Noop,
        }],
    ];
    let disk = MemoryDisk::new();
    let mut opened = Log::open(Arc::new(disk.clone()), targets::IDENTITY, 1).expect("a new log");
    let mut files = Vec::new();
    for (number, records) in commits.iter().enumerate() {
        opened.writer.commit(records).expect("written");
        // With a little of the blank space behind it.
        let mut bytes = disk.contents("00000001.log");
        let last = bytes.iter().rposition(|&byte| byte != 0).expect("written");
        files.push((format!("after-{number}"), bytes[..=last - number].to_vec()));
        bytes.truncate(last + 40);
        files.push((format!("whole-{number}"), bytes));
    }
    files
}

fn some_tables() -> Vec<(String, Vec<u8>)> {
    let mode: Mode = "p:10::a:20::c:30".parse().expect("a mode");
    let rules = mode.rules("mode", "s1");
    let table = serde_json::json!({"generation": 4, "rules": rules});
    vec![
        ("mode".into(), table.to_string().into_bytes()),
        ("empty".into(), br#"{"generation":1,"rules":[]}"#.to_vec()),
    ]
}
