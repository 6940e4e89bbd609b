//! What a search knows of a history before it begins.

use std::collections::HashMap;

use super::chain::NONE;
use super::model::Model;
use super::search::Entry;

#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Call(u32),
    Return(u32),
}

/// What of an operation never changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed {
    pub called: u32,
    /// [`NONE`] if unknown.
    pub returned: u32,
    /// Its bit among the open operations, or among the unknown ones.
    pub bit: u32,
    /// The unknown operation alike that was called before it.
    pub alike_before: u32,
    pub overwrites: bool,
}

/// Calls and returns in their order, and what never changes of them. Places are in `events`.
pub(super) struct Timeline {
    pub events: Vec<Event>,
    /// An operation whose answer is impossible: the events end before its return.
    pub impossible: Option<u32>,
    /// For each operation.
    pub fixed: Vec<Fixed>,
    /// For each event, the operation that returns next, at it or after it, with an answer that
    /// depends on the state.
    pub observer: Vec<u32>,
    /// For each event, how many overwriting operations were called before it.
    pub overwriting_calls: Vec<u32>,
    /// How many words the sets of open and of unknown operations take.
    pub open_words: usize,
    pub unknown_words: usize,
}

impl Timeline {
    /// Of the first `end` events, at most.
    pub fn new<M: Model>(model: &M, entries: &[Entry<M::Op>], end: usize) -> Timeline {
        let mut order: Vec<(u64, Event)> = Vec::with_capacity(entries.len() * 2);
        for (operation, entry) in (0..).zip(entries) {
            order.push((entry.called, Event::Call(operation)));
            if let Some(returned) = entry.returned {
                order.push((returned, Event::Return(operation)));
            }
        }
        order.sort_by_key(|&(time, _)| time);
        let mut events: Vec<Event> = order.into_iter().map(|(_, event)| event).collect();
        events.truncate(end);
        let impossible = events
            .iter()
            .enumerate()
            .find_map(|(place, event)| match *event {
                Event::Return(operation) => model
                    .is_impossible(entries[operation as usize].op)
                    .then_some((place, operation)),
                Event::Call(_) => None,
            });
        events.truncate(impossible.map_or(events.len(), |(place, _)| place));
        let mut fixed: Vec<Fixed> = entries
            .iter()
            .map(|entry| Fixed {
                called: 0,
                returned: NONE,
                bit: 0,
                alike_before: NONE,
                overwrites: model.overwrites(entry.op),
            })
            .collect();
        let (mut free, mut open_bits) = (Vec::new(), 0);
        let mut unknown_bits = 0;
        let mut last_alike: HashMap<M::Op, u32> = HashMap::new();
        let mut overwriting_calls = Vec::with_capacity(events.len() + 1);
        let mut overwriting = 0;
        for (place, event) in (0..).zip(&events) {
            overwriting_calls.push(overwriting);
            match *event {
                Event::Call(operation) => {
                    let this = &mut fixed[operation as usize];
                    this.called = place;
                    overwriting += u32::from(this.overwrites);
                    if entries[operation as usize].returned.is_some() {
                        this.bit = free.pop().unwrap_or(open_bits);
                        open_bits = open_bits.max(this.bit + 1);
                    } else {
                        this.bit = unknown_bits;
                        unknown_bits += 1;
                        let before = last_alike.insert(entries[operation as usize].op, operation);
                        this.alike_before = before.unwrap_or(NONE);
                    }
                }
                Event::Return(operation) => {
                    let this = &mut fixed[operation as usize];
                    this.returned = place;
                    free.push(this.bit);
                }
            }
        }
        let mut observer = vec![NONE; events.len()];
        let mut next = NONE;
        for (place, event) in events.iter().enumerate().rev() {
            if let Event::Return(operation) = *event
                && model.observes(entries[operation as usize].op)
            {
                next = operation;
            }
            observer[place] = next;
        }
        Timeline {
            events,
            impossible: impossible.map(|(_, operation)| operation),
            fixed,
            observer,
            overwriting_calls,
            open_words: u32::div_ceil(open_bits, 64) as usize,
            unknown_words: u32::div_ceil(unknown_bits, 64) as usize,
        }
    }

    /// How many events come before the return of an operation.
    pub fn before_return_of(&self, operation: u32) -> usize {
        self.fixed[operation as usize].returned as usize
    }

    /// Its memory, in bytes.
    pub fn bytes(&self) -> usize {
        let event = size_of::<Event>() + 2 * size_of::<u32>();
        self.events.len() * event + self.fixed.len() * size_of::<Fixed>()
    }
}
