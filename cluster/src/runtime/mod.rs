//! Node processes: started, signalled, given files, and watched.
//!
//! Everything that the rest of the program does to a node goes through [`Runtime`] and [`Process`],
//! so that containers or other hosts can come beside local processes here and nowhere else.

mod parent;
mod proc_stat;
mod process;
mod tail;
mod teardown;

pub use parent::{ParentGone, RELEASED_FILE, become_tied, die_with_parent};
pub use proc_stat::{Identity, Memory, ProcStat, boot_id};
pub use process::{Process, State};
pub use tail::{Tail, Watcher, last_lines};
pub use teardown::{Leftover, tear_down};

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A node's events, one JSON object a line.
pub const EVENTS_FILE: &str = "events.jsonl";
/// A node's words for people.
pub const STDERR_FILE: &str = "stderr.log";
/// A node's link table, and a server's machine table.
pub use paxosctl_node::drive::{LINKS_FILE, MACHINE_FILE};

/// What is needed to start a node, and to start it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// As link rules know it: `s1`, `balancer`, `ann`.
    pub name: String,
    /// The arguments after the program's name.
    pub arguments: Vec<OsString>,
    /// Its directory, made when it does not exist.
    pub dir: PathBuf,
    /// Whether it reads commands on standard input.
    pub takes_commands: bool,
}

/// The flag that ties a node to the life of its parent, before the parent's pid.
pub const DIE_WITH_PARENT: &str = "--die-with-parent";

impl NodeSpec {
    /// The arguments of the same node without its tie to a parent.
    pub fn detached_arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut all = self.arguments.iter();
        while let Some(argument) = all.next() {
            if argument == DIE_WITH_PARENT {
                all.next();
            } else {
                arguments.push(argument.clone());
            }
        }
        arguments
    }
}

/// Where node processes run: on this machine, from one program.
#[derive(Debug, Clone)]
pub struct Runtime {
    program: Program,
}

#[derive(Debug, Clone)]
enum Program {
    /// This very program, started from this file.
    Own(PathBuf),
    Other(PathBuf),
}

/// A node could not be started, signalled or given a file.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("cannot find this program's own file: {0}")]
    Program(#[source] io::Error),
    #[error("cannot {doing} {path}: {source}")]
    File {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot start {node}: {source}")]
    Start { node: String, source: io::Error },
    #[error("cannot send {signal} to {node} (pid {pid}): {source}")]
    Signal {
        node: String,
        pid: u32,
        signal: &'static str,
        source: nix::Error,
    },
}

impl Runtime {
    /// Nodes are further processes of this very program.
    ///
    /// # Errors
    /// The program's file cannot be found.
    pub fn local() -> Result<Runtime, RuntimeError> {
        let file = std::env::current_exe().map_err(RuntimeError::Program)?;
        Ok(Runtime {
            program: Program::Own(file),
        })
    }

    /// Nodes are processes of another program.
    pub fn of_program(program: PathBuf) -> Runtime {
        Runtime {
            program: Program::Other(program),
        }
    }

    /// Starts a node in a process group of its own, its events and its words appended to files in
    /// its directory. It shares our working directory.
    ///
    /// The caller's thread must live as long as the node when the node is told to die with its
    /// parent: Linux counts the end of that *thread* as the parent's death.
    ///
    /// # Errors
    /// The directory, a file or the process could not be made.
    pub fn start(&self, spec: &NodeSpec) -> Result<Process, RuntimeError> {
        fs::create_dir_all(&spec.dir).map_err(|source| RuntimeError::File {
            doing: "make",
            path: spec.dir.clone(),
            source,
        })?;
        let events = append_to(&spec.dir.join(EVENTS_FILE))?;
        let words = append_to(&spec.dir.join(STDERR_FILE))?;
        let child = Command::new(self.program.file())
            .arg0("paxosctl")
            .args(&spec.arguments)
            .process_group(0)
            .stdin(if spec.takes_commands {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(events)
            .stderr(words)
            .spawn()
            .map_err(|source| RuntimeError::Start {
                node: spec.name.clone(),
                source,
            })?;
        Process::of_child(&spec.name, &spec.dir, child)
    }
}

impl Program {
    /// The file to run. All nodes of a cluster are of one build, even if our own file is replaced
    /// or removed in the middle of a run: the kernel still has it under a name of its own.
    fn file(&self) -> &Path {
        const RUNNING: &str = "/proc/self/exe";
        match self {
            Program::Other(file) => file,
            Program::Own(file) if same_file(file, Path::new(RUNNING)) => file,
            Program::Own(_) => Path::new(RUNNING),
        }
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => one.dev() == other.dev() && one.ino() == other.ino(),
        _ => false,
    }
}

/// Opens a file for appending. A node that was killed while it wrote may have left half a line:
/// it is ended here, so that it spoils no line after it.
fn append_to(path: &Path) -> Result<File, RuntimeError> {
    let open = || -> io::Result<File> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(file)
    };
    open().map_err(|source| RuntimeError::File {
        doing: "open",
        path: path.to_owned(),
        source,
    })
}

/// Replaces a file at once: a reader sees the old or the new one, never a part.
///
/// # Errors
/// The directory cannot be written.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), RuntimeError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|source| RuntimeError::File {
            doing: "write",
            path: path.to_owned(),
            source,
        })
}
