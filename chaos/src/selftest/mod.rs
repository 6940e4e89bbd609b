//! Does the harness notice? Bugs that real systems had are planted, one at a time, in a simulated
//! cluster; plans that provoke them are run until a check says so; and the same plans run as often
//! without a bug, when nothing may be said.
//!
//! `catalogue` says which plan is for which bug, `hunt` runs them.

mod catalogue;
mod hunt;

pub use catalogue::{PLANS, Trial, plan, trials};
pub use hunt::{Caught, Hunt, accusations, alarms, hunt, hunt_by};
