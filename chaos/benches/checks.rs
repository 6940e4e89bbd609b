//! How long it takes to read and judge a large run. Not asserted; run it with
//! `cargo test --release -p paxosctl-chaos speed -- --ignored --nocapture`.

use std::time::Duration;

use paxosctl_node::event::Event;
use paxosctl_node::ids::Slot;
use paxosctl_node::value::Value;

use crate::check::support::*;
use crate::check::*;
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
    let mut story = story.finish();
    let bytes = story.bytes();
    println!("{} lines, {} MB", story.lines.len(), bytes.len() >> 20);
    story.lines = Vec::new();
    for class in ["node", "slot"] {
        let prefix = format!("{{\"type\":\"{class}\"");
        let some: Vec<u8> = bytes
            .split_inclusive(|&byte| byte == b'\n')
            .enumerate()
            .filter(|(number, line)| *number == 0 || line.starts_with(prefix.as_bytes()))
            .flat_map(|(_, line)| line.iter().copied())
            .collect();
        let before = cpu();
        let evidence = history::read(&some[..]).expect("readable");
        println!(
            "read {class}         {:?} {}",
            cpu() - before,
            evidence.values.len()
        );
    }
    let before = cpu();
    let evidence = history::read(&bytes[..]).expect("readable");
    println!("read              {:?}", cpu() - before);
    let before = cpu();
    let context = Context::new(&evidence, &story.plan);
    println!("context           {:?}", cpu() - before);
    type Check = fn(&Context) -> CheckResult;
    let checks: [(&str, Check); 11] = [
        ("agreement", agreement::check),
        ("acked-present", acked_present::check),
        ("no-duplicates", no_duplicates::check),
        ("nothing-invented", nothing_invented::check),
        ("real-time-order", real_time_order::check),
        ("client-order", client_order::check),
        ("prefix", prefix::check),
        ("ack-majority", ack_majority::check),
        ("ballots", ballots::check),
        ("convergence", convergence::check),
        ("traffic", traffic::check),
    ];
    for (name, check) in checks {
        let before = cpu();
        let result = check(&context);
        println!("  {name:16}{:?} {:?}", cpu() - before, result.outcome);
    }
    let before = cpu();
    let rows = report::replicas(&context);
    println!("  replicas        {:?} {}", cpu() - before, rows.len());
    let before = cpu();
    let summary = report::traffic(&context);
    println!("  traffic         {:?} {}", cpu() - before, summary.sent);
    let before = cpu();
    let rows = report::clients(&context);
    println!("  clients         {:?} {}", cpu() - before, rows.len());
    let before = cpu();
    let result = judge(&evidence, &story.plan);
    println!("judge, all of it  {:?}", cpu() - before);
    println!("{:?} {:?}", result.verdict, result.reasons);
}

/// The processor time of this thread, which other work on the machine does not add to.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}
