//! Each rule of the format, by a plan that breaks it: the exact place and the first words.

use std::path::Path;
use std::time::Duration;

use paxosctl_chaos::plan::{self, Nodes, Plan, Say, Verb};

fn parse(text: &str) -> Result<Plan, Vec<String>> {
    plan::parse(Path::new("dir/x.yaml"), text).map_err(|errors| {
        let errors = errors.errors.iter();
        errors
            .map(|e| format!("{}:{}+{} {}", e.line, e.column, e.length, e.message))
            .collect()
    })
}

/// What is told of a plan with this cluster, traffic, faults and one more line; each is on a line
/// of its own, from line 2 on.
fn told(cluster: &str, traffic: &str, faults: &str, more: &str) -> Vec<String> {
    let text =
        format!("version: 1\ncluster: {cluster}\ntraffic: {traffic}\nfaults: {faults}\n{more}\n");
    parse(&text).err().unwrap_or_default()
}

const CLUSTER: &str = "{servers: 3, clients: [ann, bob]}";
const TRAFFIC: &str = "[{at: 1s, as: ann, say: x}, {at: 9s, as: bob, say: y}]";

fn cluster(cluster: &str) -> Vec<String> {
    told(cluster, "[]", "[]", "")
}

fn traffic(traffic: &str) -> Vec<String> {
    told(CLUSTER, traffic, "[]", "")
}

fn fault(fault: &str) -> Vec<String> {
    told(CLUSTER, TRAFFIC, &format!("[{{{fault}}}]"), "")
}

fn more(more: &str) -> Vec<String> {
    told(CLUSTER, TRAFFIC, "[{at: 2s, for: 1s, pause: s1}]", more)
}

#[test]
fn clusters() {
    assert_eq!(cluster("{servers: [s1, s2, s3]}"), [""; 0]);
    assert_eq!(cluster("{servers: 4}"), [""; 0]);
    assert_eq!(
        cluster("{servers: 0}"),
        ["2:20+1 a cluster cannot have 0 servers"]
    );
    assert_eq!(
        cluster("{servers: ten}"),
        ["2:20+3 `ten` is not a whole number"]
    );
    assert_eq!(
        cluster("{servers: [s1, s3]}"),
        ["2:25+2 `s3` where `s2` is expected"]
    );
    assert_eq!(
        cluster("{clients: [ann]}"),
        ["2:1+7 `servers` is missing in `cluster`"]
    );
    assert_eq!(
        cluster("{servers: 3, first_leader: s4}"),
        ["2:37+2 unknown server `s4`"]
    );
    assert_eq!(
        cluster("{servers: 3, clients: [leader, a/b, balancer, load1]}"),
        [
            "2:33+6 a client cannot be called `leader`",
            "2:41+3 `a/b` cannot name a client",
            "2:46+8 a client cannot be called `balancer`",
            "2:56+5 a client cannot be called `load1`",
        ]
    );
    assert_eq!(
        cluster("{servers: 3, ports: {balancer: 7002, servers: 7001}}"),
        ["2:41+4 port 7002 is a server's too"]
    );
    assert_eq!(
        cluster("{servers: 3, ports: {servers: 65534}}"),
        ["2:40+5 65534 is out of range"]
    );
    assert_eq!(
        cluster("three"),
        ["2:10+5 `cluster` is a map of keys, not `three`"]
    );
    assert_eq!(
        cluster("{servers: 3, servers: 5}"),
        ["2:23+7 `servers` is given twice"]
    );
}

#[test]
fn traffic_items() {
    assert_eq!(traffic("[{as: ann, say: x}]"), ["3:12+2 `at` is missing"]);
    assert_eq!(
        traffic("[{at: -1s, as: ann, say: x}]"),
        ["3:16+3 a time cannot be negative"]
    );
    assert_eq!(traffic("[{at: 1s}]"), ["3:12+2 traffic that says nothing"]);
    assert_eq!(traffic("[{at: 1s, say: x}]"), ["3:20+3 nobody says this"]);
    assert_eq!(
        traffic("[{at: 1s, as: ann, say: x, join: bob}]"),
        ["3:37+4 `join` in an item that has one already"]
    );
    assert_eq!(
        traffic("[{at: 1s, as: ann, say: hello, bob}]"),
        ["3:41+3 unknown key `bob`"]
    );
    assert_eq!(
        traffic("[{at: 1s, join: bob}]"),
        ["3:26+3 bob joins at 1s, but is in the chat"]
    );
    assert_eq!(
        traffic("[{at: 1s, leave: bob}, {at: 2s, as: bob, say: x}]"),
        ["3:46+3 bob speaks at 2s, but left at 1s"]
    );
    assert_eq!(
        traffic("[{at: 1s, as: cy, say: x}, {at: 2s, join: cy}]"),
        ["3:24+2 cy speaks at 1s, but joins at 2s"]
    );
    assert_eq!(
        traffic("[{at: 1s, read: cy}]"),
        ["3:26+2 cy reads at 1s, but never joined"]
    );
    assert_eq!(
        traffic("[{at: 1s, as: ann, say: x, seen_by: [zoe]}]"),
        ["3:47+3 unknown client `zoe`"]
    );
    assert_eq!(
        traffic("[{at: 1s, as: ann, say: x, within: 1s}]"),
        ["3:37+6 `within` without `seen_by`"]
    );
    assert_eq!(
        traffic("[{at: 1s, leave: bob}, {at: 2s, as: ann, say: x, seen_by: all}]"),
        ["3:68+3 nobody but ann is in the chat at that time"]
    );
    assert_eq!(
        traffic("[{at: 1s, load: {clients: 1}}]"),
        ["3:20+4 a load without an end"]
    );
    assert_eq!(
        traffic("[{at: 1s, for: 1s, load: {rate: 5, bytes: 9..1}}]"),
        [
            "3:29+4 `clients` is missing in `load`",
            "3:42+1 `5` is not a rate",
            "3:52+4 `9..1` is a range from more to less",
        ]
    );
    assert_eq!(
        traffic("[{at: 1s, as: ann, for: 1s, say: x}]"),
        ["3:29+3 `for` does not go with `say`"]
    );
    assert_eq!(traffic("[{at: 1s, script: no.txt}]").len(), 1);
    assert_eq!(
        traffic("{at: 1s}"),
        ["3:11+2 `traffic` is a list, not a map"]
    );
    assert_eq!(
        traffic("[x]"),
        ["3:11+1 an item of `traffic` is a map of keys, not `x`"]
    );
}

#[test]
fn fault_items() {
    assert_eq!(fault("at: 2s"), ["4:11+2 a fault that breaks nothing"]);
    assert_eq!(fault("kill: s1"), ["4:11+4 `at` is missing"]);
    assert_eq!(
        fault("at: 2s, for: 1s, pause: s1, restart_after: 1s"),
        ["4:39+13 `restart_after` does not go with `pause`"]
    );
    assert_eq!(
        fault("at: 2s, for: 1s, restart: s1"),
        ["4:19+3 `for` does not go with `restart`"]
    );
    assert_eq!(
        fault("at: 2s, kill: s1, restart_after: 0s"),
        ["4:44+2 `restart_after` cannot be 0"]
    );
    // Without `times` it is repeated until the last traffic, at 9s.
    assert_eq!(
        fault("at: 2s, every: 1s, kill: s1"),
        ["4:19+5 the second firing finds its target down"]
    );
    assert_eq!(
        fault("at: 2s, every: 1s, times: 2, kill: s1"),
        ["4:19+5 the second firing finds its target down"]
    );
    assert_eq!(
        fault("at: 2s, every: 1s, times: 2, pause: leader"),
        ["4:19+5 it fires again, but never heals"]
    );
    assert_eq!(
        fault("at: 2s, every: 4s, times: 3, kill: leader, restart_after: 1s"),
        ["4:37+1 the fault fires at 10s, after the last traffic at 9s"]
    );
    assert_eq!(fault("at: 2s, kill: []"), ["4:19+4 `kill` has no target"]);
    assert_eq!(fault("at: 2s, kill: [s1, s8, s9]").len(), 2);
    assert_eq!(
        fault("at: 2s, delay: {link: s1->s2}"),
        ["4:19+5 `by` is missing in `delay`"]
    );
    assert_eq!(
        fault("at: 2s, drop: {kinds: accept}"),
        ["4:19+4 `link` is missing in `drop`"]
    );
    assert_eq!(
        fault("at: 2s, delay: {link: s1->s2, by: 1ms, jitter: 2ms}"),
        ["4:58+3 a jitter above the delay"]
    );
    assert_eq!(
        fault("at: 2s, drop: {link: s1->s2, probability: 120%}"),
        ["4:53+4 `120%` is out of range"]
    );
    assert_eq!(
        fault("at: 2s, delay: {link: s1->s2, by: 50m, jitter: 1m, distribution: exponential}"),
        [""; 0]
    );
    assert_eq!(
        fault("at: 2s, delay: {link: s1->s2, by: 50m, jitter: 2m, distribution: exponential}"),
        ["4:45+3 a message could be delayed by 4200s"]
    );
    assert_eq!(
        fault("at: 2s, delay: {link: s1->s2, by: 50ms, distribution: pareto}"),
        ["4:51+12 a distribution without a jitter"]
    );
    assert_eq!(
        fault("at: 2s, delay: {link: s1->s2, by: 5ms, jitter: 1ms, distribution: gamma}"),
        ["4:77+5 unknown distribution `gamma`"]
    );
    assert_eq!(
        fault("at: 2s, duplicate: {link: s1->s2, copies: 1}"),
        ["4:53+1 1 is out of range"]
    );
    assert_eq!(
        fault("at: 2s, reorder: {link: s1->s2}"),
        ["4:19+7 `within` is missing in `reorder`"]
    );
    assert_eq!(
        fault("at: 2s, reorder: {link: s1->s2, within: 61m}"),
        ["4:51+3 a message could be held back for longer"]
    );
    assert_eq!(
        fault("at: 2s, drop: {link: s1->s2, side: both}"),
        ["4:46+4 unknown side `both`"]
    );
    assert_eq!(
        fault("at: 2s, drop: {link: s1->s2, on: send}"),
        ["4:40+2 unknown key `on`"]
    );
    assert_eq!(
        fault("at: 2s, drop: {link: s1->s2, kinds: [clients, accept, read]}"),
        [
            "4:48+7 unknown kind of message `clients`",
            "4:65+4 unknown kind of message `read`",
        ]
    );
    assert_eq!(
        fault("at: 2s, kill: [s1, \"s2,s1\"]"),
        ["4:30+7 `s2,s1` is named twice"]
    );
    assert_eq!(
        fault("at: 2s, link: s1->s2"),
        [
            "4:11+2 a fault that breaks nothing",
            "4:19+4 unknown key `link`",
        ]
    );
    assert_eq!(
        told(CLUSTER, "[]", "[{at: 2s, kill: s1}]", ""),
        ["4:15+2 the fault fires at 2s, but there is no traffic"]
    );
    let load = "[{at: 1s, for: 5s, load: {clients: 1}}]";
    assert_eq!(
        told(CLUSTER, load, "[{at: 2s, kill: load1}]", ""),
        ["4:25+5 load1 cannot be killed, stopped or restarted"]
    );
}

#[test]
fn modes_of_servers() {
    assert_eq!(
        fault("at: 2s, for: 1s, mode: {s1: \"p:10::a:20\", leader: d}"),
        [""; 0]
    );
    assert_eq!(
        fault("at: 2s, mode: p:10"),
        ["4:25+4 `mode` is a map, not `p:10`"]
    );
    assert_eq!(fault("at: 2s, mode: {}"), ["4:19+4 `mode` names no server"]);
    assert_eq!(
        fault("at: 2s, mode: {s1: \"p:10::x:2\"}"),
        ["4:37+3 unknown letter `x` in a mode"]
    );
    assert_eq!(
        fault("at: 2s, mode: {s1: p:1, s9: p:1, ann: p:1}"),
        [
            "4:35+2 unknown server `s9`",
            "4:44+3 `ann` does not mean servers only"
        ]
    );
    assert_eq!(
        fault("at: 2s, mode: {\"s1,s2\": p:1, s2: a:1}"),
        ["4:40+2 s2 has a mode already"]
    );
    assert_eq!(
        fault("at: 2s, mode: {all: d}"),
        ["4:26+3 `all` does not mean servers only"]
    );
    assert_eq!(
        fault("at: 2s, every: 2s, times: 2, mode: {s1: d}"),
        ["4:19+5 it fires again, but never heals"]
    );
}

#[test]
fn when_servers_learn() {
    let learned = |demand: &str| {
        let item = format!("[{{at: 9s, as: ann, say: x, learned: {demand}}}]");
        traffic(&item)
    };
    assert_eq!(
        learned(
            "[{by: \"s2,s3\", within: 1s}, {by: [s1], after: 1s, within: 2s}, {by: servers, after: 0s}]"
        ),
        [""; 0]
    );
    assert_eq!(
        learned("{by: s1, within: 1s}"),
        ["3:47+2 `learned` is a list, not a map"]
    );
    assert_eq!(learned("[{within: 1s}]"), ["3:48+6 learned by whom?"]);
    assert_eq!(learned("[{by: s1}]"), ["3:48+2 learned when?"]);
    assert_eq!(
        learned("[{by: s1, after: 2s, within: 2s}]"),
        ["3:75+2 learned after 2s and within 2s: there is no such time"]
    );
    assert_eq!(
        learned("[{by: leader, within: 2s}]"),
        ["3:52+6 `leader` is not a list of servers"]
    );
    assert_eq!(learned("[{by: \"s1,ann\", within: 2s}]").len(), 1);
    assert_eq!(
        traffic("[{at: 1s, read: ann, learned: [{by: s1, within: 1s}]}]"),
        ["3:31+7 `learned` does not go with `read`"]
    );
}

#[test]
fn the_rest_of_a_plan() {
    assert_eq!(more("settle: 0s"), ["5:9+2 `settle` cannot be 0"]);
    assert_eq!(more("name: a/b"), ["5:7+3 `a/b` cannot name a plan"]);
    assert_eq!(more("seed: -1"), ["5:7+2 `-1` is not a whole number"]);
    assert_eq!(more("x-notes: {anything: [at, all]}"), [""; 0]);
    assert_eq!(more("sedd: 1"), ["5:1+4 unknown key `sedd`"]);
    assert_eq!(
        more("expect: {agreement: false}"),
        ["5:21+5 `agreement` cannot be `false`"]
    );
    assert_eq!(
        more("expect: {acked: most}"),
        ["5:17+4 `most` is not a share"]
    );
    assert_eq!(
        more("expect: {unavailable: 3s}"),
        ["5:23+2 `unavailable` is a map of keys, not `3s`"]
    );
    assert_eq!(
        more("expect: {ack_latency: {p50: 2s, p99: 1s}}"),
        ["5:38+2 a higher percentile with a lower limit"]
    );
    assert_eq!(
        more("expect: {no_ack_during: [f2]}"),
        ["5:26+2 unknown fault `f2`"]
    );
    assert_eq!(
        more("expect: {nothing_chosen_during: [f2]}"),
        ["5:34+2 unknown fault `f2`"]
    );
    assert_eq!(
        more("expect: {recovered_within: 0s}"),
        ["5:28+2 `recovered_within` cannot be 0"]
    );
    assert_eq!(
        more("expect: {traffic: {before: some, since: 1}}"),
        [
            "5:28+4 `some` is not a whole number",
            "5:34+5 unknown key `since`"
        ]
    );
    assert_eq!(
        more("expect: {rerouted: zoe}"),
        ["5:20+3 unknown client `zoe`"]
    );
    assert_eq!(
        parse("version: 2\ncluster: {servers: 3}").unwrap_err(),
        ["1:10+1 unknown plan version `2`"]
    );
    assert_eq!(parse("").unwrap_err(), ["1:1+1 the plan is empty"]);
    assert_eq!(
        parse("[]").unwrap_err(),
        ["1:1+1 a plan is a map of keys, not a list"]
    );
    assert_eq!(
        parse("version: 1").unwrap_err(),
        ["1:1+1 `cluster` is missing"]
    );
}

#[test]
fn the_example_of_the_format_means_what_it_says() {
    let text = "
version: 1
seed: 42
cluster:
  servers: 5
  first_leader: s2
  clients: [ann, bob, cy]
  ports: {balancer: 7000, servers: 7001}
traffic:
  - {at: 2s, as: bob, say: 12:30, seen_by: all, within: 2s}
  - {at: 1s, as: ann, say: 007}
  - {at: 3s, for: 40s, load: {clients: 8, rate: 200/s, bytes: 32..256}}
faults:
  - {at: 5s, every: 10s, times: 3, kill: leader, restart_after: 2s}
  - {at: 12s, for: 8s, delay: {link: \"s1<->s2\", by: 150ms, jitter: 50ms}}
  - {at: 22s, for: 6s, partition: \"leader | rest\", name: cut}
  - {at: 32s, for: 5s, partition: \"s1,s2 | s3,s4,s5\"}
  - {at: 33s, for: 1s, delay: {link: \"all <-> all\", by: 50ms, jitter: 9ms, distribution: pareto, kinds: [client, catch-up], side: receive}}
  - {at: 33s, for: 1s, drop: {link: \"s1 -> rest\", kinds: [request, learn], probability: 5%, side: send}}
  - {at: 33s, for: 1s, duplicate: {link: \"leader -> followers\", kinds: accept}}
  - {at: 33s, for: 1s, duplicate: {link: [s1->s2, s2->s3], copies: 3}}
  - {at: 33s, for: 1s, reorder: {link: \"ann <-> server-of(ann)\", within: 50ms}}
  - {at: 33s, for: 1s, mode: {s1: \"c:30::a:20.5\", \"s2,s3\": d}}
expect:
  agreement: true
  converged_within: 5s
  acked: 99.5%
  unavailable: {max: 3s}
  ack_latency: {p95: 500ms}
  no_ack_during: cut
  nothing_chosen_during: [cut]
  recovered_within: 2s
  traffic: {before: 10, after: 0}
";
    let plan = parse(text).unwrap();
    assert_eq!(plan.name, "x");
    assert_eq!(plan.seed, Some(42));
    assert_eq!(plan.cluster.servers, 5);
    assert_eq!(plan.cluster.first_leader.map(|s| s.0), Some(2));
    assert_eq!(
        (plan.cluster.balancer_port, plan.cluster.server_port),
        (Some(7000), Some(7001))
    );
    assert_eq!(plan.expect.nothing_chosen_during, ["cut"]);
    assert_eq!(plan.expect.recovered_within, Some(Duration::from_secs(2)));
    let traffic = plan.expect.traffic;
    assert_eq!(
        (traffic.before, traffic.during, traffic.after),
        (Some(10), None, Some(0))
    );
    // In the order of time; what was typed is what is said.
    let said: Vec<(usize, String)> = plan
        .traffic
        .iter()
        .filter_map(|traffic| match &traffic.what {
            Say::Say { text, .. } => Some((traffic.line, text.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(said, [(11, "007".to_owned()), (10, "12:30".to_owned())]);
    assert!(
        matches!(&plan.traffic[1].what, Say::Say { seen_by, within: Some(_), .. }
        if *seen_by == ["ann", "cy"])
    );
    let kill = &plan.faults[0];
    assert_eq!(kill.verb, Verb::Kill(Nodes::Leader));
    assert_eq!(
        (kill.times, kill.last_firing()),
        (3, Duration::from_secs(25))
    );
    assert_eq!(kill.lasts, Some(Duration::from_secs(2)));
    let ids: Vec<&str> = plan.faults.iter().map(|fault| fault.id.as_str()).collect();
    assert_eq!(ids[..4], ["f1", "f2", "cut", "f4"]);
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    let verbs: Vec<String> = plan
        .faults
        .iter()
        .map(|fault| fault.verb.to_string())
        .collect();
    assert_eq!(
        verbs,
        [
            "kill leader",
            "delay s1<->s2 by 150ms ± 50ms",
            "partition leader | rest",
            "partition s1,s2 | s3,s4,s5",
            "delay all<->all by 50ms ± 9ms pareto (catch-up, client only), on receiving",
            "drop s1->rest (learn, request only), 5% of messages, on sending",
            "duplicate leader->followers (accept only)",
            "duplicate s1->s2, s2->s3 into 3",
            "reorder ann<->server-of(ann) within 50ms",
            "mode s1 c:30::a:20.5, s2,s3 d:0",
        ]
    );
    assert_eq!(plan.expect.acked, Some(0.995));
    assert_eq!(plan.expect.no_ack_during, ["cut"]);
    assert_eq!(plan.settle, Duration::from_secs(10));
}

#[test]
fn the_example_is_a_plan() {
    let dir = tempfile::tempdir().unwrap();
    for script in ["chat.txt", "more.txt"] {
        std::fs::write(dir.path().join(script), "00:01 ann: hello\n").unwrap();
    }
    let plan = plan::parse(&dir.path().join("x.yaml"), plan::EXAMPLE);
    let plan = plan.unwrap_or_else(|errors| panic!("{errors}"));
    assert!(plan.faults.len() > 10, "{} faults", plan.faults.len());
}

#[test]
fn a_plan_survives_json() {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans/quickstart.yaml"),
    )
    .unwrap();
    let plan = parse(&text).unwrap();
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
}

#[test]
fn scripts_are_read_beside_the_plan_and_moved_by_their_item() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.txt"), "00:01 ann: one\n00:02 ann: two\n").unwrap();
    std::fs::write(dir.path().join("b.txt"), "00:01 zoe: three\nnonsense\n").unwrap();
    let path = dir.path().join("x.yaml");
    let text = "version: 1\ncluster: {servers: 3, clients: [ann]}\nscript: a.txt\n\
                traffic: [{at: 5s, script: a.txt}]\n";
    let plan = plan::parse(&path, text).unwrap();
    let times: Vec<u64> = plan.traffic.iter().map(|t| t.at.as_secs()).collect();
    assert_eq!(times, [1, 2, 6, 7]);
    let errors = plan::parse(
        &path,
        &text.replace("{at: 5s, script: a.txt}", "{at: 5s, script: b.txt}"),
    );
    let places: Vec<(String, usize, usize)> = errors
        .unwrap_err()
        .errors
        .iter()
        .map(|e| {
            (
                e.file.file_name().unwrap().to_string_lossy().into(),
                e.line,
                e.column,
            )
        })
        .collect();
    assert_eq!(
        places,
        [("b.txt".to_owned(), 1, 7), ("b.txt".to_owned(), 2, 1)]
    );
}

#[test]
fn faults_of_disks_and_clocks() {
    let shown = |fault: &str| -> Vec<String> {
        let text = format!(
            "version: 1\ncluster: {CLUSTER}\ntraffic: {TRAFFIC}\nfaults: [{{at: 1s, {fault}}}]\n"
        );
        let plan = parse(&text).expect("a plan");
        let verb = plan.faults[0].verb.to_string();
        let lasts = plan.faults[0].lasts.map(|lasts| format!("{lasts:?}"));
        [verb].into_iter().chain(lasts).collect()
    };
    assert_eq!(
        shown("for: 2s, slow_disk: {node: [s1, leader], by: 20ms, jitter: 5ms, probability: 50%}"),
        ["slow_disk s1,leader by 20ms ± 5ms, 50% of syncs", "2s"]
    );
    assert_eq!(
        shown("fail_fsync: \"random(1)\", restart_after: 1s"),
        ["fail_fsync random(1)", "1s"]
    );
    assert_eq!(shown("disk_full: s2"), ["disk_full s2"]);
    assert_eq!(
        shown("disk_full: {node: s2, after: 64KiB}, restart_after: 1s"),
        ["disk_full s2 after 64KiB", "1s"]
    );
    assert_eq!(shown("torn_write: follower"), ["torn_write follower"]);
    assert_eq!(
        shown("flip_byte: {node: \"server-of(ann)\", where: middle}"),
        ["flip_byte server-of(ann) at the middle"]
    );
    assert_eq!(shown("wipe: [s1, s2]"), ["wipe s1,s2"]);
    assert_eq!(
        shown("for: 1s, clock: {node: servers, jump: -90s}"),
        ["clock servers jump -90s", "1s"]
    );
    assert_eq!(shown("clock: {node: s3, rate: 0.5}"), ["clock s3 rate 0.5"]);

    assert_eq!(
        fault("at: 2s, every: 1s, times: 2, fail_fsync: s1"),
        ["4:19+5 the second firing finds its target down"]
    );
    assert_eq!(
        fault("at: 2s, every: 1s, times: 2, clock: {node: s1, jump: 1s}"),
        ["4:19+5 it fires again, but never heals"]
    );
    assert_eq!(fault("at: 2s, wipe: \"s1,balancer,ann\"").len(), 1);
}
