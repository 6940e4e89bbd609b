//! Linearizability (Herlihy and Wing 1990) of small histories of any system: registers, keys, logs.
//!
//! [`import`] reads a history from elsewhere, [`judge`] decides it. A history of a run of this
//! program becomes one with [`crate::history::export`]. Keys are independent (Herlihy and Wing's
//! locality), so each is decided alone.
//!
//! Deciding is NP-complete; well-behaved histories take about linear time, others may take for
//! ever. So there is a budget, and its end is a verdict of its own.

mod cache;
mod edn;
mod explain;
mod history;
mod import;
mod judge;
mod model;
mod search;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use explain::{Operand, Placed, Violation};
pub use history::{Call, History, ModelKind, Operation};
pub use import::{ImportError, import};
pub use judge::{Budget, Judgement, Undecided, Verdict, judge};
pub use text::text;
pub use value::{Value, quoted};
