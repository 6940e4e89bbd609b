//! Puts calls and returns together.

use std::collections::HashMap;

use super::ImportError;
use super::event::{Event, Kind};
use crate::linear::value::Value;

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Ok,
    Fail,
    /// `:info`, or no return.
    Unknown,
}

/// An operation as the file has it.
#[derive(Debug)]
pub(super) struct Paired {
    pub process: u32,
    pub function: Box<str>,
    pub key: Option<Value>,
    pub asked: Value,
    pub answered: Value,
    pub error: Option<Value>,
    pub position: Option<u64>,
    pub ended: Ended,
    pub called_line: u64,
    pub returned_line: Option<u64>,
    pub called: u64,
    pub returned: u64,
}

/// All operations of a file, in the order of their calls.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub processes: Vec<String>,
    pub operations: Vec<Paired>,
}

#[derive(Default)]
pub(super) struct Pairing {
    pairs: Pairs,
    process_of: HashMap<String, u32>,
    /// For each process, its last operation and whether that is still open.
    last: Vec<(usize, bool)>,
    events: u64,
    bytes: usize,
}

impl Pairing {
    /// About how much memory is taken, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn take(&mut self, event: Event) -> Result<(), ImportError> {
        self.events += 1;
        match event.kind {
            Kind::Invoke => self.call(event),
            _ => self.give_back(event),
        }
    }

    pub fn finish(self) -> Pairs {
        self.pairs
    }

    fn call(&mut self, event: Event) -> Result<(), ImportError> {
        let place = self.pairs.operations.len();
        let process = match self.process_of.get(&event.process) {
            Some(&process) => {
                let (last, open) = self.last[process as usize];
                if open {
                    return Err(ImportError::new(
                        event.line,
                        format!(
                            "process {} begins an operation while the one that it began on line \
                             {} has not returned",
                            event.process, self.pairs.operations[last].called_line
                        ),
                        "which of the two a later return belongs to cannot be told: end the first \
                         by :ok, :fail or :info, or let the second be another process",
                    ));
                }
                process
            }
            None => {
                let process = self.pairs.processes.len() as u32;
                self.pairs.processes.push(event.process.clone());
                self.process_of.insert(event.process.clone(), process);
                self.last.push((0, false));
                process
            }
        };
        self.last[process as usize] = (place, true);
        self.bytes += size_of::<Paired>() + event.value.bytes();
        self.bytes += event.key.as_ref().map_or(0, Value::bytes);
        self.pairs.operations.push(Paired {
            process,
            function: event.function,
            key: event.key,
            asked: event.value,
            answered: Value::Nil,
            error: None,
            position: None,
            ended: Ended::Unknown,
            called_line: event.line,
            returned_line: None,
            called: self.events,
            returned: u64::MAX,
        });
        Ok(())
    }

    fn give_back(&mut self, event: Event) -> Result<(), ImportError> {
        let last = self
            .process_of
            .get(&event.process)
            .map(|&process| (process as usize, self.last[process as usize]));
        let Some((process, (place, true))) = last else {
            let before = match last {
                Some((_, (place, _))) => {
                    let operation = &self.pairs.operations[place];
                    let line = operation.returned_line.unwrap_or(operation.called_line);
                    format!("its last operation ended on line {line}")
                }
                None => "it never began one".to_string(),
            };
            return Err(ImportError::new(
                event.line,
                format!(
                    "process {} returns {} :{} from no operation: {before}",
                    event.process,
                    event.kind.word(),
                    event.function
                ),
                "every :ok, :fail and :info must follow an :invoke of the same process",
            ));
        };
        let operation = &mut self.pairs.operations[place];
        let called = operation.called_line;
        if operation.function != event.function {
            return Err(ImportError::new(
                event.line,
                format!(
                    "process {} returns from :{}, but on line {called} it began :{}",
                    event.process, event.function, operation.function
                ),
                "a return must name the function that was called",
            ));
        }
        if event.key.is_some() && event.key != operation.key {
            return Err(ImportError::new(
                event.line,
                format!(
                    "process {} returns from another key than it began with on line {called}",
                    event.process
                ),
                "a return must name the same :key as its call, or none",
            ));
        }
        self.last[process].1 = false;
        operation.returned_line = Some(event.line);
        operation.ended = match event.kind {
            Kind::Ok => Ended::Ok,
            Kind::Fail => Ended::Fail,
            Kind::Info | Kind::Invoke => Ended::Unknown,
        };
        operation.returned = self.events;
        operation.position = event.position;
        operation.error = match &event.value {
            // `:fail :read :timed-out`: the reason stands where the value would.
            Value::Keyword(_) if event.kind != Kind::Ok && event.error.is_none() => {
                Some(event.value)
            }
            _ => {
                // What was written is known from the call; holding it twice would only cost.
                if event.value != operation.asked {
                    self.bytes += event.value.bytes();
                }
                operation.answered = event.value;
                event.error
            }
        };
        Ok(())
    }
}
