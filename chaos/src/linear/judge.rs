//! Decides a history, key by key, within a budget.

use serde::Serialize;

use super::explain::{self, Violation};
use super::farthest::farthest;
use super::history::{History, ModelKind, Operation};
use super::model::{KeyValue, Log, Model, Register};
use super::search::{Entry, Exhausted, Found, Limits, search};

/// What deciding may use.
pub struct Budget<'a> {
    /// Bytes of memory for one key's search, beside the history itself.
    pub bytes: usize,
    /// Asked now and then; when it says yes, what is undecided remains so.
    pub give_up: &'a dyn Fn() -> bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Linearizable,
    NotLinearizable,
    /// The budget was not enough.
    Unknown,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    pub verdict: Verdict,
    pub model: &'static str,
    pub keys: usize,
    pub operations: usize,
    /// Of these, how many may have happened or not.
    pub unknown_operations: usize,
    /// Keys that are not linearizable, the first few.
    pub violations: Vec<Violation>,
    /// How many keys are not linearizable. No more were looked for once the first round found any.
    pub violated_keys: usize,
    /// Keys that the budget did not suffice for, the first few.
    pub undecided: Vec<Undecided>,
    pub undecided_keys: usize,
}

/// A key that the budget did not suffice for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undecided {
    /// As EDN; `None` where operations name no key.
    pub key: Option<String>,
    pub operations: usize,
    pub why: Why,
    /// The line of the latest return up to which an order was found.
    pub reached_line: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Time,
    Memory,
}

/// How many violations and undecided keys are told in full.
const TOLD: usize = 3;

/// How many operations a key's search may try in the first round, whatever the time: the many keys
/// that are easy are decided before the few that are hard use everything up.
const FIRST_ROUND_STEPS: u64 = 2_000_000;

/// Decides a history.
///
/// One key that is not linearizable decides against the history, even if others remain undecided.
pub fn judge(history: &History, budget: &Budget) -> Judgement {
    match history.model {
        ModelKind::Register | ModelKind::CasRegister => decide::<Register>(history, budget),
        ModelKind::KeyValue => decide::<KeyValue>(history, budget),
        ModelKind::Log => decide::<Log>(history, budget),
    }
}

fn decide<M: Model>(history: &History, budget: &Budget) -> Judgement {
    let mut by_key: Vec<Vec<u32>> = vec![Vec::new(); history.keys.len()];
    for (place, operation) in (0..).zip(&history.operations) {
        by_key[operation.key as usize].push(place);
    }
    let is_unknown = |operation: &&Operation| operation.returned.is_none();
    let mut judgement = Judgement {
        verdict: Verdict::Linearizable,
        model: history.model.word(),
        keys: history.keys.len(),
        operations: history.operations.len(),
        unknown_operations: history.operations.iter().filter(is_unknown).count(),
        violations: Vec::new(),
        violated_keys: 0,
        undecided: Vec::new(),
        undecided_keys: 0,
    };
    let mut open: Vec<u32> = (0..history.keys.len() as u32).collect();
    for steps in [FIRST_ROUND_STEPS, u64::MAX] {
        let mut left = Vec::new();
        judgement.undecided.clear();
        for key in open {
            let places = &by_key[key as usize];
            match decide_key::<M>(history, places, steps, budget) {
                Found::Linearizable { .. } => {}
                Found::Not { prefix, stuck } => {
                    judgement.violated_keys += 1;
                    if judgement.violations.len() < TOLD {
                        let violation = explain::violation(history, places, &prefix, stuck);
                        judgement.violations.push(violation);
                    }
                }
                Found::Unknown { why, reached } => {
                    left.push(key);
                    if judgement.undecided.len() < TOLD {
                        judgement.undecided.push(Undecided {
                            key: history.keys[key as usize].as_ref().map(ToString::to_string),
                            operations: places.len(),
                            why: match why {
                                Exhausted::Memory => Why::Memory,
                                Exhausted::Steps | Exhausted::GivenUp => Why::Time,
                            },
                            reached_line: reached
                                .and_then(|operation| places.get(operation as usize))
                                .and_then(|&place| {
                                    history.operations[place as usize].returned_line
                                }),
                        });
                    }
                }
            }
        }
        open = left;
        if open.is_empty() || judgement.violated_keys > 0 {
            break;
        }
    }
    judgement.undecided_keys = open.len();
    judgement.verdict = if judgement.violated_keys > 0 {
        Verdict::NotLinearizable
    } else if judgement.undecided_keys > 0 {
        Verdict::Unknown
    } else {
        Verdict::Linearizable
    };
    judgement
}

/// Operations in what is found are places in `places`.
fn decide_key<M: Model>(history: &History, places: &[u32], steps: u64, budget: &Budget) -> Found {
    if (budget.give_up)() {
        return Found::Unknown {
            why: Exhausted::GivenUp,
            reached: None,
        };
    }
    let operations: Vec<&Operation> = places
        .iter()
        .map(|&place| &history.operations[place as usize])
        .collect();
    let (mut model, ops) = M::new(&operations);
    let mut kept = Vec::new();
    let mut entries = Vec::new();
    for (place, (operation, op)) in (0..).zip(operations.iter().zip(ops)) {
        if let Some(op) = op {
            kept.push(place);
            entries.push(Entry {
                op,
                called: operation.called,
                returned: operation.returned,
            });
        }
    }
    let limits = Limits {
        steps,
        bytes: budget.bytes,
        give_up: budget.give_up,
    };
    let place = |operation: u32| -> u32 { kept[operation as usize] };
    let found = search(&mut model, &entries, &limits);
    let limits = Limits {
        steps: FIRST_ROUND_STEPS,
        ..limits
    };
    match farthest(&mut model, &entries, &limits, found) {
        found @ Found::Linearizable { .. } => found,
        Found::Not { prefix, stuck } => Found::Not {
            prefix: prefix.into_iter().map(place).collect(),
            stuck: place(stuck),
        },
        Found::Unknown { why, reached } => Found::Unknown {
            why,
            reached: reached.map(place),
        },
    }
}
