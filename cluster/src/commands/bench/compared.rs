//! What is measured beside this program's own clusters.

use std::ffi::OsString;

use super::cluster::System;
use super::etcd::Program;
use crate::cli::{CompareArgs, Compared};
use crate::exit::Failure;

/// This program's cluster, and those that it is compared with.
///
/// # Errors
/// One of them is not installed.
pub fn systems(typed: &CompareArgs) -> Result<Vec<System>, Failure> {
    let mut systems = vec![System::Paxosctl];
    if let Some(Compared::Etcd) = typed.compare {
        let search: OsString = std::env::var_os("PATH").unwrap_or_default();
        systems.push(System::Etcd(Program::find(typed.etcd.as_deref(), &search)?));
    }
    Ok(systems)
}
