//! What one server has accepted so far, slot by slot, as its records tell.

use std::collections::BTreeMap;

use crate::history::Accepted;

/// The last acceptance of each slot. Slots in a row, which is what a server accepts, cost an entry
/// each; a slot far away from the others costs no more.
#[derive(Debug, Default)]
pub(crate) struct Held {
    near: Vec<Option<(u32, u32)>>,
    far: BTreeMap<u32, (u32, u32)>,
}

/// How far apart two slots may be and still be a row.
const NEAR: usize = 1 << 16;

impl Held {
    pub fn accept(&mut self, accepted: Accepted) {
        let Accepted {
            ballot,
            slot,
            digest,
        } = accepted;
        let place = slot as usize;
        if place < self.near.len() + NEAR {
            if place >= self.near.len() {
                self.near.resize(place + 1, None);
            }
            self.near[place] = Some((ballot, digest));
        } else {
            self.far.insert(slot, (ballot, digest));
        }
    }

    /// The acceptances in the slots above this one, ascending by slot.
    pub fn above(&self, slot: u32) -> impl Iterator<Item = Accepted> {
        let from = (slot as usize + 1).min(self.near.len());
        let near = self.near[from..].iter().enumerate();
        near.filter_map(move |(place, held)| Some(((from + place) as u32, (*held)?)))
            .chain(
                self.far
                    .range(slot.saturating_add(1)..)
                    .map(|(&slot, &held)| (slot, held)),
            )
            .map(|(slot, (ballot, digest))| Accepted {
                ballot,
                slot,
                digest,
            })
    }
}
