use paxosctl_chaos::{plan, schedule, sim};
use std::time::Instant;
fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap();
    let first: u64 = args.next().map_or(1, |s| s.parse().unwrap());
    let runs: u64 = args.next().map_or(1, |s| s.parse().unwrap());
    let written = match plan::load(std::path::Path::new(&path)) {
        Ok(p) => p,
        Err(e) => {
            eprintln!("{e}");
            return;
        }
    };
    let begun = Instant::now();
    let mut virt = 0u64;
    let mut bad = 0;
    for seed in first..first + runs {
        let plan = schedule::drawn(&written, seed);
        let result = sim::judged(&plan, seed, sim::Setting::default());
        virt += result.duration_us;
        if format!("{:?}", result.verdict) != "Pass" {
            bad += 1;
            if bad <= 5 {
                println!("seed {seed}: {:?} {:#?}", result.verdict, result.reasons);
                if runs == 1 {
                    println!(
                        "{}",
                        paxosctl_chaos::report::tables(
                            &result,
                            paxosctl_chaos::report::Look {
                                width: Some(140),
                                colour: false
                            }
                        )
                    );
                }
            }
        }
    }
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{path}: {runs} runs, {bad} not a pass, {:.1} virtual s in {took:.2} s: {:.0} per s",
        virt as f64 / 1e6,
        virt as f64 / 1e6 / took
    );
}
