//! How long one fdatasync takes on the disk on which a cluster writes.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::exit::Failure;

/// As much as a log's record of one message.
const RECORD: [u8; 128] = [b'x'; 128];
const SYNCS: usize = 200;
/// A slow disk is measured by fewer.
const AT_MOST: Duration = Duration::from_millis(500);

/// What one append and fdatasync took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Syncs {
    pub p50_us: f64,
    pub min_us: f64,
}

/// Appends small records to a file in `dir`, syncs each, and removes the file.
///
/// # Errors
/// The file cannot be written.
pub fn measure(dir: &Path) -> Result<Syncs, Failure> {
    let path = dir.join("fdatasync");
    let failed = |error| Failure::file("write", &path, error);
    let mut file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(&path)
        .map_err(failed)?;
    let took = append(&mut file).map_err(failed)?;
    std::fs::remove_file(&path).map_err(failed)?;
    Ok(of(took))
}

fn append(file: &mut File) -> std::io::Result<Vec<Duration>> {
    let began = Instant::now();
    let mut took = Vec::new();
    while took.len() < SYNCS && (began.elapsed() < AT_MOST || took.is_empty()) {
        let at = Instant::now();
        file.write_all(&RECORD)?;
        file.sync_data()?;
        took.push(at.elapsed());
    }
    Ok(took)
}

fn of(mut took: Vec<Duration>) -> Syncs {
    took.sort_unstable();
    let us = |at: usize| took.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e6);
    Syncs {
        p50_us: us(took.len() / 2),
        min_us: us(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_least_of_what_was_measured() {
        let took = [5, 1, 9].map(Duration::from_micros).to_vec();
        let expected = Syncs {
            p50_us: 5.0,
            min_us: 1.0,
        };
        assert_eq!(of(took), expected);
    }

    #[test]
    fn a_disk_is_measured_and_nothing_is_left_on_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let syncs = measure(dir.path()).expect("a disk");
        assert!(syncs.min_us > 0.0 && syncs.min_us <= syncs.p50_us);
        assert_eq!(
            std::fs::read_dir(dir.path()).expect("a directory").count(),
            0
        );
    }
}
