use paxosctl_chaos::report::{Outcome, Verdict};
use paxosctl_chaos::{plan, schedule, sim};
use std::collections::BTreeMap;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seeds: u64 = args[0].parse().unwrap();
    let only: Option<&String> = args.get(2);
    let plans: Vec<_> = args[1]
        .split(',')
        .map(|p| {
            plan::load(std::path::Path::new(&format!(
                "chaos/src/selftest/plans/{p}.yaml"
            )))
            .unwrap_or_else(|e| panic!("{e}"))
        })
        .collect();
    let mut all: Vec<Option<sim::Plant>> = vec![None];
    all.extend(sim::Plant::all().filter(|p| p.is_possible()).map(Some));
    for plant in all {
        if only.is_some_and(|o| plant.map_or("none", |p| p.name()) != o) {
            continue;
        }
        for written in &plans {
            let begun = Instant::now();
            let mut caught = 0;
            let mut other = 0;
            let mut first = None;
            let mut by: BTreeMap<String, u32> = BTreeMap::new();
            let mut virt = 0;
            for seed in 1..=seeds {
                let plan = schedule::drawn(written, seed);
                let r = sim::judged(
                    &plan,
                    seed,
                    sim::Setting {
                        trace: false,
                        plant,
                    },
                );
                virt += r.duration_us;
                match r.verdict {
                    Verdict::Violated => {
                        caught += 1;
                        first.get_or_insert(seed);
                        for c in &r.checks {
                            if c.outcome == Outcome::Violated {
                                *by.entry(c.property.clone()).or_default() += 1;
                            }
                        }
                        if only.is_some() && caught <= 2 {
                            println!("seed {seed} {:#?}", r.reasons);
                        }
                    }
                    Verdict::Pass => {}
                    v => {
                        other += 1;
                        if only.is_some() {
                            println!("seed {seed} {v:?} {:?}", r.reasons);
                        }
                    }
                }
            }
            let mut by: Vec<_> = by.into_iter().collect();
            by.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
            println!(
                "{:<28} {:<8} {caught:>3}/{seeds} first {:?} other {other} {:.1}s({:.0}/s) {:?}",
                plant.map_or("none", |p| p.name()),
                written.name,
                first,
                begun.elapsed().as_secs_f64(),
                virt as f64 / 1e6 / begun.elapsed().as_secs_f64(),
                by
            );
        }
    }
}
