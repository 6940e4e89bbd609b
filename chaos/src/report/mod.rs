//! The result of a run, and its renderings.

mod model;
mod render;
mod summary;
#[cfg(test)]
mod tests;
mod text;

pub use model::{
    CheckResult, ClientRow, FaultRow, HeldValue, Latency, Outcome, ReplicaRow, RunResult,
    SCHEMA_VERSION, TrafficSummary, Verdict, Violation,
};
pub use render::{Look, json, tables};
pub(crate) use summary::{clients, faults, replicas, traffic};
pub(crate) use text::{clip, count, moment, plain, share, time};
