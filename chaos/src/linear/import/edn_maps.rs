//! The EDN form: one map an operation's call or return, as Jepsen saves it and Porcupine reads it.
//!
//! `{:process 9, :type :invoke, :f :append, :key "0", :value "x 9 0 y"}`. The entries may stand in
//! any order. `:process`, `:type` and `:f` must be there; `:value`, `:key`, `:error` and
//! `:position` may; others are ignored. A map may take several lines.

use std::io::BufRead;

use super::ImportError;
use super::event::{Event, Kind};
use crate::linear::edn::{EdnError, Reader};
use crate::linear::value::Value;

const EXAMPLE: &str = "an operation looks like {:process 0, :type :invoke, :f :write, :value 3}";

pub(super) fn read(
    input: impl BufRead,
    take: &mut dyn FnMut(Event) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut reader = Reader::new(input);
    loop {
        match reader.next_form() {
            Ok(None) => return Ok(()),
            Ok(Some((line, form))) => {
                if let Some(event) = event(line, form)? {
                    take(event)?;
                }
            }
            Err(error) => return Err(malformed(error)),
        }
    }
}

fn malformed(error: EdnError) -> ImportError {
    let help = if error.reason.contains("`:` without a name") {
        "this may be JSON, where EDN is wanted: {:process 0, …}. Of a run of paxosctl itself, \
         `paxosctl export RUN_DIR --format edn` makes it"
            .to_string()
    } else {
        format!("correct the line, or remove it together with its call or return; {EXAMPLE}")
    };
    ImportError::new(
        error.line,
        format!("not a line of EDN: {}", error.reason),
        help,
    )
}

fn event(line: u64, form: Value) -> Result<Option<Event>, ImportError> {
    let Value::Map(entries) = form else {
        return Err(ImportError::new(
            line,
            format!("a map is wanted here, and this is {}", kind_of(&form)),
            EXAMPLE,
        ));
    };
    let mut process = None;
    let mut kind = None;
    let mut function = None;
    let mut value = Value::Nil;
    let (mut key, mut error, mut position) = (None, None, None);
    for (name, entry) in entries {
        let Value::Keyword(name) = name else { continue };
        match &*name {
            "process" => process = Some(entry),
            "type" => kind = Some(entry),
            "f" => function = Some(entry),
            "value" => value = entry,
            "key" => key = Some(entry),
            "error" => error = Some(entry),
            "position" => position = Some(entry),
            _ => {}
        }
    }
    let missing = |name: &str| ImportError::new(line, format!("{name} is missing"), EXAMPLE);
    let process = match process.ok_or_else(|| missing(":process"))? {
        Value::Keyword(_) => return Ok(None),
        other => other.to_string(),
    };
    let kind = kind.ok_or_else(|| missing(":type"))?;
    let kind = match &kind {
        Value::Keyword(word) => Kind::of(word),
        _ => None,
    }
    .ok_or_else(|| {
        ImportError::new(
            line,
            format!(":type is {kind}"),
            "it must be :invoke, :ok, :fail or :info",
        )
    })?;
    let function = match function.ok_or_else(|| missing(":f"))? {
        Value::Keyword(word) | Value::Text(word) | Value::Symbol(word) => word,
        other => {
            return Err(ImportError::new(
                line,
                format!(":f is {other}"),
                "it must be a function, such as :read",
            ));
        }
    };
    let position = match position {
        None | Some(Value::Nil) => None,
        Some(Value::Int(place)) if place > 0 => Some(place.unsigned_abs()),
        Some(other) => {
            return Err(ImportError::new(
                line,
                format!(":position is {other}"),
                "it must be the appended element's place in the log, counted from 1",
            ));
        }
    };
    Ok(Some(Event {
        line,
        process,
        kind,
        function,
        key: key.filter(|key| *key != Value::Nil),
        value,
        error: error.filter(|error| *error != Value::Nil),
        position,
    }))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Set(_) => "a set",
        Value::Text(_) => "a string",
        Value::Keyword(_) => "a keyword",
        Value::Int(_) => "a number",
        _ => "a word",
    }
}
