//! Nodes that must not outlive the paxosctl that started them, even when it is killed.

use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::{fs, io, process, thread};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};
use tokio::signal::unix::{SignalKind, signal};

/// Written to a node's directory when it was released: it holds the node's pid.
pub const RELEASED_FILE: &str = "released";

/// Why a node does not start under its parent.
#[derive(Debug, thiserror::Error)]
pub enum ParentGone {
    #[error("the process that started this node (pid {parent}) is gone")]
    Gone { parent: u32 },
    #[error("this node cannot be tied to the life of pid {parent}: {source}")]
    Refused { parent: u32, source: io::Error },
}

/// Ties this process to `parent`, which must be its parent: the kernel kills it, stopped or not,
/// when the parent ends. SIGUSR2 releases it, and it says so in [`RELEASED_FILE`] of `dir`.
///
/// # Errors
/// The parent is gone already, or the system refused.
pub fn die_with_parent(parent: u32, dir: &Path) -> Result<(), ParentGone> {
    let refused = |source: io::Error| ParentGone::Refused { parent, source };
    let released = dir.join(RELEASED_FILE);
    // The tie belongs to the thread that made it, so one thread makes it, lives on, and undoes it.
    let (ready, tied) = mpsc::channel();
    thread::Builder::new()
        .name("parent".into())
        .spawn(move || hold(&ready, &released))
        .map_err(refused)?;
    tied.recv()
        .unwrap_or_else(|_| Err(io::Error::other("the thread ended")))
        .map_err(refused)?;
    // A parent that ended before the tie was made sends no signal any more.
    if getppid() == Pid::from_raw(parent as i32) {
        Ok(())
    } else {
        Err(ParentGone::Gone { parent })
    }
}

/// The same for a process that is about to become another program, which cannot be released. It is
/// tied to the end of the calling thread's parent; the calling thread is the program's main one.
///
/// # Errors
/// The parent is gone already, or the system refused.
pub fn become_tied(parent: u32) -> Result<(), ParentGone> {
    set_pdeathsig(Signal::SIGKILL).map_err(|error| ParentGone::Refused {
        parent,
        source: error.into(),
    })?;
    match getppid() == Pid::from_raw(parent as i32) {
        true => Ok(()),
        false => Err(ParentGone::Gone { parent }),
    }
}

fn hold(ready: &mpsc::Sender<io::Result<()>>, released: &Path) {
    let tie = || -> io::Result<_> {
        set_pdeathsig(Signal::SIGKILL)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let signals = {
            let _inside = runtime.enter();
            signal(SignalKind::user_defined2())?
        };
        Ok((runtime, signals))
    };
    let (runtime, mut signals) = match tie() {
        Ok(tied) => tied,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    runtime.block_on(signals.recv());
    if set_pdeathsig(None).is_ok() {
        // Without the file the parent knows that the node is still tied to it.
        if let Err(error) = fs::write(released, process::id().to_string()) {
            let _ = writeln!(io::stderr(), "cannot write {}: {error}", released.display());
        }
    }
}
