//! The effects that a replica has gathered since they were last taken.

use crate::ids::ServerId;
use crate::log::Record;
use crate::paxos::{Chosen, Effects, Led, Message, ReadReady, Serve};

#[derive(Debug, Default)]
pub(super) struct Outbox {
    effects: Effects,
    /// Records emitted in the replica's life.
    records: u64,
}

impl Outbox {
    pub fn led(&mut self, led: Led) {
        self.effects.led.push(led);
    }

    pub fn send(&mut self, to: ServerId, message: Message) {
        self.effects.send.push((to, message));
    }

    /// Sends once every record emitted so far is durable.
    pub fn send_after_persist(&mut self, to: ServerId, message: Message) {
        self.effects.send_after_persist.push((to, message));
    }

    /// Returns the record's number, from 1: it is durable once `persisted` reaches that.
    pub fn persist(&mut self, record: Record) -> u64 {
        self.effects.persist.push(record);
        self.records += 1;
        self.records
    }

    pub fn chosen(&mut self, chosen: Chosen) {
        self.effects.chosen.push(chosen);
    }

    pub fn serve(&mut self, serve: Serve) {
        self.effects.serve.push(serve);
    }

    pub fn read(&mut self, read: ReadReady) {
        self.effects.reads.push(read);
    }

    pub fn has_records(&self) -> bool {
        !self.effects.persist.is_empty()
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    pub fn take(&mut self) -> Effects {
        let mut effects = std::mem::take(&mut self.effects);
        effects.persist_upto = self.records;
        effects
    }
}
