//! Simpler faults in place of one.

use std::time::Duration;

use paxosctl_node::link::Distribution;

use crate::plan::{
    DamageFault, Link, LinkEffect, LinkFault, MachineFault, MachineTrouble, Member, Nodes,
    Partition, ServerMode, Shape, Verb,
};

pub(super) fn named(name: &str) -> Nodes {
    Nodes::Named(vec![name.to_owned()])
}

/// Other forms of the parts of a fault, the most promising first. Not all of them are simpler:
/// [`super::weight`] tells.
pub(super) struct Simpler {
    /// Servers, those first that a fault probably acts on.
    pub guesses: Vec<String>,
    pub clients: Vec<String>,
}

impl Simpler {
    pub fn verbs(&self, verb: &Verb) -> Vec<Verb> {
        match verb {
            Verb::Kill(on) => self.nodes(on).into_iter().map(Verb::Kill).collect(),
            Verb::Stop(on) => self.nodes(on).into_iter().map(Verb::Stop).collect(),
            Verb::Restart(on) => self.nodes(on).into_iter().map(Verb::Restart).collect(),
            Verb::Pause(on) => self.nodes(on).into_iter().map(Verb::Pause).collect(),
            Verb::Links(fault) => self.links(fault).into_iter().map(Verb::Links).collect(),
            Verb::Partition(partition) => {
                let simpler = self.partitions(partition).into_iter();
                simpler.map(Verb::Partition).collect()
            }
            Verb::Mode(modes) => {
                let simpler = one_simpler(modes, &|mode| {
                    let servers = self.nodes(&mode.servers).into_iter();
                    servers
                        .map(|servers| ServerMode {
                            servers,
                            ..mode.clone()
                        })
                        .collect()
                });
                simpler.into_iter().map(Verb::Mode).collect()
            }
            Verb::Machine(MachineFault { servers, what }) => {
                let simpler_what = simpler_trouble(what)
                    .into_iter()
                    .map(|what| (servers.clone(), what));
                let simpler_servers = self.nodes(servers).into_iter();
                simpler_what
                    .chain(simpler_servers.map(|servers| (servers, what.clone())))
                    .map(|(servers, what)| Verb::Machine(MachineFault { servers, what }))
                    .collect()
            }
            Verb::Damage(fault) => {
                let servers = self.nodes(&fault.servers).into_iter();
                servers
                    .map(|servers| {
                        Verb::Damage(DamageFault {
                            servers,
                            damage: fault.damage,
                        })
                    })
                    .collect()
            }
        }
    }

    fn nodes(&self, on: &Nodes) -> Vec<Nodes> {
        let servers = || self.guesses.iter().map(|server| named(server));
        match on {
            Nodes::Balancer => Vec::new(),
            Nodes::Clients => self.clients.iter().map(|client| named(client)).collect(),
            Nodes::Named(names) => {
                let lists = one_simpler(names, &|_| Vec::new());
                lists.into_iter().map(Nodes::Named).collect()
            }
            Nodes::Several(several) => {
                let lists = one_simpler(several, &|on| self.nodes(on)).into_iter();
                lists
                    .map(|mut list| match list.len() {
                        1 => list.remove(0),
                        _ => Nodes::Several(list),
                    })
                    .collect()
            }
            Nodes::All => servers().chain([Nodes::Servers]).collect(),
            Nodes::Random(count) => {
                let all = self.guesses.iter().take(usize::from(*count)).cloned();
                let fewer = [Nodes::Named(all.collect()), Nodes::Random(1)];
                servers().chain(fewer).collect()
            }
            _ => servers().collect(),
        }
    }

    fn links(&self, fault: &LinkFault) -> Vec<LinkFault> {
        let links = one_simpler(&fault.links, &|link| {
            let with = |from: &Nodes, to: &Nodes| Link {
                from: from.clone(),
                to: to.clone(),
            };
            let from = self.nodes(&link.from);
            let from = from.iter().map(|from| with(from, &link.to));
            let to = self.nodes(&link.to);
            let to = to.iter().map(|to| with(&link.from, to));
            from.chain(to).collect()
        });
        let kinds = one_simpler(&fault.kinds, &|_| Vec::new());
        let effect = match fault.effect.clone() {
            LinkEffect::Delay { by, .. } => LinkEffect::Delay {
                by,
                jitter: Duration::ZERO,
                distribution: Distribution::Uniform,
            },
            LinkEffect::Duplicate { .. } => LinkEffect::Duplicate { copies: 2 },
            other => other,
        };
        let mut simpler = vec![
            LinkFault {
                probability: 1.0,
                ..fault.clone()
            },
            LinkFault {
                effect,
                ..fault.clone()
            },
            LinkFault {
                side: None,
                ..fault.clone()
            },
        ];
        simpler.extend(links.into_iter().map(|links| LinkFault {
            links,
            ..fault.clone()
        }));
        simpler.extend(kinds.into_iter().map(|kinds| LinkFault {
            kinds,
            ..fault.clone()
        }));
        simpler
    }

    fn partitions(&self, partition: &Partition) -> Vec<Partition> {
        let alone = self.guesses.iter().map(|server| {
            let alone = vec![Member::Nodes(named(server))];
            Partition::Groups(vec![alone, vec![Member::Rest]])
        });
        let mut simpler: Vec<Partition> = alone.collect();
        match partition {
            Partition::Groups(groups) => {
                let lists = one_simpler(groups, &|group| self.groups(group));
                simpler.extend(lists.into_iter().map(Partition::Groups));
            }
            Partition::OneWay { from, to } => {
                let with = |from: &[Member], to: &[Member]| Partition::OneWay {
                    from: from.to_vec(),
                    to: to.to_vec(),
                };
                // What is cut one way only is not made a cut both ways.
                simpler.clear();
                simpler.extend(self.groups(from).iter().map(|from| with(from, to)));
                simpler.extend(self.groups(to).iter().map(|to| with(from, to)));
            }
            Partition::Shape(Shape::Isolate(on)) => {
                let isolated = self.nodes(on).into_iter();
                simpler.extend(isolated.map(|on| Partition::Shape(Shape::Isolate(on))));
            }
            Partition::Shape(_) => {}
        }
        simpler
    }

    fn groups(&self, group: &[Member]) -> Vec<Vec<Member>> {
        one_simpler(group, &|member| match member {
            Member::Rest => Vec::new(),
            Member::Nodes(on) => self.nodes(on).into_iter().map(Member::Nodes).collect(),
        })
    }
}

/// Lists that are simpler: one item alone, all but one, and with one item simpler.
fn one_simpler<T: Clone>(list: &[T], simpler: &dyn Fn(&T) -> Vec<T>) -> Vec<Vec<T>> {
    let mut lists = Vec::new();
    if list.len() > 1 {
        lists.extend(list.iter().map(|item| vec![item.clone()]));
    }
    if list.len() > 2 {
        lists.extend((0..list.len()).map(|gone| {
            let mut list = list.to_vec();
            list.remove(gone);
            list
        }));
    }
    for (place, item) in list.iter().enumerate() {
        lists.extend(simpler(item).into_iter().map(|item| {
            let mut list = list.to_vec();
            list[place] = item;
            list
        }));
    }
    lists
}

fn simpler_trouble(what: &MachineTrouble) -> Vec<MachineTrouble> {
    match *what {
        MachineTrouble::SlowDisk {
            by,
            jitter,
            probability,
        } => {
            let simpler = [
                (Duration::ZERO, 1.0),
                (jitter, 1.0),
                (Duration::ZERO, probability),
            ];
            simpler
                .map(|(jitter, probability)| MachineTrouble::SlowDisk {
                    by,
                    jitter,
                    probability,
                })
                .into()
        }
        MachineTrouble::DiskFull { .. } => vec![MachineTrouble::DiskFull { after_bytes: 0 }],
        _ => Vec::new(),
    }
}
