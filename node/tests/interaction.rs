//! Scripts in `interaction/*.txt`: commands, each followed by the trace that it must produce.
//!
//! A line that begins with `> ` is a command, the indented lines below it are its trace, and every
//! other line is a comment. `REWRITE=1 cargo test -p paxosctl-node --test interaction` writes the
//! traces anew; read the difference before committing it.
//!
//! | command | what it does |
//! |---|---|
//! | `cluster N [first sK] [window W]` | starts N replicas on empty disks |
//! | `campaign sK` | time passes until sK alone loses patience and canvasses |
//! | `deliver [WHICH]`, `drop [WHICH]`, `duplicate [WHICH]` | messages under way, in order |
//! | `reverse` | the messages under way change their order |
//! | `stabilize [quiet]` | delivers everything until nothing is under way; no time passes |
//! | `advance 300ms` | time passes, messages wait |
//! | `run 2s` | time passes and messages arrive; only what they led to is shown |
//! | `cut s1->s2 …`, `cut s1<->s2 …`, `isolate s3`, `heal` | links that lose everything |
//! | `crash sK`, `restart sK` | what was not synced is lost |
//! | `disconnect sK sL`, `connect sK sL` | sK hears of sL's connection to it, or of its own to sL |
//! | `autosync sK on|off`, `sync sK` | whether the disk syncs by itself |
//! | `say sK ann 1 hello`, `read sK 7`, `hand-over sK`, `voting sK on|off` | calls |
//! | `status`, `log`, `disk sK`, `pending` | what is the case |
//!
//! WHICH is any of a kind (`Accept`), a link (`s1->s2`, `s1->*`, `*->s2`) and `first`.

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use paxosctl_node::ids::{ClientId, ServerId};
use paxosctl_node::paxos::{Limits, Timing};
use paxosctl_node::value::Command;
use support::{Cluster, text};

#[test]
fn scripts_produce_their_traces() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interaction");
    let rewrite = std::env::var_os("REWRITE").is_some();
    let mut scripts: Vec<_> = fs::read_dir(&folder)
        .expect("the folder of scripts")
        .map(|entry| entry.expect("a script").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 20, "scripts are missing");
    let mut wrong = Vec::new();
    for path in scripts {
        let expected = fs::read_to_string(&path).expect("a readable script");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let actual = play(&name, &expected);
        if actual == expected {
            continue;
        }
        if rewrite {
            fs::write(&path, actual).expect("a writable script");
        } else {
            wrong.push(first_difference(&name, &expected, &actual));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The script with the traces that its commands really produce.
fn play(name: &str, script: &str) -> String {
    let mut player = Player { cluster: None };
    let mut output = String::new();
    for (number, line) in script.lines().enumerate() {
        if line.starts_with("  ") {
            continue;
        }
        output.push_str(line);
        output.push('\n');
        if let Some(command) = line.strip_prefix("> ") {
            let words: Vec<&str> = command.split_whitespace().collect();
            let trace = player
                .command(&words)
                .unwrap_or_else(|| panic!("{name}:{}: `{command}` is no command", number + 1));
            for line in trace {
                output.push_str("  ");
                output.push_str(&line);
                output.push('\n');
            }
        }
    }
    output
}

fn first_difference(name: &str, expected: &str, actual: &str) -> String {
    let (expected, actual): (Vec<_>, Vec<_>) =
        (expected.lines().collect(), actual.lines().collect());
    let same = expected
        .iter()
        .zip(&actual)
        .take_while(|(a, b)| a == b)
        .count();
    format!(
        "{name}:{}:\n  expected: {}\n    actual: {}",
        same + 1,
        expected.get(same).unwrap_or(&"(the end)"),
        actual.get(same).unwrap_or(&"(the end)")
    )
}

struct Player {
    cluster: Option<Cluster>,
}

impl Player {
    /// Returns the trace, or nothing if there is no such command.
    fn command(&mut self, words: &[&str]) -> Option<Vec<String>> {
        if let ["cluster", servers, settings @ ..] = words {
            self.cluster = Some(start(servers, settings)?);
            return Some(Vec::new());
        }
        let cluster = self.cluster.as_mut()?;
        cluster.verbose = !matches!(words, ["run", ..] | ["stabilize", "quiet"]);
        match words {
            ["campaign", server] => campaign(cluster, server.parse().ok()?),
            ["deliver", which @ ..] => {
                for envelope in take(cluster, which)? {
                    cluster.arrive(envelope);
                }
            }
            ["drop", which @ ..] => {
                for envelope in take(cluster, which)? {
                    let (from, to) = (envelope.from, envelope.to);
                    let message = text::message(&envelope.message);
                    cluster.note(format!("{from} -> {to} dropped: {message}"));
                }
            }
            ["duplicate", which @ ..] => {
                let selected = select(cluster, which)?;
                for index in selected.into_iter().rev() {
                    let copy = cluster.network[index].clone();
                    cluster.network.insert(index, copy);
                }
            }
            ["reverse"] => cluster.network.reverse(),
            ["stabilize"] | ["stabilize", "quiet"] => cluster.stabilize(),
            ["advance", span] => cluster.advance(duration(span)?),
            ["run", span] => cluster.run(duration(span)?),
            ["cut", links @ ..] => {
                for link in links {
                    cluster.cut.extend(parse_link(link)?);
                }
            }
            ["isolate", server] => {
                let server: ServerId = server.parse().ok()?;
                for other in cluster.servers() {
                    cluster.cut.extend([(server, other), (other, server)]);
                }
            }
            ["heal"] => cluster.cut.clear(),
            ["crash", server] => cluster.crash(server.parse().ok()?),
            ["restart", server] => cluster.restart(server.parse().ok()?),
            ["disconnect", server, peer] => {
                cluster.disconnect(server.parse().ok()?, peer.parse().ok()?);
            }
            ["connect", server, peer] => {
                cluster.connect(server.parse().ok()?, peer.parse().ok()?);
            }
            ["autosync", server, on] => cluster.set_autosync(server.parse().ok()?, is_on(on)?),
            ["sync", server] => cluster.sync(server.parse().ok()?),
            ["say", server, name, seq, words @ ..] => {
                let command = Command {
                    client: ClientId(name.bytes().fold(0, |id, byte| id * 256 + u64::from(byte))),
                    seq: seq.parse().ok()?,
                    name: (*name).to_owned(),
                    at_ms: 0,
                    text: words.join(" "),
                };
                cluster.say(server.parse().ok()?, vec![command]);
            }
            ["read", server, id] => cluster.read(server.parse().ok()?, id.parse().ok()?),
            ["hand-over", server] => {
                let under_way = cluster.hand_over(server.parse().ok()?);
                cluster.note(format!("hand-over under way: {under_way}"));
            }
            ["voting", server, on] => cluster.set_voting(server.parse().ok()?, is_on(on)?),
            ["status"] => status(cluster),
            ["log"] => logs(cluster),
            ["disk", server] => disk(cluster, server.parse().ok()?),
            ["pending"] => {
                for envelope in cluster.network.clone() {
                    let (from, to) = (envelope.from, envelope.to);
                    cluster.note(format!(
                        "{from} -> {to} {}",
                        text::message(&envelope.message)
                    ));
                }
            }
            _ => return None,
        }
        Some(std::mem::take(&mut cluster.trace))
    }
}

fn start(servers: &str, settings: &[&str]) -> Option<Cluster> {
    let mut first = None;
    let mut limits = Limits::default();
    for setting in settings.chunks(2) {
        match setting {
            ["first", server] => first = Some(server.parse().ok()?),
            ["window", slots] => limits.window_slots = slots.parse().ok()?,
            _ => return None,
        }
    }
    Some(Cluster::new(
        servers.parse().ok()?,
        first,
        7,
        Timing {
            gather: Duration::ZERO,
            ..Timing::default()
        },
        limits,
    ))
}

fn campaign(cluster: &mut Cluster, server: ServerId) {
    for _ in 0..100 {
        let due = cluster
            .replica(server)
            .expect("a running server")
            .next_tick();
        cluster.now = cluster.now.max(due);
        let before = cluster.network.len();
        cluster.tick(server);
        let asks = cluster.network[before..]
            .iter()
            .any(|envelope| text::name(&envelope.message) == "PreVote");
        if asks {
            return;
        }
    }
    panic!("{server} does not stand");
}

fn take(cluster: &mut Cluster, which: &[&str]) -> Option<Vec<support::Envelope>> {
    let selected = select(cluster, which)?;
    let mut taken: Vec<_> = selected
        .into_iter()
        .rev()
        .map(|index| cluster.network.remove(index))
        .collect();
    taken.reverse();
    Some(taken)
}

/// The indexes of the selected messages under way.
fn select(cluster: &Cluster, which: &[&str]) -> Option<Vec<usize>> {
    let mut selected: Vec<usize> = (0..cluster.network.len()).collect();
    let mut only_first = false;
    for word in which {
        if *word == "first" {
            only_first = true;
        } else if let Some((from, to)) = word.split_once("->") {
            let is =
                |pattern: &str, server: ServerId| pattern == "*" || pattern == server.to_string();
            selected.retain(|&index| {
                let envelope = &cluster.network[index];
                is(from, envelope.from) && is(to, envelope.to)
            });
        } else {
            selected.retain(|&index| text::name(&cluster.network[index].message) == *word);
        }
    }
    if only_first {
        selected.truncate(1);
    }
    if selected.is_empty() && !which.is_empty() {
        panic!("no message under way is {which:?}");
    }
    Some(selected)
}

fn parse_link(link: &str) -> Option<Vec<(ServerId, ServerId)>> {
    if let Some((a, b)) = link.split_once("<->") {
        let (a, b) = (a.parse().ok()?, b.parse().ok()?);
        return Some(vec![(a, b), (b, a)]);
    }
    let (from, to) = link.split_once("->")?;
    Some(vec![(from.parse().ok()?, to.parse().ok()?)])
}

fn duration(text: &str) -> Option<Duration> {
    if let Some(millis) = text.strip_suffix("ms") {
        return Some(Duration::from_millis(millis.parse().ok()?));
    }
    Some(Duration::from_secs(text.strip_suffix('s')?.parse().ok()?))
}

fn is_on(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn status(cluster: &mut Cluster) {
    for server in cluster.servers() {
        let line = match cluster.replica(server) {
            None => format!("{server} is down"),
            Some(replica) => {
                let role = match (replica.leads(), replica.leader()) {
                    (true, Some(ballot)) => format!("leads {ballot}"),
                    (_, Some(ballot)) => format!("follows {ballot}"),
                    (_, None) => "knows no leader".to_owned(),
                };
                format!(
                    "{server} {role}, promised {}, chosen {}, messages {}",
                    replica.promised(),
                    replica.chosen(),
                    replica.messages()
                )
            }
        };
        cluster.note(line);
    }
}

fn logs(cluster: &mut Cluster) {
    for server in cluster.servers() {
        let values: Vec<String> = cluster.log_of(server).iter().map(text::value).collect();
        cluster.note(format!("{server}: {}", values.join(" | ")));
    }
}

fn disk(cluster: &mut Cluster, server: ServerId) {
    let (durable, unsynced) = cluster.disk_of(server);
    let durable: Vec<String> = durable.iter().map(text::record).collect();
    let unsynced: Vec<String> = unsynced.iter().map(text::record).collect();
    for record in durable {
        cluster.note(format!("durable  {record}"));
    }
    for record in unsynced {
        cluster.note(format!("unsynced {record}"));
    }
}
