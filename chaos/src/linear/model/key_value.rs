//! A key whose value is a string that is put, appended to, and got; at first the empty string.

use std::collections::{HashMap, HashSet};

use super::prefixes::Prefixes;
use super::{Model, State};
use crate::linear::history::{Call, Operation};
use crate::linear::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyValueOp {
    /// What it returned.
    Get(State),
    /// What is there afterwards.
    Put(State),
    /// In [`KeyValue::pieces`].
    Append(u32),
}

/// The state is what the string may still be observed as.
#[derive(Debug)]
pub struct KeyValue {
    prefixes: Prefixes<u8>,
    pieces: Vec<Box<[u8]>>,
    pieces_bytes: usize,
}

impl Model for KeyValue {
    type Op = KeyValueOp;

    fn new(operations: &[&Operation]) -> (KeyValue, Vec<Option<KeyValueOp>>) {
        let got: Vec<(&str, u64)> = operations
            .iter()
            .filter_map(|operation| match &operation.call {
                Call::Read(value) => Some((text(value), operation.returned.unwrap_or(u64::MAX))),
                _ => None,
            })
            .collect();
        let distinct: HashSet<&str> = got.iter().map(|&(text, _)| text).collect();
        let observed = distinct.iter().map(|text| text.as_bytes().to_vec());
        let mut prefixes = Prefixes::new(observed.collect(), false);
        let mut pieces: Vec<Box<[u8]>> = Vec::new();
        let mut piece_of = HashMap::new();
        let whole = |prefixes: &mut Prefixes<u8>, text: &str| {
            let empty = prefixes.empty();
            prefixes.grown(empty, text.as_bytes())
        };
        let ops = operations
            .iter()
            .map(|operation| {
                // Whether some get that returned after the call saw what `fits`.
                let seen = |fits: &dyn Fn(&str) -> bool| {
                    got.iter()
                        .any(|&(text, returned)| returned > operation.called && fits(text))
                };
                let unknown = operation.returned.is_none();
                match &operation.call {
                    Call::Read(value) => Some(KeyValueOp::Get(whole(&mut prefixes, text(value)))),
                    // What an unknown put left, or an unknown append added, is part of the string
                    // until the next put. If no get saw it, then none comes before that put, and
                    // all goes as well without the operation.
                    Call::Write(value) => {
                        let text = text(value);
                        let useless = unknown && !seen(&|got| got.starts_with(text));
                        (!useless).then(|| KeyValueOp::Put(whole(&mut prefixes, text)))
                    }
                    Call::Append(value, _) => {
                        let text = text(value);
                        let useless = unknown && !seen(&|got| got.contains(text));
                        (!useless).then(|| {
                            let next = pieces.len() as u32;
                            let piece = *piece_of.entry(text).or_insert(next);
                            if piece == next {
                                pieces.push(text.as_bytes().into());
                            }
                            KeyValueOp::Append(piece)
                        })
                    }
                    Call::Cas(..) | Call::FailedCas(..) => None,
                }
            })
            .collect();
        let model = KeyValue {
            prefixes,
            pieces_bytes: pieces
                .iter()
                .map(|piece| piece.len() + size_of::<Box<[u8]>>())
                .sum(),
            pieces,
        };
        (model, ops)
    }

    fn initial(&self) -> State {
        self.prefixes.empty()
    }

    fn step(&mut self, state: State, op: KeyValueOp) -> Option<State> {
        match op {
            KeyValueOp::Get(value) => (state == value).then_some(state),
            KeyValueOp::Put(value) => Some(value),
            KeyValueOp::Append(piece) => {
                Some(self.prefixes.grown(state, &self.pieces[piece as usize]))
            }
        }
    }

    fn observes(&self, op: KeyValueOp) -> bool {
        matches!(op, KeyValueOp::Get(_))
    }

    fn overwrites(&self, op: KeyValueOp) -> bool {
        matches!(op, KeyValueOp::Put(_))
    }

    fn leads_to(&self, state: State, op: KeyValueOp) -> bool {
        match op {
            KeyValueOp::Get(value) => self.prefixes.begins(state, value),
            KeyValueOp::Put(_) | KeyValueOp::Append(_) => true,
        }
    }

    fn is_impossible(&self, _: KeyValueOp) -> bool {
        false
    }

    fn bytes(&self) -> usize {
        self.prefixes.bytes() + self.pieces_bytes
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}
