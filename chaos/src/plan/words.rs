//! The small languages inside a plan's texts: durations, numbers, message kinds.
//!
//! Every reader is a pure function; a mistake tells which characters of the text are meant.

use std::time::Duration;

use paxosctl_node::link::{Distribution, Kind, Mode, ModeError, Side};
use paxosctl_node::machine::RATES_PERMILLE;

/// A mistake in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The first character that is meant, from 0.
    pub start: usize,
    /// In characters.
    pub length: usize,
    pub message: String,
    pub help: String,
}

impl Wrong {
    pub fn new(
        start: usize,
        length: usize,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Wrong {
        Wrong {
            start,
            length,
            message: message.into(),
            help: help.into(),
        }
    }

    fn whole(text: &str, message: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong::new(0, text.chars().count(), message, help)
    }
}

/// The longest duration that a plan may name.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `250us`, `150ms`, `1.5s`, `2m`, `1h`, `1m30s`.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    const HELP: &str = "write a number and a unit: 500us, 150ms, 2s, 1.5s, 1m30s";
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err(Wrong::whole(text, "a time cannot be negative", HELP));
    }
    if !trimmed.is_empty() && trimmed.chars().all(|c| c.is_ascii_digit() || c == '.') {
        let help = format!("did you mean {trimmed}s or {trimmed}ms?");
        return Err(Wrong::whole(text, format!("`{text}` has no unit"), help));
    }
    let bad = || Wrong::whole(text, format!("`{text}` is not a duration"), HELP);
    let mut total_seconds = 0.0;
    let mut rest = trimmed;
    let mut last_unit = f64::INFINITY;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(bad()),
        };
        // 30s1m or 1s1s is more likely a slip than a sum.
        if unit >= last_unit {
            return Err(bad());
        }
        last_unit = unit;
        total_seconds += number * unit;
        rest = &rest[letters..];
    }
    if total_seconds > LONGEST.as_secs_f64() {
        return Err(Wrong::whole(
            text,
            format!("`{text}` is too long"),
            "the longest duration in a plan is 24h",
        ));
    }
    // Whole microseconds: that is what a history counts in.
    Ok(Duration::from_micros((total_seconds * 1e6).round() as u64))
}

/// A whole number from `least` to `most`.
pub(super) fn whole_number(text: &str, least: u64, most: u64) -> Result<u64, Wrong> {
    let help = if most == u64::MAX {
        "write a whole number".to_owned()
    } else {
        format!("write a whole number from {least} to {most}")
    };
    let number: u64 = match text.trim().parse() {
        Ok(number) => number,
        Err(_) => {
            let message = format!("`{text}` is not a whole number");
            return Err(Wrong::whole(text, message, help));
        }
    };
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        let message = format!("{number} is out of range");
        Err(Wrong::whole(text, message, help))
    }
}

/// A share: `99.9%` or `0.999`; above 0, at most 1.
pub(super) fn share(text: &str) -> Result<f64, Wrong> {
    let trimmed = text.trim();
    let value = match trimmed.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => trimmed.parse::<f64>(),
    };
    match value {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        Ok(_) => Err(Wrong::whole(
            text,
            format!("`{text}` is out of range"),
            "write a share above 0 and up to 100%, as 25% or 0.25",
        )),
        Err(_) => Err(Wrong::whole(
            text,
            format!("`{text}` is not a share"),
            "write a share above 0 and up to 100%, as 25% or 0.25",
        )),
    }
}

/// A share as a plan writes it: `25%`, or `0.0123456` where percents would not be as exact.
pub(super) fn show_share(value: f64) -> String {
    // Parts of a percent that nobody wrote, as 14.000000000000002, come of the binary form.
    let percent = format!("{}%", (value * 1e5).round() / 1e3);
    match share(&percent) == Ok(value) {
        true => percent,
        false => value.to_string(),
    }
}

/// Messages a second: `200/s`, `0.5/s`.
pub(super) fn rate(text: &str) -> Result<f64, Wrong> {
    const HELP: &str = "write messages a second: 200/s";
    let Some(number) = text.trim().strip_suffix("/s") else {
        let message = format!("`{text}` is not a rate");
        return Err(Wrong::whole(text, message, HELP));
    };
    match number.trim().parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(rate),
        _ => Err(Wrong::whole(
            text,
            format!("`{text}` is not a rate above 0 and up to 1000000/s"),
            HELP,
        )),
    }
}

/// The longest text of one message, in bytes.
pub(super) const LONGEST_TEXT: u32 = 16 * 1024;

/// `2s..4s`, both ends included; `3s` is a range of one.
pub(super) fn duration_range(text: &str) -> Result<(Duration, Duration), Wrong> {
    let Some((least, most)) = text.split_once("..") else {
        return duration(text).map(|same| (same, same));
    };
    let (least, most) = (duration(least.trim())?, duration(most.trim())?);
    if least > most {
        let help = format!("write {}..{}", show_duration(most), show_duration(least));
        return Err(Wrong::whole(text, "the range ends before it begins", help));
    }
    Ok((least, most))
}

/// A range as a plan writes it: `2s..4s`, or `3s`.
pub(super) fn show_duration_range((least, most): (Duration, Duration)) -> String {
    match least == most {
        true => show_duration(least),
        false => format!("{}..{}", show_duration(least), show_duration(most)),
    }
}

/// A duration with a sign: whether it points back, and how far. `30s`, `+30s`, `-30s`.
pub(super) fn signed_duration(text: &str) -> Result<(Duration, bool), Wrong> {
    const HELP: &str = "write how far and in which direction: 30s, or -30s";
    let trimmed = text.trim();
    let (back, rest) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let by = duration(rest).map_err(|wrong| Wrong::whole(text, wrong.message, HELP))?;
    if by.is_zero() {
        return Err(Wrong::whole(text, "a jump by nothing", HELP));
    }
    Ok((by, back))
}

/// How fast a clock runs, as a multiple of the true speed, in thousandths: `1.5`, `0.5`.
pub(super) fn clock_rate(text: &str) -> Result<u32, Wrong> {
    const HELP: &str = "write a multiple of the true speed from 0.01 to 100, as 1.5 or 0.5";
    let wrong = |message: String| Wrong::whole(text, message, HELP);
    let trimmed = text.trim();
    let rate: f64 = match trimmed.strip_suffix('×').unwrap_or(trimmed).parse() {
        Ok(rate) => rate,
        Err(_) => return Err(wrong(format!("`{text}` is not a speed"))),
    };
    let permille = (rate * 1000.0).round();
    let (least, most) = RATES_PERMILLE.into_inner();
    if !(f64::from(least)..=f64::from(most)).contains(&permille) {
        return Err(wrong(format!("`{text}` is out of range")));
    }
    match permille as u32 {
        1000 => Err(wrong("a clock at the true speed is sound".to_owned())),
        permille => Ok(permille),
    }
}

/// A number of bytes: `512`, `64KiB`, `1.5MiB`, `64kB`.
pub(super) fn bytes(text: &str) -> Result<u64, Wrong> {
    const HELP: &str = "write a number of bytes, as 512, 64KiB or 1MiB";
    const MOST: f64 = (1_u64 << 40) as f64;
    let bad = || Wrong::whole(text, format!("`{text}` is not a number of bytes"), HELP);
    let trimmed = text.trim();
    let letters = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let number: f64 = trimmed[..letters].parse().map_err(|_| bad())?;
    let unit = match trimmed[letters..].trim() {
        "" | "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        _ => return Err(bad()),
    };
    let total = number * unit;
    if total > MOST || total.fract() != 0.0 {
        let message = format!("`{text}` is out of range");
        return Err(Wrong::whole(text, message, HELP));
    }
    Ok(total as u64)
}

/// A number of bytes as a plan writes it: `64KiB`, `700B`.
pub(super) fn show_bytes(bytes: u64) -> String {
    match bytes {
        0 => "0B".to_owned(),
        bytes if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        bytes if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        bytes => format!("{bytes}B"),
    }
}

/// `true` or `false`.
pub(super) fn yes_or_no(text: &str) -> Result<bool, Wrong> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Wrong::whole(
            text,
            format!("`{text}` is neither true nor false"),
            "write true or false",
        )),
    }
}

/// A length in bytes, or a range with both ends included: `64`, `32..256`, `4KiB`.
pub(super) fn byte_range(text: &str) -> Result<(u32, u32), Wrong> {
    let help = format!("write a length or a range in bytes, up to {LONGEST_TEXT}: 64 or 32..256");
    let wrong = |message: String| Wrong::whole(text, message, help.clone());
    let (low, high) = text.trim().split_once("..").unwrap_or((text, text));
    let parse = |end: &str| bytes(end).map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
    match (parse(low), parse(high)) {
        (Ok(low), Ok(high)) if low > high => {
            Err(wrong(format!("`{text}` is a range from more to less")))
        }
        (Ok(low), Ok(high)) if low >= 1 && high <= LONGEST_TEXT => Ok((low, high)),
        (Ok(_), Ok(_)) => Err(wrong(format!("`{text}` is out of range"))),
        _ => Err(wrong(format!("`{text}` is not a length in bytes"))),
    }
}

/// A length or a range as a plan writes it: `64`, `32..256`, `4KiB`.
pub(super) fn show_byte_range((least, most): (u32, u32)) -> String {
    let show = |bytes: u32| match bytes.is_multiple_of(1024) {
        true => show_bytes(bytes.into()),
        false => bytes.to_string(),
    };
    match least == most {
        true => show(least),
        false => format!("{}..{}", show(least), show(most)),
    }
}

/// Every name of kinds of messages in a plan, and the kinds that it means.
pub(super) const KINDS: [(&str, &[Kind]); 13] = [
    ("prepare", &[Kind::Prepare]),
    ("promise", &[Kind::Promise]),
    ("accept", &[Kind::Accept]),
    ("accepted", &[Kind::Accepted]),
    ("commit", &[Kind::Commit]),
    ("heartbeat", &[Kind::Heartbeat]),
    ("catch-up", &[Kind::CatchUp, Kind::Learn]),
    ("learn", &[Kind::Learn]),
    ("forward", &[Kind::Forward]),
    ("client", &[Kind::Request, Kind::LogRead, Kind::Session]),
    ("request", &[Kind::Request]),
    ("log-read", &[Kind::LogRead]),
    ("control", &[Kind::Control]),
];

/// The names in a plan for kinds that were read from such names, each kind covered once.
pub(super) fn kind_names(kinds: &[Kind]) -> Vec<&'static str> {
    let mut left = kinds.to_vec();
    let mut names = Vec::new();
    // What a wider name covers needs no narrower one.
    for (name, covered) in KINDS {
        if covered.iter().all(|kind| left.contains(kind)) {
            left.retain(|kind| !covered.contains(kind));
            names.push(name);
        }
    }
    names
}

/// The kinds that one name means.
pub(super) fn kinds(text: &str) -> Result<&'static [Kind], Wrong> {
    let trimmed = text.trim();
    let found = KINDS.iter().find(|(name, _)| *name == trimmed);
    found.map(|(_, kinds)| *kinds).ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        let help = match closest(trimmed, names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the kinds are {}", names.join(", ")),
        };
        Wrong::whole(text, format!("unknown kind of message `{trimmed}`"), help)
    })
}

/// How delays are spread.
pub(super) fn distribution(text: &str) -> Result<Distribution, Wrong> {
    const NAMES: [(&str, Distribution); 4] = [
        ("uniform", Distribution::Uniform),
        ("normal", Distribution::Normal),
        ("exponential", Distribution::Exponential),
        ("pareto", Distribution::Pareto),
    ];
    one_of(text, "distribution", &NAMES)
}

/// The distribution's name in a plan.
pub(super) fn distribution_name(distribution: Distribution) -> &'static str {
    match distribution {
        Distribution::Uniform => "uniform",
        Distribution::Normal => "normal",
        Distribution::Exponential => "exponential",
        Distribution::Pareto => "pareto",
    }
}

/// Where a rule acts.
pub(super) fn side(text: &str) -> Result<Side, Wrong> {
    let names = [("send", Side::Send), ("receive", Side::Receive)];
    one_of(text, "side", &names)
}

fn one_of<T: Copy>(text: &str, what: &str, names: &[(&str, T)]) -> Result<T, Wrong> {
    let trimmed = text.trim();
    if let Some((_, found)) = names.iter().find(|(name, _)| *name == trimmed) {
        return Ok(*found);
    }
    let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let help = match closest(trimmed, all.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("write one of {}", all.join(", ")),
    };
    Err(Wrong::whole(
        text,
        format!("unknown {what} `{trimmed}`"),
        help,
    ))
}

/// A server's mode in the original system's words: `p:10::a:20::c:30`.
pub(super) fn mode(text: &str) -> Result<Mode, Wrong> {
    text.parse().map_err(|error: ModeError| {
        Wrong::new(error.start, error.length, error.message, error.help)
    })
}

/// The one of `known` that `typed` was probably meant to be.
pub(super) fn closest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('_', "-");
    let allowed = match typed.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    known
        .map(|name| {
            let distance = edits(&typed, &name.to_lowercase().replace('_', "-"));
            (distance, name)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The edit distance in which two neighbours that changed places count as one slip.
fn edits(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(64).collect();
    let right: Vec<char> = right.chars().take(64).collect();
    let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (i, row) in table.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in table[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=left.len() {
        for j in 1..=right.len() {
            let differs = usize::from(left[i - 1] != right[j - 1]);
            let mut best = (table[i - 1][j] + 1)
                .min(table[i][j - 1] + 1)
                .min(table[i - 1][j - 1] + differs);
            let swapped =
                i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if swapped {
                best = best.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = best;
        }
    }
    table[left.len()][right.len()]
}

/// A duration as a plan writes it: `1.5s`, `150ms`, `250us`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    if micros == 0 {
        "0s".to_owned()
    } else if micros >= 1_000_000 {
        format!("{}s", duration.as_micros() as f64 / 1e6)
    } else if micros.is_multiple_of(1000) {
        format!("{}ms", micros / 1000)
    } else {
        format!("{micros}us")
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
