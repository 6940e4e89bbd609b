//! A chat script: lines `mm:ss name: text`, as people write a conversation down.
//!
//! Seconds may have a fraction (`00:01.5`); empty lines and lines that begin with `#` are skipped.

use std::time::Duration;

use super::error::{Errors, FileId, Place};

/// One line of a script.
pub(super) struct ScriptLine<'a> {
    pub at: Duration,
    pub client: &'a str,
    pub client_place: Place,
    pub text: &'a str,
    pub text_place: Place,
}

const HELP: &str = "a line is `mm:ss name: text`, as in `00:05 ann: hello`";

/// Reads a script and records what is wrong with its lines.
pub(super) fn read<'a>(file: FileId, text: &'a str, errors: &mut Errors) -> Vec<ScriptLine<'a>> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .filter_map(|(index, line)| read_line(file, index + 1, line, errors))
        .collect()
}

fn read_line<'a>(
    file: FileId,
    number: usize,
    line: &'a str,
    errors: &mut Errors,
) -> Option<ScriptLine<'a>> {
    // `part` is a piece of `line`.
    let place = |part: &str| {
        let before = part.as_ptr() as usize - line.as_ptr() as usize;
        Place {
            file,
            line: number,
            column: 1 + line[..before].chars().count(),
            length: part.chars().count(),
        }
    };
    let content = line.trim();
    let (time, spoken) = content
        .split_once(char::is_whitespace)
        .unwrap_or((content, &content[content.len()..]));
    let Some(at) = read_time(time) else {
        let message = format!("`{time}` is not a time of the form mm:ss");
        errors.add_help(place(time), message, HELP);
        return None;
    };
    let Some((client, text)) = spoken.split_once(':') else {
        errors.add_help(place(content), "a line without `name:`", HELP);
        return None;
    };
    let (client, text) = (client.trim(), text.trim());
    if client.is_empty() || client.contains(char::is_whitespace) {
        errors.add_help(place(client), format!("`{client}` is not a name"), HELP);
        return None;
    }
    if text.is_empty() {
        errors.add_help(place(content), format!("{client} says nothing"), HELP);
        return None;
    }
    Some(ScriptLine {
        at,
        client,
        client_place: place(client),
        text,
        text_place: place(text),
    })
}

/// `mm:ss` or `mm:ss.fraction`.
fn read_time(text: &str) -> Option<Duration> {
    let (minutes, seconds) = text.split_once(':')?;
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    if !digits(minutes) || minutes.len() > 4 || !digits(whole) || whole.len() != 2 {
        return None;
    }
    if !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let minutes: u64 = minutes.parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
    (whole < 60).then(|| Duration::from_micros((minutes * 60 + whole) * 1_000_000 + micros))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn lines_comments_and_fractions() {
        let text = "# a chat\n\n00:01 ann: hello: you\n  01:02.25 bob:hi\n";
        let mut errors = Errors::new(Path::new("chat.txt"), text);
        let lines: Vec<_> = read(FileId::PLAN, text, &mut errors)
            .iter()
            .map(|line| (line.at, line.client.to_owned(), line.text.to_owned()))
            .collect();
        assert_eq!(errors.count(), 0);
        assert_eq!(
            lines,
            [
                (Duration::from_secs(1), "ann".into(), "hello: you".into()),
                (Duration::from_millis(62_250), "bob".into(), "hi".into()),
            ]
        );
    }

    #[test]
    fn each_wrong_line_is_told_with_its_place() {
        let text = "1 ann: x\n00:61 ann: x\n00:01 ann\n00:01 : x\n00:01 ann:\n00:01 a b: x\n00:02";
        let mut errors = Errors::new(Path::new("chat.txt"), text);
        assert_eq!(read(FileId::PLAN, text, &mut errors).len(), 0);
        let found = errors.finish::<()>(None).unwrap_err().errors;
        let places: Vec<_> = found.iter().map(|e| (e.line, e.column, e.length)).collect();
        assert_eq!(
            places,
            [
                (1, 1, 1),
                (2, 1, 5),
                (3, 1, 9),
                (4, 7, 1),
                (5, 1, 10),
                (6, 7, 3),
                (7, 1, 5),
            ]
        );
    }
}
