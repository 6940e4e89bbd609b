//! The checker against a deliberately dumb twin: every order of every subset of the unknown
//! operations, on the meaning of the operations as the models' documentation words it.

use std::fmt::Write;

use proptest::prelude::*;

use crate::linear::{Budget, Judgement, ModelKind, Verdict, import, judge};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Ok,
    Fail,
    Info,
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Does {
    Read,
    Write(u8),
    Cas(u8, u8),
    Append(u8),
}

/// What a read returned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Nothing,
    State(Vec<u8>),
    Length(usize),
    Place(usize),
}

#[derive(Debug, Clone)]
struct Op {
    does: Does,
    called: u32,
    returned: u32,
    ended: Ended,
    answer: Answer,
}

/// A state is a list of small numbers: of a register, none (nil) or one.
fn after(state: &[u8], op: &Op) -> Option<Vec<u8>> {
    let mut next = state.to_vec();
    match (&op.does, op.ended) {
        (Does::Read, _) => match &op.answer {
            Answer::State(seen) if seen != state => return None,
            Answer::Length(length) if *length != state.len() => return None,
            _ => {}
        },
        (Does::Write(value), _) => next = vec![*value],
        (Does::Cas(from, to), Ended::Ok) => {
            if state != [*from] {
                return None;
            }
            next = vec![*to];
        }
        (Does::Cas(from, _), Ended::Fail) => {
            if state == [*from] {
                return None;
            }
        }
        (Does::Cas(from, to), _) => {
            if state == [*from] {
                next = vec![*to];
            }
        }
        (Does::Append(value), _) => {
            next.push(*value);
            if matches!(op.answer, Answer::Place(place) if place != next.len()) {
                return None;
            }
        }
    }
    Some(next)
}

/// What must be linearized, what may, and what is nothing.
fn matters(op: &Op) -> bool {
    match op.does {
        Does::Read => op.ended == Ended::Ok,
        Does::Write(_) | Does::Append(_) => op.ended != Ended::Fail,
        Does::Cas(..) => true,
    }
}

fn twin(ops: &[Op]) -> bool {
    let ops: Vec<&Op> = ops.iter().filter(|op| matters(op)).collect();
    place_next(&ops, &mut vec![false; ops.len()], &[])
}

fn returns(op: &Op) -> u32 {
    match op.ended {
        Ended::Ok | Ended::Fail => op.returned,
        Ended::Info | Ended::Never => u32::MAX,
    }
}

fn place_next(ops: &[&Op], placed: &mut Vec<bool>, state: &[u8]) -> bool {
    if (0..ops.len()).all(|op| placed[op] || returns(ops[op]) == u32::MAX) {
        return true;
    }
    for op in 0..ops.len() {
        let first =
            (0..ops.len()).all(|other| placed[other] || returns(ops[other]) > ops[op].called);
        if !placed[op]
            && first
            && let Some(next) = after(state, ops[op])
        {
            placed[op] = true;
            if place_next(ops, placed, &next) {
                return true;
            }
            placed[op] = false;
        }
    }
    false
}

fn letter(value: u8) -> char {
    char::from(b'a' + value)
}

fn text_of(values: &[u8]) -> String {
    values.iter().map(|&value| letter(value)).collect()
}

/// The history as EDN lines.
fn edn(model: ModelKind, ops: &[Op]) -> String {
    let mut lines: Vec<(u32, String)> = Vec::new();
    for (process, op) in ops.iter().enumerate() {
        let kv = model == ModelKind::KeyValue;
        let value = |value: &u8| match kv {
            true => format!("{:?}", letter(*value).to_string()),
            false => value.to_string(),
        };
        let (function, asked) = match &op.does {
            Does::Read => (if kv { "get" } else { "read" }, "nil".to_string()),
            Does::Write(wanted) => (if kv { "put" } else { "write" }, value(wanted)),
            Does::Cas(from, to) => ("cas", format!("[{from} {to}]")),
            Does::Append(wanted) => ("append", value(wanted)),
        };
        let mut line = |at: u32, kind: &str, value: &str, more: &str| {
            lines.push((
                at,
                format!(
                    "{{:process {process}, :type :{kind}, :f :{function}, :value {value}{more}}}"
                ),
            ));
        };
        line(op.called, "invoke", &asked, "");
        match op.ended {
            Ended::Never => {}
            Ended::Info => line(op.returned, "info", ":timed-out", ""),
            Ended::Fail => line(op.returned, "fail", &asked, ""),
            Ended::Ok => {
                let answer = match (&op.answer, model) {
                    (Answer::State(state), ModelKind::KeyValue) => {
                        format!("{:?}", text_of(state))
                    }
                    (Answer::State(state), ModelKind::Log) => format!("{state:?}"),
                    (Answer::State(state), _) => state.first().map_or("nil".into(), u8::to_string),
                    (Answer::Length(length), _) => length.to_string(),
                    _ => asked,
                };
                let place = match op.answer {
                    Answer::Place(place) => format!(", :position {place}"),
                    _ => String::new(),
                };
                line(op.returned, "ok", &answer, &place);
            }
        }
    }
    lines.sort();
    lines
        .into_iter()
        .fold(String::new(), |mut text, (_, line)| {
            let _ = writeln!(text, "{line}");
            text
        })
}

/// How an operation is drawn: what it does, its length, how it ends, when it truly happens.
type Draw = (u8, u8, u8, u8, u8, u8);

/// A history of a system that is linearizable: each operation happens at one moment between its
/// call and its return, or, if it is unknown, at any later one or never.
fn simulate(model: ModelKind, draws: &[Draw], lengths: bool) -> Vec<Op> {
    let mut ops: Vec<(Op, u32)> = Vec::new();
    for (place, &(what, first, second, long, end, moment)) in draws.iter().enumerate() {
        let (first, second) = (first % 3, second % 3);
        let does = match (model, what % 4) {
            (ModelKind::Register, 0 | 1) => Does::Write(first),
            (ModelKind::CasRegister, 0) => Does::Write(first),
            (ModelKind::CasRegister, 1 | 2) => Does::Cas(first, second),
            (ModelKind::KeyValue, 0) => Does::Write(first),
            (ModelKind::KeyValue | ModelKind::Log, 1) => Does::Append(first),
            (ModelKind::Log, 0 | 2) => Does::Append(first),
            _ => Does::Read,
        };
        // Times in steps of 1000, so that every call and return has a time of its own.
        let called = (place as u32) * 1000;
        let returned = called + u32::from(long % 6) * 1000 + 500 + place as u32;
        let ended = match end % 8 {
            0 => Ended::Info,
            1 => Ended::Never,
            2 => Ended::Fail,
            _ => Ended::Ok,
        };
        let happens = match ended {
            Ended::Ok | Ended::Fail => called + (returned - called) * u32::from(moment) / 256,
            Ended::Info | Ended::Never => called + 1 + u32::from(moment) * 60,
        };
        let op = Op {
            does,
            called,
            returned,
            ended,
            answer: Answer::Nothing,
        };
        ops.push((op, happens));
    }
    let mut order: Vec<usize> = (0..ops.len()).collect();
    order.sort_by_key(|&op| (ops[op].1, op));
    let mut state: Vec<u8> = Vec::new();
    for place in order {
        let (op, moment) = &mut ops[place];
        let never = matches!(op.ended, Ended::Info | Ended::Never) && *moment % 2 == 0;
        let failed_write =
            op.ended == Ended::Fail && matches!(op.does, Does::Write(_) | Does::Append(_));
        if never || failed_write {
            continue;
        }
        match op.does {
            Does::Read if lengths => op.answer = Answer::Length(state.len()),
            Does::Read => op.answer = Answer::State(state.clone()),
            Does::Write(value) => state = vec![value],
            Does::Cas(from, to) => {
                let matches = state == [from];
                if matches {
                    state = vec![to];
                }
                if matches!(op.ended, Ended::Ok | Ended::Fail) {
                    op.ended = if matches { Ended::Ok } else { Ended::Fail };
                }
            }
            Does::Append(value) => {
                state.push(value);
                if op.ended == Ended::Ok && model == ModelKind::Log && place % 2 == 0 {
                    op.answer = Answer::Place(state.len());
                }
            }
        }
    }
    ops.into_iter().map(|(op, _)| op).collect()
}

/// Operations at any times, with any answers: two values, so that many fit by chance.
fn at_random(model: ModelKind, draws: &[Draw]) -> Vec<Op> {
    let mut ops = Vec::new();
    for (place, &(what, first, second, long, end, moment)) in draws.iter().enumerate() {
        let (first, second) = (first % 2, second % 2);
        let does = match (model, what % 5) {
            (ModelKind::Register, 0..3) | (ModelKind::CasRegister, 0 | 1) => Does::Write(first),
            (ModelKind::CasRegister, 2 | 3) => Does::Cas(first, second),
            (ModelKind::KeyValue, 0 | 1) => Does::Write(first),
            (ModelKind::KeyValue, 2) | (ModelKind::Log, 0..3) => Does::Append(first),
            _ => Does::Read,
        };
        let called = u32::from(moment % 16) * 1000 + 2 * place as u32;
        let answer = match (model, &does) {
            (ModelKind::Register | ModelKind::CasRegister, Does::Read) => {
                Answer::State([first].into_iter().take(usize::from(second) + 1).collect())
            }
            (_, Does::Read) => {
                Answer::State([first, second, first][..usize::from(long % 4)].into())
            }
            (ModelKind::Log, _) if second == 0 => Answer::Place(usize::from(long % 4) + 1),
            _ => Answer::Nothing,
        };
        let ended = match end % 8 {
            0 | 1 => Ended::Info,
            2 => Ended::Fail,
            _ => Ended::Ok,
        };
        ops.push(Op {
            does,
            called,
            returned: called + u32::from(long % 12) * 1000 + 501,
            ended,
            answer: if ended == Ended::Ok {
                answer
            } else {
                Answer::Nothing
            },
        });
    }
    ops
}

/// Changes one answer.
fn corrupt(ops: &mut [Op], which: u8, to: u8) {
    let which = usize::from(which) % ops.len();
    let op = &mut ops[which];
    match &mut op.answer {
        Answer::State(state) => match to % 3 {
            0 => state.truncate(state.len().saturating_sub(1)),
            1 if !state.is_empty() => state[0] = (state[0] + 1) % 3,
            _ => *state = vec![to % 3],
        },
        Answer::Length(length) | Answer::Place(length) => {
            *length = if to.is_multiple_of(2) {
                *length + 1
            } else {
                length.saturating_sub(1).max(1)
            };
        }
        Answer::Nothing if op.does == Does::Read => {
            op.ended = Ended::Ok;
            op.answer = Answer::State(Vec::new());
        }
        Answer::Nothing => {
            op.ended = match op.ended {
                Ended::Ok => Ended::Fail,
                _ => Ended::Ok,
            };
        }
    }
}

/// The history up to just before, or just after, the return of `stuck`.
fn until(ops: &[Op], stuck: usize, with: bool) -> Vec<Op> {
    let end = ops[stuck].returned;
    let mut before: Vec<Op> = Vec::new();
    for (place, op) in ops.iter().enumerate() {
        if op.called < end {
            let mut op = op.clone();
            let returned = op.returned < end || (with && place == stuck);
            if !returned {
                // Open, but it is known what it will be answered.
                op.returned = u32::MAX;
            }
            before.push(op);
        }
    }
    before
}

fn checked(model: ModelKind, ops: &[Op]) -> Judgement {
    let text = edn(model, ops);
    let history = import(text.as_bytes(), model, 1 << 20).expect("well-formed");
    let budget = Budget {
        bytes: 64 << 20,
        give_up: &|| false,
    };
    judge(&history, &budget)
}

fn model() -> impl Strategy<Value = ModelKind> {
    prop_oneof![
        Just(ModelKind::Register),
        Just(ModelKind::CasRegister),
        Just(ModelKind::KeyValue),
        Just(ModelKind::Log),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
    ))]

    #[test]
    fn what_happened_in_some_order_is_linearizable(
        model in model(),
        draws in prop::collection::vec(any::<Draw>(), 1..9),
        lengths: bool,
    ) {
        let lengths = lengths && model == ModelKind::Log;
        let ops = simulate(model, &draws, lengths);
        prop_assert!(twin(&ops), "the twin is wrong:\n{}", edn(model, &ops));
        prop_assert_eq!(checked(model, &ops).verdict, Verdict::Linearizable, "{}", edn(model, &ops));
    }

    #[test]
    fn the_checker_agrees_with_the_twin_on_anything(
        model in model(),
        draws in prop::collection::vec(any::<Draw>(), 1..10),
    ) {
        let ops = at_random(model, &draws);
        let wanted = if twin(&ops) { Verdict::Linearizable } else { Verdict::NotLinearizable };
        prop_assert_eq!(checked(model, &ops).verdict, wanted, "{}", edn(model, &ops));
    }

    #[test]
    fn the_checker_agrees_with_the_twin(
        model in model(),
        draws in prop::collection::vec(any::<Draw>(), 1..9),
        lengths: bool,
        changes in prop::collection::vec(any::<(u8, u8)>(), 1..4),
    ) {
        let lengths = lengths && model == ModelKind::Log;
        let mut ops = simulate(model, &draws, lengths);
        for (which, to) in changes {
            corrupt(&mut ops, which, to);
        }
        let wanted = if twin(&ops) { Verdict::Linearizable } else { Verdict::NotLinearizable };
        let judgement = checked(model, &ops);
        prop_assert_eq!(judgement.verdict, wanted, "{}", edn(model, &ops));
        if let Some(violation) = judgement.violations.first() {
            let stuck = violation.stuck.process.parse().expect("processes are places");
            let (before, after) = (until(&ops, stuck, false), until(&ops, stuck, true));
            prop_assert!(twin(&before), "before {stuck}: {}", edn(model, &ops));
            prop_assert!(!twin(&after), "after {stuck}: {}", edn(model, &ops));
        }
    }
}
