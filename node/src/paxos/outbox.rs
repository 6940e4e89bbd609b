//! The effects that a replica has gathered since they were last taken.

use std::collections::VecDeque;

use super::forward::command_bytes;
use crate::ids::ServerId;
use crate::log::{Record, size_bytes};
use crate::paxos::{Chosen, Effects, Led, Limits, Message, ReadReady, Serve};
use crate::value::{Command, Value};

#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Outbox {
    effects: Effects,
    /// Records emitted in the replica's life.
    records: u64,
    /// The sizes of those that are not durable yet, roughly, and their sum.
    unwritten: VecDeque<usize>,
    unwritten_bytes: usize,
    /// The size of the messages in the last Forward.
    forward_bytes: usize,
}

impl Outbox {
    pub fn led(&mut self, led: Led) {
        self.effects.led.push(led);
    }

    pub fn send(&mut self, to: ServerId, message: Message) {
        self.effects.send.push((to, message));
    }

    /// Forwards a client message. Those that follow each other share Forwards as far as they fit.
    pub fn forward(&mut self, to: ServerId, command: Command, hops: u8, limits: &Limits) {
        let bytes = command_bytes(&command);
        if let Some((
            last_to,
            Message::Forward {
                commands,
                hops: last_hops,
            },
        )) = self.effects.send.last_mut()
            && (*last_to, *last_hops) == (to, hops)
            && commands.len() < limits.batch_messages
            && self.forward_bytes + bytes <= limits.batch_bytes
        {
            self.forward_bytes += bytes;
            commands.push(command);
            return;
        }
        self.forward_bytes = bytes;
        let commands = vec![command];
        self.send(to, Message::Forward { commands, hops });
    }

    /// Sends once every record emitted so far is durable.
    pub fn send_after_persist(&mut self, to: ServerId, message: Message) {
        self.effects.send_after_persist.push((to, message));
    }

    /// Returns the record's number, from 1: it is durable once `persisted` reaches that.
    pub fn persist(&mut self, record: Record) -> u64 {
        let bytes = match &record {
            Record::Accepted { value, .. } | Record::Learned { value, .. } => size_bytes(value),
            _ => size_bytes(&Value::Noop),
        };
        self.unwritten.push_back(bytes);
        self.unwritten_bytes += bytes;
        self.effects.persist.push(record);
        self.records += 1;
        self.records
    }

    /// The first `upto` records of the replica's life are durable.
    pub fn durable(&mut self, upto: u64) {
        while self.records - (self.unwritten.len() as u64) < upto {
            let bytes = self.unwritten.pop_front();
            self.unwritten_bytes -= bytes.expect("no more records are durable than were emitted");
        }
    }

    /// The size of the records that are not durable yet, roughly.
    pub fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes
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
        self.forward_bytes = 0;
        let mut effects = std::mem::take(&mut self.effects);
        effects.persist_upto = self.records;
        effects
    }
}
