//! Traffic: who says what, when, and whether they are in the chat by then.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Lowering, Script};
use crate::plan::error::Place;
use crate::plan::raw::{RawTraffic, Typed};
use crate::plan::script::ScriptLine;
use crate::plan::words::{LONGEST_TEXT, show_duration};
use crate::plan::{Say, Traffic};

/// More repetitions than that are a slip.
const MOST_TIMES: u64 = 10_000;

/// A piece of traffic whose client is still to be checked.
#[derive(Clone)]
struct Item {
    traffic: Traffic,
    /// Of the client's name.
    client: Place,
    /// The clients of `seen_by: all` are known when it is known who is in the chat.
    seen_by_all: Option<Place>,
}

impl Item {
    fn later(&self, by: Duration) -> Item {
        let mut later = self.clone();
        later.traffic.at += by;
        later
    }
}

/// How often an item is done.
struct Times {
    count: u32,
    every: Duration,
}

/// Whether a client is in the chat.
enum Presence {
    In,
    Left(Duration),
}

impl Lowering {
    /// Fills in the clients of the plan: those of the cluster, those that join, and loads.
    pub(super) fn collect_clients(&mut self, first: &[String], items: &[(Place, RawTraffic)]) {
        let mut clients = first.to_vec();
        for (_, item) in items {
            let joins = item.join.and_then(|join| join.value.text());
            if let Some(name) = joins
                && !clients.iter().any(|client| client == name)
            {
                clients.push(name.to_owned());
            }
        }
        let loads = items.iter().filter(|(_, item)| item.load.is_some()).count();
        clients.extend((1..=loads).map(load_name));
        self.names.clients = clients;
    }

    /// All traffic in the order of time. `first` is who is in the chat when the run begins; without
    /// it nobody is asked for.
    pub(super) fn traffic(
        &mut self,
        first: Option<&[String]>,
        items: &[(Place, RawTraffic)],
        scripts: &[(&Script, Vec<ScriptLine>)],
    ) -> Vec<Traffic> {
        let mut loads = 0;
        let mut found: Vec<Item> = Vec::new();
        for (place, item) in items {
            if item.load.is_some() {
                loads += 1;
            }
            if let Some(once) = self.item(*place, item, loads) {
                let times = self.times(item);
                found.extend((0..times.count).map(|number| once.later(times.every * number)));
            }
        }
        for (script, lines) in scripts {
            found.extend(
                lines
                    .iter()
                    .filter_map(|line| self.script_line(script, line)),
            );
        }
        found.sort_by_key(|item| item.traffic.at);
        if let Some(first) = first {
            self.check_presence(first, &mut found);
        }
        found.into_iter().map(|item| item.traffic).collect()
    }

    fn item(&mut self, place: Place, raw: &RawTraffic, loads: usize) -> Option<Item> {
        let at = self.at(raw.at, place);
        let verbs = [raw.say, raw.join, raw.leave, raw.read, raw.load, raw.script];
        let verbs: Vec<Typed> = verbs.into_iter().flatten().collect();
        let [verb] = verbs.as_slice() else {
            const HELP: &str = "an item has one of say, join, leave, read, load, script";
            match verbs.get(1) {
                Some(second) => self.errors.add_help(
                    second.key.place,
                    format!("`{}` in an item that has one already", name_of(second)),
                    HELP,
                ),
                None => self
                    .errors
                    .add_help(place, "traffic that says nothing", HELP),
            }
            return None;
        };
        self.check_keys(raw, verb);
        let mut seen_by_all = None;
        let mut client = verb.value.place;
        let what = if let Some(say) = raw.say {
            let text = self.said(say);
            let (seen_by, all) = self.seen_by(raw.seen_by);
            seen_by_all = all;
            let within = raw.within.and_then(|within| self.positive_duration(within));
            let learned = self.learned(raw.learned);
            let Some(speaker) = raw.speaker else {
                self.errors.add_help(
                    say.key.place,
                    "nobody says this",
                    "name the client: {at: 1s, as: ann, say: …}",
                );
                return None;
            };
            client = speaker.value.place;
            Say::Say {
                client: self.text(speaker)?.to_owned(),
                text: text?,
                seen_by,
                within,
                learned,
            }
        } else if let Some(join) = raw.join {
            let name = self.text(join)?;
            if !self.client_name(join.value) {
                return None;
            }
            let client = name.to_owned();
            Say::Join { client }
        } else if let Some(leave) = raw.leave {
            let client = self.text(leave)?.to_owned();
            Say::Leave { client }
        } else if let Some(read) = raw.read {
            let client = self.text(read)?.to_owned();
            Say::Read { client }
        } else if let Some(load) = raw.load {
            let load = self.load(load, raw.lasts);
            Say::Load {
                name: load_name(loads),
                load: load?,
            }
        } else {
            // A script: its lines are traffic of their own.
            return None;
        };
        let traffic = Traffic {
            at: at?,
            line: place.line,
            what,
        };
        Some(Item {
            traffic,
            client,
            seen_by_all,
        })
    }

    /// `every` and `times`, which go together here: traffic has no end of its own to fill.
    fn times(&mut self, raw: &RawTraffic) -> Times {
        let once = Times {
            count: 1,
            every: Duration::ZERO,
        };
        let (every, times) = match (raw.every, raw.times) {
            (None, None) => return once,
            (Some(every), Some(times)) => (every, times),
            (Some(alone), None) | (None, Some(alone)) => {
                self.errors.add_help(
                    alone.key.place,
                    "`every` and `times` go together",
                    "write every: 2s, times: 5",
                );
                return once;
            }
        };
        if let Some(load) = raw.load.or(raw.script) {
            self.errors.add_help(
                every.key.place,
                format!("`every` does not go with `{}`", name_of(&load)),
                "a load repeats by its rate, or in a burst: load: {burst: {of: 50, every: 2s}}",
            );
            return once;
        }
        let every = self.positive_duration(every);
        match (every, self.whole_number(times, 1, MOST_TIMES)) {
            (Some(every), Some(count)) => Times {
                count: count as u32,
                every,
            },
            _ => once,
        }
    }

    /// `at`, which every item of traffic and every fault needs.
    pub(super) fn at(&mut self, at: Option<Typed>, place: Place) -> Option<Duration> {
        let Some(at) = at else {
            self.errors.add_help(
                place,
                "`at` is missing",
                "say when, counted from the moment when the cluster is ready: at: 2s",
            );
            return None;
        };
        self.duration(at)
    }

    /// Keys that belong to another verb.
    fn check_keys(&mut self, raw: &RawTraffic, verb: &Typed) {
        let belongs = [
            (
                raw.speaker,
                "say",
                "`join`, `leave` and `read` name their client: join: ann",
            ),
            (raw.seen_by, "say", "only what is said can be seen"),
            (raw.learned, "say", "only what is said is learned"),
            (
                raw.within,
                "say",
                "`within` limits `seen_by`: {say: …, seen_by: all, within: 2s}",
            ),
            (raw.lasts, "load", "`for` says how long a load lasts"),
        ];
        for (typed, owner, help) in belongs {
            if let Some(typed) = typed
                && name_of(verb) != owner
            {
                let message = format!("`{}` does not go with `{}`", name_of(&typed), name_of(verb));
                self.errors.add_help(typed.key.place, message, help);
            }
        }
        if let (Some(within), None, Some(_)) = (raw.within, raw.seen_by, raw.say) {
            self.errors.add_help(
                within.key.place,
                "`within` without `seen_by`",
                "say who must see it: seen_by: all, or seen_by: [bob]",
            );
        }
    }

    fn said(&mut self, typed: Typed) -> Option<String> {
        let text = self.text(typed)?;
        if text.len() > LONGEST_TEXT as usize {
            self.errors.add_help(
                typed.value.place,
                format!("a message of {} bytes", text.len()),
                format!("the longest is {LONGEST_TEXT} bytes"),
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// The clients by name, or the place of `all`.
    fn seen_by(&mut self, typed: Option<Typed>) -> (Vec<String>, Option<Place>) {
        let Some(typed) = typed else {
            return (Vec::new(), None);
        };
        if typed.value.text() == Some("all") {
            return (Vec::new(), Some(typed.value.place));
        }
        (self.client_list(typed), None)
    }

    /// A list of clients that are processes of their own.
    pub(super) fn client_list(&mut self, typed: Typed) -> Vec<String> {
        let mut clients = Vec::new();
        for node in self.texts(typed) {
            let name = node.text().unwrap_or_default();
            if self.names.clients.iter().any(|client| client == name) {
                clients.push(name.to_owned());
            } else {
                let wrong = self.names.unknown_client(name);
                self.add_wrongs(node, vec![wrong]);
            }
        }
        clients
    }

    fn script_line(&mut self, script: &Script, line: &ScriptLine) -> Option<Item> {
        if line.text.len() > LONGEST_TEXT as usize {
            self.errors.add_help(
                line.text_place,
                format!("a message of {} bytes", line.text.len()),
                format!("the longest is {LONGEST_TEXT} bytes"),
            );
            return None;
        }
        let what = Say::Say {
            client: line.client.to_owned(),
            text: line.text.to_owned(),
            seen_by: Vec::new(),
            within: None,
            learned: Vec::new(),
        };
        Some(Item {
            traffic: Traffic {
                at: script.starts + line.at,
                line: script.line,
                what,
            },
            client: line.client_place,
            seen_by_all: None,
        })
    }

    /// Goes through the traffic in the order of time and checks who is in the chat.
    fn check_presence(&mut self, first: &[String], items: &mut [Item]) {
        let joins: BTreeMap<String, Duration> = items
            .iter()
            .rev()
            .filter_map(|item| match &item.traffic.what {
                Say::Join { client } => Some((client.clone(), item.traffic.at)),
                _ => None,
            })
            .collect();
        let mut chat: BTreeMap<String, Presence> = BTreeMap::new();
        for client in first {
            chat.insert(client.clone(), Presence::In);
        }
        for item in items {
            let at = item.traffic.at;
            match &mut item.traffic.what {
                Say::Join { client } => {
                    if let Some(Presence::In) = chat.get(client) {
                        self.errors.add_help(
                            item.client,
                            format!(
                                "{client} joins at {}, but is in the chat",
                                show_duration(at)
                            ),
                            "a client in `clients` joins before the run begins; join each once",
                        );
                    }
                    chat.insert(client.clone(), Presence::In);
                }
                Say::Leave { client } => {
                    self.check_present(&chat, &joins, client, "leaves", at, item.client);
                    if chat.contains_key(client) {
                        chat.insert(client.clone(), Presence::Left(at));
                    }
                }
                Say::Read { client } => {
                    self.check_present(&chat, &joins, client, "reads", at, item.client);
                }
                Say::Say {
                    client, seen_by, ..
                } => {
                    self.check_present(&chat, &joins, client, "speaks", at, item.client);
                    if let Some(place) = item.seen_by_all {
                        *seen_by = others(&chat, client);
                        if seen_by.is_empty() {
                            self.errors.add_help(
                                place,
                                format!("nobody but {client} is in the chat at that time"),
                                "let another client join, or remove `seen_by`",
                            );
                        }
                    }
                }
                Say::Load { .. } => {}
            }
        }
    }

    fn check_present(
        &mut self,
        chat: &BTreeMap<String, Presence>,
        joins: &BTreeMap<String, Duration>,
        client: &str,
        does: &str,
        at: Duration,
        place: Place,
    ) {
        let when = show_duration(at);
        match (chat.get(client), joins.get(client)) {
            (Some(Presence::In), _) => {}
            (Some(Presence::Left(left)), _) => self.errors.add_help(
                place,
                format!(
                    "{client} {does} at {when}, but left at {}",
                    show_duration(*left)
                ),
                format!("let {client} leave later, or join again"),
            ),
            (None, Some(joins)) => self.errors.add_help(
                place,
                format!(
                    "{client} {does} at {when}, but joins at {}",
                    show_duration(*joins)
                ),
                "let the client join first",
            ),
            (None, None) => {
                let message = format!("{client} {does} at {when}, but never joined");
                self.add_unknown_client(place, message, client);
            }
        }
    }
}

fn others(chat: &BTreeMap<String, Presence>, speaker: &str) -> Vec<String> {
    chat.iter()
        .filter(|(client, presence)| matches!(presence, Presence::In) && client.as_str() != speaker)
        .map(|(client, _)| client.clone())
        .collect()
}

fn load_name(number: usize) -> String {
    format!("load{number}")
}

fn name_of<'a>(typed: &Typed<'a>) -> &'a str {
    typed.key.text().unwrap_or_default()
}
