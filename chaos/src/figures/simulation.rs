//! How much virtual time is simulated, and judged, in a second of one core.

use std::fmt;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::plan;
use crate::report::Verdict;
use crate::sim::{self, Setting};

/// What simulating costs, load by load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulationFigures {
    pub servers: u16,
    /// Virtual seconds of each run.
    pub virtual_s: u64,
    /// Runs of each load; the weather differs from one to the next.
    pub seeds: u64,
    pub loads: Vec<SimulationLoad>,
}

/// One load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulationLoad {
    pub load: &'static str,
    /// Virtual seconds a second.
    pub simulated_per_s: f64,
    /// The same, judging included.
    pub judged_per_s: f64,
    /// Judging included.
    pub us_per_message: f64,
}

const SERVERS: u16 = 3;

/// What each load is, for a person and for a plan.
const LOADS: [(&str, &str); 3] = [
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
];

/// Simulates each load for so many virtual seconds, with so many seeds, on one core.
///
/// # Errors
/// A cluster did not get ready, or a run was violated: then its speed means nothing.
pub fn simulation(virtual_s: u64, seeds: u64) -> Result<SimulationFigures, String> {
    let loads = LOADS
        .into_iter()
        .map(|(words, load)| measure(words, load, virtual_s, seeds))
        .collect::<Result<Vec<SimulationLoad>, String>>()?;
    Ok(SimulationFigures {
        servers: SERVERS,
        virtual_s,
        seeds,
        loads,
    })
}

fn measure(
    words: &'static str,
    load: &str,
    seconds: u64,
    seeds: u64,
) -> Result<SimulationLoad, String> {
    let text = format!(
        "version: 1\nname: bench\ncluster: {{servers: {SERVERS}, clients: [ann]}}\ntraffic:\n  - {{at: 0s, for: {seconds}s, load: {load}}}\n"
    );
    let plan = plan::parse(Path::new("bench.yaml"), &text).map_err(|error| error.to_string())?;
    let (mut simulating, mut judging) = (0.0, 0.0);
    let (mut virtual_s, mut messages) = (0.0, 0);
    for seed in 1..=seeds {
        let started = Instant::now();
        let simulated = sim::run(
            &plan,
            seed,
            Setting::default(),
            &mut |_| {},
            &mut |_| {},
            &|| false,
        )
        .map_err(|error| format!("{words}, seed {seed}: {error}"))?;
        simulating += started.elapsed().as_secs_f64();
        let result = simulated.judge(&plan);
        judging += started.elapsed().as_secs_f64();
        if result.verdict == Verdict::Violated {
            return Err(format!(
                "{words}, seed {seed}: {}",
                result.reasons.join("; ")
            ));
        }
        virtual_s += result.duration_us as f64 / 1e6;
        messages += result.traffic.acked;
    }
    Ok(SimulationLoad {
        load: words,
        simulated_per_s: virtual_s / simulating,
        judged_per_s: virtual_s / judging,
        us_per_message: judging * 1e6 / messages.max(1) as f64,
    })
}

impl fmt::Display for SimulationFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} servers, {} s of virtual time, {} seeds, one core\n\n\
             {:<34} {:>14} {:>14} {:>14}",
            self.servers,
            self.virtual_s,
            self.seeds,
            "load",
            "simulated",
            "judged too",
            "µs a message"
        )?;
        for load in &self.loads {
            writeln!(
                f,
                "{:<34} {:>9.0} s/s {:>9.0} s/s {:>14.1}",
                load.load, load.simulated_per_s, load.judged_per_s, load.us_per_message
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_load_has_its_figures() {
        let figures = simulation(5, 2).expect("sound runs");
        assert_eq!(figures.loads.len(), LOADS.len());
        for load in &figures.loads {
            assert!(load.simulated_per_s >= load.judged_per_s, "{load:?}");
            assert!(load.judged_per_s > 0.0 && load.us_per_message > 0.0);
            assert!(figures.to_string().contains(load.load));
        }
    }
}
