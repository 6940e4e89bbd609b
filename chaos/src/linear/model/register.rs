//! A register that is read, written, and compared and set; at first nil. The plain register is the
//! same without cas.

use std::collections::{HashMap, HashSet};

use super::{Model, State};
use crate::linear::history::{Call, Operation};
use crate::linear::value::Value;

/// Values are numbers here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegisterOp {
    Read(u32),
    Write(u32),
    /// It exchanged.
    Cas(u32, u32),
    /// It found another value than this.
    Differs(u32),
}

/// The state is the value's number.
#[derive(Debug)]
pub struct Register {
    compares: bool,
    /// For each value's number, whether anything can put it there.
    possible: Vec<bool>,
}

/// Every value that no read returned and no cas compared with. Nothing can tell two of them apart:
/// a read of either would be illegal, a cas would not exchange, a failed cas would be right. So
/// they are one, which makes many operations alike and many states equal.
const UNOBSERVED: u32 = 0;
const NIL: u32 = 1;

impl Model for Register {
    type Op = RegisterOp;

    fn new(operations: &[&Operation]) -> (Register, Vec<Option<RegisterOp>>) {
        let mut observed: HashSet<&Value> = HashSet::new();
        // Until when a failed cas may be waiting for another value.
        let mut last_failed_cas = 0;
        for operation in operations {
            match &operation.call {
                Call::Read(value) | Call::Cas(value, _) => {
                    observed.insert(value);
                }
                Call::FailedCas(value, _) => {
                    observed.insert(value);
                    last_failed_cas = last_failed_cas.max(operation.returned.unwrap_or(u64::MAX));
                }
                Call::Write(_) | Call::Append(..) => {}
            }
        }
        let mut number_of: HashMap<&Value, u32> = HashMap::from([(&Value::Nil, NIL)]);
        for value in &observed {
            let next = number_of.len() as u32 + NIL;
            number_of.entry(value).or_insert(next);
        }
        // Nil is a state from the beginning, so it has its number whether it is observed or not.
        let number = |value: &Value| number_of.get(value).copied().unwrap_or(UNOBSERVED);
        let ops: Vec<Option<RegisterOp>> = operations
            .iter()
            .map(|operation| {
                let unknown = operation.returned.is_none();
                let op = match &operation.call {
                    Call::Read(value) => RegisterOp::Read(number(value)),
                    Call::Write(value) => RegisterOp::Write(number(value)),
                    Call::Cas(from, to) => RegisterOp::Cas(number(from), number(to)),
                    Call::FailedCas(from, _) => RegisterOp::Differs(number(from)),
                    Call::Append(..) => return None,
                };
                // An unknown operation that leaves a value which nothing waits for: whatever is
                // answered afterwards, up to the next change, must be answered in that value, and
                // only a failed cas can be. If none may still come, then nothing is answered
                // there, and all goes as well without the operation.
                let leaves_unobserved = matches!(
                    op,
                    RegisterOp::Write(UNOBSERVED) | RegisterOp::Cas(_, UNOBSERVED)
                );
                let useless = unknown && leaves_unobserved && last_failed_cas < operation.called;
                (!useless).then_some(op)
            })
            .collect();
        let compares = ops
            .iter()
            .flatten()
            .any(|op| matches!(op, RegisterOp::Cas(..)));
        let mut possible = vec![false; number_of.len() + 1];
        possible[NIL as usize] = true;
        for op in ops.iter().flatten() {
            if let RegisterOp::Write(value) | RegisterOp::Cas(_, value) = op {
                possible[*value as usize] = true;
            }
        }
        let register = Register { compares, possible };
        (register, ops)
    }

    fn initial(&self) -> State {
        State(NIL)
    }

    fn step(&mut self, state: State, op: RegisterOp) -> Option<State> {
        match op {
            RegisterOp::Read(value) => (state.0 == value).then_some(state),
            RegisterOp::Write(value) => Some(State(value)),
            RegisterOp::Cas(from, to) => (state.0 == from).then_some(State(to)),
            RegisterOp::Differs(from) => (state.0 != from).then_some(state),
        }
    }

    fn observes(&self, op: RegisterOp) -> bool {
        !matches!(op, RegisterOp::Write(_))
    }

    fn overwrites(&self, op: RegisterOp) -> bool {
        matches!(op, RegisterOp::Write(_))
    }

    fn leads_to(&self, state: State, op: RegisterOp) -> bool {
        self.compares
            || match op {
                RegisterOp::Read(value) => state.0 == value,
                RegisterOp::Differs(value) => state.0 != value,
                RegisterOp::Write(_) | RegisterOp::Cas(..) => true,
            }
    }

    fn is_impossible(&self, op: RegisterOp) -> bool {
        match op {
            RegisterOp::Read(value) | RegisterOp::Cas(value, _) => !self.possible[value as usize],
            RegisterOp::Write(_) | RegisterOp::Differs(_) => false,
        }
    }

    fn bytes(&self) -> usize {
        self.possible.len()
    }
}
