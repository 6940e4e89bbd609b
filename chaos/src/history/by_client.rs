//! Maps by client session, which are looked into for every line of a client.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use paxosctl_node::ids::ClientId;

/// A map by session. Its order means nothing.
pub(crate) type ByClient<T> = HashMap<ClientId, T, BuildHasherDefault<ClientHasher>>;

/// Session ids are random already, or few: one multiplication spreads them over the table, where
/// the standard hash costs more than all else that is done with a line.
#[derive(Default)]
pub(crate) struct ClientHasher(u64);

impl Hasher for ClientHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio; the table takes from both ends of the hash.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}
