//! What a person sees while runs go on, on standard error.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use paxosctl_chaos::history::{ActionLine, Phase, Step};
use paxosctl_chaos::run::Progress;
use paxosctl_chaos::target::Change;
use serde_json::{Value, json};

use crate::cli::ProgressKind;
use crate::output::{Stream, in_ci, note};

/// Where the progress of all runs is shown.
pub struct Board {
    how: How,
    /// Names the runs that go on at the same time; empty when one follows the other.
    names: Vec<String>,
}

enum How {
    /// A bar a run; what happens is printed above them.
    Bars(MultiProgress),
    /// One line an event.
    Plain,
    /// One JSON object a line.
    Json,
    Nothing,
}

/// Shows the progress of one run.
pub struct Shown<'a> {
    how: &'a How,
    bar: Option<ProgressBar>,
    /// What happened last, on a bar.
    last: String,
    name: Option<&'a str>,
    /// Before each line: whose it is.
    label: String,
}

impl Board {
    /// Bars only where somebody watches them: some CI systems give a terminal to nobody. `names`
    /// are those of runs that go on at the same time, and empty when one follows the other.
    pub fn new(kind: ProgressKind, names: &[String]) -> Board {
        let how = match kind {
            ProgressKind::Auto if Stream::Err.is_terminal() && !in_ci() => {
                How::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
            }
            ProgressKind::Auto | ProgressKind::Plain => How::Plain,
            ProgressKind::Json => How::Json,
            ProgressKind::None => How::Nothing,
        };
        Board {
            how,
            names: names.to_vec(),
        }
    }

    /// For the run of this index among the names.
    pub fn run(&self, index: usize) -> Shown<'_> {
        let widest = self.names.iter().map(|name| name.chars().count()).max();
        let name = self.names.get(index).map(String::as_str);
        let label = match (name, widest) {
            (Some(name), Some(widest)) => format!("{name:<widest$} | "),
            _ => String::new(),
        };
        let bar = match &self.how {
            How::Bars(bars) => {
                let bar = bars.add(new_bar());
                bar.set_prefix(format!("{label}starting"));
                Some(bar)
            }
            _ => None,
        };
        Shown {
            how: &self.how,
            bar,
            last: String::new(),
            name,
            label,
        }
    }

    /// Writes something else to the terminal, with the bars out of the way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.how {
            How::Bars(bars) => bars.suspend(write),
            _ => write(),
        }
    }
}

fn new_bar() -> ProgressBar {
    let template = if Stream::Err.styled() {
        "{bar:30.cyan/blue} {prefix:.bold} {wide_msg}"
    } else {
        "{bar:30} {prefix} {wide_msg}"
    };
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─");
    ProgressBar::new(1).with_style(style)
}

impl Shown<'_> {
    /// Something to say that is no event of the run: the start, the end.
    pub fn say(&mut self, words: &str) {
        match (self.how, &self.bar) {
            (How::Bars(_), Some(bar)) => bar.println(format!("{}{words}", self.label)),
            (How::Bars(_), None) | (How::Nothing, _) => {}
            (How::Plain, _) => note(&format!("{}{words}", self.label)),
            (How::Json, _) => self.object(json!({"type": "note", "text": words})),
        }
    }

    pub fn show(&mut self, progress: Progress) {
        match self.how {
            How::Bars(_) => self.show_on_bar(progress),
            How::Plain => {
                if let Some(line) = line(progress) {
                    note(&format!("{}{line}", self.label));
                }
            }
            How::Json => self.object(object(progress)),
            How::Nothing => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn object(&self, mut object: Value) {
        if let Some(name) = self.name {
            object["run"] = name.into();
        }
        note(&object.to_string());
    }

    fn show_on_bar(&mut self, progress: Progress) {
        let Some(bar) = &self.bar else { return };
        if let Progress::Phase { at, phase, until } = progress {
            bar.set_prefix(format!("{}{}", self.label, phase_words(phase)));
            if phase == Phase::Run {
                bar.set_length(millis(until));
            }
            bar.set_position(millis(at));
        } else if let Progress::Counts {
            at,
            said,
            acked,
            open,
        } = progress
        {
            bar.set_position(millis(at));
            bar.set_message(format!(
                "{} {said} said, {acked} acknowledged, {open} open  {}",
                seconds(at),
                self.last
            ));
        } else if let Some(line) = line(progress) {
            bar.println(format!("{}{line}", self.label));
            self.last = line.trim().to_owned();
        }
    }
}

/// The line of an event; none for counts, which come too often.
fn line(progress: Progress) -> Option<String> {
    let (at, words) = match progress {
        Progress::Phase { at, phase, .. } => (at, phase_words(phase).to_owned()),
        Progress::Action(action) => (Duration::from_micros(action.at_us), action_words(action)),
        Progress::Died { at, node, status } => (at, format!("{node} ended unasked ({status})")),
        Progress::Leader { at, node } => (at, format!("{node} leads")),
        Progress::Counts { .. } => return None,
    };
    Some(format!("{}  {words}", seconds(at)))
}

fn object(progress: Progress) -> Value {
    match progress {
        Progress::Phase { at, phase, until } => json!({
            "type": "phase", "at_ms": millis(at), "phase": phase, "until_ms": millis(until),
        }),
        Progress::Action(action) => json!({"type": "action", "action": action}),
        Progress::Died { at, node, status } => json!({
            "type": "died", "at_ms": millis(at), "node": node, "status": status,
        }),
        Progress::Leader { at, node } => json!({
            "type": "leader", "at_ms": millis(at), "node": node,
        }),
        Progress::Counts {
            at,
            said,
            acked,
            open,
        } => json!({
            "type": "counts", "at_ms": millis(at), "said": said, "acked": acked, "open": open,
        }),
    }
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Run => "traffic and faults",
        Phase::Heal => "healing everything",
        Phase::Drain => "waiting for open messages",
        Phase::Settle => "waiting for the replicas to come level",
        Phase::Converged => "all replicas are level",
        Phase::FinalReads => "reading the logs",
    }
}

/// `kill leader → s2 (signal 9)`.
fn action_words(action: &ActionLine) -> String {
    let what = match action.step {
        Step::Break => action.planned.clone(),
        // The healing at the end is called that already.
        Step::Heal if action.planned.starts_with("heal") => action.planned.clone(),
        Step::Heal => format!("heal {}", action.planned),
    };
    let effect = match &action.error {
        Some(error) => format!("failed: {error}"),
        None => changes_words(&action.changes),
    };
    in_words(&what, &action.resolved, &effect)
}

/// What was done, to whom, and what was observed, in a line.
pub fn happened(what: &str, resolved: &[String], changes: &[Change]) -> String {
    in_words(what, resolved, &changes_words(changes))
}

fn in_words(what: &str, resolved: &[String], effect: &str) -> String {
    let resolved = some_of(resolved);
    match (resolved.is_empty(), effect.is_empty()) {
        (true, true) => what.to_owned(),
        (true, false) => format!("{what} ({effect})"),
        (false, true) => format!("{what} → {resolved}"),
        (false, false) => format!("{what} → {resolved} ({effect})"),
    }
}

/// How many links or nodes a line names. The history and the report hold them all.
const MOST_NAMED: usize = 12;

fn some_of(names: &[String]) -> String {
    if names.len() <= MOST_NAMED {
        return names.join(", ");
    }
    let (named, more) = names.split_at(MOST_NAMED / 2);
    format!("{} and {} more", named.join(", "), more.len())
}

/// What was observed: each different effect once, with the nodes when they fared differently.
fn changes_words(changes: &[Change]) -> String {
    // What happened to each node, one thing after the other.
    let mut fates: Vec<(&str, String)> = Vec::new();
    for change in changes {
        let (node, effect) = match change {
            Change::Exited { node, status } => (node, status.clone()),
            Change::Started { node, .. } => (node, "started".into()),
            Change::Paused { node } => (node, "paused".into()),
            Change::Resumed { node } => (node, "resumed".into()),
            Change::Links { node, .. } => (node, "links set".into()),
            Change::LinksLater { node, .. } => (node, "links set when it returns".into()),
            Change::Machine { node, .. } => (node, "in force".into()),
            Change::MachineLater { node, .. } => (node, "in force when it returns".into()),
            Change::Flipped {
                node, file, offset, ..
            } => (node, format!("{file} byte {offset} flipped")),
            Change::Wiped { node, bytes } => (node, format!("{bytes} bytes of log removed")),
            Change::Nothing { node, reason } => (node, format!("nothing: {reason}")),
        };
        match fates.iter_mut().find(|(known, _)| known == node) {
            Some((_, fate)) => *fate += &format!(", then {effect}"),
            None => fates.push((node, effect)),
        }
    }
    let mut effects: Vec<(String, Vec<&str>)> = Vec::new();
    for (node, fate) in fates {
        match effects.iter_mut().find(|(known, _)| *known == fate) {
            Some((_, nodes)) => nodes.push(node),
            None => effects.push((fate, vec![node])),
        }
    }
    match effects.as_slice() {
        [(effect, _)] => effect.clone(),
        several => several
            .iter()
            .map(|(effect, nodes)| format!("{}: {effect}", nodes.join(", ")))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

fn seconds(at: Duration) -> String {
    format!("{:5.1}s", at.as_secs_f64())
}

fn millis(at: Duration) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use paxosctl_chaos::target::Action;

    use super::*;

    fn action(changes: Vec<Change>) -> ActionLine {
        ActionLine {
            at_us: 3_200_000,
            done_us: 3_201_000,
            fault: "f1".into(),
            firing: 1,
            step: Step::Break,
            planned: "kill leader".into(),
            resolved: vec!["s2".into()],
            action: Action::Kill {
                nodes: vec!["s2".into()],
            },
            changes,
            error: None,
        }
    }

    fn exited(node: &str) -> Change {
        Change::Exited {
            node: node.into(),
            status: "signal 9".into(),
        }
    }

    #[test]
    fn an_action_is_one_line() {
        let killed = action(vec![exited("s2")]);
        assert_eq!(
            line(Progress::Action(&killed)).as_deref(),
            Some("  3.2s  kill leader → s2 (signal 9)")
        );
        let mut failed = action(Vec::new());
        failed.error = Some("no leader".into());
        failed.resolved.clear();
        assert_eq!(
            line(Progress::Action(&failed)).as_deref(),
            Some("  3.2s  kill leader (failed: no leader)")
        );
    }

    #[test]
    fn many_links_are_counted_instead_of_named() {
        let mut cut = action(Vec::new());
        cut.planned = "partition servers | clients".into();
        cut.resolved = (1..=12).map(|n| format!("s1->c{n}")).collect();
        let all = cut.resolved.join(", ");
        assert_eq!(
            action_words(&cut),
            format!("partition servers | clients → {all}")
        );
        cut.resolved.push("s1->c13".into());
        assert_eq!(
            action_words(&cut),
            "partition servers | clients → s1->c1, s1->c2, s1->c3, s1->c4, s1->c5, s1->c6 and 7 more"
        );
    }

    #[test]
    fn nodes_are_named_where_they_fared_differently() {
        assert_eq!(changes_words(&[exited("s1"), exited("s2")]), "signal 9");
        let nothing = Change::Nothing {
            node: "s3".into(),
            reason: "it is down already".into(),
        };
        assert_eq!(
            changes_words(&[exited("s1"), exited("s2"), nothing]),
            "s1, s2: signal 9; s3: nothing: it is down already"
        );
        let started = Change::Started {
            node: "s1".into(),
            pid: 1,
        };
        assert_eq!(
            changes_words(&[exited("s1"), started]),
            "signal 9, then started"
        );
    }
}
