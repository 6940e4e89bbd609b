//! A plan with other nodes: renamed, or without some.

use crate::plan::{
    DamageFault, Fault, Link, LinkFault, MachineFault, Member, Nodes, Partition, Plan, Say,
    ServerMode, Shape, Traffic, Verb,
};

/// What a node is called; none for one that is gone.
pub(super) type Called<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The plan with its nodes called otherwise. What is about nodes that are gone goes with them:
/// traffic, demands, and faults that have no other target.
pub(super) fn renamed(plan: &Plan, called: Called) -> Plan {
    let mut plan = plan.clone();
    let names = |names: &[String]| names.iter().filter_map(|name| called(name)).collect();
    plan.cluster.clients = names(&plan.cluster.clients);
    plan.cluster.first_leader = plan
        .cluster
        .first_leader
        .and_then(|leader| called(&leader.to_string())?.parse().ok());
    plan.faults = plan
        .faults
        .into_iter()
        .filter_map(|fault| {
            let verb = verb(&fault.verb, called)?;
            Some(Fault { verb, ..fault })
        })
        .collect();
    let expect = &mut plan.expect;
    let is_there = |id: &String| plan.faults.iter().any(|fault| fault.id == *id);
    expect.no_ack_during.retain(is_there);
    expect.nothing_chosen_during.retain(is_there);
    expect.told_no_majority = names(&expect.told_no_majority);
    expect.rerouted = names(&expect.rerouted);
    plan.traffic = plan
        .traffic
        .into_iter()
        .filter_map(|traffic| {
            let what = say(traffic.what, called)?;
            Some(Traffic { what, ..traffic })
        })
        .collect();
    plan
}

/// The plan without some clients and all that they do.
pub(super) fn without_clients(plan: &Plan, gone: &dyn Fn(&str) -> bool) -> Plan {
    renamed(plan, &|name| (!gone(name)).then(|| name.to_owned()))
}

fn say(what: Say, called: Called) -> Option<Say> {
    let names = |names: Vec<String>| -> Vec<String> {
        names.iter().filter_map(|name| called(name)).collect()
    };
    Some(match what {
        Say::Join { client } => Say::Join {
            client: called(&client)?,
        },
        Say::Leave { client } => Say::Leave {
            client: called(&client)?,
        },
        Say::Read { client } => Say::Read {
            client: called(&client)?,
        },
        Say::Load { name, load } => Say::Load {
            name: called(&name)?,
            load,
        },
        Say::Say {
            client,
            text,
            seen_by,
            within,
            learned,
        } => {
            let seen_by = names(seen_by);
            let mut learned = learned;
            for demand in &mut learned {
                demand.by = names(std::mem::take(&mut demand.by));
            }
            learned.retain(|demand| !demand.by.is_empty());
            Say::Say {
                client: called(&client)?,
                text,
                within: within.filter(|_| !seen_by.is_empty()),
                seen_by,
                learned,
            }
        }
    })
}

/// None where nothing is left to act on.
fn verb(verb: &Verb, called: Called) -> Option<Verb> {
    Some(match verb {
        Verb::Kill(on) => Verb::Kill(nodes(on, called)?),
        Verb::Stop(on) => Verb::Stop(nodes(on, called)?),
        Verb::Restart(on) => Verb::Restart(nodes(on, called)?),
        Verb::Pause(on) => Verb::Pause(nodes(on, called)?),
        Verb::Machine(fault) => Verb::Machine(MachineFault {
            servers: nodes(&fault.servers, called)?,
            what: fault.what.clone(),
        }),
        Verb::Damage(fault) => Verb::Damage(DamageFault {
            servers: nodes(&fault.servers, called)?,
            damage: fault.damage,
        }),
        Verb::Mode(modes) => {
            let modes = modes.iter().filter_map(|mode| {
                Some(ServerMode {
                    servers: nodes(&mode.servers, called)?,
                    mode: mode.mode.clone(),
                })
            });
            Verb::Mode(not_empty(modes.collect())?)
        }
        Verb::Links(fault) => {
            let links = fault.links.iter().filter_map(|link| {
                Some(Link {
                    from: nodes(&link.from, called)?,
                    to: nodes(&link.to, called)?,
                })
            });
            Verb::Links(LinkFault {
                links: not_empty(links.collect())?,
                ..fault.clone()
            })
        }
        Verb::Partition(partition) => Verb::Partition(self::partition(partition, called)?),
    })
}

fn partition(partition: &Partition, called: Called) -> Option<Partition> {
    Some(match partition {
        Partition::Groups(groups) => {
            let groups: Vec<Vec<Member>> = groups
                .iter()
                .filter_map(|group| members(group, called))
                .collect();
            (groups.len() > 1).then_some(Partition::Groups(groups))?
        }
        Partition::OneWay { from, to } => Partition::OneWay {
            from: members(from, called)?,
            to: members(to, called)?,
        },
        Partition::Shape(shape) => Partition::Shape(match shape {
            Shape::Isolate(on) => Shape::Isolate(nodes(on, called)?),
            Shape::Bridge(Some(hub)) => Shape::Bridge(Some(nodes(hub, called)?)),
            Shape::Chain(order) => {
                Shape::Chain(order.iter().filter_map(|name| called(name)).collect())
            }
            other => other.clone(),
        }),
    })
}

fn members(group: &[Member], called: Called) -> Option<Vec<Member>> {
    let members = group.iter().filter_map(|member| match member {
        Member::Rest => Some(Member::Rest),
        Member::Nodes(on) => nodes(on, called).map(Member::Nodes),
    });
    not_empty(members.collect())
}

fn nodes(on: &Nodes, called: Called) -> Option<Nodes> {
    Some(match on {
        Nodes::Named(names) => {
            let names = names.iter().filter_map(|name| called(name));
            Nodes::Named(not_empty(names.collect())?)
        }
        Nodes::ServerOf(client) => Nodes::ServerOf(called(client)?),
        Nodes::Several(several) => {
            let several = several.iter().filter_map(|on| nodes(on, called));
            let mut several: Vec<Nodes> = not_empty(several.collect())?;
            match several.len() {
                1 => several.remove(0),
                _ => Nodes::Several(several),
            }
        }
        other => other.clone(),
    })
}

fn not_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
