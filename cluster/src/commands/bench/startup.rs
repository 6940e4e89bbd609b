//! How long a cluster takes to come up, and to go down.

use serde::Serialize;

use super::nodes::Nodes;
use super::row::{self, time};
use super::workplace::Workplace;
use crate::cli::StartupArgs;
use crate::clock::monotonic;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{print, wide_columns};

#[derive(Debug)]
pub struct Startup {
    servers: u16,
    rounds: u32,
    json: bool,
}

impl Startup {
    pub(super) fn new(typed: &StartupArgs) -> Startup {
        Startup {
            servers: typed.servers,
            rounds: typed.rounds,
            json: typed.json,
        }
    }
}

/// What the rounds of one direction came to, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Times {
    what: &'static str,
    servers: u16,
    rounds: u32,
    median_ms: f64,
    max_ms: f64,
    each_ms: Vec<f64>,
}

pub(super) fn measure(request: &Startup) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let mut workplace = Workplace::new()?;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for _ in 0..request.rounds {
        let dir = workplace.fresh();
        let began = monotonic();
        let nodes = Nodes::start(request.servers, &dir, &interrupt)?;
        let ready = monotonic();
        up.push((ready - began).as_secs_f64() * 1e3);
        nodes.end()?;
        down.push((monotonic() - ready).as_secs_f64() * 1e3);
        workplace.clear(&dir)?;
    }
    let times = |what, each_ms: Vec<f64>| Times {
        what,
        servers: request.servers,
        rounds: request.rounds,
        median_ms: row::share_of(&each_ms, 0.5),
        max_ms: row::share_of(&each_ms, 1.0),
        each_ms,
    };
    let all = [times("up", up), times("down", down)];
    if request.json {
        for times in &all {
            print(&row::json(times))?;
        }
    } else {
        let rows = all.iter().map(|times| {
            vec![
                times.what.to_owned(),
                times.servers.to_string(),
                times.rounds.to_string(),
                time(times.median_ms * 1e3),
                time(times.max_ms * 1e3),
            ]
        });
        print(&wide_columns(
            &["", "SERVERS", "ROUNDS", "MEDIAN", "MAX"],
            rows,
        ))?;
    }
    Ok(Outcome::Success)
}
