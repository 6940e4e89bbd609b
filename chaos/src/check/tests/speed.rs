//! How long it takes to read and judge a large run. Not asserted; run it with
//! `cargo test --release -p paxosctl-chaos speed -- --ignored --nocapture`.

use std::time::Instant;

use paxosctl_node::event::Event;
use paxosctl_node::ids::Slot;
use paxosctl_node::value::Value;

use crate::check::support::*;
use crate::history;

/// One million messages in batches of four, five replicas, two listening clients.
#[test]
#[ignore = "prints timings only"]
fn a_million_messages_on_five_replicas() {
    const MESSAGES: u64 = 1_000_000;
    const BATCH: u64 = 4;
    let names: Vec<String> = (1..=64).map(|number| format!("client{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut story = Story::with_clients(5, &names);
    let mut index = 0;
    for slot in 1..=MESSAGES / BATCH {
        let said_us = slot * 40;
        let mut commands = Vec::new();
        for number in 0..BATCH {
            let id = (slot * BATCH + number) % 64 + 1;
            let seq = (slot * BATCH + number) / 64 + 1 - u64::from(id <= BATCH);
            let name = names[id as usize - 1];
            let text =
                format!("message {seq} of {name}, padded to sixty-four bytes or thereabouts");
            let say = Event::Say {
                client: client(id),
                name: name.to_string(),
                seq,
                at_ms: 0,
                text: text.clone(),
            };
            story.lines.push(node(said_us, name, say));
            commands.push(command(id, seq, name, &text));
        }
        let upto = Slot(slot);
        for server in 1..=5 {
            let name = format!("s{server}");
            let ballot = story.ballot;
            story.lines.push(node(
                said_us + 10,
                &name,
                Event::Accepted { ballot, slot: upto },
            ));
            story
                .lines
                .push(node(said_us + 20, &name, Event::Chosen { upto }));
        }
        for command in &commands {
            index += 1;
            let (id, seq) = (command.client, command.seq);
            let server = paxosctl_node::ids::ServerId(1);
            let acked = Event::Acked {
                client: id,
                seq,
                index,
                slot: upto,
                server,
            };
            story.lines.push(node(said_us + 30, &command.name, acked));
            for listener in 1..=2 {
                let digest = crc32c::crc32c(command.text.as_bytes());
                let shown = Event::Delivered {
                    client: client(listener),
                    index,
                    from: id,
                    seq,
                    digest,
                };
                story
                    .lines
                    .push(node(said_us + 35, names[listener as usize - 1], shown));
            }
        }
        let value = Value::batch(commands);
        for log in &mut story.logs {
            log.push(value.clone());
        }
    }
    story.now_us = MESSAGES / BATCH * 40;
    // Only the first two listen.
    story.plan.cluster.clients.truncate(2);
    let story = story.finish();
    let bytes = story.bytes();
    println!("{} lines, {} MB", story.lines.len(), bytes.len() >> 20);
    let started = Instant::now();
    let evidence = history::read(&bytes[..]).expect("readable");
    println!("read    {:?}", started.elapsed());
    let started = Instant::now();
    let result = crate::check::judge(&evidence, &story.plan);
    println!("judged  {:?}", started.elapsed());
    println!("{:?} {:?}", result.verdict, result.reasons);
}
