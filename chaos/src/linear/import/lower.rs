//! From what a file says to what it means for a model.

use std::collections::HashMap;

use super::ImportError;
use super::pair::{Ended, Paired, Pairs};
use crate::linear::history::{Call, History, ModelKind, Operation};
use crate::linear::value::Value;

/// What an operation does, whatever the model calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Read,
    Write,
    Cas,
    Append,
}

/// Words in the reason of a `:fail` that say that the operation never got as far as comparing
/// anything, if it got anywhere.
const NEVER_ANSWERED: [&str; 6] = [
    "timed-out",
    "timed out",
    "timeout",
    "connection",
    "connect-",
    "unavailable",
];

pub(super) fn lower(pairs: Pairs, model: ModelKind) -> Result<History, ImportError> {
    let does = pairs
        .operations
        .iter()
        .map(|paired| does(model, paired))
        .collect::<Result<Vec<Does>, ImportError>>()?;
    let in_pairs = keys_are_in_pairs(&pairs.operations, &does);
    let mut history = History {
        model,
        processes: pairs.processes,
        keys: Vec::new(),
        operations: Vec::new(),
    };
    let mut key_of: HashMap<Option<Value>, u32> = HashMap::new();
    for (mut paired, does) in pairs.operations.into_iter().zip(does) {
        if in_pairs {
            take_key_from_value(&mut paired)?;
        }
        let Some((call, returned)) = call(model, does, &mut paired)? else {
            continue;
        };
        let keys = &mut history.keys;
        let key = *key_of.entry(paired.key).or_insert_with_key(|key| {
            keys.push(key.clone());
            keys.len() as u32 - 1
        });
        history.operations.push(Operation {
            process: paired.process,
            key,
            call,
            called_line: paired.called_line,
            returned_line: paired.returned_line,
            called: paired.called,
            returned,
        });
    }
    Ok(history)
}

fn does(model: ModelKind, paired: &Paired) -> Result<Does, ImportError> {
    use ModelKind::{CasRegister, KeyValue, Log, Register};
    let function = &*paired.function;
    Ok(match (model, function) {
        (Register | CasRegister | Log, "read") | (KeyValue | Log, "get") => Does::Read,
        (Register | CasRegister, "write") | (KeyValue, "put") => Does::Write,
        (CasRegister, "cas") => Does::Cas,
        (KeyValue | Log, "append") => Does::Append,
        _ => {
            let knows = match model {
                Register => ":read and :write",
                CasRegister => ":read, :write and :cas",
                KeyValue => ":get, :put and :append",
                Log => ":append and :read",
            };
            let other = match function {
                "cas" if model == Register => "; --model cas-register knows :cas",
                "get" | "put" if model != KeyValue => "; --model kv knows :get, :put and :append",
                "read" | "write" if model == KeyValue => {
                    "; --model cas-register knows :read, :write and :cas"
                }
                "append" => "; --model kv appends to strings, --model log to a log",
                _ => "",
            };
            return Err(ImportError::new(
                paired.called_line,
                format!("the model {} has no function :{function}", model.word()),
                format!("it knows {knows}{other}"),
            ));
        }
    })
}

/// Whether the keys stand in the values, `[key value]`, as Jepsen's independent histories have
/// them. That is so only if it fits every operation, and if some call could not be meant
/// otherwise: a read `[key nil]`, or a cas `[key [from to]]`.
fn keys_are_in_pairs(operations: &[Paired], does: &[Does]) -> bool {
    let mut beyond_doubt = false;
    for (paired, does) in operations.iter().zip(does) {
        let Some((_, value)) = paired.asked.pair().filter(|_| paired.key.is_none()) else {
            return false;
        };
        match does {
            Does::Read if *value == Value::Nil => beyond_doubt = true,
            Does::Cas if value.pair().is_some() => beyond_doubt = true,
            Does::Read | Does::Cas => return false,
            Does::Write | Does::Append => {}
        }
    }
    beyond_doubt
}

fn take_key_from_value(paired: &mut Paired) -> Result<(), ImportError> {
    let (key, asked) = match paired.asked.pair() {
        Some((key, asked)) => (key.clone(), asked.clone()),
        None => return Ok(()),
    };
    if paired.ended == Ended::Ok && paired.answered != Value::Nil {
        match paired.answered.pair() {
            Some((answered_key, answered)) if *answered_key == key => {
                paired.answered = answered.clone();
            }
            _ => {
                return Err(ImportError::new(
                    paired.returned_line.unwrap_or(paired.called_line),
                    format!("the call is of key {key}, and this return is not"),
                    "here every value is [key value], so the return must be too",
                ));
            }
        }
    }
    paired.asked = asked;
    paired.key = Some(key);
    Ok(())
}

/// The call and when it returned; `None` for what surely did not happen or says nothing.
fn call(
    model: ModelKind,
    does: Does,
    paired: &mut Paired,
) -> Result<Option<(Call, Option<u64>)>, ImportError> {
    let ended = match paired.ended {
        Ended::Fail if never_answered(paired.error.as_ref()) => Ended::Unknown,
        ended => ended,
    };
    let returned = (ended == Ended::Ok).then_some(paired.returned);
    let asked = std::mem::replace(&mut paired.asked, Value::Nil);
    let answered = std::mem::replace(&mut paired.answered, Value::Nil);
    if does != Does::Read && ended == Ended::Ok && answered != Value::Nil && answered != asked {
        return Err(ImportError::new(
            paired.returned_line.unwrap_or(paired.called_line),
            format!(
                "it returns {answered}, but was called on line {} with {asked}",
                paired.called_line
            ),
            "an :ok of anything but a read must repeat the value of its call, or be nil; an \
             append's place in a log goes under :position",
        ));
    }
    Ok(match (does, ended) {
        (Does::Read, Ended::Ok) => {
            let value = read_value(model, answered, paired)?;
            Some((Call::Read(value), returned))
        }
        (Does::Read, _) | (Does::Write | Does::Append, Ended::Fail) => None,
        (Does::Write, _) => Some((Call::Write(written(model, asked)), returned)),
        (Does::Append, _) => {
            let position = paired
                .position
                .filter(|_| model == ModelKind::Log && ended == Ended::Ok);
            Some((Call::Append(written(model, asked), position), returned))
        }
        (Does::Cas, _) => {
            let Some((from, to)) = asked.pair() else {
                return Err(ImportError::new(
                    paired.called_line,
                    format!("a :cas of {asked}"),
                    "it must be [from to]",
                ));
            };
            let (from, to) = (from.clone(), to.clone());
            Some(match ended {
                Ended::Fail => (Call::FailedCas(from, to), Some(paired.returned)),
                Ended::Ok | Ended::Unknown => (Call::Cas(from, to), returned),
            })
        }
    })
}

fn never_answered(error: Option<&Value>) -> bool {
    error.is_some_and(|error| {
        let text = error.to_string().to_lowercase();
        NEVER_ANSWERED.iter().any(|word| text.contains(word))
    })
}

fn read_value(model: ModelKind, value: Value, paired: &Paired) -> Result<Value, ImportError> {
    match (model, value) {
        (ModelKind::Register | ModelKind::CasRegister, value) => Ok(value),
        (ModelKind::KeyValue, value) => Ok(written(model, value)),
        (ModelKind::Log, Value::Nil) => Ok(Value::List(Vec::new())),
        (ModelKind::Log, value @ Value::List(_)) => Ok(value),
        (ModelKind::Log, Value::Int(length)) if length >= 0 => Ok(Value::Int(length)),
        (ModelKind::Log, other) => Err(ImportError::new(
            paired.returned_line.unwrap_or(paired.called_line),
            format!("a read of a log returned {other}"),
            "it must be the whole log, [a b c], or its length, 3",
        )),
    }
}

/// The values of keys are strings: nil is the empty one, and what is no string is as it is written.
fn written(model: ModelKind, value: Value) -> Value {
    match (model, value) {
        (ModelKind::KeyValue, Value::Nil) => Value::text(""),
        (ModelKind::KeyValue, text @ Value::Text(_)) => text,
        (ModelKind::KeyValue, other) => Value::Text(other.to_string().into()),
        (_, value) => value,
    }
}
