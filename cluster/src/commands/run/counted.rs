//! The progress of many simulated runs: how many were made, and how many were not a pass.

use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use paxosctl_chaos::report::Verdict;

use super::super::judge::Judged;
use crate::cli::ProgressKind;
use crate::output::{Stream, in_ci, note};

/// Fewer runs than that are soon over.
const WORTH_A_WORD: usize = 200;

/// A bar where somebody watches it, else a line for every tenth part.
pub(super) struct Counted {
    bar: Option<ProgressBar>,
    speaks: bool,
    all: u64,
    made: AtomicU64,
    failed: AtomicU64,
}

impl Counted {
    /// For so many simulated runs; one alone is not worth counting.
    pub fn new(kind: ProgressKind, runs: usize) -> Counted {
        let is_watched = Stream::Err.is_terminal() && !in_ci();
        let bar = (runs > 1 && kind == ProgressKind::Auto && is_watched).then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs {msg} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(Some(runs as u64), ProgressDrawTarget::stderr())
                .with_style(style)
        });
        Counted {
            speaks: runs >= WORTH_A_WORD
                && bar.is_none()
                && matches!(kind, ProgressKind::Auto | ProgressKind::Plain),
            bar,
            all: runs as u64,
            made: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// One more run was made, and judged so.
    pub fn one_more(&self, judged: Option<&Judged>) {
        let is_pass = judged.is_some_and(|judged| judged.result.verdict == Verdict::Pass);
        let failed = self
            .failed
            .fetch_add(u64::from(!is_pass), Ordering::Relaxed)
            + u64::from(!is_pass);
        let made = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.set_message(format!("({failed} not a pass)"));
            bar.inc(1);
        }
        let tenth = self.all.div_ceil(10);
        if self.speaks && (made.is_multiple_of(tenth) || made == self.all) {
            note(&format!(
                "{made} of {} runs simulated, {failed} not a pass",
                self.all
            ));
        }
    }

    /// Writes something else to the terminal, with the bar out of the way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
