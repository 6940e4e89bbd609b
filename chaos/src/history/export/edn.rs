//! A line as an EDN map, as Jepsen writes its histories.

use std::fmt::{self, Display, Formatter};

use super::{Line, Process, Value};
use crate::linear::quoted;

/// Displays the line as EDN.
pub struct Edn<'a>(pub &'a Line<'a>);

impl Display for Edn<'_> {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        let line = self.0;
        write!(
            out,
            "{{:index {}, :time {}, :process ",
            line.index, line.time_ns
        )?;
        match line.process {
            Process::Client(number) => write!(out, "{number}")?,
            Process::Nemesis => out.write_str(":nemesis")?,
            Process::Unexplained => out.write_str(":unexplained")?,
        }
        write!(
            out,
            ", :type :{}, :f :{}, :value ",
            line.kind.word(),
            line.function.word()
        )?;
        match &line.value {
            Value::Nothing => out.write_str("nil")?,
            Value::Text(text) => quoted(text, out)?,
            Value::Length(length) => write!(out, "{length}")?,
            Value::Names(names) => texts(names, out)?,
        }
        if let Some(position) = line.position {
            write!(out, ", :position {position}")?;
        }
        let server = line.server.map(|server| server.to_string());
        let session = line.session.map(|session| session.to_string());
        for (name, text) in [
            ("client", line.client),
            ("session", session.as_deref()),
            ("server", server.as_deref()),
            ("fault", line.fault),
            ("planned", line.planned),
        ] {
            if let Some(text) = text {
                write!(out, ", :{name} ")?;
                quoted(text, out)?;
            }
        }
        if let Some(effect) = &line.effect {
            let effect = serde_json::to_value(effect).map_err(|_| fmt::Error)?;
            out.write_str(", :effect ")?;
            json(&effect, out)?;
        }
        if let Some(error) = line.error {
            out.write_str(", :error ")?;
            quoted(error, out)?;
        }
        out.write_str("}")
    }
}

fn texts(texts: &[String], out: &mut Formatter) -> fmt::Result {
    let texts = texts.iter().map(|text| text.as_str().into()).collect();
    json(&serde_json::Value::Array(texts), out)
}

/// The same value in EDN, with keywords for the names of fields.
fn json(value: &serde_json::Value, out: &mut Formatter) -> fmt::Result {
    match value {
        serde_json::Value::Null => out.write_str("nil"),
        serde_json::Value::Bool(truth) => write!(out, "{truth}"),
        serde_json::Value::Number(number) => write!(out, "{number}"),
        serde_json::Value::String(text) => quoted(text, out),
        serde_json::Value::Array(items) => {
            out.write_str("[")?;
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.write_str(" ")?;
                }
                json(item, out)?;
            }
            out.write_str("]")
        }
        serde_json::Value::Object(fields) => {
            out.write_str("{")?;
            for (place, (name, field)) in fields.iter().enumerate() {
                let comma = if place == 0 { "" } else { ", " };
                write!(out, "{comma}:{name} ")?;
                json(field, out)?;
            }
            out.write_str("}")
        }
    }
}
