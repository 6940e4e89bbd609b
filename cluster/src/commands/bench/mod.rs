//! `bench`: how fast a cluster is, measured on real processes as `up` starts them.

mod cluster;
mod compared;
mod disk;
mod etcd;
mod failover;
mod harness;
mod history;
mod load;
mod nodes;
mod row;
mod soak;
mod startup;
mod tally;
mod throughput;
mod workplace;

use crate::cli::{BenchArgs, BenchCheckArgs, BenchSimArgs, BenchTyped};
use crate::exit::{Failure, Outcome};

use failover::Failover;
use history::History;
use soak::Soak;
use startup::Startup;
use throughput::Throughput;

/// What to measure.
#[derive(Debug)]
pub enum BenchRequest {
    Throughput(Throughput),
    Failover(Failover),
    Startup(Startup),
    History(History),
    Soak(Soak),
    Check(BenchCheckArgs),
    Sim(BenchSimArgs),
}

impl BenchRequest {
    /// # Errors
    /// What was typed makes no sense together, or what to compare with is not installed.
    pub(super) fn new(typed: BenchArgs) -> Result<BenchRequest, Failure> {
        Ok(match typed.what {
            None => BenchRequest::Throughput(Throughput::new(typed.throughput)?),
            Some(BenchTyped::Failover(failover)) => {
                BenchRequest::Failover(Failover::new(failover)?)
            }
            Some(BenchTyped::Startup(startup)) => BenchRequest::Startup(Startup::new(&startup)),
            Some(BenchTyped::History(history)) => BenchRequest::History(History::new(&history)),
            Some(BenchTyped::Soak(soak)) => BenchRequest::Soak(Soak::new(&soak)),
            Some(BenchTyped::Check(check)) => BenchRequest::Check(check),
            Some(BenchTyped::Sim(sim)) => BenchRequest::Sim(sim),
        })
    }
}

/// Measures, and prints what came of it.
///
/// # Errors
/// The cluster could not be run, or lost what it acknowledged.
pub fn bench(request: &BenchRequest) -> Result<Outcome, Failure> {
    match request {
        BenchRequest::Throughput(request) => throughput::measure(request),
        BenchRequest::Failover(request) => failover::measure(request),
        BenchRequest::Startup(request) => startup::measure(request),
        BenchRequest::History(request) => history::measure(request),
        BenchRequest::Soak(request) => soak::measure(request),
        BenchRequest::Check(request) => harness::check(request),
        BenchRequest::Sim(request) => harness::simulation(request),
    }
}
