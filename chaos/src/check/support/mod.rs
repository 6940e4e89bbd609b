//! Hand-made histories: a story of a sound run, which a test then spoils in one place.

mod expect;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use paxosctl_node::event::{Acceptance, Event};
use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::link::{Rule, Side, What};
use paxosctl_node::value::{Command, Value};
use paxosctl_node::wire::LinkCount;

use crate::history::{self, ActionLine, Line, Phase, RunHeader, Step};
use crate::plan::{Cluster, Expect, Fault, Nodes, Plan, Say, Traffic, Verb};
use crate::report::RunResult;
use crate::target::{Action, Change, LogSource};

pub(crate) use expect::*;

/// A run in the making. Every message takes 10 ms from being said to being shown everywhere.
#[derive(Clone)]
pub(crate) struct Story {
    pub lines: Vec<Line>,
    pub plan: Plan,
    pub now_us: u64,
    pub ballot: Ballot,
    /// What each server's log holds at the end.
    pub logs: Vec<Vec<Value>>,
    clients: Vec<String>,
    seqs: Vec<u64>,
    index: u64,
    generation: u64,
}

/// Where a message of a story went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    pub said_us: u64,
    pub acked_us: u64,
}

pub(crate) fn client(number: u64) -> ClientId {
    ClientId(number)
}

pub(crate) fn command(client: u64, seq: u64, name: &str, text: &str) -> Command {
    Command {
        client: ClientId(client),
        seq,
        name: name.to_string(),
        at_ms: 0,
        text: text.to_string(),
    }
}

pub(crate) fn node(at_us: u64, name: &str, what: Event) -> Line {
    Line::Node {
        at_us,
        node: name.to_string(),
        what,
    }
}

impl Story {
    /// Servers s1 … sN, led by s1, with the clients ann (1) and bob (2).
    pub fn new(servers: u16) -> Story {
        Story::with_clients(servers, &["ann", "bob"])
    }

    /// Clients get the ids 1, 2, … in their order.
    pub fn with_clients(servers: u16, clients: &[&str]) -> Story {
        let names: Vec<String> = clients.iter().map(|name| name.to_string()).collect();
        let ballot = Ballot::new(1, ServerId(1));
        let mut story = Story {
            lines: vec![Line::Run(RunHeader {
                version: history::VERSION,
                plan: "story".to_string(),
                seed: 7,
                servers: (1..=servers).map(|number| format!("s{number}")).collect(),
                clients: names.clone(),
                command: "paxosctl run plans/story.yaml --seed 7".to_string(),
                world: Default::default(),
            })],
            plan: Plan {
                path: PathBuf::from("plans/story.yaml"),
                source: String::new(),
                name: "story".to_string(),
                seed: Some(7),
                cluster: Cluster {
                    servers,
                    first_leader: None,
                    clients: names.clone(),
                    balancer_port: None,
                    server_port: None,
                },
                traffic: Vec::new(),
                faults: Vec::new(),
                random: Vec::new(),
                settle: Duration::from_secs(10),
                expect: Expect::default(),
                time_scale: 1.0,
            },
            now_us: 0,
            ballot,
            logs: vec![Vec::new(); usize::from(servers)],
            seqs: vec![0; names.len()],
            clients: names,
            index: 0,
            generation: 0,
        };
        for number in 1..=servers {
            let name = format!("s{number}");
            story.lines.push(node(
                0,
                &name,
                Event::Started {
                    pid: 100 + u32::from(number),
                    links: 0,
                },
            ));
            story.lines.push(node(
                0,
                &name,
                Event::Recovered {
                    promised: Ballot::ZERO,
                    accepted: Vec::new(),
                    chosen: Slot(0),
                    incarnation: u64::from(number),
                    formed: false,
                    cut_bytes: 0,
                },
            ));
            story.lines.push(node(0, &name, Event::Formed));
            story.lines.push(node(0, &name, Event::Promised { ballot }));
        }
        let leading = Event::Leading {
            ballot,
            promised_by: (1..=servers).map(ServerId).collect(),
            after: Slot(0),
        };
        story.lines.push(node(0, "s1", leading));
        for (place, name) in story.clients.clone().iter().enumerate() {
            let joined = Event::Joined {
                client: ClientId(place as u64 + 1),
                name: name.clone(),
                server: ServerId(1 + place as u16 % servers),
            };
            story.lines.push(node(0, name, joined));
        }
        story.lines.push(Line::Phase {
            at_us: 0,
            phase: Phase::Run,
        });
        story
    }

    /// 100 ms later: the client says it, all servers store it, everybody is shown it.
    pub fn say(&mut self, name: &str, text: &str) -> Stored {
        let servers: Vec<usize> = (0..self.logs.len()).collect();
        self.say_to(name, text, &servers)
    }

    /// The same, stored by these servers only (counted from 0).
    pub fn say_to(&mut self, name: &str, text: &str, servers: &[usize]) -> Stored {
        self.now_us += 100_000;
        let said_us = self.now_us;
        let (id, seq) = self.said(name, text, said_us);
        let slot = Slot(self.logs[servers[0]].len() as u64 + 1);
        self.index += 1;
        let value = Value::batch(vec![command(id.0, seq, name, text)]);
        for &server in servers {
            let event = Event::Accepted(Acceptance {
                ballot: self.ballot,
                slot,
                digest: value.digest(),
            });
            self.lines.push(node(
                said_us + 1_000 + server as u64,
                &format!("s{}", server + 1),
                event,
            ));
            self.logs[server].push(value.clone());
        }
        let acked_us = said_us + 4_000;
        for &server in servers {
            let at_us = said_us + 2_000 + 1_000 * server as u64;
            self.lines.push(node(
                at_us,
                &format!("s{}", server + 1),
                Event::Chosen { upto: slot },
            ));
            self.lines.push(node(
                at_us + 500,
                &format!("s{}", server + 1),
                Event::ChosenOnDisk { upto: slot },
            ));
        }
        let acked = Event::Acked {
            client: id,
            seq,
            index: self.index,
            slot,
            server: ServerId(servers[0] as u16 + 1),
        };
        self.lines.push(node(acked_us, name, acked));
        for (place, viewer) in self.clients.clone().iter().enumerate() {
            let event = Event::Delivered {
                client: ClientId(place as u64 + 1),
                index: self.index,
                from: id,
                seq,
                digest: crc32c::crc32c(text.as_bytes()),
            };
            self.lines.push(node(said_us + 10_000, viewer, event));
        }
        Stored { said_us, acked_us }
    }

    /// The value that holds one message of a client.
    pub fn value(client: u64, seq: u64, name: &str, text: &str) -> Value {
        Value::batch(vec![command(client, seq, name, text)])
    }

    /// The client says it, and nothing comes of it.
    pub fn say_in_vain(&mut self, name: &str, text: &str) -> u64 {
        self.now_us += 100_000;
        self.said(name, text, self.now_us);
        self.now_us
    }

    fn said(&mut self, name: &str, text: &str, at_us: u64) -> (ClientId, u64) {
        let place = self
            .clients
            .iter()
            .position(|client| client == name)
            .expect("a client of the story");
        self.seqs[place] += 1;
        let id = ClientId(place as u64 + 1);
        let seq = self.seqs[place];
        self.lines.push(node(
            at_us,
            name,
            Event::Say {
                client: id,
                name: name.to_string(),
                seq,
                at_ms: 0,
                text: text.to_string(),
            },
        ));
        self.plan.traffic.push(Traffic {
            at: Duration::from_micros(at_us),
            line: self.plan.traffic.len() + 1,
            what: Say::Say {
                client: name.to_string(),
                text: text.to_string(),
                seen_by: Vec::new(),
                within: None,
                learned: Vec::new(),
            },
        });
        (id, seq)
    }

    /// Plans a fault that fires once; returns its id.
    pub fn plan_fault(&mut self, verb: Verb) -> String {
        let id = format!("f{}", self.plan.faults.len() + 1);
        self.plan.faults.push(Fault {
            id: id.clone(),
            line: 1,
            at: Duration::from_micros(self.now_us),
            every: None,
            times: 1,
            lasts: None,
            verb,
            drawn_by: None,
        });
        id
    }

    /// 100 ms later, within 5 ms: an action for a fault with the changes given.
    pub fn act(
        &mut self,
        fault: &str,
        step: Step,
        planned: &str,
        resolved: &[&str],
        action: Action,
        changes: Vec<Change>,
    ) {
        self.now_us += 100_000;
        self.lines.push(Line::Action(ActionLine {
            at_us: self.now_us,
            done_us: self.now_us + 5_000,
            fault: fault.to_string(),
            firing: 1,
            step,
            planned: planned.to_string(),
            resolved: resolved.iter().map(|name| name.to_string()).collect(),
            action,
            changes,
            error: None,
        }));
    }

    /// Kills nodes, as planned.
    pub fn kill(&mut self, nodes: &[&str]) -> String {
        let names: Vec<String> = nodes.iter().map(|name| name.to_string()).collect();
        let id = self.plan_fault(Verb::Kill(Nodes::Named(names.clone())));
        let changes = names
            .iter()
            .map(|node| Change::Exited {
                node: node.clone(),
                status: "signal 9".to_string(),
            })
            .collect();
        let planned = format!("kill {}", nodes.join(","));
        self.act(
            &id,
            Step::Break,
            &planned,
            nodes,
            Action::Kill { nodes: names },
            changes,
        );
        id
    }

    /// Starts them again, with the promise that they had.
    pub fn start(&mut self, fault: &str, nodes: &[&str]) {
        let names: Vec<String> = nodes.iter().map(|name| name.to_string()).collect();
        let changes = names
            .iter()
            .map(|node| Change::Started {
                node: node.clone(),
                pid: 200,
            })
            .collect();
        let planned = format!("kill {}", nodes.join(","));
        self.act(
            fault,
            Step::Heal,
            &planned,
            nodes,
            Action::Start { nodes: names },
            changes,
        );
        for name in nodes {
            let server: usize = name[1..].parse().expect("a server");
            let at_us = self.now_us + 2_000;
            self.lines
                .push(node(at_us, name, Event::Started { pid: 200, links: 0 }));
            let chosen = Slot(self.logs[server - 1].len() as u64);
            self.lines.push(node(
                at_us,
                name,
                Event::Recovered {
                    promised: self.ballot,
                    accepted: Vec::new(),
                    chosen,
                    incarnation: server as u64,
                    formed: true,
                    cut_bytes: 0,
                },
            ));
        }
    }

    /// Puts a link table in force everywhere that loses all between the two sides, both ways; an
    /// empty side heals.
    pub fn cut(&mut self, fault: &str, left: &[&str], right: &[&str]) {
        self.generation += 1;
        let mut rules = Vec::new();
        for (from, to) in left
            .iter()
            .flat_map(|l| right.iter().flat_map(move |r| [(*l, *r), (*r, *l)]))
        {
            rules.push(Rule {
                id: fault.to_string(),
                from: from.to_string(),
                to: to.to_string(),
                kinds: Vec::new(),
                on: Side::Send,
                probability: 1.0,
                what: What::Drop,
            });
        }
        let step = if rules.is_empty() {
            Step::Heal
        } else {
            Step::Break
        };
        let generation = self.generation;
        let names: Vec<String> = (1..=self.logs.len())
            .map(|number| format!("s{number}"))
            .chain(self.clients.iter().cloned())
            .chain(["balancer".to_string()])
            .collect();
        let changes = names
            .iter()
            .map(|node| Change::Links {
                node: node.clone(),
                generation,
            })
            .collect();
        let resolved: Vec<String> = rules
            .iter()
            .map(|rule| format!("{}->{}", rule.from, rule.to))
            .collect();
        let resolved: Vec<&str> = resolved.iter().map(String::as_str).collect();
        self.act(
            fault,
            step,
            "partition",
            &resolved,
            Action::Links { rules },
            changes,
        );
    }

    /// s1 reports what the rules of a fault did in the table in force.
    pub fn hits(&mut self, fault: &str, hits: u64) {
        let counts = vec![LinkCount {
            rule: fault.to_string(),
            hits,
        }];
        let generation = self.generation;
        self.lines.push(node(
            self.now_us,
            "s1",
            Event::LinkCounts { generation, counts },
        ));
    }

    /// Heals, settles within 20 ms, reads the logs of all servers, ends.
    pub fn finish(mut self) -> Story {
        let at_us = self.now_us + 1_000_000;
        for (after, phase) in [
            Phase::Heal,
            Phase::Drain,
            Phase::Settle,
            Phase::Converged,
            Phase::FinalReads,
        ]
        .into_iter()
        .enumerate()
        {
            self.lines.push(Line::Phase {
                at_us: at_us + after as u64 * 5_000,
                phase,
            });
        }
        for (server, log) in self.logs.iter().enumerate() {
            let server = ServerId(server as u16 + 1);
            self.lines.push(Line::Log {
                server,
                source: LogSource::Served,
                chosen: Slot(log.len() as u64),
            });
            for (place, value) in log.iter().enumerate() {
                self.lines.push(Line::Slot {
                    server,
                    slot: Slot(place as u64 + 1),
                    value: value.clone(),
                });
            }
        }
        self.lines.push(Line::End {
            at_us: at_us + 30_000,
            interrupted: false,
        });
        self
    }

    /// Changes events of nodes in place.
    pub fn edit(&mut self, mut change: impl FnMut(&str, &mut u64, &mut Event)) {
        for line in &mut self.lines {
            if let Line::Node { at_us, node, what } = line {
                change(node, at_us, what);
            }
        }
    }

    /// Removes the lines for which this holds; there must be at least one.
    pub fn remove(&mut self, mut which: impl FnMut(&Line) -> bool) {
        let before = self.lines.len();
        self.lines.retain(|line| !which(line));
        assert!(self.lines.len() < before, "nothing was removed");
    }

    /// Inserts a line before the end.
    pub fn insert(&mut self, line: Line) {
        let last = self.lines.len() - 1;
        self.lines.insert(last, line);
    }

    /// The history as it is saved.
    pub fn bytes(&self) -> Vec<u8> {
        let mut writer = history::Writer::new(Vec::new());
        for line in &self.lines {
            writer.write(line).expect("memory");
        }
        writer.finish().expect("memory")
    }

    /// The same, when every server accepted what s1's log holds: then only what is wrong with the
    /// logs themselves remains to be found.
    pub fn judge_as_accepted(&self) -> RunResult {
        let mut story = self.clone();
        let log: BTreeMap<Slot, u32> = self
            .lines
            .iter()
            .filter_map(|line| match line {
                Line::Slot {
                    server: ServerId(1),
                    slot,
                    value,
                } => Some((*slot, value.digest())),
                _ => None,
            })
            .collect();
        let mut accepted = BTreeSet::new();
        story.edit(|_, _, event| {
            if let Event::Accepted(acceptance) = event {
                accepted.insert(acceptance.slot);
                if let Some(&digest) = log.get(&acceptance.slot) {
                    acceptance.digest = digest;
                }
            }
        });
        for (&slot, &digest) in log.iter().filter(|(slot, _)| !accepted.contains(slot)) {
            for server in 1..=self.logs.len() {
                let acceptance = Acceptance {
                    ballot: self.ballot,
                    slot,
                    digest,
                };
                let event = Event::Accepted(acceptance);
                story.insert(node(self.now_us, &format!("s{server}"), event));
            }
        }
        story.judge()
    }

    /// Saved, read back, and judged.
    pub fn judge(&self) -> RunResult {
        let evidence = history::read(&self.bytes()[..]).expect("a readable history");
        crate::check::judge(&evidence, &self.plan)
    }
}
