//! One node process: its signals, its state, its standard input.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{Identity, RuntimeError};
use crate::clock::monotonic;

/// How often a process is looked at while something is awaited of it. Linux tells nobody but a
/// tracer when a process stops, so it has to be asked.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Running,
    /// Every thread of it is stopped by a signal.
    Paused,
    /// It ended; the status as a person reads it: `exit 0`, `signal 9`, or `gone` for a process
    /// whose parent we are not.
    Ended(String),
}

/// A node process that we started, or that an earlier command started.
///
/// Dropping it does nothing to the process: [`super::tear_down`] ends processes.
#[derive(Debug)]
pub struct Process {
    name: String,
    dir: PathBuf,
    identity: Identity,
    /// Whether we are its parent and will learn how it ended.
    ours: bool,
    input: Option<Input>,
    ended: Option<String>,
}

/// The write end of a node's standard input. It never blocks: a paused node reads nothing.
#[derive(Debug)]
struct Input {
    pipe: ChildStdin,
    waiting: VecDeque<u8>,
    /// To be closed once everything that waits is written.
    closing: bool,
}

impl Process {
    pub(super) fn of_child(
        name: &str,
        dir: &Path,
        mut child: Child,
    ) -> Result<Process, RuntimeError> {
        let pid = child.id();
        // A child is not reaped before we ask, so even a dead one has its start time in /proc.
        let start_ticks = super::proc_stat::ProcStat::read(pid).map_or(0, |stat| stat.start_ticks);
        let input = child
            .stdin
            .take()
            .map(|pipe| {
                fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                Ok(Input {
                    pipe,
                    waiting: VecDeque::new(),
                    closing: false,
                })
            })
            .transpose()
            .map_err(|error: Errno| RuntimeError::Start {
                node: name.to_owned(),
                source: error.into(),
            })?;
        Ok(Process {
            name: name.to_owned(),
            dir: dir.to_owned(),
            identity: Identity { pid, start_ticks },
            ours: true,
            input,
            ended: None,
        })
    }

    /// A process that another command started, while it still is that process.
    pub fn adopt(name: &str, dir: &Path, identity: Identity) -> Option<Process> {
        identity
            .is_alive()
            .then(|| Process::of_another(name, dir, identity))
    }

    /// A process that another command started, whether it still runs or not.
    pub fn of_another(name: &str, dir: &Path, identity: Identity) -> Process {
        Process {
            name: name.to_owned(),
            dir: dir.to_owned(),
            identity,
            ours: false,
            input: None,
            ended: None,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether this command started it.
    pub fn is_child(&self) -> bool {
        self.ours
    }

    pub fn pid(&self) -> u32 {
        self.identity.pid
    }

    /// How it is now. An end is remembered.
    pub fn state(&mut self) -> State {
        if self.ended.is_none() {
            self.ended = self.look_for_end();
        }
        match &self.ended {
            Some(status) => State::Ended(status.clone()),
            None if self.identity.is_stopped() => State::Paused,
            None => State::Running,
        }
    }

    /// How it ended, if it did. Cheaper than [`Process::state`].
    pub fn ended(&mut self) -> Option<&str> {
        if self.ended.is_none() {
            self.ended = self.look_for_end();
        }
        self.ended.as_deref()
    }

    fn look_for_end(&self) -> Option<String> {
        if !self.ours {
            return (!self.identity.is_alive()).then(|| "gone".to_owned());
        }
        match waitpid(pid_of(self.identity), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => Some(format!("exit {code}")),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(format!("signal {}", signal as i32)),
            Ok(_) | Err(Errno::EINTR) => None,
            // Somebody else asked for its end before us; it is over in any case.
            Err(_) => Some("gone".to_owned()),
        }
    }

    /// Signals the node's whole process group. One that already ended is left alone: its group id
    /// may belong to somebody else by now.
    ///
    /// # Errors
    /// The system refused.
    pub fn signal(&mut self, signal: Signal) -> Result<(), RuntimeError> {
        // An ended child keeps its pid until `ended` reaps it, so ours cannot be reused in between.
        if self.ended().is_some() || (!self.ours && !self.identity.is_alive()) {
            return Ok(());
        }
        match killpg(pid_of(self.identity), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(source) => Err(RuntimeError::Signal {
                node: self.name.clone(),
                pid: self.identity.pid,
                signal: signal.as_str(),
                source,
            }),
        }
    }

    /// Waits until the process is in a state that `wanted` accepts, and returns that state; the
    /// state at the deadline otherwise. The deadline is a time of [`monotonic`].
    pub fn wait_for(&mut self, deadline: Duration, wanted: impl Fn(&State) -> bool) -> State {
        loop {
            let state = self.state();
            if wanted(&state) || monotonic() >= deadline {
                return state;
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Puts a line on the node's standard input, at once or as soon as the node reads. A node that
    /// ended, or that takes no commands, hears nothing.
    pub fn command(&mut self, line: &str) {
        if let Some(input) = &mut self.input
            && !input.closing
        {
            input.waiting.extend(line.as_bytes());
            input.waiting.push_back(b'\n');
            self.flush();
        }
    }

    /// Closes the node's standard input once everything before is written.
    pub fn close_input(&mut self) {
        if let Some(input) = &mut self.input {
            input.closing = true;
            self.flush();
        }
    }

    /// Writes what waits for standard input, as far as the node reads it.
    pub fn flush(&mut self) {
        let done = match &mut self.input {
            None => return,
            Some(input) => match input.write_waiting() {
                Ok(()) => input.closing && input.waiting.is_empty(),
                // Its reader is gone, and its end is noticed elsewhere.
                Err(_) => true,
            },
        };
        if done {
            self.input = None;
        }
    }
}

impl Input {
    fn write_waiting(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            match self.pipe.write(self.waiting.as_slices().0) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn pid_of(identity: Identity) -> Pid {
    // Linux pids stay below 2^22.
    Pid::from_raw(identity.pid as i32)
}
