//! Linearizability (Herlihy and Wing 1990) of small histories of any system: registers, keys, logs.
//!
//! [`import`] reads a history from elsewhere, [`of_run`] makes one of a run of this program, and
//! [`judge`] decides it. Keys are independent (Herlihy and Wing's
//! locality), so each is decided alone.
//!
//! Deciding is NP-complete; well-behaved histories take about linear time, others may take for
//! ever. So there is a budget, and its end is a verdict of its own.

mod cache;
mod chain;
mod edn;
mod explain;
mod farthest;
mod history;
mod import;
mod judge;
mod model;
mod of_run;
mod search;
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod value;

pub use explain::{Operand, Placed, Violation};
pub use history::{Call, History, ModelKind, Operation};
pub use import::{ImportError, import};
pub use judge::{Budget, Judgement, Undecided, Verdict, judge};
pub use of_run::of_run;
pub use text::text;
pub use value::{Value, quoted};
