//! The directory in which a measurement runs its clusters, on the disk on which `up` has its own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clock::utc_stamp;
use crate::exit::Failure;
use crate::output::note;
use crate::state::home;

/// A directory that is removed when this is dropped, with all that is in it.
#[derive(Debug)]
pub struct Workplace {
    dir: PathBuf,
    made: u32,
}

impl Workplace {
    /// # Errors
    /// It cannot be made.
    pub fn new() -> Result<Workplace, Failure> {
        let name = format!("{}-{}", utc_stamp(), std::process::id());
        let dir = home().join("bench").join(name);
        // Wherever paxosctl was called: a list of processes shows whose nodes they are.
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        fs::create_dir_all(&dir).map_err(|error| Failure::file("make", &dir, error))?;
        Ok(Workplace { dir, made: 0 })
    }

    /// Removes what was made under a name: a long measurement fills the disk otherwise.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn clear(&self, dir: &Path) -> Result<(), Failure> {
        fs::remove_dir_all(dir).map_err(|error| Failure::file("remove", dir, error))
    }

    /// A name in it that was not given out before.
    pub fn fresh(&mut self) -> PathBuf {
        self.made += 1;
        self.dir.join(self.made.to_string())
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            note(&format!(
                "warning: cannot remove {}: {error}",
                self.dir.display()
            ));
        }
        // The last one takes the directory above with it.
        if let Some(above) = self.dir.parent() {
            let _ = fs::remove_dir(above);
        }
    }
}
