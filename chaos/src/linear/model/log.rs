//! A log: elements are appended at its end, and it is read; at first empty.
//!
//! An append may be answered with the place that its element took, counted from 1: then the log had
//! exactly one element fewer before. A read is answered with the whole log, or with its length. So
//! a run of this program is one: messages are acknowledged with their index, and reads with the
//! length of the chat.

use std::collections::{HashMap, HashSet};

use super::prefixes::Prefixes;
use super::{Model, State};
use crate::linear::history::{Call, Operation};
use crate::linear::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogOp {
    /// The element's number, and the place that it took; 0 if that is not known.
    Append(u32, u64),
    /// The whole log.
    Read(State),
    Length(u64),
}

/// The state is the log's length, and what it may still be read as.
#[derive(Debug)]
pub struct Log {
    prefixes: Prefixes<u32>,
    /// How long it can ever be.
    appends: u64,
}

/// Every element that no read returned: nothing can tell two of them apart.
const UNOBSERVED: u32 = 0;

impl Model for Log {
    type Op = LogOp;

    fn new(operations: &[&Operation]) -> (Log, Vec<Option<LogOp>>) {
        let mut number_of: HashMap<&Value, u32> = HashMap::new();
        let mut observed: HashSet<Vec<u32>> = HashSet::new();
        // Until when an answer may depend on the length alone.
        let mut last_length = 0;
        for operation in operations {
            let returned = operation.returned.unwrap_or(u64::MAX);
            match &operation.call {
                Call::Read(Value::List(elements)) => {
                    let numbers = elements.iter().map(|element| {
                        let next = number_of.len() as u32 + 1;
                        *number_of.entry(element).or_insert(next)
                    });
                    observed.insert(numbers.collect());
                }
                Call::Read(_) | Call::Append(_, Some(_)) => {
                    last_length = last_length.max(returned);
                }
                _ => {}
            }
        }
        let mut prefixes = Prefixes::new(observed.into_iter().collect(), last_length > 0);
        let ops: Vec<Option<LogOp>> = operations
            .iter()
            .map(|operation| {
                let number = |element| number_of.get(element).copied().unwrap_or(UNOBSERVED);
                match &operation.call {
                    Call::Append(element, place) => {
                        let element = number(element);
                        // It would stay in the log, so all reads of the whole log come before it;
                        // if no answer depends on the length either, all goes as well without it.
                        let useless = operation.returned.is_none()
                            && element == UNOBSERVED
                            && last_length < operation.called;
                        (!useless).then_some(LogOp::Append(element, place.unwrap_or(0)))
                    }
                    Call::Read(Value::List(elements)) => {
                        let numbers: Vec<u32> = elements.iter().map(number).collect();
                        let empty = prefixes.empty();
                        Some(LogOp::Read(prefixes.grown(empty, &numbers)))
                    }
                    Call::Read(Value::Int(length)) => Some(LogOp::Length(length.unsigned_abs())),
                    _ => None,
                }
            })
            .collect();
        let is_append = |op: &&LogOp| matches!(op, LogOp::Append(..));
        let appends = ops.iter().flatten().filter(is_append).count() as u64;
        (Log { prefixes, appends }, ops)
    }

    fn initial(&self) -> State {
        self.prefixes.empty()
    }

    fn step(&mut self, state: State, op: LogOp) -> Option<State> {
        let length = || u64::from(self.prefixes.length(state));
        match op {
            LogOp::Append(_, place) if place != 0 && length() + 1 != place => None,
            LogOp::Append(element, _) => Some(self.prefixes.grown(state, &[element])),
            LogOp::Read(value) => (state == value).then_some(state),
            LogOp::Length(wanted) => (length() == wanted).then_some(state),
        }
    }

    fn observes(&self, op: LogOp) -> bool {
        !matches!(op, LogOp::Append(_, 0))
    }

    fn overwrites(&self, _: LogOp) -> bool {
        false
    }

    fn leads_to(&self, state: State, op: LogOp) -> bool {
        let length = || u64::from(self.prefixes.length(state));
        match op {
            LogOp::Append(_, 0) => true,
            LogOp::Append(_, place) => length() < place,
            LogOp::Read(value) => self.prefixes.begins(state, value),
            LogOp::Length(wanted) => length() <= wanted,
        }
    }

    fn is_impossible(&self, op: LogOp) -> bool {
        match op {
            LogOp::Append(_, length) | LogOp::Length(length) => length > self.appends,
            LogOp::Read(_) => false,
        }
    }

    fn bytes(&self) -> usize {
        self.prefixes.bytes()
    }
}
