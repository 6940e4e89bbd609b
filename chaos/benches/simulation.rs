//! How much virtual time is simulated, and judged, in a second of one core.
//!
//! `cargo bench -p paxosctl-chaos --bench simulation`

use std::io::{self, Write};

use paxosctl_chaos::figures;

fn main() -> io::Result<()> {
    let figures = figures::simulation(100, 6).map_err(io::Error::other)?;
    write!(io::stdout().lock(), "{figures}")
}
