//! How far a history that is not linearizable is linearizable.
//!
//! A search that looks ahead turns back before the operation that fits nowhere. But each beginning
//! of a linearizable history is linearizable, so where it ends is found by searching longer and
//! longer beginnings, and then by halving. What is open at the end of a beginning may take effect
//! there, with the answer that it was given later, or not yet.

use super::model::Model;
use super::search::{Entry, Found, Limits, search_until};
use super::timeline::{Event, Timeline};

/// Makes a [`Found::Not`] exact: the history is linearizable up to the return of `stuck`, and with
/// that return it is not. When the limits do not suffice for that, it stays as it is.
pub fn farthest<M: Model>(
    model: &mut M,
    entries: &[Entry<M::Op>],
    limits: &Limits,
    found: Found,
) -> Found {
    let Found::Not { prefix, stuck } = &found else {
        return found;
    };
    let timeline = Timeline::new(model, entries, usize::MAX);
    let all = timeline.events.len();
    if timeline.impossible == Some(*stuck) {
        return found;
    }
    // Of the first so many calls and returns it is linearizable, of so many it is not.
    let mut is = timeline.before_return_of(*stuck);
    let mut is_not = all + usize::from(timeline.impossible.is_some());
    let mut prefix = prefix.clone();
    let mut stride = 1;
    while is + 1 < is_not {
        let end = (is + stride).min(is + (is_not - is) / 2);
        match search_until(model, entries, limits, end) {
            Found::Linearizable { order } => {
                is = end;
                stride *= 2;
                prefix = order;
            }
            Found::Not { .. } => is_not = end,
            Found::Unknown { .. } => return found,
        }
    }
    match (timeline.events.get(is), timeline.impossible) {
        (Some(&Event::Return(stuck)), _) | (None, Some(stuck)) => Found::Not { prefix, stuck },
        _ => found,
    }
}
