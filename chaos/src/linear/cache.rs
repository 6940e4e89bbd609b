//! The configurations of a search that were visited.
//!
//! A configuration is a place in the history, a state, which open operations were linearized, which
//! of the others are covered (see [`super::search`]), and which unknown ones were linearized. One
//! that was visited with *fewer* unknown operations linearized makes another visit useless: an
//! unknown operation need never be linearized, so whatever can still be done now could be done
//! then. The same goes for an open operation that was covered then and is linearized now.

use super::model::State;

/// Bytes of one block of the store. Blocks are never moved, so growing costs no second copy.
const BLOCK: usize = 1 << 17;
const NONE: u64 = u64::MAX;

/// What distinguishes the configurations of one place and state. All sets of open operations have
/// the same number of words.
#[derive(Debug, Clone, Copy)]
pub struct Sets<'a> {
    /// The open operations that are linearized.
    pub open: &'a [u64],
    /// Those that are covered and not linearized.
    pub covered: &'a [u64],
    /// Those that can ever be covered, linearized or not.
    pub coverable: &'a [u64],
    /// The unknown operations that are linearized.
    pub unknown: &'a [u64],
}

/// What an insertion found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    First,
    /// As good a configuration was visited before.
    Again,
    /// There is no memory left for it.
    Full,
}

/// Each record is: the next of its bucket; place and state; the hash, and how many words of unknown
/// operations; the open operations; the covered ones; the unknown ones without the zeros at the end.
pub struct Cache {
    blocks: Vec<Box<[u64]>>,
    /// Words used of the last block.
    used: usize,
    buckets: Vec<u64>,
    records: usize,
    open_words: usize,
    limit: usize,
    bytes: usize,
}

impl Cache {
    /// `open_words`: how many words of open operations each configuration has. `limit`: bytes.
    pub fn new(open_words: usize, limit: usize) -> Cache {
        Cache {
            blocks: Vec::new(),
            used: 0,
            buckets: vec![NONE; 64],
            records: 0,
            open_words,
            limit,
            bytes: 64 * 8,
        }
    }

    /// Notes a visit. `elsewhere`: the bytes that others take of the same limit.
    pub fn visit(&mut self, place: u32, state: State, sets: Sets, elsewhere: usize) -> Visit {
        let key = u64::from(place) << 32 | u64::from(state.0);
        let end = sets.unknown.iter().rposition(|&word| word != 0);
        let unknown = &sets.unknown[..end.map_or(0, |last| last + 1)];
        let hash = hash(key, sets);
        let bucket = self.bucket(hash);
        let mut next = self.buckets[bucket];
        while next != NONE {
            let record = self.record(next);
            if record[1] == key && self.is_as_good(record, sets, unknown) {
                return Visit::Again;
            }
            next = record[0];
        }
        let words = 3 + 2 * self.open_words + unknown.len();
        let Some(place) = self.room(words, elsewhere) else {
            return Visit::Full;
        };
        let next = std::mem::replace(&mut self.buckets[bucket], place);
        let open_words = self.open_words;
        let record = self.record_mut(place);
        record[..3].copy_from_slice(&[next, key, hash | unknown.len() as u64]);
        let (open, rest) = record[3..words].split_at_mut(open_words);
        let (covered, rest) = rest.split_at_mut(open_words);
        open.copy_from_slice(sets.open);
        covered.copy_from_slice(sets.covered);
        rest.copy_from_slice(unknown);
        self.records += 1;
        if self.records > self.buckets.len() {
            let wanted = self.buckets.len() * 2;
            // While growing, the old buckets are there too. Without room they only get longer.
            if self.bytes + elsewhere + wanted * 8 <= self.limit {
                self.grow(wanted);
            }
        }
        Visit::First
    }

    /// Whether all that can be done now could be done from the record.
    fn is_as_good(&self, record: &[u64], now: Sets, unknown: &[u64]) -> bool {
        let (open, rest) = record[3..].split_at(self.open_words);
        let (covered, rest) = rest.split_at(self.open_words);
        let known = &rest[..record[2] as u32 as usize];
        known.len() <= unknown.len()
            && known.iter().zip(unknown).all(|(old, new)| old & !new == 0)
            && (0..self.open_words).all(|word| {
                let more = now.open[word] & !open[word];
                let lost = open[word] & !now.open[word];
                let newly_covered = now.covered[word] & !covered[word];
                lost == 0 && more & !covered[word] == 0 && newly_covered == 0
            })
    }

    /// A place for so many words.
    fn room(&mut self, words: usize, elsewhere: usize) -> Option<u64> {
        let room = self
            .blocks
            .last()
            .map_or(0, |block| block.len() - self.used);
        if room < words {
            let block = words.max(BLOCK / 8);
            if self.bytes + elsewhere + block * 8 > self.limit {
                return None;
            }
            self.blocks.push(vec![0; block].into_boxed_slice());
            self.bytes += block * 8;
            self.used = 0;
        }
        let place = (self.blocks.len() as u64 - 1) << 32 | self.used as u64;
        self.used += words;
        Some(place)
    }

    fn grow(&mut self, wanted: usize) {
        let old = std::mem::replace(&mut self.buckets, vec![NONE; wanted]);
        self.bytes += (wanted - old.len()) * 8;
        for mut place in old {
            while place != NONE {
                let record = self.record(place);
                let (next, bucket) = (record[0], self.bucket(record[2]));
                let head = std::mem::replace(&mut self.buckets[bucket], place);
                self.record_mut(place)[0] = head;
                place = next;
            }
        }
    }

    fn record(&self, place: u64) -> &[u64] {
        &self.blocks[(place >> 32) as usize][place as u32 as usize..]
    }

    fn record_mut(&mut self, place: u64) -> &mut [u64] {
        &mut self.blocks[(place >> 32) as usize][place as u32 as usize..]
    }

    /// The number of buckets is a power of two.
    fn bucket(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.buckets.len() - 1)
    }
}

/// Of what must be equal for one configuration to be as good as another; the lower half is zero.
fn hash(key: u64, sets: Sets) -> u64 {
    let mix = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^ (hash >> 32)
    };
    let fixed = sets.open.iter().zip(sets.coverable);
    let hash = fixed.fold(mix(0, key), |hash, (open, coverable)| {
        mix(hash, open & !coverable)
    });
    mix(hash, 0) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(cache: &mut Cache, place: u32, state: u32, open: &[u64], unknown: &[u64]) -> Visit {
        let none = vec![0; open.len()];
        let sets = Sets {
            open,
            covered: &none,
            coverable: &none,
            unknown,
        };
        cache.visit(place, State(state), sets, 0)
    }

    #[test]
    fn fewer_unknown_operations_stand_for_more() {
        let mut cache = Cache::new(1, 1 << 20);
        let mut visit =
            |state, open, unknown: &[u64]| visit(&mut cache, 7, state, &[open], unknown);
        assert_eq!(visit(1, 1, &[0b110, 0]), Visit::First);
        assert_eq!(visit(1, 1, &[0b110, 0]), Visit::Again);
        assert_eq!(visit(1, 1, &[0b111, 1]), Visit::Again);
        assert_eq!(visit(1, 1, &[0b100, 0]), Visit::First);
        assert_eq!(visit(1, 1, &[0b101, 0]), Visit::Again);
        assert_eq!(visit(2, 1, &[0b110, 0]), Visit::First);
        assert_eq!(visit(1, 3, &[0b110, 0]), Visit::First);
        assert_eq!(visit(1, 1, &[0, 1]), Visit::First);
    }

    #[test]
    fn a_covered_operation_stands_for_a_linearized_one() {
        let mut cache = Cache::new(1, 1 << 20);
        let mut visit = |open, covered| {
            let sets = Sets {
                open: &[open],
                covered: &[covered],
                coverable: &[0b011],
                unknown: &[],
            };
            cache.visit(7, State(1), sets, 0)
        };
        assert_eq!(visit(0b100, 0b001), Visit::First);
        assert_eq!(visit(0b101, 0), Visit::Again);
        // What was neither linearized nor covered is no better.
        assert_eq!(visit(0b110, 0b001), Visit::First);
        // Nor is a configuration where fewer are covered, or where another was linearized.
        assert_eq!(visit(0b100, 0b011), Visit::First);
        assert_eq!(visit(0b000, 0b001), Visit::First);
        assert_eq!(visit(0b111, 0), Visit::Again);
    }

    #[test]
    fn nothing_is_forgotten_in_growing_and_the_limit_holds() {
        let limit = 4 << 20;
        let mut cache = Cache::new(2, limit);
        let mut first = 0u32;
        let full = (0..1_000_000).find(|&place| {
            let visit = visit(&mut cache, place, place, &[1, u64::from(place)], &[]);
            first += u32::from(visit == Visit::First);
            visit == Visit::Full
        });
        let full = full.expect("the limit was met");
        assert_eq!(first, full);
        assert!(cache.bytes <= limit && cache.bytes > limit / 2);
        for place in 0..full {
            let visit = visit(&mut cache, place, place, &[1, u64::from(place)], &[5]);
            assert_eq!(visit, Visit::Again);
        }
    }
}
