//! The search for a linearization of one key's operations.
//!
//! Just-in-time linearization (Lowe, "Testing for linearizability", 2017) with memoisation and
//! undo (Wing and Gong 1993; Lowe; Porcupine): the calls and returns are walked in their order, and
//! nothing is linearized before a return demands it. At the return of an operation that has not
//! been, some open operations are linearized, and last of all that one; then the walk goes on. That
//! loses nothing: in any linearization, an operation can be put off until just before the next
//! operation whose return demands it, with all that stands between in its order. Every
//! configuration is visited once ([`super::cache`]); a dead end is undone step by step.
//!
//! What is left out of the search, and why nothing is lost:
//!
//! - *Alike operations.* Of open ones with equal [`Model::Op`] only the one that returns first is
//!   tried (an unknown one never returns; among those the first called). Whatever linearizes
//!   another one of them now and this one later may exchange the two: both are open now, and what
//!   returns first is wanted first.
//! - *Covered operations.* An overwriting operation, legal in every state, that was open when
//!   another overwriting one was linearized can have taken effect immediately before that one,
//!   seen by nobody. So it is not linearized then, but is called covered, and when its return
//!   demands it there are two ways: to linearize it now, or to say that it was overwritten at once.
//!   An overwriting operation followed immediately by another is never tried.
//! - *Unknown operations without effect.* One that leaves the state as it is and covers nothing is
//!   not linearized: never linearizing it is as good.
//! - *Unknown operations without a witness.* After an unknown operation took the state from `q` to
//!   `r`, an operation that comes out the same from `q` is not tried: either it hides the effect,
//!   and leaving the unknown one out is as good (unless the unknown one covered what the other does
//!   not); or it does not change the state, and is tried before the unknown one, from `q`.
//! - *Looking ahead.* The next return whose answer depends on the state says what the state must
//!   become. If the state cannot become that any more without an overwriting operation, and none is
//!   open or called until then, there is no way on.
//!
//! An answer that no state of the history could give decides it before any search; then only the
//! prefix before that answer is searched, to show it.
//!
//! The search does not recurse, so its depth is bounded by memory alone, and that is counted.

use super::cache::{Cache, Sets, Visit};
use super::chain::{Chain, NONE};
use super::model::{Model, State};
use super::timeline::{Event, Timeline};

/// One operation of the key under search. Times are places in the order of all calls and returns.
#[derive(Debug, Clone, Copy)]
pub struct Entry<Op> {
    pub op: Op,
    pub called: u64,
    /// `None`: unknown.
    pub returned: Option<u64>,
}

/// What a search may use.
pub struct Limits<'a> {
    /// Of operations tried.
    pub steps: u64,
    pub bytes: usize,
    /// Asked now and then; when it says yes, the search ends.
    pub give_up: &'a dyn Fn() -> bool,
}

/// Which limit ended a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    Steps,
    Memory,
    GivenUp,
}

/// What a search found. Operations are places in the entries.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// In this order.
    Linearizable { order: Vec<u32> },
    /// The history is linearizable up to the return of `stuck`, in the order `prefix`. It may be
    /// so even farther, as looking ahead saw that it would not be to the end; see
    /// [`super::farthest`].
    Not { prefix: Vec<u32>, stuck: u32 },
    /// `reached`: the operation whose return is the farthest that was demanded.
    Unknown {
        why: Exhausted,
        reached: Option<u32>,
    },
}

/// A linearized operation, and how to go back to before.
#[derive(Debug, Clone, Copy)]
struct Step {
    place: u32,
    state: State,
    operation: u32,
    /// Whether it was only said to have been overwritten at once.
    hidden: bool,
    /// Where an overwriting operation was linearized last.
    overwritten: u32,
    /// Where the choice goes on.
    next: Choice,
}

/// What is tried next at a place.
#[derive(Debug, Clone, Copy)]
enum Choice {
    /// The operation whose return demands it.
    Demanded,
    /// The same, but overwritten at once, if it is covered.
    Hidden,
    /// This one of the open operations, or none.
    Open(u32),
    /// This one of the unknown operations, or none.
    Unknown(u32),
}

/// What [`Search::choose`] found.
struct Chosen {
    operation: u32,
    hidden: bool,
    after: State,
    /// Where the choice goes on after it.
    next: Choice,
}

/// How many steps pass between two questions whether to give up.
const ASK_EVERY: u64 = 1024;

struct Search<'a, M: Model> {
    model: &'a mut M,
    entries: &'a [Entry<M::Op>],
    timeline: Timeline,
    linearized: Vec<bool>,
    open_bits: Vec<u64>,
    unknown_bits: Vec<u64>,
    /// How many overwriting operations are called, not returned and not linearized.
    overwriting_open: u32,
    /// The place where an overwriting operation was linearized last; 0 for none. What was called
    /// before it is covered.
    overwritten: u32,
    /// Room for the sets of open operations that are covered, and that can be.
    covered_bits: Vec<u64>,
    coverable_bits: Vec<u64>,
    open: Chain,
    unknown: Chain,
    steps: Vec<Step>,
    /// The longest prefix that led to a dead end, and how much of `steps` it shares.
    farthest: u32,
    best: Vec<Step>,
    shared: usize,
}

/// Searches for a linearization of `entries`, which are in the order of their calls.
pub fn search<M: Model>(model: &mut M, entries: &[Entry<M::Op>], limits: &Limits) -> Found {
    search_until(model, entries, limits, usize::MAX)
}

/// The same, of the first `end` calls and returns.
pub(super) fn search_until<M: Model>(
    model: &mut M,
    entries: &[Entry<M::Op>],
    limits: &Limits,
    end: usize,
) -> Found {
    let mut search = Search::new(model, entries, end);
    let overhead = search.bytes();
    if overhead > limits.bytes {
        return Found::Unknown {
            why: Exhausted::Memory,
            reached: None,
        };
    }
    search.run(limits, overhead)
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a mut M, entries: &'a [Entry<M::Op>], end: usize) -> Search<'a, M> {
        let timeline = Timeline::new(model, entries, end);
        Search {
            model,
            entries,
            linearized: vec![false; entries.len()],
            open_bits: vec![0; timeline.open_words],
            unknown_bits: vec![0; timeline.unknown_words],
            overwriting_open: 0,
            overwritten: 0,
            covered_bits: vec![0; timeline.open_words],
            coverable_bits: vec![0; timeline.open_words],
            open: Chain::new(entries.len()),
            unknown: Chain::new(entries.len()),
            steps: Vec::new(),
            farthest: NONE,
            best: Vec::new(),
            shared: 0,
            timeline,
        }
    }

    /// What is held for each operation whatever the search does: the most that `steps` and `best`
    /// can take too.
    fn bytes(&self) -> usize {
        let operation = 4 * size_of::<Step>() + 4 * size_of::<u32>() + 1;
        self.timeline.bytes() + self.entries.len() * operation
    }

    fn run(&mut self, limits: &Limits, overhead: usize) -> Found {
        let mut cache = Cache::new(self.open_bits.len(), limits.bytes);
        let mut tried = 0u64;
        let mut state = self.model.initial();
        let mut place = 0;
        loop {
            place = self.walk(place);
            let Some(&event) = self.timeline.events.get(place as usize) else {
                return match self.timeline.impossible {
                    Some(stuck) => Found::Not {
                        prefix: self.order(&self.steps),
                        stuck,
                    },
                    None => Found::Linearizable {
                        order: self.order(&self.steps),
                    },
                };
            };
            let (Event::Return(mut demanded) | Event::Call(mut demanded)) = event;
            let mut next = Choice::Unknown(NONE);
            if self.has_way_on(place, state) {
                let elsewhere = overhead + self.model.bytes();
                self.find_covered();
                let sets = Sets {
                    open: &self.open_bits,
                    covered: &self.covered_bits,
                    coverable: &self.coverable_bits,
                    unknown: &self.unknown_bits,
                };
                match cache.visit(place, state, sets, elsewhere) {
                    Visit::First => next = Choice::Demanded,
                    Visit::Again => {}
                    Visit::Full => return self.unknown(Exhausted::Memory, place),
                }
            }
            loop {
                tried += 1;
                if tried > limits.steps {
                    return self.unknown(Exhausted::Steps, place);
                }
                if tried.is_multiple_of(ASK_EVERY) && (limits.give_up)() {
                    return self.unknown(Exhausted::GivenUp, place);
                }
                if let Some(choice) = self.choose(place, state, demanded, next) {
                    let (operation, hidden) = (choice.operation, choice.hidden);
                    self.steps.push(Step {
                        place,
                        state,
                        operation,
                        hidden,
                        overwritten: self.overwritten,
                        next: choice.next,
                    });
                    self.linearize(operation, true);
                    if self.timeline.fixed[operation as usize].overwrites && !hidden {
                        self.overwritten = place;
                    }
                    state = choice.after;
                    break;
                }
                self.note_dead_end(place);
                let Some(step) = self.steps.pop() else {
                    return self.not_linearizable();
                };
                self.shared = self.shared.min(self.steps.len());
                self.walk_back(place, step.place);
                self.linearize(step.operation, false);
                self.overwritten = step.overwritten;
                (place, state, next) = (step.place, step.state, step.next);
                if let Event::Return(operation) = self.timeline.events[place as usize] {
                    demanded = operation;
                }
            }
        }
    }

    /// The next operation to linearize in `state`, if there is one.
    fn choose(
        &mut self,
        place: u32,
        state: State,
        demanded: u32,
        mut next: Choice,
    ) -> Option<Chosen> {
        let last = self
            .steps
            .last()
            .filter(|step| step.place == place)
            .copied();
        loop {
            let operation = match next {
                Choice::Demanded => {
                    next = Choice::Hidden;
                    demanded
                }
                Choice::Hidden => {
                    next = Choice::Open(self.open.first());
                    // What was linearized here for nothing can wait.
                    if last.is_none() && self.is_covered(demanded) {
                        return Some(Chosen {
                            operation: demanded,
                            hidden: true,
                            after: state,
                            next,
                        });
                    }
                    continue;
                }
                Choice::Open(NONE) => {
                    next = Choice::Unknown(self.unknown.first());
                    continue;
                }
                Choice::Open(operation) => {
                    next = Choice::Open(self.open.after(operation));
                    if operation == demanded {
                        continue;
                    }
                    operation
                }
                Choice::Unknown(NONE) => return None,
                Choice::Unknown(operation) => {
                    next = Choice::Unknown(self.unknown.after(operation));
                    operation
                }
            };
            if self.linearized[operation as usize] {
                continue;
            }
            let op = self.entries[operation as usize].op;
            let Some(after) = self.model.step(state, op) else {
                continue;
            };
            if self.is_unknown(operation) && after == state && !self.covers(operation) {
                continue;
            }
            if let Some(last) = last
                && self.needs_no(last, operation, state, after)
            {
                continue;
            }
            if self.is_first_of_alike(operation) {
                return Some(Chosen {
                    operation,
                    hidden: false,
                    after,
                    next,
                });
            }
        }
    }

    /// Whether `operation` comes out in `after` whether the last step, which led to `state`, was
    /// done before it or not, so that there is a way without.
    fn needs_no(&mut self, last: Step, operation: u32, state: State, after: State) -> bool {
        let overwrites = self.timeline.fixed[operation as usize].overwrites;
        let last_overwrites = self.timeline.fixed[last.operation as usize].overwrites;
        let last_unknown = self.is_unknown(last.operation);
        if !last_unknown && !last_overwrites {
            return false;
        }
        let op = self.entries[operation as usize].op;
        let Some(instead) = self.model.step(last.state, op) else {
            return false;
        };
        let hides = instead == after && (overwrites || (last_unknown && !last_overwrites));
        let comes_before = last_unknown && instead == last.state && after == state;
        hides || comes_before
    }

    /// Whether the operation can have been overwritten at once.
    fn is_covered(&self, operation: u32) -> bool {
        let fixed = &self.timeline.fixed[operation as usize];
        fixed.overwrites && fixed.called < self.overwritten
    }

    /// Whether linearizing this overwriting operation covers any that is not covered yet.
    fn covers(&self, operation: u32) -> bool {
        if !self.timeline.fixed[operation as usize].overwrites {
            return false;
        }
        let mut other = self.open.first();
        while other != NONE {
            if self.timeline.fixed[other as usize].overwrites
                && !self.is_covered(other)
                && !self.linearized[other as usize]
            {
                return true;
            }
            other = self.open.after(other);
        }
        false
    }

    fn find_covered(&mut self) {
        self.covered_bits.fill(0);
        self.coverable_bits.fill(0);
        let mut operation = self.open.first();
        while operation != NONE {
            let fixed = &self.timeline.fixed[operation as usize];
            if fixed.overwrites {
                let (word, mask) = (fixed.bit as usize / 64, 1 << (fixed.bit % 64));
                self.coverable_bits[word] |= mask;
                if self.is_covered(operation) && !self.linearized[operation as usize] {
                    self.covered_bits[word] |= mask;
                }
            }
            operation = self.open.after(operation);
        }
    }

    fn is_first_of_alike(&self, operation: u32) -> bool {
        let fixed = &self.timeline.fixed[operation as usize];
        if fixed.alike_before != NONE && !self.linearized[fixed.alike_before as usize] {
            return false;
        }
        let op = self.entries[operation as usize].op;
        let mut other = self.open.first();
        while other != NONE {
            if self.timeline.fixed[other as usize].returned < fixed.returned
                && !self.linearized[other as usize]
                && self.entries[other as usize].op == op
            {
                return false;
            }
            other = self.open.after(other);
        }
        true
    }

    /// Looks ahead; see the module.
    fn has_way_on(&self, place: u32, state: State) -> bool {
        let observer = self.timeline.observer[place as usize];
        if observer == NONE || self.linearized[observer as usize] || self.overwriting_open > 0 {
            return true;
        }
        let returned = self.timeline.fixed[observer as usize].returned as usize;
        let calls = &self.timeline.overwriting_calls;
        calls[returned] > calls[place as usize]
            || self
                .model
                .leads_to(state, self.entries[observer as usize].op)
    }

    /// Goes on to the next return of an operation that is not linearized, or to the end.
    fn walk(&mut self, mut place: u32) -> u32 {
        while let Some(&event) = self.timeline.events.get(place as usize) {
            match event {
                Event::Call(operation) => {
                    self.chain_of(operation).append(operation);
                    if self.timeline.fixed[operation as usize].overwrites {
                        self.overwriting_open += 1;
                    }
                }
                Event::Return(operation) => {
                    if !self.linearized[operation as usize] {
                        break;
                    }
                    self.open.remove(operation);
                    self.mark(operation, false);
                }
            }
            place += 1;
        }
        place
    }

    /// Undoes a walk, and everything that it did.
    fn walk_back(&mut self, from: u32, to: u32) {
        for place in (to..from).rev() {
            match self.timeline.events[place as usize] {
                Event::Call(operation) => {
                    self.chain_of(operation).remove(operation);
                    if self.timeline.fixed[operation as usize].overwrites {
                        self.overwriting_open -= 1;
                    }
                }
                Event::Return(operation) => {
                    self.open.put_back(operation);
                    self.mark(operation, true);
                }
            }
        }
    }

    fn linearize(&mut self, operation: u32, on: bool) {
        self.linearized[operation as usize] = on;
        self.mark(operation, on);
        if self.timeline.fixed[operation as usize].overwrites {
            if on {
                self.overwriting_open -= 1;
            } else {
                self.overwriting_open += 1;
            }
        }
    }

    fn mark(&mut self, operation: u32, on: bool) {
        let bit = self.timeline.fixed[operation as usize].bit;
        let bits = if self.is_unknown(operation) {
            &mut self.unknown_bits
        } else {
            &mut self.open_bits
        };
        let (word, mask) = (&mut bits[bit as usize / 64], 1 << (bit % 64));
        if on {
            *word |= mask;
        } else {
            *word &= !mask;
        }
    }

    fn is_unknown(&self, operation: u32) -> bool {
        self.entries[operation as usize].returned.is_none()
    }

    fn chain_of(&mut self, operation: u32) -> &mut Chain {
        if self.is_unknown(operation) {
            &mut self.unknown
        } else {
            &mut self.open
        }
    }

    /// Keeps the way that led farthest. Only what differs from the one kept is copied, so all
    /// copies together cost no more than the steps did.
    fn note_dead_end(&mut self, place: u32) {
        if self.farthest != NONE && place <= self.farthest {
            return;
        }
        self.farthest = place;
        self.best.truncate(self.shared);
        self.best.extend_from_slice(&self.steps[self.shared..]);
        self.shared = self.steps.len();
    }

    fn not_linearizable(&self) -> Found {
        let farthest = self.farthest;
        let (Event::Return(stuck) | Event::Call(stuck)) = self.timeline.events[farthest as usize];
        // What was linearized at the last place only tried to get past it.
        let before = self.best.partition_point(|step| step.place < farthest);
        Found::Not {
            prefix: self.order(&self.best[..before]),
            stuck,
        }
    }

    /// The operations in the order in which they take effect.
    fn order(&self, steps: &[Step]) -> Vec<u32> {
        let mut order = Vec::new();
        let mut overwriting = 0;
        for step in steps {
            if step.hidden {
                order.insert(overwriting, step.operation);
                overwriting += 1;
                continue;
            }
            if self.timeline.fixed[step.operation as usize].overwrites {
                overwriting = order.len();
            }
            order.push(step.operation);
        }
        order
    }

    fn unknown(&self, why: Exhausted, place: u32) -> Found {
        if let Some(stuck) = self.timeline.impossible {
            let before = self.best.partition_point(|step| step.place < self.farthest);
            return Found::Not {
                prefix: self.order(&self.best[..before]),
                stuck,
            };
        }
        let farthest = match self.farthest {
            NONE => place,
            farthest => farthest.max(place),
        };
        let reached = self
            .timeline
            .events
            .get(farthest as usize)
            .map(|event| match event {
                Event::Call(operation) | Event::Return(operation) => *operation,
            });
        Found::Unknown { why, reached }
    }
}
