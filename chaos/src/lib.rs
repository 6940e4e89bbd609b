//! Plans, schedules, the run loop, history, checks and reports.
//!
//! Nothing here knows whether the cluster under test is made of processes or simulated: it is
//! reached through [`target::Target`] alone.

pub mod check;
pub mod figures;
pub mod fnv;
pub mod history;
pub mod linear;
mod parallel;
pub mod plan;
pub mod report;
pub mod run;
pub mod schedule;
pub mod selftest;
pub mod shrink;
pub mod sim;
pub mod target;
pub mod trace;
pub mod wilson;
