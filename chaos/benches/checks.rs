//! How long it takes to read and to judge a large run, and how much memory.
//!
//! `cargo bench -p paxosctl-chaos --bench checks`

use std::io::{self, Write};

use paxosctl_chaos::figures;

fn main() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let figures = figures::checks(dir.path(), 1_000_000, 5)?;
    write!(io::stdout().lock(), "{figures}")
}
