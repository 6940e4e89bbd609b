//! What the end-to-end tests share: the built program, a directory of its own for each test, and a
//! promise that nothing is left running.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod fake;
pub mod live;
pub mod saved;
pub mod second;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long any one command of a test may take.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A directory in which paxosctl is run. When it is dropped, every process that names it on its
/// command line is killed.
pub struct Place {
    dir: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The exit code; -1 when a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Fails with everything that was written unless the exit code is this one.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Output {
        assert_eq!(
            self.code(),
            code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

impl Place {
    pub fn new() -> Place {
        Place {
            dir: tempfile::Builder::new()
                .prefix("paxosctl-test-")
                .tempdir()
                .expect("a temporary directory"),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file below the place, and returns its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("below the place")).expect("a directory");
        fs::write(&path, text).expect("a file");
        path
    }

    /// paxosctl in this place, in a plain environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paxosctl"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_remove("CI")
            .env_remove("GITHUB_ACTIONS")
            .env_remove("GITHUB_STEP_SUMMARY")
            .env_remove("GITHUB_WORKSPACE")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("PAXOSCTL_PLANTED_BUG")
            .env("USER", "tester")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs paxosctl to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let child = self.command(arguments).spawn().expect("paxosctl starts");
        finish(child)
    }

    /// The pids of all processes that name this place on their command line.
    pub fn processes(&self) -> Vec<u32> {
        processes_naming(&self.path().display().to_string())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
    }
}

/// Waits for the end of a command, and kills it after [`DEADLINE`].
#[track_caller]
pub fn finish(mut child: Child) -> Output {
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let status = wait_until("the command ends", || child.try_wait().expect("a child"));
    let text = |reader: thread::JoinHandle<String>| reader.join().expect("a reader");
    Output {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Asks again and again until there is an answer.
#[track_caller]
pub fn wait_until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Running processes, zombies not counted, whose command line holds the text.
pub fn processes_naming(text: &str) -> Vec<u32> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
        })
        .collect();
    pids.sort_unstable();
    pids
}

/// No process of the place runs any more: a node names its directory on its command line.
#[track_caller]
pub fn nothing_is_left(place: &Place) {
    wait_until("every process of the place is gone", || {
        place.processes().is_empty().then_some(())
    });
}

/// Starts a command and waits until its standard error, which is kept in a file, has the words so
/// many times.
pub fn start_until(
    place: &Place,
    arguments: &[&str],
    words: &str,
    times: usize,
) -> (Child, PathBuf) {
    let errors = place.path().join("stderr.txt");
    let file = fs::File::create(&errors).expect("a file");
    let child = place
        .command(arguments)
        .stderr(file)
        .spawn()
        .expect("paxosctl starts");
    wait_until(words, || {
        let text = fs::read_to_string(&errors).expect("a file");
        (text.matches(words).count() >= times).then_some(())
    });
    (child, errors)
}

/// Changes a byte in the middle of what is written in a segment of a log; behind that it is blank.
pub fn change_a_byte(segment: &Path) {
    let mut bytes = fs::read(segment).expect("a segment");
    let written = bytes.iter().rposition(|&byte| byte != 0);
    bytes[written.expect("something is written") / 2] ^= 1;
    fs::write(segment, bytes).expect("written");
}
