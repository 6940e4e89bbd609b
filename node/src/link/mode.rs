//! A server's mode, in the original system's words: by how many seconds the server puts off each
//! kind of call before it handles it, such as `p:10::a:20::c:30`.
//!
//! | letter | puts off |
//! |---|---|
//! | `p` | prepares, and the question before one (pre-vote) |
//! | `a` | accepts |
//! | `c` | all that teaches what is chosen: commits, and chosen values pushed or asked for |
//! | `g` | reading the log |
//! | `r` | a client's request: to say something, or a linearizable read |
//! | `s` | all of these and everything else that a server handles |
//! | `d` | the server is dead: it handles nothing and says nothing |
//!
//! No letter concerns the first frame of a connection or what goes to and from the balancer: a slow
//! server is registered like any other, and so is a dead one. A message that two letters concern is
//! put off by both.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::check::LONGEST_DELAY;
use super::{Distribution, Kind, Rule, Side, What};

/// The id of the rules of a process's own mode.
pub const MODE_RULE: &str = "mode";

const LETTERS: &str = "p, a, c, g, r, s (a delay in seconds) and d (dead)";

/// What a server puts off, and whether it is dead. Written and read as `p:10::a:20::c:30`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// In the order in which they were written, none twice.
    delays: Vec<(Letter, Duration)>,
    dead: bool,
}

/// A kind of call that can be put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Prepare,
    Accept,
    Commit,
    LogRead,
    Request,
    All,
}

impl Letter {
    const ALL: [(char, Letter); 6] = [
        ('p', Letter::Prepare),
        ('a', Letter::Accept),
        ('c', Letter::Commit),
        ('g', Letter::LogRead),
        ('r', Letter::Request),
        ('s', Letter::All),
    ];

    fn character(self) -> char {
        let known = Letter::ALL.iter().find(|(_, letter)| *letter == self);
        known.map_or('?', |(character, _)| *character)
    }

    fn kinds(self) -> Vec<Kind> {
        match self {
            Letter::Prepare => vec![Kind::Prepare],
            Letter::Accept => vec![Kind::Accept],
            Letter::Commit => vec![Kind::Commit, Kind::Learn],
            Letter::LogRead => vec![Kind::LogRead],
            Letter::Request => vec![Kind::Request],
            Letter::All => Kind::all_service(),
        }
    }
}

/// What is wrong with a mode, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {help}")]
pub struct ModeError {
    /// The first character that is meant, from 0.
    pub start: usize,
    /// In characters.
    pub length: usize,
    pub message: String,
    pub help: String,
}

impl Mode {
    /// The rules by which `server` behaves so, under one id.
    pub fn rules(&self, id: &str, server: &str) -> Vec<Rule> {
        let rule = |from: &str, to: &str, on, kinds, what| Rule {
            id: id.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            kinds,
            on,
            probability: 1.0,
            what,
        };
        let mut rules = Vec::new();
        if self.dead {
            let kinds = Kind::all_service();
            rules.push(rule("*", server, Side::Receive, kinds.clone(), What::Drop));
            rules.push(rule(server, "*", Side::Send, kinds, What::Drop));
        }
        for (letter, by) in &self.delays {
            let by_us = by.as_micros() as u64;
            if by_us > 0 {
                let what = What::Delay {
                    by_us,
                    jitter_us: 0,
                    distribution: Distribution::Uniform,
                };
                rules.push(rule("*", server, Side::Receive, letter.kinds(), what));
            }
        }
        rules
    }

    /// The same with every delay multiplied, to whole microseconds and never to nothing.
    pub fn scaled(&self, factor: f64) -> Mode {
        let scale = |by: Duration| match by.is_zero() {
            true => by,
            false => {
                Duration::from_micros(((by.as_micros() as f64 * factor).round() as u64).max(1))
                    .min(LONGEST_DELAY)
            }
        };
        let delays = self.delays.iter();
        Mode {
            delays: delays.map(|(letter, by)| (*letter, scale(*by))).collect(),
            dead: self.dead,
        }
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Mode, ModeError> {
        let mut mode = Mode {
            delays: Vec::new(),
            dead: false,
        };
        let mut start = 0;
        for part in text.split("::") {
            let length = part.chars().count();
            mode.add(part).map_err(|(message, help)| ModeError {
                start,
                length: length.max(1),
                message,
                help,
            })?;
            start += length + 2;
        }
        if !mode.dead && mode.delays.iter().all(|(_, by)| by.is_zero()) {
            return Err(ModeError {
                start: 0,
                length: text.chars().count(),
                message: format!("the mode `{text}` puts nothing off"),
                help: "give a number of seconds above 0, as p:10, or d for a dead server".into(),
            });
        }
        Ok(mode)
    }
}

impl Mode {
    /// One of the parts between `::`. An error is what is wrong and what to do.
    fn add(&mut self, part: &str) -> Result<(), (String, String)> {
        let (name, number) = match part.split_once(':') {
            Some((name, number)) => (name.trim(), Some(number.trim())),
            None => (part.trim(), None),
        };
        if name == "d" {
            if self.dead {
                return Err(twice("d"));
            }
            if number.is_some_and(|number| seconds(number) != Ok(Duration::ZERO)) {
                let message = format!("`{}`: a dead server takes no time", part.trim());
                return Err((message, "write d, or d:0 as the original did".into()));
            }
            self.dead = true;
            return Ok(());
        }
        let known = Letter::ALL
            .iter()
            .find(|(character, _)| name.chars().eq([*character]));
        let Some((_, letter)) = known else {
            let message = match name {
                "" => "a letter is missing here".into(),
                name => format!("unknown letter `{name}` in a mode"),
            };
            return Err((message, format!("the letters are {LETTERS}")));
        };
        if self.delays.iter().any(|(earlier, _)| earlier == letter) {
            return Err(twice(name));
        }
        let Some(number) = number else {
            let message = format!("`{name}` by how many seconds?");
            return Err((message, format!("write {name}:10")));
        };
        let by = seconds(number)?;
        self.delays.push((*letter, by));
        Ok(())
    }
}

fn twice(letter: &str) -> (String, String) {
    (
        format!("`{letter}` is given twice"),
        "name each letter once; the parts of a mode are joined by `::`".into(),
    )
}

/// A number of seconds: digits, and decimals if need be.
fn seconds(text: &str) -> Result<Duration, (String, String)> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.')
        && text.starts_with(|c: char| c.is_ascii_digit());
    let number: Option<f64> = text.parse().ok().filter(|_| plain);
    let Some(number) = number else {
        return Err((
            format!("`{text}` is not a number of seconds"),
            "write it without a unit: p:10 or p:0.5".into(),
        ));
    };
    if number > LONGEST_DELAY.as_secs_f64() {
        return Err((
            format!("`{text}` seconds are too long"),
            format!("at most {} are allowed", LONGEST_DELAY.as_secs()),
        ));
    }
    Ok(Duration::from_micros((number * 1e6).round() as u64))
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if self.dead {
            f.write_str("d:0")?;
            separator = "::";
        }
        for (letter, by) in &self.delays {
            let letter = letter.character();
            write!(f, "{separator}{letter}:{}", by.as_micros() as f64 / 1e6)?;
            separator = "::";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::link::{Links, Table, Verdict};

    fn mode(text: &str) -> Mode {
        text.parse().expect("a mode")
    }

    fn wrong(text: &str) -> (usize, usize, String, String) {
        let error = text.parse::<Mode>().expect_err("not a mode");
        (error.start, error.length, error.message, error.help)
    }

    /// The links of s1 in this mode.
    fn links(text: &str) -> Links {
        let table = Table {
            generation: 1,
            rules: mode(text).rules("mode", "s1"),
        };
        assert_eq!(table.check(), Ok(()));
        let mut links = Links::new(1);
        links.load(table);
        links
    }

    fn seconds_at_s1(links: &mut Links, kind: Kind) -> f64 {
        let verdict = links.pass(Side::Receive, "s2", "s1", kind);
        verdict.copies()[0].as_secs_f64()
    }

    #[test]
    fn each_letter_puts_off_its_kinds_where_they_arrive() {
        let mut links = links("p:10::a:20::c:30::g:4::r:0.5");
        let expected = [
            (Kind::Prepare, 10.0),
            (Kind::Promise, 0.0),
            (Kind::Accept, 20.0),
            (Kind::Accepted, 0.0),
            (Kind::Commit, 30.0),
            (Kind::Heartbeat, 0.0),
            (Kind::CatchUp, 0.0),
            (Kind::Learn, 30.0),
            (Kind::Forward, 0.0),
            (Kind::Request, 0.5),
            (Kind::LogRead, 4.0),
            (Kind::Session, 0.0),
            (Kind::Control, 0.0),
        ];
        assert_eq!(expected.len(), Kind::ALL.len());
        for (kind, seconds) in expected {
            assert_eq!(seconds_at_s1(&mut links, kind), seconds, "{kind:?}");
            let sent = links.pass(Side::Send, "s1", "s2", kind);
            assert_eq!(sent, Verdict::Untouched);
            let elsewhere = links.pass(Side::Receive, "s1", "s2", kind);
            assert_eq!(elsewhere, Verdict::Untouched);
        }
    }

    #[test]
    fn s_puts_off_everything_but_control_and_adds_up_with_others() {
        let mut links = links("s:2::p:1");
        for kind in Kind::ALL {
            let expected = match kind {
                Kind::Control => 0.0,
                Kind::Prepare => 3.0,
                _ => 2.0,
            };
            assert_eq!(seconds_at_s1(&mut links, kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn the_dead_neither_hear_nor_speak_but_stay_registered() {
        for text in ["d", "d:0", "p:10::d"] {
            let mut links = links(text);
            for kind in Kind::ALL {
                let expected = match kind {
                    Kind::Control => Verdict::Untouched,
                    _ => Verdict::Dropped,
                };
                for (side, from, to) in [(Side::Receive, "ann", "s1"), (Side::Send, "s1", "ann")] {
                    assert_eq!(links.pass(side, from, to, kind), expected, "{kind:?}");
                }
            }
        }
    }

    #[test]
    fn the_order_is_free_and_zero_puts_nothing_off() {
        assert_eq!(mode("c:30::p:10").to_string(), "c:30::p:10");
        assert_eq!(mode(" p : 1.5 ::a:0").to_string(), "p:1.5::a:0");
        assert_eq!(mode("p:10::d").to_string(), "d:0::p:10");
        assert_eq!(mode("p:1::a:0").rules("mode", "s1").len(), 1);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let cases = [
            ("p:10::x:2", 6, 3, "unknown letter `x` in a mode"),
            ("p:10::", 6, 1, "a letter is missing here"),
            ("", 0, 1, "a letter is missing here"),
            ("p:10::a:2::p:1", 11, 3, "`p` is given twice"),
            ("d::d", 3, 1, "`d` is given twice"),
            ("p", 0, 1, "`p` by how many seconds?"),
            ("p:10s", 0, 5, "`10s` is not a number of seconds"),
            ("p:-1", 0, 4, "`-1` is not a number of seconds"),
            ("p:1e3", 0, 5, "`1e3` is not a number of seconds"),
            ("p:inf", 0, 5, "`inf` is not a number of seconds"),
            ("p:", 0, 2, "`` is not a number of seconds"),
            ("p:10:a:20", 0, 9, "`10:a:20` is not a number of seconds"),
            ("p:3601", 0, 6, "`3601` seconds are too long"),
            ("p:1::d:5", 5, 3, "`d:5`: a dead server takes no time"),
            ("p:0::a:0", 0, 8, "the mode `p:0::a:0` puts nothing off"),
        ];
        for (text, start, length, message) in cases {
            let (found_start, found_length, found, help) = wrong(text);
            let found = (found_start, found_length, found.as_str());
            assert_eq!(found, (start, length, message), "{text}");
            assert!(!help.is_empty());
        }
    }

    #[test]
    fn scaling_multiplies_each_delay_and_leaves_none_without() {
        assert_eq!(
            mode("p:10::a:0::c:0.00001::d").scaled(0.1).to_string(),
            "d:0::p:1::a:0::c:0.000001"
        );
        assert_eq!(mode("p:0.000001").scaled(0.01).to_string(), "p:0.000001");
        assert_eq!(mode("s:3000").scaled(100.0).to_string(), "s:3600");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            numbers in prop::collection::vec(prop::option::of(1..3_600_000_000_u64), 6),
            dead: bool,
        ) {
            let delays = Letter::ALL.iter().zip(numbers).filter_map(|((_, letter), number)| {
                Some((*letter, Duration::from_micros(number?)))
            });
            let mode = Mode { delays: delays.collect(), dead };
            prop_assume!(dead || !mode.delays.is_empty());
            prop_assert_eq!(mode.to_string().parse(), Ok(mode));
        }

        #[test]
        fn no_text_is_too_strange(text in "[pacgrsd:. 0-9é]{0,12}") {
            if let Err(error) = text.parse::<Mode>() {
                prop_assert!(error.start + error.length <= text.chars().count().max(1) + 1);
            }
        }
    }
}
