//! Small pieces of text that all renderings share.

/// A length of time for a person: `850 µs`, `12.4 ms`, `3.21 s`.
pub(crate) fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..100_000 => format!("{:.1} ms", us as f64 / 1e3),
        100_000..1_000_000 => format!("{:.0} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// A moment of the run: seconds since the cluster was ready.
pub(crate) fn moment(us: u64) -> String {
    format!("{:.3} s", us as f64 / 1e6)
}

/// A share in percent, never rounded up to what it is not.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 || part == whole {
        return "100%".to_string();
    }
    format!(
        "{:.2}%",
        (part as f64 * 10_000.0 / whole as f64).floor() / 100.0
    )
}

/// `1 slot`, `2 slots`.
pub(crate) fn count(number: u64, singular: &str) -> String {
    if number == 1 {
        format!("1 {singular}")
    } else {
        format!("{number} {singular}s")
    }
}

/// The text with every control character written out: what clients said must not reach a terminal
/// as commands to it.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that reorder or hide text.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// At most `length` characters of the text, as [`plain`], with `…` for what is left out.
pub(crate) fn clip(text: &str, length: usize) -> String {
    let mut short: String = text.chars().take(length).collect();
    if short.len() < text.len() {
        short.pop();
        short.push('…');
    }
    plain(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_three_digits_or_so() {
        assert_eq!(time(0), "0 µs");
        assert_eq!(time(999), "999 µs");
        assert_eq!(time(1_000), "1.0 ms");
        assert_eq!(time(99_940), "99.9 ms");
        assert_eq!(time(100_000), "100 ms");
        assert_eq!(time(2_345_000), "2.35 s");
    }

    #[test]
    fn a_share_is_never_rounded_up() {
        assert_eq!(share(999_999, 1_000_000), "99.99%");
        assert_eq!(share(3, 3), "100%");
        assert_eq!(share(0, 3), "0.00%");
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(plain("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\nb");
        assert_eq!(plain("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(plain("grüße 🎉"), "grüße 🎉");
    }

    #[test]
    fn long_texts_are_clipped_by_characters() {
        assert_eq!(clip("äöüß", 4), "äöüß");
        assert_eq!(clip("äöüßx", 4), "äöü…");
    }
}
