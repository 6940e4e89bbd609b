//! Why a key is not linearizable, in a form that a person can follow.

use std::collections::HashSet;

use serde::Serialize;

use super::history::{Call, History, ModelKind, Operation};
use super::value::Value;
use crate::report::count;

/// How many of the last operations of the prefix are told.
const LAST: usize = 12;

/// How many operations concurrent with the one that fits nowhere are told.
const CONCURRENT: usize = 20;

/// The longest value that is told whole, in characters: of the operation that fits nowhere, of a
/// state, and of the other operations.
const CLIP: usize = 72;
const CLIP_STATE: usize = 48;
const CLIP_OTHERS: usize = 24;

/// A key that is not linearizable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// As EDN; `None` where operations name no key.
    pub key: Option<String>,
    pub operations: usize,
    /// How many operations the longest linearizable prefix has.
    pub prefix_length: usize,
    /// The last operations of that prefix, in the order in which they take effect.
    pub prefix: Vec<Placed>,
    /// The state after the prefix.
    pub state: String,
    /// The operation that fits nowhere.
    pub stuck: Operand,
    /// What was open at the same time as that; placed in the prefix or not.
    pub concurrent: Vec<Placed>,
    /// How many more there were.
    pub concurrent_left_out: usize,
}

/// An operation as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operand {
    pub process: String,
    /// `write 3`, `read → 4`.
    pub what: String,
    /// 0 where there is no file.
    pub called_line: u64,
    /// `None` if it never returned.
    pub returned_line: Option<u64>,
    /// Whether it may have happened or not.
    pub unknown: bool,
}

/// An operation and where it takes effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// Its place in the prefix, from 1; `None` if it is not in it.
    pub place: Option<usize>,
    #[serde(flatten)]
    pub operation: Operand,
    /// The state after it, if it is in the prefix.
    pub state: Option<String>,
}

/// `places` are the key's operations in the history; `prefix` and `stuck` are among them.
pub fn violation(history: &History, places: &[u32], prefix: &[u32], stuck: u32) -> Violation {
    let operation = |place: u32| &history.operations[places[place as usize] as usize];
    let stuck_operation = operation(stuck);
    let mut state = Plain::initial(history.model);
    let mut told = Vec::new();
    let first_told = prefix.len().saturating_sub(LAST);
    for (before, &place) in prefix.iter().enumerate() {
        state.apply(&operation(place).call);
        if before >= first_told {
            told.push(Placed {
                place: Some(before + 1),
                operation: operand(history, operation(place), CLIP_OTHERS),
                state: Some(state.shown()),
            });
        }
    }
    let placed: HashSet<u32> = prefix.iter().copied().collect();
    let mut concurrent = Vec::new();
    let mut left_out = 0;
    for place in 0..places.len() as u32 {
        let other = operation(place);
        let apart = |first: &Operation, second: &Operation| {
            first
                .returned
                .is_some_and(|returned| returned < second.called)
        };
        if place == stuck || apart(other, stuck_operation) || apart(stuck_operation, other) {
            continue;
        }
        if concurrent.len() == CONCURRENT {
            left_out += 1;
            continue;
        }
        concurrent.push(Placed {
            place: placed.contains(&place).then(|| {
                let place = prefix.iter().position(|&other| other == place);
                place.unwrap_or_default() + 1
            }),
            operation: operand(history, other, CLIP_OTHERS),
            state: None,
        });
    }
    Violation {
        key: history.keys[stuck_operation.key as usize]
            .as_ref()
            .map(ToString::to_string),
        operations: places.len(),
        prefix_length: prefix.len(),
        prefix: told,
        state: state.shown(),
        stuck: operand(history, stuck_operation, CLIP),
        concurrent,
        concurrent_left_out: left_out,
    }
}

fn operand(history: &History, operation: &Operation, clip: usize) -> Operand {
    let unknown = operation.returned.is_none();
    Operand {
        process: history.processes[operation.process as usize].clone(),
        what: words(history.model, &operation.call, clip),
        called_line: operation.called_line,
        returned_line: operation.returned_line,
        unknown,
    }
}

fn words(model: ModelKind, call: &Call, clip: usize) -> String {
    let kv = model == ModelKind::KeyValue;
    let show = |value: &Value| within(value, clip);
    match call {
        Call::Read(value) => format!("{} → {}", if kv { "get" } else { "read" }, show(value)),
        Call::Write(value) => format!("{} {}", if kv { "put" } else { "write" }, show(value)),
        Call::Cas(from, to) => format!("cas {} to {}", show(from), show(to)),
        Call::FailedCas(from, to) => format!("cas {} to {} → failed", show(from), show(to)),
        Call::Append(value, None) => format!("append {}", show(value)),
        Call::Append(value, Some(place)) => format!("append {} → place {place}", show(value)),
    }
}

/// A state as a person thinks of it.
enum Plain {
    Value(Value),
    Text(String),
    Log(Vec<Value>),
}

impl Plain {
    fn initial(model: ModelKind) -> Plain {
        match model {
            ModelKind::Register | ModelKind::CasRegister => Plain::Value(Value::Nil),
            ModelKind::KeyValue => Plain::Text(String::new()),
            ModelKind::Log => Plain::Log(Vec::new()),
        }
    }

    fn apply(&mut self, call: &Call) {
        match (self, call) {
            (Plain::Value(state), Call::Write(value) | Call::Cas(_, value)) => {
                *state = value.clone();
            }
            (Plain::Text(state), Call::Write(Value::Text(text))) => *state = text.to_string(),
            (Plain::Text(state), Call::Append(Value::Text(text), _)) => state.push_str(text),
            (Plain::Log(state), Call::Append(value, _)) => state.push(value.clone()),
            _ => {}
        }
    }

    fn shown(&self) -> String {
        match self {
            Plain::Value(value) => within(value, CLIP_STATE),
            Plain::Text(text) => within(&Value::text(text), CLIP_STATE),
            // The operation before it says what stands last.
            Plain::Log(elements) => count(elements.len() as u64, "element"),
        }
    }
}

/// A value, without its middle when it is long: what was added last stands at the end.
fn within(value: &Value, letters: usize) -> String {
    match value {
        Value::Text(text) => Value::text(&ends(text, letters)).to_string(),
        other => ends(&other.to_string(), letters),
    }
}

fn ends(text: &str, clip: usize) -> String {
    let letters = text.chars().count();
    if letters <= clip {
        return text.to_string();
    }
    let half = clip / 2 - 1;
    let first: String = text.chars().take(half).collect();
    let last: String = text.chars().skip(letters - half).collect();
    format!("{first} … {last}")
}
