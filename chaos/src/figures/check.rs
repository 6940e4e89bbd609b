//! How long a saved run takes from its file to its verdict, and how much memory.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::made_up;
use crate::check::{Context, judge_observed};
use crate::history;
use crate::plan;

/// A run of so many messages and one of a tenth of them, so that the ratio shows how each part
/// grows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckFigures {
    pub tenth: CheckRun,
    pub whole: CheckRun,
    /// How many times as long reading and judging the whole took.
    pub ratio: f64,
}

/// What one run took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckRun {
    pub messages: u64,
    pub replicas: u16,
    /// Lines of nodes; the logs of the replicas come on top.
    pub events: u64,
    pub history_bytes: u64,
    /// Whatever else is than `PASS` is a mistake: the run is sound.
    pub verdict: &'static str,
    /// From the file to the evidence.
    pub read_s: f64,
    /// From the evidence to the verdict. Parts of it are done at the same time.
    pub judge_s: f64,
    pub total_s: f64,
    pub parts: Vec<PartTime>,
    /// The most that this process ever had in memory; `None` where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

/// How long one part of the judging took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartTime {
    pub part: String,
    pub took_s: f64,
}

/// The tenth is so short that chance is large beside it: the median of so many tries counts.
const TRIES: usize = 3;

/// Makes up runs in `dir`, of about as many messages as that, and judges them. What it wrote there
/// is gone afterwards, also after an error.
///
/// # Errors
/// A file cannot be written or read.
pub fn checks(dir: &Path, messages: u64, replicas: u16) -> io::Result<CheckFigures> {
    let tenth = made_up_run(dir, messages / 10, replicas, TRIES)?;
    let whole = made_up_run(dir, messages, replicas, 1)?;
    Ok(CheckFigures {
        ratio: whole.total_s / tenth.total_s,
        tenth,
        whole,
    })
}

fn made_up_run(dir: &Path, messages: u64, replicas: u16, tries: usize) -> io::Result<CheckRun> {
    let path = dir.join("history.jsonl");
    let result = write_and_judge(&path, messages, replicas, tries);
    match fs::remove_file(&path) {
        Err(error) if result.is_ok() => Err(error),
        _ => result,
    }
}

fn write_and_judge(
    path: &Path,
    messages: u64,
    replicas: u16,
    tries: usize,
) -> io::Result<CheckRun> {
    let written = made_up::write(File::create_new(path)?, messages, replicas)?;
    let mut runs = (0..tries)
        .map(|_| judge(path, written, replicas))
        .collect::<io::Result<Vec<CheckRun>>>()?;
    runs.sort_by(|one, other| one.total_s.total_cmp(&other.total_s));
    Ok(runs.swap_remove(tries / 2))
}

fn judge(path: &Path, (messages, events): (u64, u64), replicas: u16) -> io::Result<CheckRun> {
    let plan = plan::parse(Path::new("bench.yaml"), &made_up::plan(replicas))
        .map_err(|error| io::Error::other(error.to_string()))?;
    let begun = Instant::now();
    let file = File::open(path)?;
    let history_bytes = file.metadata()?.len();
    let evidence = history::read(file).map_err(io::Error::other)?;
    let read = begun.elapsed();
    let mut parts = Vec::new();
    let mut note = |part: &str, took: Duration| {
        parts.push(PartTime {
            part: part.to_string(),
            took_s: took.as_secs_f64(),
        });
    };
    let context = Context::new(&evidence, &plan);
    note("what the checks share", begun.elapsed() - read);
    let result = judge_observed(&context, &mut note);
    let total = begun.elapsed();
    Ok(CheckRun {
        messages,
        replicas,
        events,
        history_bytes,
        verdict: result.verdict.word(),
        read_s: read.as_secs_f64(),
        judge_s: (total - read).as_secs_f64(),
        total_s: total.as_secs_f64(),
        parts,
        peak_memory_bytes: peak_memory_bytes(),
    })
}

fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

impl fmt::Display for CheckFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in [&self.tenth, &self.whole] {
            writeln!(
                f,
                "{} messages × {} replicas: {} events of nodes, {} MB; {}; peak memory {} MB",
                run.messages,
                run.replicas,
                run.events,
                run.history_bytes / 1_000_000,
                run.verdict,
                run.peak_memory_bytes.unwrap_or(0) / 1_000_000,
            )?;
        }
        writeln!(
            f,
            "\n{:24} {:>10} {:>10} {:>7}",
            "seconds", self.tenth.messages, self.whole.messages, "ratio"
        )?;
        let mut row = |part: &str, tenth: f64, whole: f64| {
            let ratio = whole / tenth.max(1e-9);
            writeln!(f, "{part:24} {tenth:>10.4} {whole:>10.4} {ratio:>7.1}")
        };
        row("reading", self.tenth.read_s, self.whole.read_s)?;
        for (tenth, whole) in self.tenth.parts.iter().zip(&self.whole.parts) {
            row(&format!("  {}", whole.part), tenth.took_s, whole.took_s)?;
        }
        row("judging, all of it", self.tenth.judge_s, self.whole.judge_s)?;
        row(
            "reading and judging",
            self.tenth.total_s,
            self.whole.total_s,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_made_up_is_sound_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("a directory");
        for replicas in [1, 3, 5] {
            let figures = checks(dir.path(), 4_000, replicas).expect("figures");
            for (run, messages) in [(&figures.tenth, 400), (&figures.whole, 4_000)] {
                assert_eq!(run.messages, messages);
                assert_eq!(run.verdict, "PASS", "{figures}");
                assert!(run.history_bytes > messages * 500);
                assert!(run.parts.iter().any(|part| part.part == "agreement"));
            }
            assert!(figures.whole.peak_memory_bytes >= figures.tenth.peak_memory_bytes);
            assert!(figures.to_string().contains("4000 messages × "));
        }
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }
}
