//! Where the value of each chosen slot is on disk.

use std::collections::VecDeque;
use std::sync::Arc;

use super::location::Location;
use crate::ids::Slot;

/// Slots of a packed block.
const BLOCK_SLOTS: usize = 4096;
/// Every so many slots of a block one can be begun at.
const RUN_SLOTS: usize = 64;
const RUNS: usize = BLOCK_SLOTS / RUN_SLOTS;
const OFFSET_BYTES: usize = 4;

/// The places of the slots from 1 on. Old ones are packed, so that they take two to four bytes a
/// slot, and grow by a block at a time. A clone shares the packed ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    packed: Vec<Block>,
    /// Those of the last slots; none where it is not known yet.
    open: VecDeque<Option<Location>>,
}

/// The places of [`BLOCK_SLOTS`] slots: the offset of each run among the bytes, then the runs. In a
/// run each place is told by its difference from the one before.
pub(super) type Block = Arc<[u8]>;

impl Places {
    /// The places in these blocks and behind them.
    pub fn new(packed: Vec<Block>, open: Vec<Location>) -> Places {
        let open = open.into_iter().map(Some).collect();
        Places { packed, open }
    }

    fn packed_slots(&self) -> usize {
        self.packed.len() * BLOCK_SLOTS
    }

    /// The last slot.
    pub fn last(&self) -> Slot {
        Slot((self.packed_slots() + self.open.len()) as u64)
    }

    /// The last slot up to which all places are known.
    pub fn known(&self) -> Slot {
        let known = self.open.iter().take_while(|place| place.is_some());
        Slot((self.packed_slots() + known.count()) as u64)
    }

    /// Adds the place of the next slot.
    pub fn push(&mut self, place: Option<Location>) {
        self.open.push_back(place);
        if self.open.len() >= 2 * BLOCK_SLOTS {
            self.pack();
        }
    }

    /// Takes note of the place of a slot; it is not asked about one that is packed.
    pub fn set(&mut self, slot: Slot, place: Location) {
        let position = (slot.0 as usize).checked_sub(self.packed_slots() + 1);
        if let Some(open) = position.and_then(|position| self.open.get_mut(position)) {
            *open = Some(place);
        }
    }

    /// The place of the slot, if it is known.
    pub fn get(&self, slot: Slot) -> Option<Location> {
        let position = (slot.0 as usize).checked_sub(1)?;
        match self.packed.get(position / BLOCK_SLOTS) {
            Some(block) => unpack(block, position % BLOCK_SLOTS),
            None => *self.open.get(position - self.packed_slots())?,
        }
    }

    /// The packed blocks, and the known places behind them.
    pub fn parts(&self) -> (&[Block], Vec<Location>) {
        let known = self.open.iter().map_while(|place| *place);
        (&self.packed, known.collect())
    }

    /// Packs the oldest block, if all of it is known.
    fn pack(&mut self) {
        let mut block = Vec::with_capacity(BLOCK_SLOTS);
        for place in self.open.iter().take(BLOCK_SLOTS) {
            let Some(place) = place else { return };
            block.push(*place);
        }
        self.packed.push(pack(&block));
        self.open.drain(..BLOCK_SLOTS);
    }
}

fn pack(places: &[Location]) -> Block {
    let mut bytes = vec![0; RUNS * OFFSET_BYTES];
    for (run, places) in places.chunks(RUN_SLOTS).enumerate() {
        let offset = (bytes.len() as u32).to_le_bytes();
        bytes[run * OFFSET_BYTES..][..OFFSET_BYTES].copy_from_slice(&offset);
        let mut before = Location::START;
        for &place in places {
            let segments = zigzag(place.segment, before.segment);
            if segments == 0 {
                put(&mut bytes, zigzag(place.group, before.group) << 1);
                put(&mut bytes, zigzag(place.record, before.record));
            } else {
                put(&mut bytes, segments << 1 | 1);
                put(&mut bytes, place.group.into());
                put(&mut bytes, place.record.into());
            }
            before = place;
        }
    }
    bytes.into()
}

fn unpack(block: &[u8], position: usize) -> Option<Location> {
    let offset = block
        .get(position / RUN_SLOTS * OFFSET_BYTES..)?
        .first_chunk()?;
    let mut rest = block.get(u32::from_le_bytes(*offset) as usize..)?;
    let mut place = Location::START;
    for _ in 0..=position % RUN_SLOTS {
        let first = take(&mut rest)?;
        if first & 1 == 0 {
            place.group = unzigzag(first >> 1, place.group);
            place.record = unzigzag(take(&mut rest)?, place.record);
        } else {
            place.segment = unzigzag(first >> 1, place.segment);
            place.group = take(&mut rest)? as u32;
            place.record = take(&mut rest)? as u32;
        }
    }
    Some(place)
}

/// The difference of two numbers, small where that is near to 0 on either side.
fn zigzag(number: u32, before: u32) -> u64 {
    let difference = i64::from(number) - i64::from(before);
    ((difference << 1) ^ (difference >> 63)) as u64
}

fn unzigzag(difference: u64, before: u32) -> u32 {
    let difference = (difference >> 1) as i64 ^ -((difference & 1) as i64);
    before.wrapping_add(difference as u32)
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn every_place_is_kept(
            steps in prop::collection::vec((0..9u32, 0..40u32, 0..300u32, any::<u32>()), 1..50),
            repeats in 1..400usize,
        ) {
            let mut place = Location { segment: 1, group: 48, record: 28 };
            let mut all = Vec::new();
            for &(kind, groups, records, any) in steps.iter().cycle().take(steps.len() * repeats) {
                place = match kind {
                    0 => Location { segment: place.segment + 1, group: groups, record: any },
                    1 => Location { segment: 1 + any % 9, group: any, record: records },
                    2..4 => Location { group: place.group.wrapping_add(groups), record: 28, ..place },
                    _ => Location { record: place.record.wrapping_add(records), ..place },
                };
                all.push(place);
            }
            let mut places = Places::default();
            for (number, &place) in all.iter().enumerate() {
                // Some are known only later.
                let late = number % 7 == 0;
                places.push((!late).then_some(place));
                if late {
                    places.set(Slot(number as u64 + 1), place);
                }
            }
            prop_assert_eq!(places.known(), Slot(all.len() as u64));
            let (packed, open) = places.parts();
            let again = Places::new(packed.to_vec(), open);
            for (slot, place) in (1..).zip(&all) {
                prop_assert_eq!(places.get(Slot(slot)), Some(*place));
                prop_assert_eq!(again.get(Slot(slot)), Some(*place));
            }
            prop_assert_eq!(places.get(again.last().next()), None);
            prop_assert_eq!(places.get(Slot(0)), None);
        }
    }

    #[test]
    fn what_is_not_known_is_not_packed() {
        let place = Location {
            segment: 1,
            group: 48,
            record: 28,
        };
        let mut places = Places::default();
        places.push(None);
        for _ in 0..3 * BLOCK_SLOTS {
            places.push(Some(place));
        }
        assert_eq!((places.known(), places.get(Slot(1))), (Slot(0), None));
        places.set(Slot(1), place);
        assert_eq!(places.known(), places.last());
        places.push(Some(place));
        assert_eq!(places.packed.len(), 1);
        assert!(places.packed[0].len() < 3 * BLOCK_SLOTS);
    }
}
