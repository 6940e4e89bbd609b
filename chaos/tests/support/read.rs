//! Plans that are sound.

use std::path::Path;

use paxosctl_chaos::plan::{self, Plan};

pub fn read(text: &str) -> Plan {
    plan::parse(Path::new("test.yaml"), text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}
