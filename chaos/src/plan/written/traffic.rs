//! The items of `traffic`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::text::{Map, list, quoted, word};
use crate::plan::words::{show_byte_range, show_duration};
use crate::plan::{Arrivals, Learned, Load, Mix, Plan, Say, Traffic};

/// More repetitions than a plan can ask for begin another item.
const MOST_TIMES: usize = 10_000;

/// What one item says: the same, always as far apart.
struct Item {
    /// Places in the plan's traffic, in the order of time.
    places: Vec<usize>,
    every: Duration,
}

impl Item {
    fn once(place: usize) -> Item {
        Item {
            places: vec![place],
            every: Duration::ZERO,
        }
    }

    /// Takes `place` for the next time, if it is as far from the last as the others.
    fn goes_on(&mut self, traffic: &[Traffic], place: usize) -> bool {
        let last = self.places[self.places.len() - 1];
        let apart = traffic[place].at.saturating_sub(traffic[last].at);
        let fits = match self.places.len() {
            1 => !apart.is_zero(),
            length => apart == self.every && length < MOST_TIMES,
        };
        if fits {
            self.every = apart;
            self.places.push(place);
        }
        fits
    }
}

pub(super) fn items(plan: &Plan) -> String {
    let traffic = &plan.traffic;
    let whats = whats(plan);
    let mut items = by_line(traffic, &whats);
    if !is_read_as(traffic, &items) {
        items = one_by_one(traffic);
    }
    let lines = items.iter().map(|item| {
        let first = item.places[0];
        let mut map = Map::default();
        map.put("at", show_duration(traffic[first].at));
        if item.places.len() > 1 {
            map.put("every", show_duration(item.every));
            map.put("times", item.places.len().to_string());
        }
        map.append(&whats[first]);
        map.item(None)
    });
    lines.collect()
}

/// In the order of the lines that they came from, and repetitions of one line as one item.
fn by_line(traffic: &[Traffic], whats: &[Map]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut latest: BTreeMap<(usize, &Map), usize> = BTreeMap::new();
    for (place, said) in traffic.iter().enumerate() {
        let key = (said.line, &whats[place]);
        let is_load = matches!(said.what, Say::Load { .. });
        if let Some(&item) = latest.get(&key)
            && !is_load
            && items[item].goes_on(traffic, place)
        {
            continue;
        }
        latest.insert(key, items.len());
        items.push(Item::once(place));
    }
    items.sort_by_key(|item| traffic[item.places[0]].line);
    items
}

/// Whether the items are read as this traffic: what comes at the same time in the same order, and
/// the loads in the order of their names.
fn is_read_as(traffic: &[Traffic], items: &[Item]) -> bool {
    let places = || items.iter().flat_map(|item| item.places.iter().copied());
    let mut read: Vec<usize> = places().collect();
    read.sort_by_key(|place| traffic[*place].at);
    let loads = places().filter_map(|place| load_number(&traffic[place]));
    read.into_iter().eq(0..traffic.len()) && loads.is_sorted()
}

fn load_number(traffic: &Traffic) -> Option<u64> {
    match &traffic.what {
        Say::Load { name, .. } => name.strip_prefix("load")?.parse().ok(),
        _ => None,
    }
}

/// Without repetitions. A load that comes before its time takes along what is said at its time and
/// stands before it.
fn one_by_one(traffic: &[Traffic]) -> Vec<Item> {
    let loads = traffic.iter().enumerate();
    let mut loads: Vec<(u64, usize)> = loads
        .filter_map(|(place, traffic)| Some((load_number(traffic)?, place)))
        .collect();
    let are_in_order = loads.is_sorted();
    loads.sort_unstable();
    let mut left: BTreeSet<usize> = (0..traffic.len()).collect();
    let mut items = Vec::new();
    for &(_, load) in loads.iter().filter(|_| !are_in_order) {
        for place in 0..=load {
            let is_with_it = place == load
                || traffic[place].at == traffic[load].at && load_number(&traffic[place]).is_none();
            if is_with_it && left.remove(&place) {
                items.push(Item::once(place));
            }
        }
    }
    items.extend(left.into_iter().map(Item::once));
    items
}

/// What each item says beside its time.
fn whats(plan: &Plan) -> Vec<Map> {
    let servers: Vec<String> = crate::schedule::servers(plan);
    let mut present: BTreeSet<&str> = plan.cluster.clients.iter().map(String::as_str).collect();
    let mut whats = Vec::new();
    for traffic in &plan.traffic {
        let mut map = Map::default();
        match &traffic.what {
            Say::Join { client } => {
                present.insert(client);
                map.put("join", word(client));
            }
            Say::Leave { client } => {
                present.remove(client.as_str());
                map.put("leave", word(client));
            }
            Say::Read { client } => map.put("read", word(client)),
            Say::Say {
                client,
                text,
                seen_by,
                within,
                learned,
            } => {
                map.put("as", word(client));
                map.put("say", quoted(text));
                let others = present.iter().filter(|other| **other != client.as_str());
                if seen_by.len() > 1 && others.eq(seen_by) {
                    map.put("seen_by", "all");
                } else if !seen_by.is_empty() || within.is_some() {
                    map.put("seen_by", list(seen_by));
                }
                map.put_some("within", within.map(show_duration));
                if !learned.is_empty() {
                    let demands: Vec<String> = learned
                        .iter()
                        .map(|demand| learned_by(demand, &servers))
                        .collect();
                    map.put("learned", format!("[{}]", demands.join(", ")));
                }
            }
            Say::Load { load, .. } => {
                map.put("for", show_duration(load.lasts));
                map.put("load", of_load(load));
            }
        }
        whats.push(map);
    }
    whats
}

fn learned_by(demand: &Learned, servers: &[String]) -> String {
    let mut map = Map::default();
    let by = match demand.by == servers {
        true => "servers".to_owned(),
        false => word(&demand.by.join(",")),
    };
    map.put("by", by);
    map.put_some("after", demand.after.map(show_duration));
    map.put_some("within", demand.within.map(show_duration));
    map.flow()
}

fn of_load(load: &Load) -> String {
    let mut map = Map::default();
    map.put("clients", load.clients.to_string());
    map.put_some("rate", load.rate.map(|rate| format!("{rate}/s")));
    if load.arrivals == Arrivals::Poisson {
        map.put("arrivals", "poisson");
    }
    if let Some(burst) = load.burst {
        let every = show_duration(Duration::from_millis(burst.every_ms));
        map.put("burst", format!("{{of: {}, every: {every}}}", burst.of));
    }
    if load.bytes != (64, 64) {
        map.put("bytes", show_byte_range(load.bytes));
    }
    if load.mix != Mix::default() {
        let Mix {
            send,
            read,
            history,
            leave,
        } = load.mix;
        let mut mix = Map::default();
        mix.put("send", send.to_string());
        for (key, weight) in [("read", read), ("history", history), ("leave", leave)] {
            if weight > 0 {
                mix.put(key, weight.to_string());
            }
        }
        map.put("mix", mix.flow());
    }
    map.flow()
}
