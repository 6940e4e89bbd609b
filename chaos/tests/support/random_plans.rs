//! Plans at random.

use std::path::Path;

use paxosctl_chaos::plan::{self, Plan};
use proptest::prelude::*;
use proptest::sample::select;

/// A moment or a length from 1 ms to 8 s, mostly round.
fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        (1u64..8).prop_map(|s| format!("{s}s")),
        (1u64..8000).prop_map(|ms| format!("{ms}ms")),
        (1000u64..8_000_000).prop_map(|us| format!("{us}us")),
    ]
}

fn share() -> impl Strategy<Value = String> {
    prop_oneof![
        (1u32..=100).prop_map(|percent| format!("{percent}%")),
        (1e-6..1.0f64).prop_map(|share| share.to_string()),
    ]
}

fn one_of(words: &[&'static str]) -> impl Strategy<Value = String> + Clone + use<> {
    select(words.to_vec()).prop_map(str::to_owned)
}

fn servers() -> impl Strategy<Value = String> {
    one_of(&[
        "s1",
        "s3",
        "leader",
        "follower",
        "followers",
        "servers",
        "random(1)",
        "random(2)",
        "server-of(ann)",
        "\"s1,s2\"",
        "[s2, s3]",
        "\"s1,follower\"",
        "[leader, \"s2,s3\"]",
    ])
}

fn link() -> impl Strategy<Value = String> {
    one_of(&[
        "s1->s2",
        "s1<-s2",
        "\"leader <-> followers\"",
        "\"leader <-> rest\"",
        "\"s1,s2 <-> s3\"",
        "[s1->s2, s2->s3]",
        "[\"clients -> servers\", \"servers -> clients\"]",
        "\"ann <-> server-of(ann)\"",
        "\"servers <-> servers\"",
    ])
}

/// A verb with its value and how long it lasts.
fn deed() -> impl Strategy<Value = String> {
    let ends = (
        one_of(&[
            "kill",
            "stop",
            "fail_fsync",
            "torn_write",
            "wipe",
            "flip_byte",
        ]),
        servers(),
    );
    let which = one_of(&[
        "",
        ", kinds: accept",
        ", kinds: [commit, accept]",
        ", kinds: [client, learn], side: receive",
        ", side: send",
    ]);
    prop_oneof![
        (ends, prop::option::of(time())).prop_map(|((verb, on), after)| {
            let after = after.map_or(String::new(), |after| format!(", restart_after: {after}"));
            format!("{verb}: {on}{after}")
        }),
        servers().prop_map(|on| format!("restart: {on}")),
        (servers(), time()).prop_map(|(on, lasts)| format!("pause: {on}, for: {lasts}")),
        (link(), time(), time(), share(), which.clone()).prop_map(|(on, by, lasts, share, which)| {
            format!("delay: {{link: {on}, by: {by}, jitter: 1ms, distribution: normal, probability: {share}{which}}}, for: {lasts}")
        }),
        (link(), share(), which.clone()).prop_map(|(on, share, which)| {
            format!("drop: {{link: {on}, probability: {share}{which}}}")
        }),
        (link(), 2u32..5, which).prop_map(|(on, copies, which)| {
            format!("duplicate: {{link: {on}, copies: {copies}{which}}}")
        }),
        (link(), time()).prop_map(|(on, within)| format!("reorder: {{link: {on}, within: {within}}}")),
        (one_of(&[
            "\"leader | rest\"", "\"s1 -> rest\"", "\"s1,ann | s2,bob | rest\"", "halves", "bridge",
            "bridge(s2)", "chain", "\"chain(s2,s1,s3,s4,s5)\"", "majorities-ring", "isolate(s1)",
            "\"isolate(leader,ann)\"",
        ]), time()).prop_map(|(partition, lasts)| format!("partition: {partition}, for: {lasts}")),
        servers().prop_map(|on| format!("isolate: {on}")),
        one_of(&["{s1: d}", "{\"s1,s2\": \"p:0.5::a:20\", leader: r:1}", "{follower: s:0.1}"])
            .prop_map(|modes| format!("mode: {modes}")),
        (servers(), time(), share()).prop_map(|(on, by, share)| {
            format!("slow_disk: {{node: {on}, by: {by}, jitter: 1ms, probability: {share}}}")
        }),
        (servers(), 0u32..100_000).prop_map(|(on, after)| {
            format!("disk_full: {{node: {on}, after: {after}}}")
        }),
        (servers(), time(), one_of(&["", "-"]))
            .prop_map(|(on, by, sign)| format!("clock: {{node: {on}, jump: {sign}{by}}}")),
        (servers(), 1100u32..3000).prop_map(|(on, rate)| {
            format!("clock: {{node: {on}, rate: {}}}", f64::from(rate) / 1000.0)
        }),
        servers().prop_map(|on| format!("flip_byte: {{node: {on}, where: end}}")),
    ]
}

fn fault() -> impl Strategy<Value = String> {
    let repeated = prop::option::weighted(0.2, 1u32..4);
    let random = (
        one_of(&["", "pick: [kill, drop, clock], ", "weights: {kill: 3}, "]),
        time(),
        one_of(&["", ", spare: none", ", swarm: true", ", lasts: 500ms..2s"]),
    )
        .prop_map(|(pick, every, more)| {
            format!("for: 9s, random: {{{pick}every: 1s..{every}{more}}}")
        });
    prop_oneof![
        8 => (time(), deed(), repeated).prop_map(|(at, deed, repeated)| {
            let repeated = repeated.map_or(String::new(), |times| {
                format!("every: 9s, times: {times}, ")
            });
            format!("at: {at}, {repeated}{deed}")
        }),
        1 => (time(), random).prop_map(|(at, random)| format!("at: {at}, {random}")),
    ]
}

fn traffic() -> impl Strategy<Value = String> {
    let demand = one_of(&[
        "",
        ", seen_by: all",
        ", seen_by: [bob], within: 2s",
        ", learned: [{by: servers, within: 1s}, {by: s1, after: 2ms}]",
    ]);
    let load = one_of(&[
        "{clients: 3}",
        "{clients: 2, rate: 33.5/s, arrivals: poisson, bytes: 4..4KiB}",
        "{clients: 1, burst: {of: 3, every: 250ms}, mix: {send: 2, read: 1}}",
    ]);
    prop_oneof![
        (time(), "\\PC{1,20}", demand).prop_map(|(at, said, demand)| {
            format!(
                "at: {at}, as: ann, say: {:?}{demand}",
                format!("x{}", said.replace('\\', ""))
            )
        }),
        (time(), time(), 1u32..5).prop_map(|(at, every, times)| {
            format!("at: {at}, every: {every}, times: {times}, as: bob, say: again")
        }),
        time().prop_map(|at| format!("at: {at}, read: bob")),
        (time(), load).prop_map(|(at, load)| format!("at: {at}, for: 3s, load: {load}")),
    ]
}

/// A plan of five servers and three clients in which everything may come. Some texts make no sound
/// plan; they are left out.
pub fn plans() -> impl Strategy<Value = Plan> {
    let faults = prop::collection::vec((fault(), prop::option::weighted(0.2, 1u32..4)), 0..7);
    let items = prop::collection::vec(traffic(), 0..7);
    (faults, items, any::<bool>()).prop_filter_map("not sound", |(faults, traffic, on_one_line)| {
        let mut text = String::from(
            "version: 1\ncluster: {servers: 5, first_leader: s2, clients: [ann, bob]}\ntraffic:",
        );
        let last = [
            "at: 1s, join: cy",
            "at: 9s, leave: cy",
            "at: 50s, as: ann, say: end",
        ];
        let traffic: Vec<String> = traffic.into_iter().chain(last.map(str::to_owned)).collect();
        let named = |(index, (fault, name)): (usize, (String, Option<u32>))| match name {
            Some(number) if number % 2 == 0 => format!("{fault}, name: f{}", number + 7),
            Some(number) => format!("{fault}, name: storm.{}", number * 10 + index as u32),
            None => fault,
        };
        let faults: Vec<String> = faults.into_iter().enumerate().map(named).collect();
        for (key, items) in [("", traffic), ("faults:", faults)] {
            text += key;
            if on_one_line || items.is_empty() {
                let items: Vec<String> = items.iter().map(|item| format!("{{{item}}}")).collect();
                text += &format!(" [{}]\n", items.join(", "));
            } else {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| format!("\n  - {{{item}}}"))
                    .collect();
                text += &format!("{}\n", items.concat());
            }
        }
        text += "expect: {acked: 99.9%, ack_latency: {p95: 1s}, rerouted: [ann]}\n";
        plan::parse(Path::new("random.yaml"), &text).ok()
    })
}
