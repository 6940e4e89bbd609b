//! One server: the real replica, its disk, and what waits for the disk.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use paxosctl_node::ids::{Ballot, ServerId, Slot};
use paxosctl_node::log::Record;
use paxosctl_node::paxos::{Config, Effects, Limits, Message, Recovered, Replica, Timing};
use paxosctl_node::planted::{self, Bug};
use paxosctl_node::value::{Command, Value};

use crate::judge::Broken;
use crate::recovery::recover;
use crate::scope::SERVERS;

/// The one length of all timeouts, so that nothing depends on the draws.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Longer than the longest wait, that of a candidate that failed often.
const STEP: Duration = Duration::from_secs(1_000);

#[derive(Clone)]
pub struct Server {
    pub id: ServerId,
    pub replica: Replica,
    /// How often it stood, and how often it was told a message, in all its lives.
    pub stood: u8,
    pub told: u8,
    /// What is durable, in the order of writing.
    pub disk: Vec<Record>,
    /// What is under way to the disk.
    pub writes: VecDeque<Write>,
    /// The chosen values, as the host's log has them.
    log: Vec<Value>,
    /// Servers with the same one behave alike.
    pub fingerprint: u64,
}

/// Records under way to the disk, and what leaves when they are durable.
#[derive(Clone, Hash)]
pub struct Write {
    records: Vec<Record>,
    upto: u64,
    held: Vec<(ServerId, Message)>,
}

/// What can happen to a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// Its timeouts pass until it asks for votes, and one that promised `promised` grants.
    Stand {
        promised: Ballot,
    },
    /// A client says something.
    Say {
        command: Command,
    },
    Receive {
        from: ServerId,
        message: Message,
    },
    /// The oldest write becomes durable.
    Sync,
    /// Nothing: for a crash out of the blue.
    Idle,
}

/// What follows at once, before anything else happens to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Then {
    /// Everything that is under way to the disk becomes durable.
    Sync,
    /// It stays under way.
    Wait,
    /// The process dies, and another one starts. Of the records that were under way to the disk the
    /// first `kept` are there.
    Crash { kept: usize },
}

/// What came of it.
pub struct Outcome {
    pub server: Server,
    pub sent: Vec<(ServerId, Message)>,
    pub chosen: Vec<(Slot, Value)>,
    /// Which rules of an acceptor were broken.
    pub broken: BTreeSet<Broken>,
    /// Whether a crash came after an acceptance was durable and before it was told.
    pub cut_short: bool,
}

impl Server {
    pub fn new(id: ServerId) -> Server {
        let mut server = Server {
            id,
            replica: Replica::new(config(id), Recovered::empty(), STEP),
            stood: 0,
            told: 0,
            disk: Vec::new(),
            writes: VecDeque::new(),
            log: Vec::new(),
            fingerprint: 0,
        };
        server.fingerprint = server.work_out_fingerprint();
        server
    }

    /// # Panics
    /// If an assertion of the replica fails.
    pub fn after(&self, event: &Event, then: Then) -> Outcome {
        let mut outcome = Outcome {
            server: self.clone(),
            sent: Vec::new(),
            chosen: Vec::new(),
            broken: BTreeSet::new(),
            cut_short: false,
        };
        outcome.happen(event);
        match then {
            Then::Sync => while outcome.sync() {},
            Then::Wait => {}
            Then::Crash { kept } => outcome.crash(kept),
        }
        outcome.server.fingerprint = outcome.server.work_out_fingerprint();
        outcome
    }

    /// The number of records under way to the disk.
    pub fn unsynced(&self) -> usize {
        self.writes.iter().map(|write| write.records.len()).sum()
    }

    /// What it durably accepted in the slot.
    pub fn accepted_in(&self, slot: Slot) -> impl Iterator<Item = (Ballot, &Value)> {
        self.disk.iter().filter_map(move |record| match record {
            Record::Accepted {
                slot: accepted_in,
                ballot,
                value,
            } if *accepted_in == slot => Some((*ballot, value)),
            _ => None,
        })
    }

    /// A slot that it knows to be chosen need not be on its disk in that ballot.
    fn has_accepted(&self, slot: Slot, ballot: Ballot) -> bool {
        slot.0 <= self.log.len() as u64 || self.accepted_in(slot).any(|(known, _)| known == ballot)
    }

    /// The highest ballot that it durably promised or accepted.
    fn durable_promise(&self) -> Ballot {
        let ballots = self.disk.iter().map(|record| match record {
            Record::Promised { ballot } | Record::Accepted { ballot, .. } => *ballot,
            _ => Ballot::ZERO,
        });
        ballots.max().unwrap_or(Ballot::ZERO)
    }

    /// Depends on nothing but how often it stood, so that the number of different times is bounded.
    fn now(&self) -> Duration {
        // Standing takes up to two steps.
        STEP * (2 * u32::from(self.stood) + 1)
    }

    fn work_out_fingerprint(&self) -> u64 {
        let Server {
            id,
            replica,
            stood,
            told,
            disk,
            writes,
            log,
            fingerprint: _,
        } = self;
        fingerprint((id, replica, stood, told, disk, writes, log))
    }
}

impl Outcome {
    fn happen(&mut self, event: &Event) {
        let now = self.server.now();
        match event {
            Event::Stand { promised } => self.stand(now, *promised),
            Event::Say { command } => {
                let before = fingerprint(&self.server.replica);
                self.call(|replica| replica.propose(now, vec![command.clone()]));
                // Without a leader it is dropped, and the client may say it again.
                let dropped = self.sent.is_empty() && before == fingerprint(&self.server.replica);
                self.server.told += u8::from(!dropped);
            }
            Event::Receive { from, message } => {
                self.call(|replica| replica.step(now, *from, message.clone()));
            }
            Event::Sync => {
                self.sync();
            }
            Event::Idle => {}
        }
    }

    fn stand(&mut self, now: Duration, promised: Ballot) {
        let voter = ServerId(self.server.id.0 % SERVERS + 1);
        let before = self.server.replica.promised();
        // In the first step a candidate or leader gives up.
        for now in [now + STEP, now + 2 * STEP] {
            self.call(|replica| replica.tick(now));
            let asked = self.sent.iter().find_map(|(_, message)| match message {
                Message::PreVote { ballot } => Some(*ballot),
                _ => None,
            });
            if let Some(ballot) = asked {
                let grant = Message::PreVoteReply {
                    ballot,
                    granted: true,
                    promised,
                    leader: None,
                };
                self.call(|replica| replica.step(now, voter, grant));
            }
            if asked.is_some() || self.server.replica.promised() > before {
                break;
            }
        }
        self.server.stood += 1;
    }

    /// Returns whether there was something to sync.
    fn sync(&mut self) -> bool {
        let Some(write) = self.server.writes.pop_front() else {
            return false;
        };
        self.server.disk.extend(write.records);
        self.say(write.held);
        let now = self.server.now();
        self.call(|replica| replica.persisted(now, write.upto));
        true
    }

    fn crash(&mut self, kept: usize) {
        let server = &mut self.server;
        let mut held = server.writes.iter().flat_map(|write| &write.held);
        self.cut_short = kept == server.unsynced()
            && held.any(|(_, message)| matches!(message, Message::Accepted { .. }));
        let writes = std::mem::take(&mut server.writes);
        let unsynced = writes.into_iter().flat_map(|write| write.records);
        server.disk.extend(unsynced.take(kept));
        let (recovered, chosen) = recover(&server.disk, true);
        server.log = chosen.into_iter().map(|chosen| chosen.value).collect();
        server.replica = Replica::new(config(server.id), recovered, server.now());
    }

    fn call(&mut self, call: impl FnOnce(&mut Replica)) {
        call(&mut self.server.replica);
        let effects = self.server.replica.take_effects();
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Effects) {
        self.say(effects.send);
        let mut held = effects.send_after_persist;
        if !effects.persist.is_empty() {
            self.server.writes.push_back(Write {
                records: effects.persist,
                upto: effects.persist_upto,
                held: Vec::new(),
            });
        }
        match self.server.writes.back_mut() {
            Some(last) if !planted::is(Bug::AckBeforeFsync) => {
                // Once is enough: what leaves arrives any number of times.
                held.retain(|held| !last.held.contains(held));
                last.held.append(&mut held);
            }
            _ => {
                self.say(held);
            }
        }
        for chosen in effects.chosen {
            self.server.log.push(chosen.value.clone());
            self.chosen.push((chosen.slot, chosen.value));
        }
        for serve in effects.serve {
            let log = &self.server.log;
            let learn = Message::Learn {
                from: serve.from,
                values: log[serve.from.0 as usize - 1..].to_vec(),
                chosen: Slot(log.len() as u64),
            };
            self.say([(serve.to, learn)]);
        }
    }

    fn say(&mut self, messages: impl IntoIterator<Item = (ServerId, Message)>) {
        let durable = self.server.durable_promise();
        for (to, message) in messages {
            let (ballot, is_on_disk) = match &message {
                Message::Prepare { ballot, .. } | Message::Promise { ballot, .. } => {
                    (*ballot, *ballot <= durable)
                }
                Message::Accepted { ballot, slot } => (
                    *ballot,
                    *ballot <= durable && self.server.has_accepted(*slot, *ballot),
                ),
                _ => (durable, true),
            };
            if !is_on_disk {
                self.broken.insert(Broken::Memory);
            }
            if ballot < durable {
                self.broken.insert(Broken::Promise);
            }
            self.sent.push((to, message));
        }
    }
}

pub fn fingerprint(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn config(me: ServerId) -> Config {
    Config {
        me,
        servers: SERVERS,
        first_leader: None,
        seed: 0,
        timing: Timing {
            heartbeat: TIMEOUT,
            election_min: TIMEOUT,
            election_max: TIMEOUT,
            suspicion_min: TIMEOUT,
            suspicion_max: TIMEOUT,
            retransmit: TIMEOUT,
            gather: Duration::ZERO,
        },
        limits: Limits::default(),
    }
}
