//! What operations mean: sequential specifications.

mod key_value;
mod log;
mod prefixes;
mod register;

pub use key_value::KeyValue;
pub use log::Log;
pub use register::Register;

use std::hash::Hash;

use super::history::Operation;

/// A state of a model. Equal states have equal numbers, so that states are compared and kept
/// cheaply however large they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State(pub u32);

/// A sequential specification of one register, key or log.
///
/// A model is made for the operations of one history, and may take states together that no
/// operation of that history can tell apart, now or later.
pub trait Model: Sized {
    /// An operation with its answer, ready for stepping. Equal ones do the same and demand the
    /// same.
    type Op: Copy + Eq + Hash;

    /// The model for these operations of one key, and what each of them is for it. `None`: the
    /// operation may be left out, because the history is linearizable with it exactly if it is
    /// without it.
    fn new(operations: &[&Operation]) -> (Self, Vec<Option<Self::Op>>);

    fn initial(&self) -> State;

    /// The state after `op` took effect in `state`; `None` if it cannot have been answered there
    /// as it was.
    fn step(&mut self, state: State, op: Self::Op) -> Option<State>;

    /// Whether what was answered depends on the state.
    fn observes(&self, op: Self::Op) -> bool;

    /// Whether the operation is legal in every state, and the state afterwards does not depend on
    /// the state before.
    fn overwrites(&self, op: Self::Op) -> bool;

    /// Whether `op` can become legal, from `state` on, by operations that do not overwrite. A
    /// model that does not know says yes.
    fn leads_to(&self, state: State, op: Self::Op) -> bool;

    /// Whether `op` can be legal in no state that this history can have. A model that does not know
    /// says no.
    fn is_impossible(&self, op: Self::Op) -> bool;

    /// About how much memory the states take, in bytes.
    fn bytes(&self) -> usize;
}
