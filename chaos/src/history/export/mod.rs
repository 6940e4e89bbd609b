//! A run's history in the forms that other tools read: Jepsen's EDN, or JSON lines.
//!
//! Both hold the same lines, in the order of time: every call and return of a client's operation,
//! and what was done to the cluster meanwhile. Calls come before returns of the same microsecond,
//! so that no order is claimed that was not seen.
//!
//! | EDN | JSON | what |
//! |---|---|---|
//! | `:index` | `index` | the line's number, from 0 |
//! | `:time` | `time_ns` | nanoseconds since the cluster was ready |
//! | `:process` | `process` | who: a number for clients, which does one operation at a time and none after an unknown one; `:nemesis` for faults; `:unexplained` for acknowledgements that fit no operation |
//! | `:type` | `type` | `invoke`, `ok`, or `info`: of a client unknown, of the nemesis begun or done |
//! | `:f` | `f` | `append`, a message; `read`, the chat's length; of the nemesis the action as the history names it (`kill`, `start`, `links`), or `died` for what nobody asked for; unexplained `stray-ack` and `conflicting-ack` |
//! | `:value` | `value` | the message's text; of a read nil, and when answered the length; of the nemesis the nodes or links |
//! | `:position` | `position` | of an acknowledged message its index in the chat, from 1 |
//! | `:client` | `client` | the client's node: `ann` |
//! | `:session` | `session` | the client's session, 16 hexadecimal digits |
//! | `:server` | `server` | who answered: `s1` |
//! | `:fault` | `fault` | the fault that an action serves: `f1`, or `heal` at the end |
//! | `:planned` | `planned` | the fault as the plan says it: `kill leader` |
//! | `:effect` | `effect` | of an action that is done, what was observed to change: `[{"change":"exited","node":"s1","status":"signal 9"}]` |
//! | `:error` | `error` | why an action could not be carried out; of `died`, how the process ended |
//!
//! What a line does not have is left out, but `value`, which is then nil. An unknown operation gets
//! its `info` at the end of the history.

mod edn;
mod lines;

pub use lines::{Function, Kind, Line, Process, Value, lines};

use std::io::{self, Write};

use super::Evidence;

/// A form of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Edn,
    JsonLines,
}

/// Writes the whole history, one line after the other.
pub fn write(evidence: &Evidence, format: Format, out: &mut impl Write) -> io::Result<()> {
    lines(evidence, &mut |line| match format {
        Format::Edn => writeln!(out, "{}", edn::Edn(line)),
        Format::JsonLines => {
            serde_json::to_writer(&mut *out, line)?;
            out.write_all(b"\n")
        }
    })
}

#[cfg(test)]
mod tests;
