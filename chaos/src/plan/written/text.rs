//! Values and maps of YAML, as a person would write them.

/// What is read as something else than a text where it stands alone.
const MEANS_SOMETHING: [&str; 5] = ["null", "true", "false", "yes", "no"];
/// Longer items are written over several lines.
const WIDEST: usize = 110;

/// A value in quotes where YAML, or its reader, could take it for something else.
pub(super) fn word(text: &str) -> String {
    let mut letters = text.chars();
    let begins_well = match letters.next() {
        Some('-') => letters.next().is_some_and(|next| next.is_ascii_digit()),
        Some(first) => first.is_ascii_alphanumeric(),
        None => false,
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./%()".contains(letter);
    let means_something = MEANS_SOMETHING.contains(&text.to_ascii_lowercase().as_str());
    if begins_well && text.chars().all(plain) && !means_something {
        return text.to_owned();
    }
    quoted(text)
}

/// Between double quotes: like JSON, but with every control character as a number.
pub(super) fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => shown.extend(['\\', letter]),
            '\n' => shown.push_str("\\n"),
            // A line end of Unicode or a byte order mark is one for YAML, too.
            letter
                if letter.is_control()
                    || matches!(
                        letter,
                        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                    ) =>
            {
                shown.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => shown.push(letter),
        }
    }
    shown.push('"');
    shown
}

/// `[one, two]`
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| word(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// One value alone, several as a list.
pub(super) fn one_or_list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [one] => word(one.as_ref()),
        several => list(several),
    }
}

/// On one line and without what a comment cannot hold.
pub(super) fn comment(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let joined = words.join(" ");
    joined
        .chars()
        .filter(|letter| !letter.is_control())
        .collect()
}

/// Keys with values that are YAML already, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Map(Vec<(String, String)>);

impl Map {
    pub fn put(&mut self, key: &str, value: impl Into<String>) {
        self.0.push((key.to_owned(), value.into()));
    }

    pub fn put_some(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// The pairs of `other`, behind its own.
    pub fn append(&mut self, other: &Map) {
        self.0.extend(other.0.iter().cloned());
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `{at: 2s, kill: leader}`
    pub fn flow(&self) -> String {
        let pairs = self.0.iter().map(|(key, value)| format!("{key}: {value}"));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
    }

    /// Below a key of the plan, one key a line.
    pub fn block(&self) -> String {
        let lines = self.0.iter();
        lines
            .map(|(key, value)| format!("  {key}: {value}\n"))
            .collect()
    }

    /// An item of a list, on one line where it fits, with a note behind it.
    pub fn item(&self, note: Option<&str>) -> String {
        let note = note.map_or(String::new(), |note| format!("   # {}", comment(note)));
        let line = format!("  - {}", self.flow());
        if line.chars().count() <= WIDEST || self.0.len() == 1 {
            return format!("{line}{note}\n");
        }
        let mut text = String::new();
        for (index, (key, value)) in self.0.iter().enumerate() {
            let (dash, note) = match index {
                0 => ("-", note.as_str()),
                _ => (" ", ""),
            };
            text += &format!("  {dash} {key}: {value}{note}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_where_they_must_be() {
        for plain in [
            "s1",
            "200/s",
            "32..256",
            "50%",
            "-30s",
            "random(1)",
            "0.5",
            "a_b-c",
        ] {
            assert_eq!(word(plain), plain);
        }
        for other in [
            "", "-", "-x", "s1,s2", "a -> b", "p:10", "null", "True", ".5", "%", "#",
        ] {
            assert_eq!(word(other), format!("\"{other}\""));
        }
        assert_eq!(
            quoted("a \"b\"\\\n\u{7}\u{2028}"),
            r#""a \"b\"\\\n\u0007\u2028""#
        );
        assert_eq!(one_or_list(&["s1"]), "s1");
        assert_eq!(one_or_list(&["s1", "a,b"]), "[s1, \"a,b\"]");
    }

    #[test]
    fn an_item_that_does_not_fit_is_written_over_several_lines() {
        let mut map = Map::default();
        map.put("at", "2s");
        map.put("kill", "leader");
        assert_eq!(map.item(None), "  - {at: 2s, kill: leader}\n");
        assert_eq!(
            map.item(Some("a\nb")),
            "  - {at: 2s, kill: leader}   # a b\n"
        );
        map.put("say", quoted(&"x".repeat(100)));
        let lines = map.item(Some("why"));
        assert!(lines.starts_with("  - at: 2s   # why\n    kill: leader\n    say: \"xxx"));
    }
}
