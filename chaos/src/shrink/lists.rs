//! Fewer faults, firings and messages.

use std::ops::Range;

use super::nodes::{renamed, without_clients};
use super::{Candidate, Search};
use crate::plan::{Fault, Plan, Say, Traffic};

/// More firings are not tried one by one.
const MOST_FIRINGS: u32 = 12;
/// What is said in place of a load.
const ONE_MESSAGE: &str = "hello";

impl Search<'_> {
    /// Leaves out parts of a list: half of it, then ever smaller parts, at last single things; the
    /// later ones first, because they may need the earlier ones.
    fn fewer(
        &mut self,
        length: &dyn Fn(&Plan) -> usize,
        without: &dyn Fn(&Plan, Range<usize>) -> Candidate,
    ) {
        let mut part = length(&self.best);
        while part > 0 {
            let mut end = length(&self.best);
            while end > 0 {
                let start = end.saturating_sub(part);
                let (what, plan) = without(&self.best, start..end);
                self.attempt(&what, plan);
                end = start.min(length(&self.best));
            }
            part /= 2;
        }
    }

    pub(super) fn fewer_faults(&mut self) {
        self.fewer(&faults_and_random, &without_faults);
    }

    /// One firing instead of several, or at least not as many.
    pub(super) fn fewer_firings(&mut self) {
        for index in 0..self.best.faults.len() {
            let Fault { id, times, .. } = self.best.faults[index].clone();
            let alone = (1..=times.min(MOST_FIRINGS)).any(|number| {
                let mut plan = self.best.clone();
                let fault = &mut plan.faults[index];
                (fault.at, fault.times, fault.every) = (fault.firing(number), 1, None);
                self.attempt(&format!("fault {id} once, at its time {number}"), plan)
            });
            if !alone && times > 2 {
                self.least(times.into(), 2, 1, &|plan, times| {
                    let mut plan = plan.clone();
                    plan.faults[index].times = times as u32;
                    (format!("fault {id} only {times} times"), plan)
                });
            }
        }
    }

    /// Loads first: the rest of the traffic may be what keeps a plan sound.
    pub(super) fn less_traffic(&mut self) {
        let is_load = |traffic: &Traffic| matches!(traffic.what, Say::Load { .. });
        for index in (0..self.best.traffic.len()).rev() {
            let Some(traffic) = self.best.traffic.get(index) else {
                continue;
            };
            if !is_load(traffic) {
                continue;
            }
            let (what, plan) = without_traffic(&self.best, index..index + 1);
            if !self.attempt(&what, plan)
                && let Some(plan) = one_message(&self.best, index)
            {
                self.attempt(&format!("{what}, but with a message at its end"), plan);
            }
        }
        self.fewer(&|plan| plan.traffic.len(), &without_traffic);
    }

    pub(super) fn fewer_clients(&mut self) {
        let mut clients = self.best.cluster.clients.clone();
        for traffic in &self.best.traffic {
            if let Say::Join { client } = &traffic.what
                && !clients.contains(client)
            {
                clients.push(client.clone());
            }
        }
        for client in clients.into_iter().rev() {
            let plan = without_clients(&self.best, &|name| name == client);
            self.attempt(&format!("without {client}"), plan);
        }
    }
}

/// Both lists as one, the random faults behind the others.
fn faults_and_random(plan: &Plan) -> usize {
    plan.faults.len() + plan.random.len()
}

fn without_faults(plan: &Plan, range: Range<usize>) -> Candidate {
    let mut left = plan.clone();
    let ids = plan.faults.iter().map(|fault| &fault.id);
    let ids = ids.chain(plan.random.iter().map(|random| &random.id));
    let gone: Vec<&String> = ids.skip(range.start).take(range.len()).collect();
    left.faults.retain(|fault| !gone.contains(&&fault.id));
    left.random.retain(|random| !gone.contains(&&random.id));
    for named in [
        &mut left.expect.no_ack_during,
        &mut left.expect.nothing_chosen_during,
    ] {
        named.retain(|id| !gone.contains(&id));
    }
    let what = match gone.as_slice() {
        [one] => format!("without fault {one}"),
        [first, .., last] => format!("without {} faults, {first} to {last}", gone.len()),
        [] => String::new(),
    };
    (what, left)
}

fn without_traffic(plan: &Plan, range: Range<usize>) -> Candidate {
    let of = |traffic: &Traffic| match &traffic.what {
        Say::Say { client, .. } => format!("a message of {client}"),
        Say::Read { client } => format!("a read of {client}"),
        Say::Join { client } => format!("that {client} joins"),
        Say::Leave { client } => format!("that {client} leaves"),
        Say::Load { name, .. } => name.clone(),
    };
    let what = match range.len() {
        1 => format!("without {}", of(&plan.traffic[range.start])),
        many => format!("without {many} pieces of traffic"),
    };
    let mut left = plan.clone();
    left.traffic.drain(range);
    (what, with_loads_in_order(left))
}

/// A load's name is its place among the loads.
fn with_loads_in_order(plan: Plan) -> Plan {
    let loads = plan
        .traffic
        .iter()
        .filter_map(|traffic| match &traffic.what {
            Say::Load { name, .. } => Some(name.clone()),
            _ => None,
        });
    let mut loads: Vec<String> = loads.collect();
    loads.sort_by_key(|name| name.trim_start_matches("load").parse::<u32>().ok());
    let is_load = |name: &str| {
        name.strip_prefix("load")
            .is_some_and(|number| number.parse::<u32>().is_ok())
    };
    renamed(&plan, &|name| {
        if !is_load(name) {
            return Some(name.to_owned());
        }
        let place = loads.iter().position(|load| load == name)?;
        Some(format!("load{}", place + 1))
    })
}

/// The plan with a message of its first client in place of a load.
fn one_message(plan: &Plan, index: usize) -> Option<Plan> {
    let client = plan.cluster.clients.first()?.clone();
    let mut left = plan.clone();
    let load = left.traffic.remove(index);
    let at = load.ends();
    let place = left.traffic.partition_point(|other| other.at <= at);
    let what = Say::Say {
        client,
        text: ONE_MESSAGE.to_owned(),
        seen_by: Vec::new(),
        within: None,
        learned: Vec::new(),
    };
    left.traffic.insert(place, Traffic { at, what, ..load });
    Some(with_loads_in_order(left))
}
