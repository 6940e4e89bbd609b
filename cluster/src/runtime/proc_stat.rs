//! What Linux says of a process in `/proc`: its state, and who it is beyond its reusable pid.

use std::fs;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A process for ever: a pid is reused, a pid with its start time is not until the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: u32,
    /// Clock ticks between boot and the start of the process: field 22 of `/proc/PID/stat`.
    pub start_ticks: u64,
}

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcStat {
    /// `R`, `S`, `D`, `T` (stopped), `t` (traced), `Z` (zombie), `X` (dead), …
    pub state: char,
    pub group: u32,
    pub start_ticks: u64,
    /// What all its threads, or the one thread, used of the processors so far.
    pub cpu: Duration,
}

/// Linux counts in ticks of this length wherever it shows times to programs.
const TICK: Duration = Duration::from_millis(10);

impl ProcStat {
    /// None when there is no such process.
    pub fn read(pid: u32) -> Option<ProcStat> {
        parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The same of one thread of this process.
    pub fn of_own_thread(thread: i32) -> Option<ProcStat> {
        parse(&fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?)
    }

    /// A zombie runs no more; it only waits for its parent to ask how it ended.
    pub fn is_gone(self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

impl Identity {
    /// The identity of the process that has this pid now; none when there is none, or a zombie.
    pub fn of(pid: u32) -> Option<Identity> {
        ProcStat::read(pid)
            .filter(|stat| !stat.is_gone())
            .map(|stat| Identity {
                pid,
                start_ticks: stat.start_ticks,
            })
    }

    /// Its state now; none when it is gone, even if another process has its pid.
    pub fn stat(self) -> Option<ProcStat> {
        ProcStat::read(self.pid)
            .filter(|stat| stat.start_ticks == self.start_ticks && !stat.is_gone())
    }

    pub fn is_alive(self) -> bool {
        self.stat().is_some()
    }

    /// Whether every thread of the process is stopped.
    pub fn is_stopped(self) -> bool {
        if self.stat().is_none_or(|stat| stat.state != 'T') {
            return false;
        }
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return false;
        };
        threads
            .flatten()
            .filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok())
            .filter_map(|text| parse(&text))
            .all(|stat| stat.state == 'T' || stat.is_gone())
    }

    /// Whether the group that this process was started to lead has no running member left.
    pub fn group_is_empty(self) -> bool {
        // Another process under the leader's pid means that the kernel found the group id free.
        if ProcStat::read(self.pid).is_some_and(|stat| stat.start_ticks != self.start_ticks) {
            return true;
        }
        let Ok(processes) = fs::read_dir("/proc") else {
            return !self.is_alive();
        };
        !processes
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(ProcStat::read)
            .any(|stat| stat.group == self.pid && !stat.is_gone())
    }
}

/// What a process has of the memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    pub resident: u64,
    /// The most that was resident so far.
    pub peak: u64,
}

impl Memory {
    /// None when there is no such process.
    pub fn of(pid: u32) -> Option<Memory> {
        parse_memory(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
    }
}

fn parse_memory(text: &str) -> Option<Memory> {
    let kib = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name))?;
        let number: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(number * 1024)
    };
    Some(Memory {
        resident: kib("VmRSS:")?,
        peak: kib("VmHWM:")?,
    })
}

/// Names the present boot of the machine: identities of an earlier one mean nothing.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// The second field is the program's name in parentheses, and may hold spaces and parentheses
/// itself, so fields are counted from the last `)`.
fn parse(text: &str) -> Option<ProcStat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Fields 4 (parent), 5 (group), 14 and 15 (time in the program and in the kernel), 22 (start).
    let group = fields.nth(1)?.parse().ok()?;
    let (user, system): (u32, u32) = (fields.nth(8)?.parse().ok()?, fields.next()?.parse().ok()?);
    let start_ticks = fields.nth(6)?.parse().ok()?;
    Some(ProcStat {
        state,
        group,
        start_ticks,
        cpu: TICK * user + TICK * system,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stat_line_whatever_the_name() {
        let line = "4242 (a) b (c) T 1 4242 7 0 -1 4194304 90 0 0 0 1 2 0 0 20 0 3 0 987654 1 2 3";
        assert_eq!(
            parse(line),
            Some(ProcStat {
                state: 'T',
                group: 4242,
                start_ticks: 987_654,
                cpu: Duration::from_millis(30),
            })
        );
        assert_eq!(parse("garbage"), None);
        assert_eq!(parse("1 (x) R 1"), None);
    }

    #[test]
    fn reads_what_is_resident() {
        let text = "Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t    12 kB\n";
        let expected = Memory {
            resident: 12 << 10,
            peak: 2 << 20,
        };
        assert_eq!(parse_memory(text), Some(expected));
        assert_eq!(parse_memory("Name:\tzombie\n"), None);
        assert!(Memory::of(std::process::id()).is_some());
    }

    #[test]
    fn our_own_process_is_alive_and_known() {
        let me = Identity::of(std::process::id()).expect("this process runs");
        assert!(me.is_alive());
        assert!(!me.is_stopped());
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let me = Identity::of(std::process::id()).expect("this process runs");
        let earlier = Identity {
            start_ticks: me.start_ticks - 1,
            ..me
        };
        assert!(!earlier.is_alive());
        assert!(earlier.group_is_empty());
    }
}
