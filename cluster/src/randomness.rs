//! Randomness for what must differ each time: cluster ids, ports, seeds nobody asked for.

use std::fs::File;
use std::io::Read;

use crate::exit::Failure;

/// A number from the kernel's random generator.
///
/// # Errors
/// `/dev/urandom` cannot be read.
pub fn random_u64() -> Result<u64, Failure> {
    let path = std::path::Path::new("/dev/urandom");
    let mut bytes = [0; 8];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Failure::file("read", path, error))?;
    Ok(u64::from_le_bytes(bytes))
}
