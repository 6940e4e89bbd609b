//! What happens to one message: a pure function of the table, the seed and the messages before it.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Kind, Rule, Side, Table, What};
use crate::wire::LinkCount;

/// However many rules duplicate, one message never becomes more than this many.
pub const MOST_COPIES: u32 = 16;

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on at once, as it is.
    Untouched,
    /// It is lost.
    Dropped,
    /// These copies go on, each after its delay, holding back no other message. Never empty.
    Copies(Vec<Duration>),
}

impl Verdict {
    /// The copies that go on, each with its delay; empty when the message is lost.
    pub fn copies(&self) -> &[Duration] {
        match self {
            Verdict::Untouched => &[Duration::ZERO],
            Verdict::Dropped => &[],
            Verdict::Copies(delays) => delays,
        }
    }
}

/// The link table in force at one node, and what its rules did.
///
/// Counters are kept by rule id; rules that share an id share its counter. A hit is one rule taking
/// effect on one message. A message that is dropped counts as a hit of the dropping rule alone:
/// nobody could have observed the others.
#[derive(Debug)]
pub struct Links {
    table: Table,
    /// For each rule of the table, the counter of its id.
    counter_of: Vec<usize>,
    /// In the order in which the ids first appear in the table.
    counters: Vec<LinkCount>,
    rng: ChaCha8Rng,
    /// The rules that take effect on the message at hand; kept to save an allocation a message.
    affecting: Vec<usize>,
}

impl Links {
    /// A sound network (an empty table of generation 0). Equal seeds, tables and messages give
    /// equal verdicts.
    pub fn new(seed: u64) -> Links {
        Links {
            table: Table::default(),
            counter_of: Vec::new(),
            counters: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            affecting: Vec::new(),
        }
    }

    /// Puts `table`, which has passed [`Table::check`], in force, and returns the final counts of
    /// the replaced one.
    ///
    /// An id that both tables have goes on counting, since its fault goes on: so an id's counts
    /// only grow while it stays in force, and its last count in a process's life is its total. An
    /// id that returns after it was away starts at 0.
    pub fn load(&mut self, table: Table) -> Vec<LinkCount> {
        let mut counters: Vec<LinkCount> = Vec::new();
        let mut counter_of = Vec::with_capacity(table.rules.len());
        for rule in &table.rules {
            let known = counters.iter().position(|counter| counter.rule == rule.id);
            counter_of.push(known.unwrap_or(counters.len()));
            if known.is_none() {
                let before = self.counters.iter().find(|count| count.rule == rule.id);
                counters.push(LinkCount {
                    rule: rule.id.clone(),
                    hits: before.map_or(0, |count| count.hits),
                });
            }
        }
        self.table = table;
        self.counter_of = counter_of;
        std::mem::replace(&mut self.counters, counters)
    }

    /// The generation of the table in force.
    pub fn generation(&self) -> u64 {
        self.table.generation
    }

    /// What each rule id did since it came into force, in the order of the table.
    pub fn counts(&self) -> Vec<LinkCount> {
        self.counters.clone()
    }

    /// What becomes of a message of `kind` on its way `from` -> `to`, as seen on this `side` of the
    /// link. All rules that match apply, in the order of the table: a drop wins over everything,
    /// delays add up, and a duplicate multiplies what there is.
    pub fn pass(&mut self, side: Side, from: &str, to: &str, kind: Kind) -> Verdict {
        if self.table.rules.is_empty() {
            return Verdict::Untouched;
        }
        self.affecting.clear();
        for (at, rule) in self.table.rules.iter().enumerate() {
            // A draw is in [0, 1): probability 1 always takes effect, probability 0 never.
            if matches(rule, side, from, to, kind) && self.rng.random::<f64>() < rule.probability {
                if rule.what == What::Drop {
                    self.counters[self.counter_of[at]].hits += 1;
                    return Verdict::Dropped;
                }
                self.affecting.push(at);
            }
        }
        if self.affecting.is_empty() {
            return Verdict::Untouched;
        }
        let mut copies = vec![Duration::ZERO];
        for &at in &self.affecting {
            self.counters[self.counter_of[at]].hits += 1;
            disturb(self.table.rules[at].what, &mut copies, &mut self.rng);
        }
        Verdict::Copies(copies)
    }
}

fn matches(rule: &Rule, side: Side, from: &str, to: &str, kind: Kind) -> bool {
    rule.on == side
        && names(&rule.from, from)
        && names(&rule.to, to)
        && (rule.kinds.is_empty() || rule.kinds.contains(&kind))
}

fn names(pattern: &str, node: &str) -> bool {
    pattern == "*" || pattern == node
}

/// Applies one effect to the copies of a message. Every copy draws a delay of its own, so that
/// copies made before part on the way.
fn disturb(what: What, copies: &mut Vec<Duration>, rng: &mut ChaCha8Rng) {
    match what {
        What::Drop => copies.clear(),
        What::Duplicate { copies: times } => {
            let before = copies.len();
            let wanted = before.saturating_mul(times as usize);
            for copy in before..wanted.min(MOST_COPIES as usize) {
                copies.push(copies[copy % before]);
            }
        }
        What::Delay {
            by_us,
            jitter_us,
            distribution,
        } => put_off(copies, || distribution.draw(by_us, jitter_us, rng)),
        What::Reorder { within_us } => put_off(copies, || rng.random_range(1..=within_us)),
    }
}

fn put_off(copies: &mut [Duration], mut draw_us: impl FnMut() -> u64) {
    for delay in copies {
        *delay = delay.saturating_add(Duration::from_micros(draw_us()));
    }
}

#[cfg(test)]
mod tests;
