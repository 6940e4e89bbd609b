//! The chat as one person sees it: news and typed lines go in, what to show and what to ask come
//! out. No clock and no terminal: time is given, since some start.

use std::collections::BTreeMap;
use std::time::Duration;

use paxosctl_node::client::Happened;
use paxosctl_node::drive::{Ask, News};
use paxosctl_node::ids::{ClientId, ServerId};
use paxosctl_node::wire::ClientInfo;

use super::command::{COMMANDS, Line};
use super::feed::Feed;
use super::notices::Notices;
use super::pages::{Pages, Turned};
use super::render::Shown;

/// A message that is not stored for so long is worth a word, and so are more of them after as long.
const UNSENT_GRACE: Duration = Duration::from_secs(1);
/// The question who is there is repeated after this, since the balancer may miss it…
const WHO_AGAIN: Duration = Duration::from_millis(500);
/// …and given up after this.
const WHO_LIMIT: Duration = Duration::from_secs(3);
/// Characters of a waiting message that are repeated to the person.
const EXCERPT: usize = 24;
/// Names that `/who` shows for each server.
const NAMES: usize = 20;
/// Nothing is there: a page from here only tells the length of the chat.
const BEYOND: u64 = u64::MAX;

/// What a view wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Show(Shown),
    Ask(Ask),
}

#[derive(Debug)]
pub struct View {
    me: ClientId,
    cluster_name: String,
    notices: Notices,
    feed: Feed,
    pages: Pages,
    /// Messages on their way to the session, which numbers them.
    asked: usize,
    /// What was said and is not stored, by sequence number.
    unsent: BTreeMap<u64, Unsent>,
    told_unsent_at: Option<Duration>,
    /// The place of the last own message that was stored.
    stored_at: u64,
    who: Option<AskedWho>,
    ended: bool,
}

#[derive(Debug)]
struct Unsent {
    said_at: Duration,
    text: String,
    told: bool,
}

#[derive(Debug, Clone, Copy)]
struct AskedWho {
    at: Duration,
    again_at: Duration,
}

impl View {
    /// `me` is the session's id. On a terminal (`thinned`) floods of messages are thinned out.
    pub fn new(
        me: ClientId,
        cluster_name: String,
        balancer: String,
        thinned: bool,
        now: Duration,
    ) -> View {
        View {
            me,
            cluster_name,
            notices: Notices::new(balancer, now),
            feed: Feed::new(me, thinned),
            pages: Pages::new(me),
            asked: 0,
            unsent: BTreeMap::new(),
            told_unsent_at: None,
            stored_at: 0,
            who: None,
            ended: false,
        }
    }

    /// Messages that were said and are not stored, as far as is known.
    pub fn unsent(&self) -> usize {
        self.asked + self.unsent.len()
    }

    /// Whether everything that was said is stored and shown, and so is what was said before.
    pub fn is_settled(&self) -> bool {
        self.unsent() == 0
            && self.feed.is_live()
            && self.feed.seen() >= self.stored_at
            && !self.pages.is_open()
            && self.who.is_none()
    }

    /// Whether a server was ever found.
    pub fn was_connected(&self) -> bool {
        self.feed.was_connected()
    }

    /// Whether what was said before has been shown.
    pub fn is_live(&self) -> bool {
        self.feed.is_live()
    }

    /// The last index of the chat that arrived.
    pub fn seen(&self) -> u64 {
        self.feed.seen()
    }

    /// Whether the session has ended: nothing follows.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Something happened. What it leads to that can wait comes with [`View::tick`].
    pub fn news(&mut self, now: Duration, news: News) -> Vec<Effect> {
        match news {
            News::Said { seq, text, .. } => {
                let said_at = now;
                let told = false;
                self.asked = self.asked.saturating_sub(1);
                let unsent = Unsent {
                    said_at,
                    text,
                    told,
                };
                self.unsent.insert(seq, unsent);
                Vec::new()
            }
            News::Happened { what, .. } => self.happened(now, what),
            News::Who(who) if self.who.take().is_some() => {
                vec![Effect::Show(Shown::Answer(self.present(who)))]
            }
            News::Ended => {
                self.ended = true;
                Vec::new()
            }
            News::Refused { peer, reason } => {
                vec![Effect::Show(Shown::Warning(format!(
                    "{peer} refused: {reason}"
                )))]
            }
            News::Who(_) | News::ReadAsked { .. } | News::LoadDone { .. } => Vec::new(),
        }
    }

    fn happened(&mut self, now: Duration, what: Happened) -> Vec<Effect> {
        let shown = match what {
            Happened::Joined { server } => {
                let mut effects: Vec<_> = (self.notices.joined(server))
                    .map(Effect::Show)
                    .into_iter()
                    .collect();
                if self.feed.joined(now) {
                    effects.push(Effect::Ask(Ask::History {
                        from: BEYOND,
                        limit: 1,
                    }));
                }
                return effects;
            }
            Happened::Page {
                first: BEYOND,
                last,
                ..
            } => {
                self.feed.length(last);
                None
            }
            Happened::Page {
                first, messages, ..
            } => {
                let (shown, next) = self.pages.page(first, messages);
                let shown = shown.into_iter().map(Effect::Show);
                return shown.chain(next.map(Effect::Ask)).collect();
            }
            Happened::Rerouting { from, reason } => {
                self.notices.rerouting(now, from, reason);
                None
            }
            Happened::Majority(majority) => self.notices.majority(now, majority),
            Happened::NotReady {
                registered,
                servers,
            } => {
                self.notices.not_ready(now, registered, servers);
                None
            }
            Happened::Acked { seq, index, .. } => {
                self.unsent.remove(&seq);
                self.stored_at = self.stored_at.max(index);
                None
            }
            Happened::Delivered { index, command } => {
                self.feed.delivered(now, index, command);
                None
            }
            Happened::ReadDone { .. } => None,
        };
        shown.map(Effect::Show).into_iter().collect()
    }

    /// A line was typed. [`Line::Quit`] is for the window, and nothing here.
    pub fn typed(&mut self, now: Duration, line: Line) -> Vec<Effect> {
        let effect = match line {
            Line::Empty | Line::Quit => return Vec::new(),
            Line::Say(text) => {
                self.asked += 1;
                Effect::Ask(Ask::Say(text))
            }
            Line::Advice(hint) => Effect::Show(Shown::Warning(hint)),
            Line::Help => Effect::Show(Shown::Answer(help())),
            Line::Server => Effect::Show(Shown::Answer(self.server())),
            Line::Who => {
                let again_at = now + WHO_AGAIN;
                self.who = Some(AskedWho { at: now, again_at });
                Effect::Ask(Ask::Who)
            }
            Line::History(_) if !self.feed.is_live() => Effect::Show(Shown::Notice(
                "the chat is not here yet: try again when you are connected".into(),
            )),
            Line::History(span) => {
                let turned = self.pages.want(span, self.feed.seen());
                let waits =
                    !matches!(turned, Turned::Nothing(_)) && self.notices.server().is_none();
                let mut effects = Vec::new();
                match turned {
                    Turned::Ask(ask) => effects.push(Effect::Ask(ask)),
                    Turned::Queued => {}
                    Turned::Nothing(why) => effects.push(Effect::Show(Shown::Notice(why))),
                }
                if waits {
                    effects.push(Effect::Show(Shown::Notice(
                        "not connected now: the history comes when a server is found".into(),
                    )));
                }
                return effects;
            }
        };
        vec![effect]
    }

    /// What is due by now.
    pub fn tick(&mut self, now: Duration) -> Vec<Effect> {
        let (mut shown, first) = self.feed.take(now);
        if let Some(first) = first {
            self.pages.begin_at(first);
        }
        shown.extend(self.notices.tick(now));
        if self.unsent_due().is_some_and(|due| due <= now) {
            shown.push(self.tell_unsent(now));
        }
        let mut effects: Vec<_> = shown.into_iter().map(Effect::Show).collect();
        if let Some(asked) = &mut self.who {
            if now >= asked.at + WHO_LIMIT {
                self.who = None;
                effects.push(Effect::Show(Shown::Warning(
                    "the balancer, which knows who is where, does not answer".into(),
                )));
            } else if now >= asked.again_at {
                asked.again_at = now + WHO_AGAIN;
                effects.push(Effect::Ask(Ask::Who));
            }
        }
        effects
    }

    /// When [`View::tick`] has something, if nothing happens before; it may be in the past.
    pub fn next_tick(&self) -> Option<Duration> {
        let who = (self.who).map(|asked| asked.again_at.min(asked.at + WHO_LIMIT));
        [
            self.feed.due(),
            self.notices.next_tick(),
            self.unsent_due(),
            who,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn unsent_due(&self) -> Option<Duration> {
        // Those that were told come before those that were not.
        let oldest = self.unsent.values().find(|unsent| !unsent.told)?;
        let due = oldest.said_at + UNSENT_GRACE;
        Some(
            self.told_unsent_at
                .map_or(due, |at| due.max(at + UNSENT_GRACE)),
        )
    }

    fn tell_unsent(&mut self, now: Duration) -> Shown {
        self.told_unsent_at = Some(now);
        for unsent in self.unsent.values_mut() {
            unsent.told = true;
        }
        let text = match self.unsent.len() {
            1 => {
                let text = self
                    .unsent
                    .values()
                    .next()
                    .map_or("", |unsent| &unsent.text);
                let mut excerpt: String = text.chars().take(EXCERPT).collect();
                if excerpt.len() < text.len() {
                    excerpt.push('…');
                }
                format!("not stored yet: “{excerpt}”; kept, and sent when possible")
            }
            many => format!("not stored yet: {many} messages; kept, and sent when possible"),
        };
        Shown::Notice(text)
    }

    fn server(&self) -> Vec<String> {
        let place = match self.notices.server() {
            Some(server) => format!("connected to {server}"),
            None => "looking for a server".into(),
        };
        let messages = match self.feed.seen() {
            1 => "1 message".into(),
            many => format!("{many} messages"),
        };
        let unsent = match self.unsent() {
            0 => "everything that you said is stored".into(),
            1 => "1 of your messages is not stored yet".into(),
            many => format!("{many} of your messages are not stored yet"),
        };
        let mut lines = vec![
            format!("cluster {}: {place}", self.cluster_name),
            format!("{messages} in the chat; {unsent}"),
        ];
        if !self.notices.has_majority() {
            lines.push("no majority: nothing can be stored now".into());
        } else if self.notices.server().is_some() {
            lines.push("a majority of the servers is there".into());
        }
        lines
    }

    /// One line a server; a name that several sessions bear is counted.
    fn present(&self, who: Vec<(ServerId, ClientInfo)>) -> Vec<String> {
        // The balancer knows it from the servers' reports, which come every so often.
        let listed = who.iter().any(|(_, info)| info.client == self.me);
        let own = self.notices.server().filter(|_| !listed);
        if who.is_empty() && own.is_none() {
            return vec!["nobody is connected".into()];
        }
        let mut servers: BTreeMap<ServerId, BTreeMap<String, (usize, bool)>> = BTreeMap::new();
        for (server, info) in who {
            let names = servers.entry(server).or_default();
            let (sessions, mine) = names.entry(info.name).or_default();
            *sessions += 1;
            *mine |= info.client == self.me;
        }
        servers
            .into_iter()
            .map(|(server, names)| {
                let more = names.len().saturating_sub(NAMES);
                let mut written: Vec<String> = names
                    .into_iter()
                    .take(NAMES)
                    .map(|(name, (sessions, mine))| {
                        let times = match sessions {
                            1 => String::new(),
                            many => format!(" ×{many}"),
                        };
                        let mine = if mine { " (you)" } else { "" };
                        format!("{name}{times}{mine}")
                    })
                    .collect();
                if more > 0 {
                    written.push(format!("{more} more"));
                }
                format!("{server}: {}", written.join(", "))
            })
            .chain(own.map(|server| format!("{server}: you, just arrived")))
            .collect()
    }
}

fn help() -> Vec<String> {
    COMMANDS
        .iter()
        .map(|(command, what)| format!("{command:<10}{what}"))
        .collect()
}

#[cfg(test)]
mod tests;
