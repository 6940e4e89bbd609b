//! The end of a cluster: nothing may be left.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Process, RuntimeError};
use crate::clock::monotonic;

/// How long a node may take to stop in order before it is killed.
const GRACE: Duration = Duration::from_secs(1);
/// How long the kernel may take to end a killed process.
const KILLED_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A process that could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum Leftover {
    #[error("{name} (pid {pid}) is still there after SIGKILL; look at it with `ps {pid}`")]
    Alive { name: String, pid: u32 },
    #[error(transparent)]
    Signal(#[from] RuntimeError),
}

/// Ends all the processes: resumes the paused, asks them to stop, kills after a grace of one
/// second, and returns when every process group is empty.
///
/// # Errors
/// Everything that could not be ended; the rest was.
pub fn tear_down(processes: &mut [Process]) -> Result<(), Vec<Leftover>> {
    let mut failed = Vec::new();
    // A stopped process takes no SIGTERM, so all of them are resumed. TERM goes first: it waits in
    // the stopped ones, and no node gets to work again in between.
    for signal in [Signal::SIGTERM, Signal::SIGCONT] {
        signal_all(processes, signal, &mut failed);
    }
    if !wait_until_empty(processes, GRACE) {
        signal_all(processes, Signal::SIGKILL, &mut failed);
        wait_until_empty(processes, KILLED_WITHIN);
    }
    for process in processes {
        if !is_over(process) {
            failed.push(Leftover::Alive {
                name: process.name().to_owned(),
                pid: process.pid(),
            });
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed)
    }
}

fn signal_all(processes: &mut [Process], signal: Signal, failed: &mut Vec<Leftover>) {
    for process in processes {
        if let Err(error) = process.signal(signal) {
            failed.push(error.into());
        }
    }
}

fn wait_until_empty(processes: &mut [Process], patience: Duration) -> bool {
    let deadline = monotonic() + patience;
    loop {
        if processes
            .iter_mut()
            .all(|process| process.ended().is_some())
            && processes.iter_mut().all(is_over)
        {
            return true;
        }
        if monotonic() >= deadline {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn is_over(process: &mut Process) -> bool {
    process.ended().is_some() && process.identity().group_is_empty()
}
