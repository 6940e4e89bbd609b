//! The link table: what happens to a message on its way between two nodes.
//!
//! Every node asks [`Links::pass`] twice a message: once at the sender as it leaves, once at the
//! receiver as it arrives. The answer depends on the table, the seed and the messages asked about
//! before, and on nothing else.

mod check;
mod decide;
mod kind;
mod mode;
mod node_links;
mod redial;
mod spread;
mod table;

pub use check::{LONGEST_DELAY, TableError};
pub use decide::{Links, MOST_COPIES, Verdict};
pub use kind::Kind;
pub use mode::{MODE_RULE, Mode, ModeError};
pub use node_links::NodeLinks;
pub use redial::Redial;
pub use table::{Distribution, Rule, Side, Table, What};
