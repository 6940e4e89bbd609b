//! The configurations of a search that were visited.
//!
//! A configuration is a place in the history, a state, which open operations were linearized, and
//! which unknown ones. One that was visited with *fewer* unknown operations linearized, all else
//! equal, makes another visit useless: an unknown operation need never be linearized, so whatever
//! can still be done now could be done then.

use super::model::State;

/// Bytes of one block of the store. Blocks are never moved, so growing costs no second copy.
const BLOCK: usize = 1 << 17;
const NONE: u64 = u64::MAX;

/// What an insertion found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    First,
    /// As good a configuration was visited before.
    Again,
    /// There is no memory left for it.
    Full,
}

/// Each record is: the next of its bucket; place and state; how many words of unknown operations;
/// the open operations; the unknown ones without the zeros at the end.
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
    pub fn visit(
        &mut self,
        place: u32,
        state: State,
        open: &[u64],
        unknown: &[u64],
        elsewhere: usize,
    ) -> Visit {
        let key = u64::from(place) << 32 | u64::from(state.0);
        let end = unknown.iter().rposition(|&word| word != 0);
        let unknown = &unknown[..end.map_or(0, |last| last + 1)];
        let bucket = self.bucket(key, open);
        let mut next = self.buckets[bucket];
        while next != NONE {
            let record = self.record(next);
            let (found_open, found_unknown) = record[3..].split_at(self.open_words);
            let fewer = || {
                let known = &found_unknown[..record[2] as usize];
                known.len() <= unknown.len()
                    && known.iter().zip(unknown).all(|(old, new)| old & !new == 0)
            };
            if record[1] == key && found_open == open && fewer() {
                return Visit::Again;
            }
            next = record[0];
        }
        if self.add(bucket, key, open, unknown, elsewhere) {
            Visit::First
        } else {
            Visit::Full
        }
    }

    fn add(
        &mut self,
        bucket: usize,
        key: u64,
        open: &[u64],
        unknown: &[u64],
        other: usize,
    ) -> bool {
        let words = 3 + open.len() + unknown.len();
        let room = self
            .blocks
            .last()
            .map_or(0, |block| block.len() - self.used);
        if room < words {
            let block = words.max(BLOCK / 8);
            if self.bytes + other + block * 8 > self.limit {
                return false;
            }
            self.blocks.push(vec![0; block].into_boxed_slice());
            self.bytes += block * 8;
            self.used = 0;
        }
        let place = (self.blocks.len() as u64 - 1) << 32 | self.used as u64;
        let next = std::mem::replace(&mut self.buckets[bucket], place);
        let used = self.used;
        let Some(block) = self.blocks.last_mut() else {
            return false;
        };
        let record = &mut block[used..used + words];
        record[..3].copy_from_slice(&[next, key, unknown.len() as u64]);
        record[3..3 + open.len()].copy_from_slice(open);
        record[3 + open.len()..].copy_from_slice(unknown);
        self.used += words;
        self.records += 1;
        if self.records > self.buckets.len() {
            let wanted = self.buckets.len() * 2;
            // While growing, the old buckets are there too. Without room they only get longer.
            if self.bytes + other + wanted * 8 <= self.limit {
                self.grow(wanted);
            }
        }
        true
    }

    fn grow(&mut self, wanted: usize) {
        let old = std::mem::replace(&mut self.buckets, vec![NONE; wanted]);
        self.bytes += (wanted - old.len()) * 8;
        for mut place in old {
            while place != NONE {
                let record = self.record(place);
                let next = record[0];
                let bucket = self.bucket(record[1], &record[3..3 + self.open_words]);
                let head = std::mem::replace(&mut self.buckets[bucket], place);
                self.blocks[(place >> 32) as usize][place as u32 as usize] = head;
                place = next;
            }
        }
    }

    fn record(&self, place: u64) -> &[u64] {
        &self.blocks[(place >> 32) as usize][place as u32 as usize..]
    }

    fn bucket(&self, key: u64, open: &[u64]) -> usize {
        let mix = |hash: u64, word: u64| {
            let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^ (hash >> 32)
        };
        let hash = open.iter().fold(mix(0, key), |hash, &word| mix(hash, word));
        // The number of buckets is a power of two.
        hash as usize & (self.buckets.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_unknown_operations_stand_for_more() {
        let mut cache = Cache::new(1, 1 << 20);
        let mut visit =
            |state, open, unknown: &[u64]| cache.visit(7, State(state), &[open], unknown, 0);
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
    fn nothing_is_forgotten_in_growing_and_the_limit_holds() {
        let limit = 4 << 20;
        let mut cache = Cache::new(2, limit);
        let mut first = 0u32;
        let full = (0..1_000_000).find(|&place| {
            let visit = cache.visit(place, State(place), &[1, u64::from(place)], &[], 0);
            first += u32::from(visit == Visit::First);
            visit == Visit::Full
        });
        let full = full.expect("the limit was met");
        assert_eq!(first, full);
        assert!(cache.bytes <= limit && cache.bytes > limit / 2);
        for place in 0..full {
            let visit = cache.visit(place, State(place), &[1, u64::from(place)], &[5], 0);
            assert_eq!(visit, Visit::Again);
        }
    }
}
