use std::path::Path;
use std::time::Duration;

use super::*;
use crate::plan;

fn plan_of(faults: &str) -> Plan {
    let text = format!(
        "version: 1
cluster: {{servers: 5, clients: [ann, bob]}}
traffic:
  - {{at: 1s, for: 60s, load: {{clients: 2}}}}
faults:
{faults}
"
    );
    plan::parse(Path::new("test.yaml"), &text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn view() -> View {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.to_string())
            .collect::<Vec<_>>()
    };
    View {
        servers: names(&["s1", "s2", "s3", "s4", "s5"]),
        clients: names(&["ann", "bob", "load1"]),
        loads: ["load1".to_owned()].into(),
        leader: Some("s2".to_owned()),
        server_of: [("ann".to_owned(), "s4".to_owned())].into(),
        ..View::default()
    }
}

fn resolved(fault: &str, view: &View, seed: u64) -> Result<String, String> {
    let plan = plan_of(&format!("  - {{at: 2s, for: 1s, {fault}}}"));
    let mut rng = firing_rng(seed, "f1", 1);
    match resolve(&plan.faults[0].verb, view, &mut rng) {
        Ok(Resolved::Nodes(nodes)) => Ok(nodes.join(" ")),
        Ok(Resolved::Links(links)) => Ok(dry_run::link_names(&links).join(" ")),
        Ok(Resolved::Modes(modes)) => {
            let shown = modes
                .iter()
                .map(|(server, mode)| format!("{server}={mode}"));
            Ok(shown.collect::<Vec<_>>().join(" "))
        }
        Err(reason) => Err(reason.to_string()),
    }
}

#[test]
fn a_timeline_is_in_the_order_of_time_and_heals_first() {
    let plan = plan_of(
        "  - {at: 2s, every: 4s, times: 2, kill: leader, restart_after: 2s}
  - {at: 4s, pause: s1}",
    );
    let steps: Vec<_> = timeline(&plan)
        .steps
        .iter()
        .map(|s| (s.at.as_secs(), s.fault, s.firing, s.step))
        .collect();
    assert_eq!(
        steps,
        [
            (2, 0, 1, Step::Break),
            (4, 0, 1, Step::Heal),
            (4, 1, 1, Step::Break),
            (6, 0, 2, Step::Break),
            (8, 0, 2, Step::Heal),
        ]
    );
    assert_eq!(timeline(&plan).ends_at, Duration::from_secs(61));
}

#[test]
fn words_mean_what_the_view_says() {
    let view = view();
    let pause = |target: &str| resolved(&format!("pause: \"{target}\""), &view, 1);
    assert_eq!(pause("leader"), Ok("s2".into()));
    assert_eq!(pause("followers"), Ok("s1 s3 s4 s5".into()));
    assert_eq!(pause("servers"), Ok("s1 s2 s3 s4 s5".into()));
    assert_eq!(pause("clients"), Ok("ann bob load1".into()));
    assert_eq!(pause("server-of(ann)"), Ok("s4".into()));
    assert_eq!(pause("server-of(bob)"), Err("bob has no server now".into()));
    assert_eq!(pause("leader,s1,balancer"), Ok("s2 s1 balancer".into()));
    assert_eq!(
        pause("all"),
        Ok("s1 s2 s3 s4 s5 balancer ann bob load1".into())
    );
    let leaderless = View {
        leader: None,
        ..view.clone()
    };
    for target in ["leader", "follower", "followers"] {
        let told = resolved(&format!("pause: {target}"), &leaderless, 1);
        assert_eq!(told, Err("no leader is known now".into()));
    }
}

#[test]
fn loads_are_not_killed() {
    let plan = plan_of("  - {at: 2s, kill: all}");
    let mut rng = firing_rng(1, "f1", 1);
    let Ok(Resolved::Nodes(nodes)) = resolve(&plan.faults[0].verb, &view(), &mut rng) else {
        panic!("`all` means nodes");
    };
    assert_eq!(nodes.join(" "), "s1 s2 s3 s4 s5 balancer ann bob");
}

#[test]
fn a_mode_is_resolved_for_each_server_once() {
    let view = view();
    let mode = |modes: &str| resolved(&format!("mode: {modes}"), &view, 1);
    assert_eq!(
        mode("{s1: p:1, \"s3,s2\": d}"),
        Ok("s1=p:1 s3=d:0 s2=d:0".into())
    );
    // s2 leads: the first that is said of it holds.
    assert_eq!(mode("{leader: a:1, s2: a:2}"), Ok("s2=a:1".into()));
    assert_eq!(mode("{server-of(ann): c:1}"), Ok("s4=c:1".into()));
    assert_eq!(
        mode("{server-of(bob): c:1}"),
        Err("bob has no server now".into())
    );
    let both = mode("{s1: p:1, random(4): a:1}").expect("servers");
    assert_eq!(both, "s1=p:1 s2=a:1 s3=a:1 s4=a:1 s5=a:1");
}

#[test]
fn links_reach_every_kind_of_node() {
    let view = view();
    let drop = |link: &str| resolved(&format!("drop: {{link: \"{link}\"}}"), &view, 1);
    assert_eq!(drop("s1 -> rest"), Ok("s1->s2 s1->s3 s1->s4 s1->s5".into()));
    assert_eq!(
        drop("rest <-> s1,s2,leader"),
        Ok("s3->s1 s3->s2 s4->s1 s4->s2 s5->s1 s5->s2 \
            s1->s3 s1->s4 s1->s5 s2->s3 s2->s4 s2->s5"
            .into())
    );
    assert_eq!(drop("ann <-> server-of(ann)"), Ok("ann->s4 s4->ann".into()));
    assert_eq!(
        drop("servers -> balancer"),
        Ok("s1->balancer s2->balancer s3->balancer s4->balancer s5->balancer".into())
    );
    assert_eq!(
        drop("leader <-> followers"),
        Ok("s2->s1 s2->s3 s2->s4 s2->s5 s1->s2 s3->s2 s4->s2 s5->s2".into())
    );
    // Five servers, the balancer, two clients and a load, each with the eight others.
    let all = drop("all <-> all").expect("links");
    assert_eq!(all.split(' ').count(), 9 * 8);
    let drawn = drop("random(2) -> rest").expect("links");
    assert_eq!(drawn.split(' ').count(), 2 * 3, "{drawn}");
}

#[test]
fn links_never_join_a_node_to_itself() {
    let view = view();
    let delay = |link: &str| resolved(&format!("delay: {{link: \"{link}\", by: 1ms}}"), &view, 1);
    assert_eq!(delay("s1 -> s2"), Ok("s1->s2".into()));
    assert_eq!(delay("s1 <- s2"), Ok("s2->s1".into()));
    assert_eq!(delay("ann <-> s1"), Ok("ann->s1 s1->ann".into()));
    assert_eq!(
        delay("leader -> followers"),
        Ok("s2->s1 s2->s3 s2->s4 s2->s5".into())
    );
    assert_eq!(delay("s1 -> s1,s2,s3"), Ok("s1->s2 s1->s3".into()));
    assert_eq!(
        delay("leader -> s2"),
        Err("both sides mean the same node now".into())
    );
}

#[test]
fn both_directions_of_a_drawn_link_have_the_same_ends_and_never_the_other_side() {
    for seed in 0..50 {
        let told = resolved("drop: {link: \"random(1) <-> s3\"}", &view(), seed).unwrap();
        let (there, back) = told.split_once(' ').unwrap();
        let drawn = there.strip_suffix("->s3").unwrap();
        assert_ne!(drawn, "s3");
        assert_eq!(back, format!("s3->{drawn}"));
    }
}

#[test]
fn rest_is_the_servers_that_no_group_names() {
    let view = view();
    let partition = |groups: &str| resolved(&format!("partition: \"{groups}\""), &view, 1);
    assert_eq!(
        partition("leader,s1 | rest"),
        Ok("s2->s3 s2->s4 s2->s5 s1->s3 s1->s4 s1->s5 \
            s3->s2 s3->s1 s4->s2 s4->s1 s5->s2 s5->s1"
            .into())
    );
    assert_eq!(partition("s1 | s2"), Ok("s1->s2 s2->s1".into()));
    assert_eq!(partition("ann -> rest").unwrap().split(' ').count(), 5);
    assert_eq!(
        partition("s1 -> s2,balancer"),
        Ok("s1->s2 s1->balancer".into())
    );
    // s2 leads: it is in the first group.
    assert_eq!(partition("leader | s2,s3"), Ok("s2->s3 s3->s2".into()));
    assert_eq!(
        partition("leader | s2"),
        Err("only one group has a node in it now".into())
    );
    for seed in 0..20 {
        let told = resolved("partition: \"random(1) | s1,s2,s3,s4\"", &view, seed).unwrap();
        assert!(told.starts_with("s5->s1"), "{told}");
    }
}

#[test]
fn a_draw_prefers_servers_that_are_up_and_depends_on_seed_fault_and_firing_alone() {
    let mut view = view();
    view.down = ["s1".to_owned(), "s2".to_owned()].into();
    view.paused = ["s3".to_owned()].into();
    for seed in 0..20 {
        let told = resolved("pause: random(2)", &view, seed);
        assert_eq!(told, Ok("s4 s5".into()));
        let three = resolved("pause: random(3)", &view, seed).unwrap();
        assert!(three.ends_with("s4 s5"), "{three}");
    }
    let verb = plan_of("  - {at: 2s, kill: random(2)}")
        .faults
        .remove(0)
        .verb;
    view = super::tests::view();
    let draw = |seed, fault: &str, firing| {
        let mut rng = firing_rng(seed, fault, firing);
        resolve(&verb, &view, &mut rng)
    };
    let draws: std::collections::BTreeSet<String> = (0..100)
        .map(|seed| format!("{:?}", draw(seed, "f1", 1)))
        .collect();
    assert_eq!(
        draws.len(),
        10,
        "every pair of five servers is drawn: {draws:?}"
    );
    assert_eq!(draw(7, "f2", 3), draw(7, "f2", 3));
    let of_firings = (1..30).map(|firing| format!("{:?}", draw(7, "f2", firing)));
    assert!(of_firings.collect::<std::collections::BTreeSet<_>>().len() > 3);
}

#[test]
fn a_dry_run_lists_traffic_and_faults_in_the_order_of_time() {
    let plan = plan_of(
        "  - {at: 500ms, for: 1s, pause: s3}
  - {at: 2s, kill: leader, restart_after: 1s}
  - {at: 3s, for: 1s, partition: \"s1 | s2\"}",
    );
    let rows: Vec<String> = dry_run(&plan, 1)
        .iter()
        .map(|row| format!("{:?} {}: {} [{}]", row.at, row.subject, row.action, row.on))
        .collect();
    assert_eq!(
        rows,
        [
            "500ms f1: pause s3 [s3]",
            "1s load1: 2 sessions for 60s, as fast as they are answered, 64 bytes []",
            "1.5s f1: resume []",
            "2s f2: kill leader [known when it fires]",
            "3s f2: start again []",
            "3s f3: partition s1 | s2 [s1->s2, s2->s1]",
            "4s f3: heal the links []",
        ]
    );
}

#[test]
fn shapes_cut_what_their_name_says() {
    let view = View {
        servers: (1..=5).map(|n| format!("s{n}")).collect(),
        clients: vec!["ann".into()],
        leader: Some("s4".into()),
        ..View::default()
    };
    for seed in 0..20 {
        // The leader is at an end of the chain, and no bridge: it loses most of its links.
        for (shape, cut) in [("chain", 3), ("bridge", 2), ("majorities-ring", 2)] {
            let told = resolved(&format!("partition: {shape}"), &view, seed).unwrap();
            let lost = told.split(' ').filter(|link| link.starts_with("s4->"));
            assert_eq!(lost.count(), cut, "{shape}: {told}");
        }
    }
    assert_eq!(
        resolved("isolate: s4", &view, 1).unwrap(),
        resolved("partition: {isolate: s4}", &view, 1).unwrap()
    );
    let told = resolved("partition: \"isolate: ann\"", &view, 1).unwrap();
    assert_eq!(told.split(' ').count(), 12, "{told}");
    assert!(told.contains("balancer->ann") && told.contains("ann->s5"));
    let chain = resolved("partition: \"chain(s1,s2,s3,s4,s5)\"", &view, 1).unwrap();
    assert!(!chain.contains("s4->s5") && chain.contains("s1->s3") && chain.contains("s5->s1"));
}
