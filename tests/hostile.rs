//! Real clusters under attack: nodes killed by hand again and again, garbage and slow readers on
//! every port, an emptied disk.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use paxosctl_node::ids::{ClientId, ServerId, Slot};
use paxosctl_node::paxos::Sessions;
use paxosctl_node::value::{Command, Value};
use paxosctl_node::wire::{ClientMessage, Role, Welcome};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::live::{Live, count, events, say, send};
use support::{Place, finish, wait_until};

const PLAN: &str = "\
version: 1
cluster: {servers: 3, clients: [ann]}
traffic: [{at: 1s, as: ann, say: hello}]
";

const SERVERS: [&str; 3] = ["s1", "s2", "s3"];

fn place() -> Place {
    let place = Place::new();
    place.file("plan.yaml", PLAN);
    place
}

/// A chat as the log has it: session and number, index and slot.
type Chat = BTreeMap<(ClientId, u64), (u64, Slot)>;

/// Applies a log. Every message must be there once, each client's in order.
fn chat_of(log: &[Value]) -> Chat {
    let mut sessions = Sessions::new();
    let mut chat = Chat::new();
    for (slot, value) in (1..).map(Slot).zip(log) {
        for applied in sessions.apply(slot, value) {
            let command = &value.commands()[applied.position as usize];
            let id = (command.client, command.seq);
            let before = chat.insert(id, (applied.index, slot));
            assert_eq!(before, None, "{id:?} is in the chat twice");
        }
    }
    chat
}

/// Waits until all servers hold the same log, and returns it.
fn common_log(live: &mut Live<'_>) -> Vec<Value> {
    wait_until("all servers hold the same log", || {
        let logs = SERVERS.map(|server| live.chosen(server));
        let level = logs[0].len() == logs[1].len() && logs[1].len() == logs[2].len();
        level.then(|| {
            assert!(logs[0] == logs[1] && logs[1] == logs[2], "the logs differ");
            logs[0].clone()
        })
    })
}

#[test]
fn fifty_kills_by_hand_lose_nothing() {
    let place = place();
    let mut live = Live::up(&place, "plan.yaml");
    let load = r#"{"sessions":8,"rate":400.0,"bytes":[16,200],"lasts_ms":600000,"seed":1}"#;
    let (mut load, said) = live.client("load", &["--load", load]);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut kills = 0;
    while kills < 50 {
        // One of them, two in turn, or all at once.
        let mut victims = SERVERS;
        for index in (1..victims.len()).rev() {
            victims.swap(index, rng.random_range(0..=index));
        }
        let victims = &victims[..[1, 1, 1, 2, 3][rng.random_range(0..5)]];
        for victim in victims {
            live.node(victim).kill();
        }
        if rng.random_ratio(1, 6) {
            live.node("balancer").kill();
            live.node("balancer").start();
        }
        thread::sleep(Duration::from_millis(rng.random_range(0..300)));
        for victim in victims {
            live.node(victim).start();
            if rng.random_ratio(1, 4) {
                // Once more, while it starts.
                thread::sleep(Duration::from_millis(rng.random_range(0..20)));
                live.node(victim).kill();
                live.node(victim).start();
                kills += 1;
            }
        }
        kills += victims.len();
        if rng.random_ratio(1, 2) {
            // It goes on by itself; else the next kill hits it in the middle of that.
            let before = count(&said, "acked");
            wait_until("messages are acknowledged again", || {
                (count(&said, "acked") > before).then_some(())
            });
        }
    }
    // The end of its input is the order to leave, once everything is answered.
    drop(load.stdin.take());
    finish(load).expect_code(0);
    let acks: Vec<_> = events(&said)
        .into_iter()
        .filter(|event| event["event"] == "acked")
        .collect();
    let chat = chat_of(&common_log(&mut live));
    let mut seen = BTreeSet::new();
    for ack in &acks {
        let number = |key: &str| ack[key].as_u64().expect("a number");
        let id = (ClientId(number("client")), number("seq"));
        assert!(seen.insert(id), "{id:?} was acknowledged twice");
        let place = chat.get(&id);
        assert!(place.is_some(), "{id:?} was acknowledged and is lost");
        // A repeated message may be acknowledged without its place.
        if number("index") != 0 {
            let told = (number("index"), Slot(number("slot")));
            assert_eq!(place, Some(&told), "{id:?}");
        }
    }
    assert!(acks.len() > 500, "only {} messages", acks.len());
    live.down();
}

#[test]
fn garbage_disturbs_nobody() {
    let place = place();
    let mut live = Live::up(&place, "plan.yaml");
    let (mut ann, said) = live.client("ann", &[]);
    let mut input = ann.stdin.take().expect("an input");
    say(&mut input, "before");
    let names = ["balancer", "s1", "s2", "s3"];
    let descriptors: Vec<usize> = names
        .iter()
        .map(|name| live.node(name).descriptors())
        .collect();

    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut noise = |bytes: usize| {
        let mut noise = vec![0; bytes];
        rng.fill_bytes(&mut noise);
        noise
    };
    // What stays connected and says no more.
    let mut silent: Vec<TcpStream> = Vec::new();
    let member = Role::Server {
        server: ServerId(1),
        incarnation: 5,
    };
    let id = live.id;
    for name in names {
        for _ in 0..100 {
            let _ = live.stranger(name).write_all(&noise(2000));
            let _ = live.stranger(name).write_all(&[0xff; 64]);
            let mut half = live.stranger(name);
            let _ = half.write_all(&[40, 0, 0, 0, 1, 2]);
            silent.push(half);
            for role in [Role::Client, member.clone()] {
                let mut rude = live.stranger(name);
                live.introduce(&mut rude, id, "eve", role);
                let _ = rude.write_all(&noise(2000));
            }
        }
        for _ in 0..300 {
            silent.push(live.stranger(name));
        }
        for (cluster, role) in [
            (id ^ 1, Role::Client),
            (
                id,
                Role::Server {
                    server: ServerId(9),
                    incarnation: 1,
                },
            ),
        ] {
            let mut refused = live.stranger(name);
            let welcome = live.introduce(&mut refused, cluster, "eve", role);
            assert!(
                matches!(&welcome, Welcome::Refused { reason } if !reason.is_empty()),
                "{welcome:?}"
            );
        }
    }
    say(&mut input, "after");
    wait_until("both messages are acknowledged", || {
        (count(&said, "acked") == 2).then_some(())
    });
    assert_eq!(count(&said, "rerouting"), 0, "ann noticed");
    drop(silent);
    for (name, before) in names.iter().zip(descriptors) {
        let node = live.node(name);
        assert!(node.is_alive(), "{name}");
        wait_until("the connections of strangers are gone", || {
            (node.descriptors() <= before + 8).then_some(())
        });
        let (memory, words) = (node.peak_memory_mib(), node.words_bytes());
        assert!(memory < 100, "{name} held {memory} MiB");
        assert!(words < 64 * 1024, "{name} wrote {words} bytes");
    }
    drop(input);
    finish(ann).expect_code(0);
    live.down();
}

#[test]
fn who_does_not_read_the_answers_costs_little() {
    let place = place();
    let mut live = Live::up(&place, "plan.yaml");
    let client = ClientId(7);
    let mut writer = live.as_client("s1", "writer");
    let (name, seen) = ("writer".to_owned(), None);
    send(&mut writer, &ClientMessage::Join { client, name, seen });
    for seq in 1..=40 {
        let text = "x".repeat(Command::MAX_TEXT_BYTES);
        let (name, at_ms) = ("writer".to_owned(), 0);
        send(
            &mut writer,
            &ClientMessage::Say(Command {
                client,
                seq,
                name,
                at_ms,
                text,
            }),
        );
    }
    wait_until("the chat is filled", || {
        let log = live.chosen("s1");
        let bytes: usize = log
            .iter()
            .flat_map(Value::commands)
            .map(|c| c.text.len())
            .sum();
        (bytes >= 40 * Command::MAX_TEXT_BYTES).then_some(())
    });
    // Answers of 256 KiB each, 2.5 GB in all, and nobody takes them.
    let slow: Vec<TcpStream> = (0..10)
        .map(|number| {
            let mut slow = live.as_client("s1", &format!("slow{number}"));
            slow.set_nonblocking(true).expect("a socket");
            for _ in 0..1000 {
                let (from, limit) = (1, 512);
                send(
                    &mut slow,
                    &ClientMessage::History {
                        client,
                        from,
                        limit,
                    },
                );
            }
            slow
        })
        .collect();
    let (mut ann, said) = live.client("ann", &[]);
    let mut input = ann.stdin.take().expect("an input");
    for text in ["one", "two", "three"] {
        say(&mut input, text);
    }
    wait_until("ann is served", || {
        (count(&said, "acked") == 3 && count(&said, "delivered") == 43).then_some(())
    });
    let memory = live.node("s1").peak_memory_mib();
    assert!(memory < 400, "s1 held {memory} MiB");
    drop(slow);
    drop(input);
    finish(ann).expect_code(0);
    live.down();
}

#[test]
fn a_server_with_an_emptied_disk_never_votes() {
    let place = place();
    let mut live = Live::up(&place, "plan.yaml");
    let (mut ann, said) = live.client("ann", &[]);
    let mut input = ann.stdin.take().expect("an input");
    say(&mut input, "kept");
    wait_until("it is acknowledged", || {
        (count(&said, "acked") == 1).then_some(())
    });

    live.node("s2").kill();
    fs::remove_dir_all(live.node("s2").dir.join("log")).expect("removed");
    live.node("s2").start();
    let row = wait_until("ps tells that s2 does not vote, and has the chat", || {
        let ps = place.run(&["ps", "live"]).stdout;
        let row = ps.lines().find(|line| line.starts_with("s2 "))?.to_owned();
        let words: Vec<&str> = row.split_whitespace().collect();
        (row.contains("not voting") && words.contains(&"1")).then_some(row)
    });
    assert!(row.contains("by hand"), "{row}");
    let log = wait_until("s2 has caught up", || {
        let log = live.chosen("s2");
        (chat_of(&log).len() == 1).then_some(log)
    });
    assert_eq!(log, live.chosen("s1"));

    // It and one other are two of three, and no majority.
    live.node("s3").kill();
    let told = count(&said, "told_majority");
    say(&mut input, "waits");
    wait_until("ann is told that there is no majority", || {
        (count(&said, "told_majority") > told).then_some(())
    });
    assert_eq!(count(&said, "acked"), 1);
    live.node("s3").start();
    wait_until("it is acknowledged", || {
        (count(&said, "acked") == 2).then_some(())
    });
    drop(input);
    finish(ann).expect_code(0);
    assert_eq!(chat_of(&common_log(&mut live)).len(), 2);
    live.down();
}

#[test]
fn a_client_is_told_why_it_is_refused_and_what_it_said_wrong() {
    let place = place();
    let mut live = Live::up(&place, "plan.yaml");
    let (mut bob, said) = live.client("bob", &[]);
    let mut input = bob.stdin.take().expect("an input");
    input
        .write_all(b"{\"say\":{\"text\":\"\xff\"}}\n\n{\"say\":{\"text\":\"a\\u0000\\nb\"}}\n")
        .expect("bob listens");
    drop(input);
    let output = finish(bob);
    output.expect_code(0);
    assert!(output.stderr.contains("not a command"), "{}", output.stderr);
    assert_eq!(count(&said, "acked"), 1);

    live.id ^= 1;
    let (mut eve, said) = live.client("eve", &[]);
    wait_until("eve is told", || {
        (count(&said, "refused") == 1).then_some(())
    });
    drop(eve.stdin.take());
    let output = finish(eve);
    output.expect_code(0);
    assert!(
        output.stderr.contains("refused by balancer")
            && output.stderr.contains("belongs to cluster"),
        "{}",
        output.stderr
    );
    live.down();
}
