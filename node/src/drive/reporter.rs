//! Evidence and words: events as JSON lines on standard output, sentences on standard error.

use std::io::Write;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::event::{Event, NodeEvent};

/// Writes a node's events. Each call is one unbuffered write, so what it returned from is out of
/// the process and survives SIGKILL.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reporter;

impl Reporter {
    pub fn event(self, event: Event) {
        self.events(vec![event]);
    }

    /// Writes events in order, all with the same time.
    pub fn events(self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let at_us = monotonic().as_micros() as u64;
        let mut lines = Vec::new();
        for event in events {
            let line = NodeEvent { at_us, event };
            if serde_json::to_writer(&mut lines, &line).is_ok() {
                lines.push(b'\n');
            }
        }
        let mut stdout = std::io::stdout().lock();
        // With nobody reading any more there is nobody to tell.
        let _ = stdout.write_all(&lines).and_then(|()| stdout.flush());
    }

    /// Says something to the people who read the node's log. It may quote what strangers sent, so
    /// it stays one line and cannot speak to a terminal.
    pub fn say(self, words: impl std::fmt::Display) {
        let since_boot = monotonic().as_secs_f64();
        let words = one_line(&words.to_string());
        let _ = writeln!(std::io::stderr(), "{since_boot:.6} {words}");
    }
}

/// Text with its control characters spelled out, and cut when it is very long.
fn one_line(text: &str) -> String {
    const MOST_LETTERS: usize = 1000;
    let mut line = String::with_capacity(text.len());
    for letter in text.chars().take(MOST_LETTERS) {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    if text.chars().nth(MOST_LETTERS).is_some() {
        line.push('…');
    }
    line
}

/// The machine's monotonic clock, which all its processes share.
pub fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map(Duration::from)
        // Linux cannot refuse this clock; a time of zero would spoil every measurement.
        .expect("CLOCK_MONOTONIC can be read")
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn what_strangers_sent_stays_on_one_line() {
        assert_eq!(
            one_line("refused é\n1.0 forged\u{1b}[2J"),
            "refused é\\n1.0 forged\\u{1b}[2J"
        );
        assert_eq!(one_line(&"x".repeat(5000)).chars().count(), 1001);
    }
}
