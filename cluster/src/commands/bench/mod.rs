//! `bench`: how fast a cluster is, measured on real processes as `up` starts them.

mod cluster;
mod compared;
mod disk;
mod etcd;
mod load;
mod nodes;
mod row;
mod tally;
mod throughput;
mod workplace;

use crate::cli::BenchArgs;
use crate::exit::{Failure, Outcome};

pub use throughput::Throughput;

/// What to measure.
#[derive(Debug)]
pub enum BenchRequest {
    Throughput(Throughput),
}

impl BenchRequest {
    /// # Errors
    /// What was typed makes no sense together.
    pub(super) fn new(typed: BenchArgs) -> Result<BenchRequest, Failure> {
        Ok(BenchRequest::Throughput(Throughput::new(typed.throughput)?))
    }
}

/// Measures, and prints what came of it.
///
/// # Errors
/// The cluster could not be run, or lost what it acknowledged.
pub fn bench(request: &BenchRequest) -> Result<Outcome, Failure> {
    match request {
        BenchRequest::Throughput(request) => throughput::measure(request),
    }
}
