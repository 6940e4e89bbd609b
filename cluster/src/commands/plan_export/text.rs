//! The text of an exported plan.

use std::collections::BTreeSet;
use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use paxosctl_chaos::plan::written::{self, Notes};
use paxosctl_chaos::plan::{
    self, Arrivals, Cluster, Expect, Fault, Load, Mix, Plan, PlanErrors, Say, Traffic,
};

use super::chat::Said;
use super::faults::Done;
use crate::state::{Beginning, Record};

/// There is traffic so long before the first fault, and after the last is over.
const MARGIN_US: u64 = 3_000_000;
/// Times are rounded to tenths of a second.
const TENTH_US: u64 = 100_000;

/// The text of the plan, with comments that say what was typed. Its times begin shortly before the
/// first fault.
///
/// # Errors
/// What was done is no fault that a plan can have.
pub(super) fn plan(
    beginning: &Beginning,
    records: &[Record],
    faults: &[Done],
    said: &[Said],
) -> Result<String, PlanErrors> {
    let first_us = faults.iter().map(|fault| fault.at_us).min().unwrap_or(0);
    let last_us = faults
        .iter()
        .map(|fault| fault.ends_us.unwrap_or(fault.at_us))
        .max()
        .unwrap_or(0);
    // Signed, because what was said may be older.
    let tenths = |at_us: u64| -> i64 {
        let since = at_us as i64 - first_us as i64 + MARGIN_US as i64;
        (since + TENTH_US as i64 / 2).div_euclid(TENTH_US as i64)
    };
    let ends = tenths(last_us + MARGIN_US).max(tenths(last_us) + 1);
    let said: Vec<(i64, &Said)> = said
        .iter()
        .map(|said| (tenths(said.at_us), said))
        .filter(|(at, _)| (0..=ends).contains(at))
        .collect();
    let names = said.iter().map(|(_, said)| &said.name);
    let clients: BTreeSet<&String> = names
        .chain(faults.iter().flat_map(|fault| &fault.clients))
        .collect();
    let clients: Vec<String> = clients.into_iter().cloned().collect();

    let mut notes = Notes {
        head: head(beginning),
        ..Notes::default()
    };
    let mut broken = Vec::new();
    for (index, done) in faults.iter().enumerate() {
        let at = tenths(done.at_us);
        let item = format!("{{at: 0s, {}}}", done.item);
        let fault = Fault {
            id: format!("f{}", index + 1),
            at: time(at),
            lasts: done.ends_us.map(|us| time((tenths(us) - at).max(1))),
            ..plan::parse_fault(&item, beginning.servers, &clients)?
        };
        let never = match done.ends_us {
            None if !done.is_over_at_once => "; not healed by hand",
            _ => "",
        };
        let note = format!("{}{never}", done.words);
        notes.faults.insert(fault.id.clone(), note);
        broken.push(fault);
    }
    let plan = Plan {
        path: PathBuf::new(),
        source: String::new(),
        name: format!("{}-by-hand", plan_name(&beginning.name)),
        seed: None,
        cluster: Cluster {
            servers: beginning.servers,
            // As when it began.
            first_leader: first_leader(records).and_then(|leader| leader.parse().ok()),
            clients,
            balancer_port: None,
            server_port: None,
        },
        traffic: traffic(time(ends), &said),
        faults: broken,
        random: Vec::new(),
        settle: Duration::from_secs(20),
        expect: Expect::default(),
        time_scale: 1.0,
    };
    Ok(written::yaml_with(&plan, &notes))
}

fn head(beginning: &Beginning) -> Vec<String> {
    vec![
        format!(
            "What was done by hand to the cluster `{}`, which was started from",
            beginning.name
        ),
        format!(
            "{}. Written by `paxosctl plan export`; behind each fault stands",
            beginning.plan.display()
        ),
        "what was typed. The load is there so that there is something to judge.".to_owned(),
    ]
}

/// A load for so long, and what was said.
fn traffic(lasts: Duration, said: &[(i64, &Said)]) -> Vec<Traffic> {
    let load = Say::Load {
        name: "load1".to_owned(),
        load: Load {
            clients: 4,
            rate: Some(40.0),
            arrivals: Arrivals::Steady,
            burst: None,
            mix: Mix::default(),
            bytes: (32, 128),
            lasts,
            seed: 0,
        },
    };
    let said = said.iter().map(|(at, said)| {
        let say = Say::Say {
            client: said.name.clone(),
            text: said.text.clone(),
            seen_by: Vec::new(),
            within: None,
            learned: Vec::new(),
        };
        (*at, say)
    });
    let all = iter::once((0, load)).chain(said);
    all.map(|(at, what)| Traffic {
        at: time(at),
        line: 0,
        what,
    })
    .collect()
}

fn first_leader(records: &[Record]) -> Option<&str> {
    records.iter().find_map(|record| match record {
        Record::Break { leader, .. } => leader.as_deref(),
        _ => None,
    })
}

/// A cluster's name may have dots; a plan's may not.
fn plan_name(cluster: &str) -> String {
    const MOST: usize = 50;
    let fit = |letter: char| if letter == '.' { '-' } else { letter };
    cluster.chars().take(MOST).map(fit).collect()
}

fn time(tenths: i64) -> Duration {
    Duration::from_micros(tenths.unsigned_abs() * TENTH_US)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use paxosctl_chaos::plan::{self as plans, Plan};
    use paxosctl_chaos::schedule::timeline;
    use paxosctl_chaos::target::Change;

    use super::super::faults;
    use super::*;
    use crate::state::TypedFault;

    fn beginning() -> Beginning {
        Beginning {
            version: 1,
            name: "my.chat".into(),
            plan: "plans/quickstart.yaml".into(),
            servers: 3,
            ready_us: 5,
            ready_ms: 6,
        }
    }

    fn exited(node: &str) -> Change {
        Change::Exited {
            node: node.into(),
            status: "gone".into(),
        }
    }

    fn started(node: &str) -> Change {
        Change::Started {
            node: node.into(),
            pid: 1,
        }
    }

    fn links() -> Change {
        Change::Links {
            node: "s1".into(),
            generation: 1,
        }
    }

    fn names(names: &str) -> Vec<String> {
        names.split(' ').map(str::to_owned).collect()
    }

    fn broken(at_ms: u64, verb: &str, on: &str, resolved: &str, changes: Vec<Change>) -> Record {
        Record::Break {
            at_us: at_ms * 1000,
            done_us: at_ms * 1000 + 5,
            fault: format!("h{at_ms}"),
            typed: TypedFault {
                verb: verb.into(),
                on: on.into(),
                options: (verb == "drop").then(|| vec![("probability".into(), "50%".into())]),
            },
            words: format!("{verb} {on}"),
            resolved: names(resolved),
            leader: Some("s2".into()),
            changes,
        }
    }

    fn healed(at_ms: u64, links: &str, changes: Vec<Change>) -> Record {
        Record::Heal {
            at_us: at_ms * 1000,
            done_us: at_ms * 1000 + 5,
            words: "heal all".into(),
            links: names(links),
            changes,
        }
    }

    fn exported(records: &[Record], said: &[Said]) -> (Vec<String>, Plan) {
        let text = plan(&beginning(), records, &faults::of(records), said)
            .unwrap_or_else(|errors| panic!("{errors}"));
        let parsed = plans::parse(Path::new("exported.yaml"), &text)
            .unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let lines = text.lines().skip_while(|line| *line != "faults:").skip(1);
        let lines = lines.take_while(|line| line.starts_with("  - "));
        (lines.map(|line| line.trim().to_owned()).collect(), parsed)
    }

    #[test]
    fn nodes_are_named_as_they_were_hit_and_come_back_when_they_did() {
        let records = [
            broken(
                60_040,
                "kill",
                "random(2)",
                "s1 s3",
                vec![exited("s1"), exited("s3")],
            ),
            // Changed nothing: no fault.
            broken(
                61_000,
                "kill",
                "s1",
                "s1",
                vec![Change::Nothing {
                    node: "s1".into(),
                    reason: "it is down already".into(),
                }],
            ),
            broken(62_060, "restart", "s1", "s1", vec![started("s1")]),
            broken(
                63_000,
                "restart",
                "s2",
                "s2",
                vec![exited("s2"), started("s2")],
            ),
            broken(
                64_000,
                "pause",
                "leader",
                "s2",
                vec![Change::Paused { node: "s2".into() }],
            ),
            healed(64_020, "", vec![Change::Resumed { node: "s2".into() }]),
        ];
        let (lines, plan) = exported(&records, &[]);
        assert_eq!(
            lines,
            [
                "- {at: 3s, kill: s1, restart_after: 2s}   # kill random(2)",
                "- {at: 3s, kill: s3}   # kill random(2); not healed by hand",
                "- {at: 6s, restart: s2}   # restart s2",
                "- {at: 7s, for: 100ms, pause: s2}   # pause leader",
            ]
        );
        assert_eq!(plan.name, "my-chat-by-hand");
        assert_eq!(plan.cluster.first_leader.map(|leader| leader.0), Some(2));
        // Three seconds of traffic after the last.
        assert_eq!(timeline(&plan).ends_at.as_millis(), 10_000);
    }

    #[test]
    fn link_faults_are_what_they_turned_out_to_be_and_last_until_their_heal() {
        let records = [
            broken(
                1_000,
                "drop",
                "leader -> followers",
                "s2->s1 s2->s3",
                vec![links()],
            ),
            broken(
                2_000,
                "partition",
                "s1 | rest",
                "s1->s2 s1->s3 s2->s1 s3->s1",
                vec![links()],
            ),
            broken(
                3_000,
                "partition",
                "leader | ann",
                "s2->ann ann->s2",
                vec![links()],
            ),
            healed(5_000, "h3000", vec![links()]),
            healed(6_500, "h1000 h2000", vec![links()]),
        ];
        let (lines, plan) = exported(&records, &[]);
        assert_eq!(
            lines,
            [
                "- {at: 3s, for: 5.5s, drop: {link: [\"s2->s1\", \"s2->s3\"], probability: 50%}}   \
                 # drop leader -> followers",
                "- {at: 4s, for: 4.5s, partition: \"s1 | rest\"}   # partition s1 | rest",
                "- {at: 5s, for: 2s, drop: {link: \"s2<->ann\"}}   # partition leader | ann",
            ]
        );
        assert_eq!(plan.cluster.clients, ["ann"]);
    }

    #[test]
    fn whatever_people_say_can_be_said_by_a_plan() {
        let records = [broken(60_000, "kill", "s1", "s1", vec![exited("s1")])];
        let odd = "\u{0}\u{7}\u{7f}\u{85}\u{9f}\u{2028}\u{feff}\u{ffff}\u{1f600}\\ \"': #~ {[%@`";
        let said = Said {
            at_us: 60_000_000,
            name: "ann".into(),
            text: odd.into(),
        };
        let (_, plan) = exported(&records, &[said]);
        let heard = plan
            .traffic
            .iter()
            .any(|traffic| matches!(&traffic.what, plans::Say::Say { text, .. } if text == odd));
        assert!(heard, "{:?}", plan.traffic);
    }

    #[test]
    fn what_people_said_meanwhile_is_said_again() {
        let records = [broken(60_000, "kill", "s1", "s1", vec![exited("s1")])];
        let said = |at_ms: u64, text: &str| Said {
            at_us: at_ms * 1000,
            name: "ann".into(),
            text: text.into(),
        };
        let all = [
            said(1_000, "long ago"),
            said(61_200, "is \"it\" down: #1?"),
            said(90_000, "late"),
        ];
        let (_, plan) = exported(&records, &all);
        let heard: Vec<String> = plan
            .traffic
            .iter()
            .map(|traffic| format!("{:?} {:?}", traffic.at, traffic.what))
            .filter(|line| line.contains("ann"))
            .collect();
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(heard[0].starts_with("4.2s "), "{heard:?}");
        assert_eq!(plan.cluster.clients, ["ann"]);
    }
}
