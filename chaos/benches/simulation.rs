//! How much virtual time is simulated, and judged, in a second of one core.
//!
//! `cargo bench -p paxosctl-chaos --bench simulation`

use std::path::Path;
use std::time::Instant;

use paxosctl_chaos::plan;
use paxosctl_chaos::report::Verdict;
use paxosctl_chaos::sim::{self, Setting};

/// Virtual seconds of each load.
const SECONDS: u64 = 100;
/// Seeds of each load; the weather differs from one to the next.
const SEEDS: u64 = 6;

fn main() {
    println!(
        "3 servers, {SECONDS} s of virtual time, {SEEDS} seeds, one core\n\n\
         {:<34} {:>14} {:>14} {:>14}",
        "load", "simulated", "judged too", "µs a message"
    );
    for (words, load) in [
        (
            "nobody says anything",
            "{clients: 1, rate: 0.1/s, bytes: 64..64}",
        ),
        (
            "4 clients, 50 messages/s",
            "{clients: 4, rate: 50/s, bytes: 64..64}",
        ),
        (
            "4 clients, 200 messages/s",
            "{clients: 4, rate: 200/s, bytes: 64..64}",
        ),
    ] {
        let text = format!(
            "version: 1\nname: bench\ncluster: {{servers: 3, clients: [ann]}}\ntraffic:\n  - {{at: 0s, for: {SECONDS}s, load: {load}}}\n"
        );
        let plan = plan::parse(Path::new("bench.yaml"), &text).expect("a plan");
        let (mut simulating, mut judging) = (0.0, 0.0);
        let (mut virtual_s, mut messages) = (0.0, 0);
        for seed in 1..=SEEDS {
            let started = Instant::now();
            let simulated = sim::run(
                &plan,
                seed,
                Setting::default(),
                &mut |_| {},
                &mut |_| {},
                &|| false,
            )
            .expect("the cluster gets ready");
            simulating += started.elapsed().as_secs_f64();
            let result = simulated.judge(&plan);
            judging += started.elapsed().as_secs_f64();
            assert_ne!(result.verdict, Verdict::Violated, "{:?}", result.reasons);
            virtual_s += result.duration_us as f64 / 1e6;
            messages += result.traffic.acked;
        }
        println!(
            "{words:<34} {:>9.0} s/s {:>9.0} s/s {:>14.1}",
            virtual_s / simulating,
            virtual_s / judging,
            judging * 1e6 / messages as f64
        );
    }
}
