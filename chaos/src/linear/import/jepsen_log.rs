//! Jepsen's log lines: `INFO  jepsen.util - 4 :invoke :cas [1 3]`.
//!
//! What stands before the process number does not matter as long as it ends with `jepsen.util` and
//! a dash or colon; without any of that the line must begin with the number, as in Jepsen's
//! `history.txt`. The fields are parted by tabs or spaces. Behind the value there may be an error.
//! Every other line is ignored, those of the nemesis too.

use std::io::BufRead;

use super::ImportError;
use super::event::{Event, Kind};
use crate::linear::edn::Reader;

pub(super) fn read(
    mut input: impl BufRead,
    take: &mut dyn FnMut(Event) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut bytes = Vec::new();
    let mut line = 0;
    let mut events = 0u64;
    loop {
        bytes.clear();
        line += 1;
        let length = input
            .read_until(b'\n', &mut bytes)
            .map_err(|error| ImportError::new(line, format!("cannot be read: {error}"), ""))?;
        if length == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some(event) = event(line, &text)? {
            events += 1;
            take(event)?;
        }
    }
    if events == 0 && line > 1 {
        return Err(ImportError::new(
            0,
            "no operation was found in it",
            "a history is EDN maps, one a line ({:process 0, :type :invoke, :f :read, :value nil}), \
             or Jepsen's log lines (INFO  jepsen.util - 0 :invoke :read nil)",
        ));
    }
    Ok(())
}

/// Whether the line is the call or return of a client's operation.
pub(super) fn is_operation(line: &str) -> bool {
    fields(line).is_some()
}

struct Fields<'a> {
    process: &'a str,
    kind: Kind,
    function: &'a str,
    rest: &'a str,
}

fn fields(line: &str) -> Option<Fields<'_>> {
    let after = match line.find("jepsen.util") {
        Some(place) => line[place + "jepsen.util".len()..]
            .trim_start()
            .trim_start_matches(['-', ':'])
            .trim_start(),
        None => line,
    };
    let (process, rest) = word(after)?;
    if !process.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (kind, rest) = word(rest)?;
    let kind = Kind::of(kind.strip_prefix(':')?)?;
    let (function, rest) = word(rest)?;
    let function = function.strip_prefix(':')?;
    let plain = |letter: char| letter.is_ascii_graphic();
    function.chars().all(plain).then_some(Fields {
        process,
        kind,
        function,
        rest,
    })
}

fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn event(line: u64, text: &str) -> Result<Option<Event>, ImportError> {
    let Some(fields) = fields(text) else {
        return Ok(None);
    };
    let malformed = |reason: String| {
        ImportError::new(
            line,
            format!("the value of this operation cannot be read: {reason}"),
            "it must be one value, such as nil, 3 or [1 3]: \
             INFO  jepsen.util - 4 :invoke :cas [1 3]",
        )
    };
    let mut reader = Reader::new(fields.rest.as_bytes());
    let mut next = || reader.bare_form().map_err(|error| malformed(error.reason));
    let value = next()?.ok_or_else(|| malformed("there is none".into()))?;
    Ok(Some(Event {
        line,
        process: fields.process.to_string(),
        kind: fields.kind,
        function: fields.function.into(),
        key: None,
        value,
        error: next()?,
        position: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::value::Value;

    fn parsed(line: &str) -> Option<(String, Kind, String, Value, Option<Value>)> {
        let event = event(1, line).expect("well-formed")?;
        Some((
            event.process,
            event.kind,
            event.function.to_string(),
            event.value,
            event.error,
        ))
    }

    #[test]
    fn the_fields_are_parted_by_tabs_or_spaces_behind_any_beginning() {
        let cas = Some((
            "4".to_string(),
            Kind::Invoke,
            "cas".to_string(),
            Value::List(vec![Value::Int(1), Value::Int(3)]),
            None,
        ));
        for line in [
            "INFO  jepsen.util - 4 :invoke :cas [1 3]",
            "INFO  jepsen.util - 4\t:invoke\t:cas\t[1 3]\r\n",
            "2014-06-01 12:00:00,123{GMT}\tINFO\t[worker 0] jepsen.util: 4\t:invoke\t:cas\t[1, 3]",
            "12:00:01.5 INFO jepsen.util - 4   :invoke :cas (1 3)",
            "4\t:invoke\t:cas\t[1 3]",
        ] {
            assert_eq!(parsed(line), cas, "{line}");
        }
        let (_, kind, _, value, error) =
            parsed("INFO jepsen.util - 7 :fail :cas [1 2] :timed-out").expect("an operation");
        assert_eq!(kind, Kind::Fail);
        assert_eq!(value.to_string(), "[1 2]");
        assert_eq!(error, Some(Value::keyword("timed-out")));
    }

    #[test]
    fn other_lines_are_ignored() {
        for line in [
            "",
            "INFO  jepsen.util - :nemesis\t:info\t:start\t\"Cut off\"",
            "INFO  jepsen.core - Worker 4 starting",
            "INFO  jepsen.util - 4 :crash :read nil",
            "at 4 :invoke :read",
            "   at clojure.core$eval.invoke(core.clj)",
        ] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }

    #[test]
    fn a_cut_off_value_is_an_error() {
        for line in ["4 :invoke :cas [1 3", "4 :invoke :read", "4 :ok :read \"x"] {
            assert!(event(7, line).is_err(), "{line}");
        }
    }
}
