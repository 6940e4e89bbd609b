use proptest::prelude::*;

use super::*;
use crate::link::Distribution;

const MILLISECOND_US: u64 = 1000;

fn rule(id: &str, from: &str, to: &str, what: What) -> Rule {
    Rule {
        id: id.into(),
        from: from.into(),
        to: to.into(),
        kinds: Vec::new(),
        on: Side::Send,
        probability: 1.0,
        what,
    }
}

fn delay(by_ms: u64, jitter_ms: u64) -> What {
    What::Delay {
        by_us: by_ms * MILLISECOND_US,
        jitter_us: jitter_ms * MILLISECOND_US,
        distribution: Distribution::Uniform,
    }
}

fn links(rules: Vec<Rule>) -> Links {
    let mut links = Links::new(1);
    let table = Table {
        generation: 1,
        rules,
    };
    assert_eq!(table.check(), Ok(()));
    assert_eq!(links.load(table), []);
    links
}

fn count(rule: &str, hits: u64) -> LinkCount {
    LinkCount {
        rule: rule.into(),
        hits,
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn without_rules_everything_goes_on_at_once() {
    let mut links = Links::new(1);
    let verdict = links.pass(Side::Send, "s1", "s2", Kind::Accept);
    assert_eq!(verdict, Verdict::Untouched);
    assert_eq!(verdict.copies(), [Duration::ZERO]);
    assert_eq!(links.generation(), 0);
    assert_eq!(links.counts(), []);
}

#[test]
fn a_rule_acts_on_its_own_direction_side_and_kinds_only() {
    let mut cut = rule("cut", "s1", "s2", What::Drop);
    cut.kinds = vec![Kind::Accept, Kind::Commit];
    let mut links = links(vec![cut]);
    let untouched = [
        (Side::Send, "s2", "s1", Kind::Accept),
        (Side::Receive, "s1", "s2", Kind::Accept),
        (Side::Send, "s1", "s3", Kind::Accept),
        (Side::Send, "s1", "s2", Kind::Heartbeat),
    ];
    for (side, from, to, kind) in untouched {
        assert_eq!(links.pass(side, from, to, kind), Verdict::Untouched);
    }
    assert_eq!(links.counts(), [count("cut", 0)]);
    for kind in [Kind::Accept, Kind::Commit] {
        assert_eq!(links.pass(Side::Send, "s1", "s2", kind), Verdict::Dropped);
    }
    assert_eq!(links.counts(), [count("cut", 2)]);
}

#[test]
fn a_star_stands_for_any_node_on_either_end() {
    let mut links = links(vec![
        rule("from-s1", "s1", "*", What::Drop),
        rule("to-ann", "*", "ann", What::Drop),
    ]);
    let mut passes = |from, to| links.pass(Side::Send, from, to, Kind::Session);
    assert_eq!(passes("s1", "balancer"), Verdict::Dropped);
    assert_eq!(passes("s2", "ann"), Verdict::Dropped);
    assert_eq!(passes("s2", "s1"), Verdict::Untouched);
    assert_eq!(links.counts(), [count("from-s1", 1), count("to-ann", 1)]);
}

#[test]
fn delays_add_up() {
    let mut links = links(vec![
        rule("a", "s1", "s2", delay(100, 0)),
        rule("b", "*", "s2", delay(30, 0)),
    ]);
    assert_eq!(
        links.pass(Side::Send, "s1", "s2", Kind::Accept).copies(),
        [ms(130)]
    );
    assert_eq!(
        links.pass(Side::Send, "s3", "s2", Kind::Accept).copies(),
        [ms(30)]
    );
    assert_eq!(links.counts(), [count("a", 1), count("b", 2)]);
}

#[test]
fn a_duplicate_multiplies_what_came_before_it_and_never_without_bound() {
    let twice = || rule("twice", "*", "*", What::Duplicate { copies: 2 });
    let mut two = links(vec![rule("slow", "*", "*", delay(5, 0)), twice()]);
    assert_eq!(
        two.pass(Side::Send, "s1", "s2", Kind::Accept).copies(),
        [ms(5), ms(5)]
    );
    let thrice = What::Duplicate { copies: 3 };
    let mut six = links(vec![twice(), rule("thrice", "*", "*", thrice)]);
    assert_eq!(
        six.pass(Side::Send, "s1", "s2", Kind::Accept).copies(),
        [Duration::ZERO; 6]
    );
    let mut many = links((0..10).map(|_| twice()).collect());
    assert_eq!(
        many.pass(Side::Send, "s1", "s2", Kind::Accept).copies(),
        [Duration::ZERO; 16]
    );
}

#[test]
fn a_drop_wins_wherever_it_stands_and_alone_counts() {
    let mut links = links(vec![
        rule("slow", "*", "*", delay(5, 0)),
        rule("cut", "*", "s2", What::Drop),
        rule("twice", "*", "*", What::Duplicate { copies: 2 }),
    ]);
    assert_eq!(
        links.pass(Side::Send, "s1", "s2", Kind::Accept).copies(),
        []
    );
    assert_eq!(
        links.counts(),
        [count("slow", 0), count("cut", 1), count("twice", 0)]
    );
}

#[test]
fn loading_returns_the_old_counts_and_carries_on_those_of_the_same_id() {
    let mut links = links(vec![
        rule("cut", "s1", "s2", What::Drop),
        rule("slow", "s1", "s3", delay(5, 0)),
        rule("cut", "s2", "s1", What::Drop),
    ]);
    links.pass(Side::Send, "s1", "s2", Kind::Accept);
    links.pass(Side::Send, "s2", "s1", Kind::Accept);
    links.pass(Side::Send, "s1", "s3", Kind::Accept);
    let load = |links: &mut Links, generation, rules| links.load(Table { generation, rules });

    let old = load(
        &mut links,
        2,
        vec![
            rule("new", "s3", "s1", What::Drop),
            rule("cut", "s1", "s2", What::Drop),
        ],
    );
    assert_eq!(old, [count("cut", 2), count("slow", 1)]);
    assert_eq!(links.generation(), 2);
    links.pass(Side::Send, "s1", "s2", Kind::Accept);
    assert_eq!(links.counts(), [count("new", 0), count("cut", 3)]);

    assert_eq!(
        load(&mut links, 3, vec![]),
        [count("new", 0), count("cut", 3)]
    );
    load(&mut links, 4, vec![rule("cut", "s1", "s2", What::Drop)]);
    assert_eq!(links.counts(), [count("cut", 0)]);
}

#[test]
fn a_probability_is_the_share_of_messages_affected() {
    for (probability, least, most) in [
        (0.0, 0, 0),
        (0.1, 900, 1100),
        (0.5, 4800, 5200),
        (1.0, 10_000, 10_000),
    ] {
        let mut lossy = rule("lossy", "*", "*", What::Drop);
        lossy.probability = probability;
        let mut links = links(vec![lossy]);
        let dropped = (0..10_000)
            .filter(|_| links.pass(Side::Send, "s1", "s2", Kind::Accept) == Verdict::Dropped)
            .count();
        assert!(
            (least..=most).contains(&dropped),
            "{dropped} of 10000 dropped at {probability}"
        );
        assert_eq!(links.counts(), [count("lossy", dropped as u64)]);
    }
}

#[test]
fn jitter_spreads_evenly_around_the_delay() {
    let mut links = links(vec![rule("slow", "*", "*", delay(100, 40))]);
    let mut delays: Vec<Duration> = (0..1000)
        .map(|_| links.pass(Side::Send, "s1", "s2", Kind::Accept).copies()[0])
        .collect();
    delays.sort();
    assert!(delays[0] >= ms(60) && delays[0] < ms(62), "{:?}", delays[0]);
    assert!(delays[999] <= ms(140) && delays[999] > ms(138));
    assert!(delays[500] > ms(95) && delays[500] < ms(105));
}

#[test]
fn jitter_larger_than_the_delay_never_reaches_into_the_past() {
    let mut links = links(vec![rule("slow", "*", "*", delay(1, 40))]);
    for _ in 0..1000 {
        let delay = links.pass(Side::Send, "s1", "s2", Kind::Accept).copies()[0];
        assert!(delay <= ms(41));
    }
}

#[test]
fn reordered_messages_overtake_each_other_within_the_time_given() {
    let reorder = What::Reorder { within_us: 50_000 };
    let mut links = links(vec![rule("mixed", "*", "*", reorder)]);
    let delays: Vec<Duration> = (0..1000)
        .map(|_| links.pass(Side::Send, "s1", "s2", Kind::Accept).copies()[0])
        .collect();
    assert!(delays.iter().all(|&by| by > Duration::ZERO && by <= ms(50)));
    assert!(delays.iter().any(|&by| by > ms(45)));
    let overtaken = delays.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(overtaken > 400, "{overtaken}");
}

#[test]
fn a_delayed_message_holds_back_no_other() {
    let mut slow = rule("slow", "s1", "s2", delay(30_000, 0));
    slow.kinds = vec![Kind::Commit];
    slow.probability = 0.5;
    let mut links = links(vec![slow]);
    let commits: Vec<Verdict> = (0..100)
        .map(|_| {
            // What is not concerned goes on at once, whatever is on its way.
            let accept = links.pass(Side::Send, "s1", "s2", Kind::Accept);
            assert_eq!(accept, Verdict::Untouched);
            links.pass(Side::Send, "s1", "s2", Kind::Commit)
        })
        .collect();
    let held = Verdict::Copies(vec![ms(30_000)]);
    assert!(commits.contains(&held));
    // Nor does a delay depend on those before it.
    for commit in commits {
        assert!(commit == held || commit == Verdict::Untouched);
    }
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let node = || prop::sample::select(vec!["s1", "s2", "ann", "*"]);
    let distribution = prop::sample::select(vec![
        Distribution::Uniform,
        Distribution::Normal,
        Distribution::Exponential,
        Distribution::Pareto,
    ]);
    let what = prop_oneof![
        Just(What::Drop),
        (0..90u64, 1..50u64, distribution).prop_map(|(by, jitter, distribution)| What::Delay {
            by_us: by * MILLISECOND_US,
            jitter_us: jitter * MILLISECOND_US,
            distribution,
        }),
        (2..4u32).prop_map(|copies| What::Duplicate { copies }),
        (1..50_000u64).prop_map(|within_us| What::Reorder { within_us }),
    ];
    let kinds = prop::sample::subsequence(vec![Kind::Accept, Kind::Session], 0..=2);
    let on = prop_oneof![Just(Side::Send), Just(Side::Receive)];
    ("[a-c]", node(), node(), kinds, on, 0.0..=1.0f64, what).prop_map(
        |(id, from, to, kinds, on, probability, what)| Rule {
            id,
            from: from.into(),
            to: to.into(),
            kinds,
            on,
            probability,
            what,
        },
    )
}

type Asked = (Side, &'static str, &'static str, Kind);

fn any_message() -> impl Strategy<Value = Asked> {
    let node = || prop::sample::select(vec!["s1", "s2", "ann"]);
    let kind = prop::sample::select(vec![Kind::Accept, Kind::Session, Kind::Commit]);
    let side = prop_oneof![Just(Side::Send), Just(Side::Receive)];
    (side, node(), node(), kind)
}

fn run(seed: u64, table: &Table, messages: &[Asked]) -> (Vec<Verdict>, Vec<LinkCount>) {
    let mut links = Links::new(seed);
    links.load(table.clone());
    let verdicts = messages
        .iter()
        .map(|&(side, from, to, kind)| links.pass(side, from, to, kind))
        .collect();
    (verdicts, links.counts())
}

proptest! {
    #[test]
    fn the_seed_decides_everything(
        seed: u64,
        rules in prop::collection::vec(any_rule(), 0..6),
        messages in prop::collection::vec(any_message(), 0..60),
    ) {
        let table = Table { generation: 1, rules };
        prop_assert_eq!(run(seed, &table, &messages), run(seed, &table, &messages));
    }

    /// What a verdict may be follows from the rules that match, whatever is drawn.
    #[test]
    fn a_verdict_stays_within_what_the_matching_rules_allow(
        seed: u64,
        rules in prop::collection::vec(any_rule(), 0..6),
        messages in prop::collection::vec(any_message(), 1..60),
    ) {
        let table = Table { generation: 1, rules };
        let (verdicts, counts) = run(seed, &table, &messages);
        let mut disturbed = 0;
        for (&(side, from, to, kind), verdict) in messages.iter().zip(&verdicts) {
            let matching: Vec<&Rule> = table.rules.iter()
                .filter(|rule| rule.on == side
                    && [from, "*"].contains(&rule.from.as_str())
                    && [to, "*"].contains(&rule.to.as_str())
                    && (rule.kinds.is_empty() || rule.kinds.contains(&kind)))
                .collect();
            let can_drop = matching.iter().any(|rule| rule.what == What::Drop);
            let most: usize = matching.iter().map(|rule| match rule.what {
                What::Duplicate { copies } => copies as usize,
                _ => 1,
            }).product();
            let longest_us: u64 = matching.iter().map(|rule| match rule.what {
                What::Delay { by_us, jitter_us, distribution } => {
                    distribution.longest_us(by_us, jitter_us)
                }
                What::Reorder { within_us } => within_us,
                What::Drop | What::Duplicate { .. } => 0,
            }).sum();
            match verdict {
                Verdict::Untouched => prop_assert_eq!(verdict.copies(), [Duration::ZERO]),
                Verdict::Dropped => {
                    prop_assert!(can_drop);
                    prop_assert_eq!(verdict.copies().len(), 0);
                    disturbed += 1;
                }
                Verdict::Copies(copies) => {
                    prop_assert!(!matching.is_empty());
                    prop_assert!(!copies.is_empty());
                    prop_assert!(copies.len() <= most);
                    prop_assert!(copies.iter().all(|copy| copy.as_micros() <= u128::from(longest_us)));
                    disturbed += 1;
                }
            }
        }
        // Every disturbed message is some rule's hit; every untouched one is nobody's.
        let hits: u64 = counts.iter().map(|count| count.hits).sum();
        prop_assert!(hits >= disturbed);
        prop_assert_eq!(hits == 0, disturbed == 0);
    }
}
