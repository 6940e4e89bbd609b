//! What was typed: each map of a plan with one optional field for each key that it may have.
//! Unknown keys and keys given twice are refused here; what the values mean is not looked at.

use super::error::Errors;
use super::words::closest;
use super::yaml::{Content, Node};

/// Makes a struct with an optional field for each key, and a reader that refuses every other key.
/// A `free` map may have keys of any kind that begin with `x-`.
macro_rules! keys {
    ($(#[$doc:meta])* $name:ident, $what:literal, free: $free:literal,
     { $($field:ident: $key:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name<'a> {
            $(pub $field: Option<Typed<'a>>,)+
        }

        impl<'a> $name<'a> {
            const KEYS: &'static [&'static str] = &[$($key),+];

            /// Sorts the map's values by its keys, and records what is wrong with the keys.
            pub fn read(node: &'a Node, errors: &mut Errors) -> Option<$name<'a>> {
                let mut raw = $name::default();
                let entries = map_entries(node, $what, Self::KEYS, errors)?;
                for (key, value) in entries {
                    let typed = Typed { key, value };
                    let field = match key.text().unwrap_or_default() {
                        $($key => &mut raw.$field,)+
                        name if $free && name.starts_with("x-") => continue,
                        _ => {
                            add_unknown_key(key, value, $what, Self::KEYS, errors);
                            continue;
                        }
                    };
                    if let Some(first) = field {
                        errors.add_help(
                            key.place,
                            format!("`{}` is given twice", key.text().unwrap_or_default()),
                            format!("the first is in line {}", first.key.place.line),
                        );
                    } else {
                        *field = Some(typed);
                    }
                }
                Some(raw)
            }
        }
    };
}

/// A key with its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typed<'a> {
    pub key: &'a Node,
    pub value: &'a Node,
}

keys! {
    /// The whole plan.
    RawPlan, "a plan", free: true, {
        version: "version", name: "name", seed: "seed", cluster: "cluster", script: "script",
        traffic: "traffic", faults: "faults", settle: "settle", expect: "expect",
    }
}

keys! {
    RawCluster, "`cluster`", free: false, {
        servers: "servers", first_leader: "first_leader", clients: "clients", ports: "ports",
    }
}

keys! {
    RawPorts, "`ports`", free: false, { balancer: "balancer", servers: "servers" }
}

keys! {
    RawTraffic, "an item of `traffic`", free: false, {
        at: "at", speaker: "as", say: "say", seen_by: "seen_by", within: "within",
        learned: "learned", join: "join", leave: "leave", read: "read", load: "load", lasts: "for",
        script: "script", every: "every", times: "times",
    }
}

keys! {
    RawLearned, "an item of `learned`", free: false, { by: "by", after: "after", within: "within" }
}

keys! {
    RawLoad, "`load`", free: false, {
        clients: "clients", rate: "rate", arrivals: "arrivals", burst: "burst", mix: "mix",
        bytes: "bytes",
    }
}

keys! {
    RawBurst, "`burst`", free: false, { of: "of", every: "every" }
}

keys! {
    RawMix, "`mix`", free: false, {
        send: "send", read: "read", history: "history", leave: "leave",
    }
}

keys! {
    RawFault, "an item of `faults`", free: false, {
        at: "at", every: "every", times: "times", lasts: "for", restart_after: "restart_after",
        name: "name", kill: "kill", stop: "stop", restart: "restart", pause: "pause",
        delay: "delay", drop: "drop", duplicate: "duplicate", reorder: "reorder", mode: "mode",
        partition: "partition", isolate: "isolate", random: "random",
        slow_disk: "slow_disk", fail_fsync: "fail_fsync", disk_full: "disk_full",
        torn_write: "torn_write", flip_byte: "flip_byte", wipe: "wipe", clock: "clock",
    }
}

keys! {
    RawSlowDisk, "`slow_disk`", free: false, {
        node: "node", by: "by", jitter: "jitter", probability: "probability",
    }
}

keys! {
    RawDiskFull, "`disk_full`", free: false, { node: "node", after: "after" }
}

keys! {
    RawFlipByte, "`flip_byte`", free: false, { node: "node", place: "where" }
}

keys! {
    RawClock, "`clock`", free: false, { node: "node", jump: "jump", rate: "rate" }
}

keys! {
    RawDelay, "`delay`", free: false, {
        link: "link", by: "by", jitter: "jitter", distribution: "distribution", kinds: "kinds",
        probability: "probability", side: "side",
    }
}

keys! {
    RawDrop, "`drop`", free: false, {
        link: "link", kinds: "kinds", probability: "probability", side: "side",
    }
}

keys! {
    RawDuplicate, "`duplicate`", free: false, {
        link: "link", copies: "copies", kinds: "kinds", probability: "probability", side: "side",
    }
}

keys! {
    RawReorder, "`reorder`", free: false, {
        link: "link", within: "within", kinds: "kinds", probability: "probability", side: "side",
    }
}

keys! {
    RawShape, "`partition`", free: false, { isolate: "isolate" }
}

keys! {
    RawRandom, "`random`", free: false, {
        pick: "pick", weights: "weights", every: "every", lasts: "lasts", spare: "spare",
        swarm: "swarm",
    }
}

keys! {
    RawExpect, "`expect`", free: false, {
        agreement: "agreement", converged_within: "converged_within", acked: "acked",
        unavailable: "unavailable", ack_latency: "ack_latency", no_ack_during: "no_ack_during",
        told_no_majority: "told_no_majority", rerouted: "rerouted",
        recovered_within: "recovered_within", traffic: "traffic",
        nothing_chosen_during: "nothing_chosen_during",
    }
}

keys! {
    RawLeastTraffic, "`traffic`", free: false, { before: "before", during: "during", after: "after" }
}

keys! {
    RawUnavailable, "`unavailable`", free: false, { max: "max" }
}

keys! {
    RawAckLatency, "`ack_latency`", free: false, {
        p50: "p50", p95: "p95", p99: "p99", max: "max",
    }
}

fn map_entries<'a>(
    node: &'a Node,
    what: &str,
    keys: &[&str],
    errors: &mut Errors,
) -> Option<&'a [(Node, Node)]> {
    if let Content::Map(entries) = &node.content {
        return Some(entries);
    }
    errors.add_help(
        node.place,
        format!("{what} is a map of keys, not {}", node.describe()),
        in_a_map(node, what, keys),
    );
    None
}

/// What stands without a key mostly belongs to the first of them.
fn in_a_map(node: &Node, what: &str, keys: &[&str]) -> String {
    let all = keys.join(", ");
    match (node.text(), what.strip_prefix('`')) {
        (Some(text), Some(name)) if text.len() <= 40 => {
            let (name, first) = (name.trim_end_matches('`'), keys[0]);
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.%".contains(c);
            let quote = if text.chars().all(plain) { "" } else { "\"" };
            format!("write {name}: {{{first}: {quote}{text}{quote}}}; its keys are {all}")
        }
        _ => format!("its keys are {all}"),
    }
}

/// Keys that other tools, or the words of this one, suggest.
const MEANT: [(&str, &str, &str); 19] = [
    ("`partition`", "bridge", "write partition: \"bridge(s3)\""),
    (
        "`partition`",
        "chain",
        "write partition: \"chain(s1,s2,s3)\"",
    ),
    ("`partition`", "halves", "write partition: halves"),
    ("an item of `faults`", "duration", "write `for`"),
    (
        "an item of `faults`",
        "after",
        "write `at`, or `restart_after`",
    ),
    ("an item of `faults`", "crash", "write `kill`"),
    ("an item of `faults`", "repeat", "write `every` and `times`"),
    (
        "an item of `faults`",
        "link",
        "it belongs inside: delay: {link: …, by: …}",
    ),
    (
        "an item of `faults`",
        "by",
        "it belongs inside: delay: {link: …, by: …}",
    ),
    (
        "an item of `faults`",
        "kinds",
        "it belongs inside: drop: {link: …, kinds: …}",
    ),
    ("`delay`", "on", "write side: send or side: receive"),
    ("`drop`", "on", "write side: send or side: receive"),
    ("`duplicate`", "on", "write side: send or side: receive"),
    ("`reorder`", "on", "write side: send or side: receive"),
    ("an item of `traffic`", "client", "write `as`"),
    ("an item of `traffic`", "from", "write `as`"),
    ("an item of `traffic`", "text", "write `say`"),
    (
        "an item of `traffic`",
        "rate",
        "it belongs inside: load: {clients: …, rate: …}",
    ),
    (
        "`load`",
        "for",
        "it belongs beside `load`: {at: 1s, for: 10s, load: {…}}",
    ),
];

fn add_unknown_key(key: &Node, value: &Node, what: &str, keys: &[&str], errors: &mut Errors) {
    let Some(name) = key.text() else {
        let message = format!("a key is a word, not {}", key.describe());
        errors.add_help(
            key.place,
            message,
            format!("the keys of {what} are {}", keys.join(", ")),
        );
        return;
    };
    let meant = MEANT
        .iter()
        .find(|(place, typed, _)| *place == what && *typed == name);
    let help = if let Some((.., meant)) = meant {
        (*meant).to_owned()
    } else if name == "<<" {
        "merge keys are not read; write the keys out, or repeat a whole value with `*name`".into()
    } else if let Some((word, rest)) = name.split_once(':').filter(|(word, _)| keys.contains(word))
    {
        format!("put a space behind the `:`, as in `{word}: {rest}`")
    } else if let Some(near) = closest(name, keys.iter().copied()) {
        format!("did you mean `{near}`?")
    } else if value.content == Content::Empty && keys.contains(&"say") {
        "a text with a comma in it needs quotes: say: \"one, two\"".to_owned()
    } else {
        format!("the keys of {what} are {}", keys.join(", "))
    };
    errors.add_help(key.place, format!("unknown key `{name}`"), help);
}
