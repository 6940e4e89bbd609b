//! The link table: what happens to a message on its way between two nodes.

mod kind;
mod table;

pub use kind::Kind;
pub use table::{Rule, Side, Table, What};
