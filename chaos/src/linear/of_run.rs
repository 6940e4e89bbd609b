//! A run of this program as a history of a log.

use std::collections::HashMap;

use super::history::{Call, History, ModelKind, Operation};
use super::value::Value;
use crate::history::Evidence;
use crate::history::export::{self, Function, Kind, Line, Process, lines};

/// Every message as an append, with its index as its place where it was acknowledged, and every
/// read as one of the log's length.
pub fn of_run(evidence: &Evidence) -> History {
    let mut history = History {
        model: ModelKind::Log,
        processes: Vec::new(),
        keys: vec![None],
        operations: Vec::new(),
    };
    let mut open: HashMap<u32, usize> = HashMap::new();
    let taken = lines(evidence, &mut |line| {
        take(line, &mut history, &mut open);
        Ok(())
    });
    debug_assert!(taken.is_ok(), "taking a line never fails");
    // A read without an answer says nothing.
    history
        .operations
        .retain(|operation| operation.returned.is_some() || is_append(operation));
    history
}

fn is_append(operation: &Operation) -> bool {
    matches!(operation.call, Call::Append(..))
}

fn take(line: &Line, history: &mut History, open: &mut HashMap<u32, usize>) {
    let Process::Client(process) = line.process else {
        return;
    };
    // Places in the order of time begin at 1, as lines of a file do.
    let time = line.index + 1;
    let call = match (line.function, &line.value) {
        (Function::Append, export::Value::Text(text)) => {
            Call::Append(Value::text(text), line.position)
        }
        (Function::Read, export::Value::Length(length)) => {
            Call::Read(Value::Int(i64::try_from(*length).unwrap_or(i64::MAX)))
        }
        _ => Call::Read(Value::Nil),
    };
    match line.kind {
        Kind::Invoke => {
            while history.processes.len() <= process as usize {
                history.processes.push(history.processes.len().to_string());
            }
            open.insert(process, history.operations.len());
            history.operations.push(Operation {
                process,
                key: 0,
                call,
                called_line: 0,
                returned_line: None,
                called: time,
                returned: None,
            });
        }
        Kind::Ok => {
            if let Some(place) = open.remove(&process) {
                let operation = &mut history.operations[place];
                operation.call = call;
                operation.returned = Some(time);
            }
        }
        Kind::Info => {}
    }
}
