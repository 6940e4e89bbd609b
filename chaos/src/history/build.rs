//! Builds evidence from lines, in one pass.

mod protocol;

use std::collections::{BTreeMap, HashMap};

use paxosctl_node::event::Event;
use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::value::Value;

use super::evidence::{
    Ack, ClockSet, Death, Delivery, DiskStrike, Ending, Evidence, HOLE, Join, MachineRecord, Node,
    Page, Read, Replica, Reroute, Server, ServerEvent, StrayAck, Told, What,
};
use super::parse::{Found, Known};
use super::sessions::{acknowledge, say, session};
use super::{ByClient, Line, RunHeader, VERSION, apply};
use crate::target::LogSource;

/// More slots than any history holds; a larger number in a file is damage.
const MAX_SLOT: u64 = 1 << 30;

/// Takes the lines of a history in their order.
#[derive(Default)]
pub struct Builder {
    evidence: Option<Evidence>,
    /// The first value seen in each slot, which nearly every replica shares.
    first_in_slot: Vec<u32>,
    /// The others, where replicas differ.
    others_in_slot: BTreeMap<u64, Vec<u32>>,
    ballot_of: HashMap<Ballot, u32>,
    /// Acknowledgements that came before their message in the file.
    early_acks: Vec<(ClientId, u64, Ack)>,
    last_ballot: u32,
    /// How many values the last [`Known`] had.
    made_known: usize,
    ended: bool,
}

impl Builder {
    /// Whether the first line was taken.
    pub fn has_header(&self) -> bool {
        self.evidence.is_some()
    }

    /// Takes one line. The error says what is wrong with it, for a person.
    pub fn add(&mut self, line: Line) -> Result<(), String> {
        if let Line::Run(header) = line {
            return self.header(header);
        }
        match line {
            Line::Run(_) => unreachable!("handled above"),
            Line::Node { at_us, node, what } => {
                return self.known_node(at_us, &mut None, &node, what);
            }
            Line::Slot {
                server,
                slot,
                value,
            } => return self.slot(server, slot, Found::New(value)),
            _ => {}
        }
        let evidence = open(&mut self.evidence, self.ended)?;
        match line {
            Line::Died {
                at_us,
                node,
                status,
                last_lines,
            } => {
                evidence.end_us = evidence.end_us.max(at_us);
                evidence.deaths.push(Death {
                    at_us,
                    node,
                    status,
                    last_lines,
                });
            }
            Line::Action(action) => {
                evidence.end_us = evidence.end_us.max(action.done_us);
                evidence.actions.push(action);
            }
            Line::Phase { at_us, phase } => {
                evidence.end_us = evidence.end_us.max(at_us);
                evidence.phases.push((at_us, phase));
            }
            Line::Log {
                server,
                source,
                chosen,
            } => {
                let replica = replica(evidence, server)?;
                if chosen.0 > MAX_SLOT {
                    return Err(format!("chosen index {chosen} of {server} is out of range"));
                }
                replica.source = source;
                replica.chosen = chosen.0;
                // Read anew, later in the file: the later reading stands.
                replica.values.clear();
                replica.disorder.clear();
            }
            Line::End { at_us, interrupted } => {
                evidence.end_us = evidence.end_us.max(at_us);
                evidence.ending = if interrupted {
                    Ending::Interrupted
                } else {
                    Ending::Complete
                };
                self.ended = true;
            }
            Line::Run(_) | Line::Node { .. } | Line::Slot { .. } => {
                unreachable!("handled above")
            }
        }
        Ok(())
    }

    fn header(&mut self, header: RunHeader) -> Result<(), String> {
        if self.evidence.is_some() {
            return Err("a second `run` line: two histories in one file".to_string());
        }
        if header.version != VERSION {
            return Err(format!(
                "the history has format version {}, and this program reads version {VERSION}",
                header.version
            ));
        }
        let replicas = header
            .servers
            .iter()
            .map(|name| {
                Ok(Replica {
                    server: name.parse()?,
                    name: name.clone(),
                    source: LogSource::Unreadable {
                        reason: "the history does not hold it".to_string(),
                    },
                    chosen: 0,
                    values: Vec::new(),
                    disorder: Vec::new(),
                    chat: 0,
                    messages: 0,
                })
            })
            .collect::<Result<Vec<Replica>, String>>()?;
        if replicas.is_empty() {
            return Err("the `run` line names no servers".to_string());
        }
        self.evidence = Some(Evidence {
            servers: header.servers.iter().map(|_| Server::default()).collect(),
            replicas,
            header,
            ending: Ending::CutShort,
            end_us: 0,
            phases: Vec::new(),
            nodes: Vec::new(),
            sessions: Vec::new(),
            messages: Vec::new(),
            stray_acks: Vec::new(),
            conflicting_acks: Vec::new(),
            repeated_says: Vec::new(),
            values: Vec::new(),
            chats: Vec::new(),
            ballots: Vec::new(),
            actions: Vec::new(),
            deaths: Vec::new(),
            session_of: ByClient::default(),
            node_of: HashMap::new(),
        });
        Ok(())
    }

    /// What other threads need not make again when they read the same log of another replica;
    /// `None` if there is no news.
    pub(super) fn known(&mut self) -> Option<Known> {
        let evidence = self.evidence.as_ref()?;
        if self.made_known == evidence.values.len() {
            return None;
        }
        self.made_known = evidence.values.len();
        let value = |&id: &u32| (id != HOLE).then(|| (id, evidence.values[id as usize].clone()));
        Some(Known {
            values: self.first_in_slot.iter().map(value).collect(),
        })
    }

    /// Takes a slot of a replica's log.
    pub(super) fn slot(
        &mut self,
        server: ServerId,
        slot: Slot,
        value: Found,
    ) -> Result<(), String> {
        let evidence = open(&mut self.evidence, self.ended)?;
        if slot.0 == 0 || slot.0 > MAX_SLOT {
            return Err(format!("slot {slot} of {server} is out of range"));
        }
        let place = slot.0 as usize - 1;
        if self.first_in_slot.len() <= place {
            self.first_in_slot.resize(place + 1, HOLE);
        }
        let first = &mut self.first_in_slot[place];
        let id = match value {
            Found::Known(id) => id,
            Found::New(value) if *first == HOLE => {
                *first = push_value(&mut evidence.values, value);
                *first
            }
            Found::New(value) if value == evidence.values[*first as usize] => *first,
            Found::New(value) => {
                let others = self.others_in_slot.entry(slot.0).or_default();
                let mut known = others.iter();
                let known = known.find(|&&id| value == evidence.values[id as usize]);
                match known {
                    Some(&id) => id,
                    None => {
                        let id = push_value(&mut evidence.values, value);
                        others.push(id);
                        id
                    }
                }
            }
        };
        let replica = replica(evidence, server)?;
        if place < replica.values.len() {
            let name = &replica.name;
            let what = if replica.values[place] == HOLE {
                replica.values[place] = id;
                format!(
                    "slot {slot} of {name}'s log comes after slot {}",
                    replica.values.len()
                )
            } else {
                format!("slot {slot} stands twice in {name}'s log")
            };
            replica.disorder.push((slot.0, what));
        } else {
            // Slots that the file leaves out stay holes, which is for the checks to judge.
            replica.values.resize(place, HOLE);
            replica.values.push(id);
        }
        Ok(())
    }

    /// Takes a node's own report. The node's place in the evidence is looked up where it is not
    /// given.
    pub(super) fn known_node(
        &mut self,
        at_us: u64,
        place: &mut Option<u32>,
        name: &str,
        event: Event,
    ) -> Result<(), String> {
        let evidence = open(&mut self.evidence, self.ended)?;
        evidence.end_us = evidence.end_us.max(at_us);
        let node = *place.get_or_insert_with(|| node_place(evidence, name));
        match event {
            Event::Started { .. } => {
                evidence.nodes[node as usize].started_us.push(at_us);
                if let Some(server) = server(evidence, name) {
                    server.events.push(ServerEvent {
                        at_us,
                        what: What::Started,
                    });
                }
            }
            Event::Stopping { reason } => {
                evidence.nodes[node as usize].stopping.push((at_us, reason));
            }
            Event::LinkCounts { generation, counts } => {
                let hits = &mut evidence.nodes[node as usize].link_hits;
                hits.extend(
                    counts
                        .into_iter()
                        .map(|count| (generation, count.rule, count.hits)),
                );
            }
            Event::LinksRefused { reason } => {
                evidence.nodes[node as usize]
                    .links_refused
                    .push((at_us, reason));
            }
            Event::Formed
            | Event::NotVoting { .. }
            | Event::Recovered { .. }
            | Event::Promised { .. }
            | Event::Accepted(_)
            | Event::Chosen { .. }
            | Event::ChosenOnDisk { .. }
            | Event::Leading { .. }
            | Event::SteppedDown { .. } => self.protocol(at_us, node, name, event)?,
            Event::DiskTrouble {
                generation,
                rule,
                hits,
                what,
            } => machine(evidence, node).strikes.push(DiskStrike {
                at_us,
                generation,
                rule,
                hits,
                what,
            }),
            Event::ClockSet {
                generation,
                before_us,
                after_us,
                rate_permille,
            } => machine(evidence, node).clocks.push(ClockSet {
                at_us,
                generation,
                before_us,
                after_us,
                rate_permille,
            }),
            Event::LogSetAside {
                file, offset, what, ..
            } => {
                let place = format!("{file}, byte {offset}: {what}");
                machine(evidence, node).set_aside.push((at_us, place));
            }
            Event::Joined {
                client,
                name,
                server,
            } => {
                let session = session(evidence, client, node, &name);
                session.joins.push(Join { at_us, server });
            }
            Event::Rerouting {
                client,
                from,
                reason,
            } => {
                let session = session(evidence, client, node, name);
                session.reroutes.push(Reroute {
                    at_us,
                    from,
                    reason,
                });
            }
            Event::ToldMajority { client, majority } => {
                let session = session(evidence, client, node, name);
                session.told.push(Told { at_us, majority });
            }
            Event::Say {
                client,
                name: speaker,
                seq,
                text,
                ..
            } => say(evidence, node, client, &speaker, seq, at_us, text),
            Event::Acked {
                client,
                seq,
                index,
                slot,
                server,
            } => {
                let ack = Ack {
                    at_us,
                    index,
                    slot: slot.0,
                    server,
                };
                if !acknowledge(evidence, client, seq, ack) {
                    self.early_acks.push((client, seq, ack));
                }
            }
            Event::Delivered {
                client,
                index,
                from,
                seq,
                digest,
            } => {
                let session = session(evidence, client, node, name);
                session.deliveries.push(Delivery {
                    at_us,
                    index,
                    from,
                    seq,
                    digest,
                });
            }
            Event::ReadAsked { client, id } => {
                let session = session(evidence, client, node, name);
                session.reads.push(Read {
                    id,
                    asked_us: at_us,
                    done: None,
                });
            }
            Event::ReadDone {
                client,
                id,
                length,
                server,
            } => {
                let session = session(evidence, client, node, name);
                let Some(read) = session.reads.iter_mut().rfind(|read| read.id == id) else {
                    return Err(format!("read {id} of {name} was answered but never asked"));
                };
                // A repeated answer is no news: the client took the first.
                read.done.get_or_insert((at_us, length, server));
            }
            Event::Page {
                client,
                first,
                count,
                digest,
            } => {
                let session = session(evidence, client, node, name);
                session.pages.push(Page {
                    at_us,
                    first,
                    count,
                    digest,
                });
            }
            Event::Ready { .. }
            | Event::Links { .. }
            | Event::Machine { .. }
            | Event::MachineRefused { .. }
            | Event::Refused { .. }
            | Event::Follows { .. }
            | Event::Majority { .. }
            | Event::Registered { .. }
            | Event::Lost { .. }
            | Event::Opened
            | Event::Routed { .. }
            | Event::LoadDone { .. } => {}
        }
        Ok(())
    }

    /// Completes the indexes. `None` when there was not even a first line.
    pub fn finish(mut self) -> Option<Evidence> {
        let mut evidence = self.evidence.take()?;
        for (client, seq, ack) in self.early_acks {
            if !acknowledge(&mut evidence, client, seq, ack) {
                evidence.stray_acks.push(StrayAck { client, seq, ack });
            }
        }
        if evidence.ending == Ending::CutShort {
            forget_unfinished_logs(&mut evidence);
        }
        for replica in &mut evidence.replicas {
            let chosen = replica.chosen as usize;
            if replica.values.len() < chosen {
                replica.values.resize(chosen, HOLE);
            }
        }
        apply::apply_logs(&mut evidence);
        Some(evidence)
    }
}

/// A history that ends among the logs says nothing of what the logs held: neither those that are
/// missing, nor that of which only the beginning is there.
fn forget_unfinished_logs(evidence: &mut Evidence) {
    for replica in &mut evidence.replicas {
        let read = !matches!(replica.source, LogSource::Unreadable { .. });
        if read && (replica.values.len() as u64) < replica.chosen {
            replica.source = LogSource::Unreadable {
                reason: "the history is cut short in the middle of it".to_string(),
            };
            replica.values.clear();
            replica.disorder.clear();
            replica.chosen = 0;
        }
    }
}

fn open(evidence: &mut Option<Evidence>, ended: bool) -> Result<&mut Evidence, String> {
    if ended {
        return Err("a line after the `end` line".to_string());
    }
    evidence
        .as_mut()
        .ok_or_else(|| "not a history: the first line must be the `run` line".to_string())
}

fn push_value(values: &mut Vec<Value>, value: Value) -> u32 {
    values.push(value);
    values.len() as u32 - 1
}

fn node_place(evidence: &mut Evidence, name: &str) -> u32 {
    if let Some(&place) = evidence.node_of.get(name) {
        return place;
    }
    let place = evidence.nodes.len() as u32;
    evidence.nodes.push(Node {
        name: name.to_string(),
        ..Node::default()
    });
    evidence.node_of.insert(name.to_string(), place);
    place
}

fn machine(evidence: &mut Evidence, node: u32) -> &mut MachineRecord {
    &mut evidence.nodes[node as usize].machine
}

fn replica(evidence: &mut Evidence, server: ServerId) -> Result<&mut Replica, String> {
    evidence
        .replicas
        .iter_mut()
        .find(|replica| replica.server == server)
        .ok_or_else(|| format!("a log of {server}, which the `run` line does not name"))
}

fn server<'a>(evidence: &'a mut Evidence, name: &str) -> Option<&'a mut Server> {
    let place = evidence
        .replicas
        .iter()
        .position(|replica| replica.name == name)?;
    evidence.servers.get_mut(place)
}

fn server_of<'a>(evidence: &'a mut Evidence, name: &str) -> Result<&'a mut Server, String> {
    server(evidence, name).ok_or_else(|| {
        format!("a protocol event of `{name}`, which the `run` line does not name as a server")
    })
}
