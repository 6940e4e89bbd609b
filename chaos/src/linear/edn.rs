//! Reads EDN (<https://github.com/edn-format/edn>), one form after the other, from any reader.

use std::io::{BufRead, Bytes};

use super::value::Value;

/// Deeper nesting is no history; the reader recurses once a level.
const DEEPEST: u32 = 64;

/// A longer word or string is no history.
const LONGEST: usize = 1 << 28;

/// What is wrong, and where. `line` counts from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdnError {
    pub line: u64,
    pub reason: String,
}

/// Reads forms and counts lines.
pub struct Reader<R: BufRead> {
    bytes: Bytes<R>,
    next: Option<u8>,
    started: bool,
    line: u64,
    /// A list around the whole history, and the line on which it was opened.
    around: Option<(u8, u64)>,
    closed: bool,
}

impl<R: BufRead> Reader<R> {
    pub fn new(input: R) -> Reader<R> {
        Reader {
            bytes: input.bytes(),
            next: None,
            started: false,
            line: 1,
            around: None,
            closed: false,
        }
    }

    /// The next form and the line on which it begins; `None` at the end. One vector or list around
    /// everything is looked through, as some tools save a history as one value.
    pub fn next_form(&mut self) -> Result<Option<(u64, Value)>, EdnError> {
        loop {
            self.skip_blank()?;
            let line = self.line;
            match (self.peek()?, self.around) {
                (None, Some((_, opened))) => {
                    return Err(EdnError {
                        line,
                        reason: format!(
                            "the list that line {opened} opens is never closed: the file is cut \
                             short"
                        ),
                    });
                }
                (None, None) => return Ok(None),
                (Some(_), None) if self.closed => {
                    return Err(self.error("something stands behind the end of the list"));
                }
                (Some(open @ (b'[' | b'(')), None) => {
                    self.take()?;
                    self.around = Some((closing(open), line));
                }
                (Some(close), Some((wanted, _))) if close == wanted => {
                    self.take()?;
                    self.around = None;
                    self.closed = true;
                }
                _ => match self.form(0)? {
                    Some(value) => return Ok(Some((line, value))),
                    None => continue,
                },
            }
        }
    }

    /// The next form of a bare sequence of them; `None` at the end.
    pub fn bare_form(&mut self) -> Result<Option<Value>, EdnError> {
        loop {
            self.skip_blank()?;
            if self.peek()?.is_none() {
                return Ok(None);
            }
            if let Some(value) = self.form(0)? {
                return Ok(Some(value));
            }
        }
    }

    /// One form; `None` when it was one to be ignored (`#_ form`).
    fn form(&mut self, depth: u32) -> Result<Option<Value>, EdnError> {
        if depth > DEEPEST {
            return Err(self.error("nested too deeply"));
        }
        let Some(first) = self.peek()? else {
            return Err(self.error("the file ends in the middle of a value"));
        };
        Ok(Some(match first {
            b'{' => {
                self.take()?;
                let items = self.items(b'}', depth)?;
                self.map(items)?
            }
            b'[' | b'(' => {
                self.take()?;
                Value::List(self.items(closing(first), depth)?)
            }
            b'"' => {
                self.take()?;
                Value::Text(self.string()?)
            }
            b'\\' => {
                self.take()?;
                let mut word = vec![self.take()?.unwrap_or(b' ')];
                self.word_into(&mut word)?;
                Value::Text(self.utf8(word)?)
            }
            b'#' => {
                self.take()?;
                match self.peek()? {
                    Some(b'{') => {
                        self.take()?;
                        Value::Set(self.items(b'}', depth)?)
                    }
                    Some(b'_') => {
                        self.take()?;
                        self.inner(depth)?;
                        return Ok(None);
                    }
                    _ => {
                        // A tag says what a value is for; the value alone is what counts here.
                        let tag = self.word()?;
                        if tag.is_empty() {
                            return Err(self.error("a `#` without a tag"));
                        }
                        self.inner(depth)?
                    }
                }
            }
            b'}' | b']' | b')' => {
                return Err(self.error(&format!("a `{}` too many", first as char)));
            }
            _ => self.atom()?,
        }))
    }

    /// The form that must come next.
    fn inner(&mut self, depth: u32) -> Result<Value, EdnError> {
        loop {
            self.skip_blank()?;
            if let Some(value) = self.form(depth + 1)? {
                return Ok(value);
            }
        }
    }

    fn items(&mut self, close: u8, depth: u32) -> Result<Vec<Value>, EdnError> {
        let opened = self.line;
        let mut items = Vec::new();
        loop {
            self.skip_blank()?;
            match self.peek()? {
                None => {
                    return Err(EdnError {
                        line: opened,
                        reason: format!("`{}` is missing", close as char),
                    });
                }
                Some(found) if found == close => {
                    self.take()?;
                    return Ok(items);
                }
                Some(found @ (b'}' | b']' | b')')) => {
                    return Err(self.error(&format!(
                        "`{}` where `{}` was to close",
                        found as char, close as char
                    )));
                }
                Some(_) => items.extend(self.form(depth + 1)?),
            }
        }
    }

    fn map(&self, items: Vec<Value>) -> Result<Value, EdnError> {
        if !items.len().is_multiple_of(2) {
            return Err(self.error("a map with a key that has no value"));
        }
        let mut entries = Vec::with_capacity(items.len() / 2);
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            entries.push((key, value));
        }
        Ok(Value::Map(entries))
    }

    fn string(&mut self) -> Result<Box<str>, EdnError> {
        let opened = self.line;
        let mut text = Vec::new();
        loop {
            let Some(byte) = self.take()? else {
                return Err(EdnError {
                    line: opened,
                    reason: "a string that is not closed by `\"`".into(),
                });
            };
            match byte {
                b'"' => return self.utf8(text),
                b'\\' => self.escape(&mut text)?,
                other => text.push(other),
            }
            if text.len() > LONGEST {
                return Err(self.error("a string of more than 256 MiB"));
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), EdnError> {
        let plain = match self.take()? {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(quoted @ (b'"' | b'\\' | b'/')) => quoted,
            Some(b'u') => {
                let first = self.four_digits()?;
                let letter = match char::from_u32(first) {
                    Some(letter) => letter,
                    // Half of a surrogate pair, as JSON and Java write what lies beyond 16 bits.
                    None if (0xd800..0xdc00).contains(&first) => {
                        let marked = self.take()? == Some(b'\\') && self.take()? == Some(b'u');
                        let second = if marked { self.four_digits()? } else { 0 };
                        let low = second
                            .checked_sub(0xdc00)
                            .filter(|&low| low < 0x400)
                            .ok_or_else(|| self.error("half of a surrogate pair"))?;
                        let number = 0x10000 + ((first - 0xd800) << 10) + low;
                        char::from_u32(number)
                            .ok_or_else(|| self.error("half of a surrogate pair"))?
                    }
                    None => return Err(self.error("half of a surrogate pair")),
                };
                let mut buffer = [0; 4];
                text.extend(letter.encode_utf8(&mut buffer).bytes());
                return Ok(());
            }
            Some(other) => {
                return Err(self.error(&format!("unknown escape `\\{}`", other as char)));
            }
            None => return Err(self.error("the file ends in the middle of a string")),
        };
        text.push(plain);
        Ok(())
    }

    fn four_digits(&mut self) -> Result<u32, EdnError> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.take()?.and_then(|byte| (byte as char).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.error("`\\u` wants four hexadecimal digits"));
            };
            number = number * 16 + digit;
        }
        Ok(number)
    }

    fn atom(&mut self) -> Result<Value, EdnError> {
        let word = self.word()?;
        if word.is_empty() {
            return Err(self.error("a character that begins no value"));
        }
        if let Some(name) = word.strip_prefix(':') {
            if name.is_empty() {
                return Err(self.error("a `:` without a name"));
            }
            return Ok(Value::keyword(name));
        }
        Ok(match &*word {
            "nil" => Value::Nil,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            number => {
                let digits = number.strip_suffix('N').unwrap_or(number);
                match digits.strip_prefix('+').unwrap_or(digits).parse() {
                    Ok(number) => Value::Int(number),
                    Err(_) => Value::Symbol(word),
                }
            }
        })
    }

    fn word(&mut self) -> Result<Box<str>, EdnError> {
        let mut word = Vec::new();
        self.word_into(&mut word)?;
        self.utf8(word)
    }

    fn word_into(&mut self, word: &mut Vec<u8>) -> Result<(), EdnError> {
        while let Some(byte) = self.peek()? {
            if is_blank(byte) || b"()[]{}\";".contains(&byte) {
                break;
            }
            if byte.is_ascii_control() {
                return Err(self.error("a control character"));
            }
            word.push(byte);
            self.take()?;
            if word.len() > LONGEST {
                return Err(self.error("a word of more than 256 MiB"));
            }
        }
        Ok(())
    }

    fn utf8(&self, bytes: Vec<u8>) -> Result<Box<str>, EdnError> {
        String::from_utf8(bytes)
            .map(String::into_boxed_str)
            .map_err(|_| self.error("text that is not UTF-8"))
    }

    fn skip_blank(&mut self) -> Result<(), EdnError> {
        while let Some(byte) = self.peek()? {
            if byte == b';' {
                while self.peek()?.is_some_and(|byte| byte != b'\n') {
                    self.take()?;
                }
            } else if is_blank(byte) {
                self.take()?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn peek(&mut self) -> Result<Option<u8>, EdnError> {
        if !self.started {
            self.started = true;
            self.next = self.read()?;
        }
        Ok(self.next)
    }

    fn take(&mut self) -> Result<Option<u8>, EdnError> {
        let taken = self.peek()?;
        if taken == Some(b'\n') {
            self.line += 1;
        }
        if taken.is_some() {
            self.next = self.read()?;
        }
        Ok(taken)
    }

    fn read(&mut self) -> Result<Option<u8>, EdnError> {
        self.bytes
            .next()
            .transpose()
            .map_err(|error| self.error(&format!("cannot be read: {error}")))
    }

    fn error(&self, reason: &str) -> EdnError {
        EdnError {
            line: self.line,
            reason: reason.to_string(),
        }
    }
}

fn closing(open: u8) -> u8 {
    if open == b'[' { b']' } else { b')' }
}

/// EDN counts commas as blanks.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b',' || byte == 0x0b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(u64, String)>, EdnError> {
        let mut reader = Reader::new(text.as_bytes());
        let mut forms = Vec::new();
        while let Some((line, form)) = reader.next_form()? {
            forms.push((line, form.to_string()));
        }
        Ok(forms)
    }

    fn one(text: &str) -> String {
        all(text).expect("EDN")[0].1.clone()
    }

    fn refused(text: &str) -> (u64, String) {
        let error = all(text).expect_err("malformed");
        (error.line, error.reason)
    }

    #[test]
    fn every_kind_of_value_is_read() {
        assert_eq!(
            one(r#"{:a nil, :b/c [1 -2 +3 4N (true false)] "k" #{1} :s some.sym/bol, :f 1.5}"#),
            r#"{:a nil, :b/c [1 -2 3 4 [true false]], "k" #{1}, :s some.sym/bol, :f 1.5}"#
        );
        assert_eq!(
            one(r#"{:t "a\"b\\c\nd\u00e9\ud83d\ude00"}"#),
            "{:t \"a\\\"b\\\\c\\ndé😀\"}"
        );
        assert_eq!(one(r"{:c \x :d \newline}"), r#"{:c "x", :d "newline"}"#);
        assert_eq!(
            one("#jepsen.history.Op{:index 0 #_ :time #_ 5 :f :read}"),
            "{:index 0, :f :read}"
        );
    }

    #[test]
    fn lines_are_counted_through_comments_and_values() {
        assert_eq!(
            all("; no\n{:a\n 1}\r\n\r\n{:b 2} ; c\n{:d 3}").expect("EDN"),
            [
                (2, "{:a 1}".to_string()),
                (5, "{:b 2}".to_string()),
                (6, "{:d 3}".to_string())
            ]
        );
    }

    #[test]
    fn a_list_around_everything_is_looked_through() {
        let wanted = [(1, "{:a 1}".to_string()), (2, "{:b 2}".to_string())];
        assert_eq!(all("[{:a 1}\n {:b 2}]").expect("EDN"), wanted);
        assert_eq!(all("({:a 1}\n {:b 2}\n)\n").expect("EDN"), wanted);
        assert_eq!(refused("[{:a 1}\n{:b 2}\n").0, 3);
        assert_eq!(refused("[{:a 1}]\n{:b 2}").0, 2);
    }

    #[test]
    fn what_is_malformed_is_told_with_its_line() {
        for (text, line, words) in [
            ("{:a 1}\n{:a", 2, "`}` is missing"),
            ("{:a 1}\n\n{:a \"x", 3, "not closed"),
            ("{:a 1]", 1, "`]` where `}`"),
            ("}", 1, "a `}` too many"),
            ("{:a}", 1, "no value"),
            ("{: 1}", 1, "without a name"),
            (r#"{:a "\q"}"#, 1, "unknown escape"),
            (r#"{:a "\ud800"}"#, 1, "surrogate"),
            ("{:a #}", 1, "without a tag"),
            ("{:a \u{1b}[2J}", 1, "control character"),
        ] {
            let (found, reason) = refused(text);
            assert_eq!(found, line, "{text}: {reason}");
            assert!(reason.contains(words), "{text}: {reason}");
        }
        let deep = "[".repeat(100_000);
        assert!(refused(&format!("{{:a {deep}")).1.contains("too deeply"));
        let bytes: &[u8] = b"{:a \"\xff\"}";
        assert!(Reader::new(bytes).next_form().is_err());
    }
}
