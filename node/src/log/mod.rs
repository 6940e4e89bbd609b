//! The log on disk.

mod record;

pub use record::{Member, Record};
