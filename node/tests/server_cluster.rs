//! Whole clusters under random trouble: servers over logs on memory disks, a balancer and chatting
//! clients, in virtual time, all from one seed. Every step is judged; at the end everything is
//! mended, and everything that was said must be stored and heard everywhere.

mod whole;

use std::time::Duration;

use paxosctl_node::ids::ServerId;
use whole::{Setting, Summary, Wipes, World};

fn setting(seed: u64) -> Setting {
    Setting {
        servers: [3, 5, 3, 1][seed as usize % 4],
        users: 1 + seed % 4,
        seed,
        wipes: Wipes::Survivable,
        clocks: false,
        verbose: false,
    }
}

/// Runs the seeds on two threads, and names the seed of a run that fails.
fn all(seeds: std::ops::Range<u64>, run: impl Fn(u64) -> Summary + Sync) -> Vec<Summary> {
    let run_one = |seed| {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed)));
        result.unwrap_or_else(|_| panic!("seed {seed} failed, see above"))
    };
    let middle = seeds.start + (seeds.end - seeds.start) / 2;
    std::thread::scope(|scope| {
        let upper = scope.spawn(|| Vec::from_iter((middle..seeds.end).map(run_one)));
        let mut runs = Vec::from_iter((seeds.start..middle).map(run_one));
        runs.extend(upper.join().expect("the other thread's seeds hold"));
        runs
    })
}

fn seeds(default: u64) -> std::ops::Range<u64> {
    match std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        Some(seed) => seed..seed + 1,
        None => match std::env::var("SEEDS").ok().and_then(|n| n.parse().ok()) {
            Some(count) => 0..count,
            None => 0..default,
        },
    }
}

#[test]
fn everything_said_is_stored_once_and_heard_by_all_whatever_happened() {
    let runs = all(seeds(160), |seed| {
        World::new(setting(seed)).run_until_settled()
    });
    if runs.len() > 1 {
        // The runs were what they claim to be.
        let total = |count: fn(&Summary) -> u64| runs.iter().map(count).sum::<u64>();
        assert!(total(|run| run.messages) > 20 * runs.len() as u64);
        assert!(total(|run| run.crashes) > runs.len() as u64);
        assert!(total(|run| run.wipes) > runs.len() as u64 / 4);
        let from_checkpoint = total(|run| run.from_checkpoint);
        assert!(from_checkpoint > runs.len() as u64 / 4, "{from_checkpoint}");
    }
}

#[test]
fn a_disk_that_was_exchanged_never_votes_however_many_are() {
    let runs = all(seeds(80), |seed| {
        World::new(Setting {
            wipes: Wipes::All,
            ..setting(seed)
        })
        .run()
    });
    if runs.len() > 1 {
        let wipes: u64 = runs.iter().map(|run| run.wipes).sum();
        assert!(wipes > runs.len() as u64);
    }
}

#[test]
fn a_log_that_was_damaged_never_votes_again_even_if_all_are() {
    let runs = all(seeds(80), |seed| {
        World::new(Setting {
            wipes: Wipes::Damage,
            ..setting(seed)
        })
        .run()
    });
    if runs.len() > 1 {
        let wipes: u64 = runs.iter().map(|run| run.wipes).sum();
        assert!(wipes > runs.len() as u64);
    }
}

/// No clock is believed: neither agreement nor progress suffers when clocks jump, run fast or slow,
/// and are set right.
#[test]
fn clocks_that_jump_and_run_wrong_harm_nobody() {
    let runs = all(seeds(120), |seed| {
        World::new(Setting {
            clocks: true,
            ..setting(seed)
        })
        .run_until_settled()
    });
    if runs.len() > 1 {
        let clocks: u64 = runs.iter().map(|run| run.clocks).sum();
        assert!(clocks > 5 * runs.len() as u64);
    }
}

/// A cluster that was left alone for a while, and its leader.
fn with_a_leader(seed: u64) -> (World, ServerId) {
    let mut world = World::without_trouble(Setting {
        servers: [3, 5][seed as usize % 2],
        ..setting(seed)
    });
    world.run_for(Duration::from_secs(2));
    let (_, leader) = *world.led().last().expect("somebody leads");
    (world, leader)
}

#[test]
fn the_others_replace_a_killed_leader_long_before_its_silence_would_tell() {
    for seed in 0..40 {
        let (mut world, leader) = with_a_leader(seed);
        let (before, killed) = (world.led().len(), world.now());
        world.kill(leader);
        world.run_for(Duration::from_millis(200));
        let (at, next) = world.led()[before..].first().expect("another leads");
        assert_ne!(*next, leader);
        assert!(*at - killed < Duration::from_millis(100), "seed {seed}");
    }
}

#[test]
fn a_leader_that_lives_is_not_deposed_because_connections_break() {
    for seed in 0..40 {
        let (mut world, leader) = with_a_leader(seed);
        let before = world.led().len();
        for to in (1..=3).map(ServerId) {
            world.break_connection_of_servers(leader, to);
            world.run_for(Duration::from_millis(300));
        }
        assert_eq!(world.led().len(), before, "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..4 {
        let verbose = Setting {
            verbose: true,
            ..setting(seed)
        };
        let first = World::new(verbose).run_until_settled();
        assert!(first.trace.len() > 100);
        assert_eq!(first, World::new(verbose).run_until_settled());
    }
}
