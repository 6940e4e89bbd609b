//! The messages as they arrive: the whole chat at the start, of which only the end is shown, and
//! then what is said now, thinned out when it is more than anyone can read.

use std::collections::VecDeque;
use std::time::Duration;

use paxosctl_node::ids::ClientId;
use paxosctl_node::value::Command;

use super::render::Shown;

/// So many messages of what was said before are shown at the start.
const AT_START: usize = 20;
/// A terminal gets messages together that arrive within this…
const FRAME: Duration = Duration::from_millis(100);
/// …and no more of them than this.
const FRAME_MOST: usize = 40;
/// The start is taken as over when nothing came for so long.
const START_LIMIT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub struct Feed {
    me: ClientId,
    /// Whether a person watches, who reads no more than so much.
    thinned: bool,
    stage: Stage,
    /// The last index that arrived.
    seen: u64,
    /// What arrived and was not shown; older ones are skipped when they are too many.
    held: VecDeque<(u64, Command)>,
    /// What is not shown, since the last time.
    skipped: Option<Skipped>,
    shown_at: Option<Duration>,
}

/// Messages that are left out; `first` and `last` are their indexes at the ends.
#[derive(Debug, Clone, Copy)]
struct Skipped {
    count: u64,
    first: u64,
    last: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not connected yet.
    Before,
    /// What was said before arrives; `until` is its last index, as soon as it is known.
    CatchingUp {
        until: Option<u64>,
        progress_at: Duration,
    },
    Live,
}

impl Feed {
    /// `thinned` for a terminal: without it everything is shown at once, after the start.
    pub fn new(me: ClientId, thinned: bool) -> Feed {
        Feed {
            me,
            thinned,
            stage: Stage::Before,
            seen: 0,
            held: VecDeque::new(),
            skipped: None,
            shown_at: None,
        }
    }

    /// The last index that arrived.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether the session was ever open.
    pub fn was_connected(&self) -> bool {
        self.stage != Stage::Before
    }

    /// Whether what was said before has been shown.
    pub fn is_live(&self) -> bool {
        self.stage == Stage::Live
    }

    /// The session is open. True for the first time: then the length of the chat is wanted.
    pub fn joined(&mut self, now: Duration) -> bool {
        let first = self.stage == Stage::Before;
        if first {
            self.stage = Stage::CatchingUp {
                until: None,
                progress_at: now,
            };
        }
        first
    }

    /// The chat was `last` messages long when the session was opened.
    pub fn length(&mut self, last: u64) {
        if let Stage::CatchingUp { until, .. } = &mut self.stage {
            until.get_or_insert(last);
        }
    }

    pub fn delivered(&mut self, now: Duration, index: u64, command: Command) {
        self.seen = index;
        if let Stage::CatchingUp { progress_at, .. } = &mut self.stage {
            *progress_at = now;
        }
        self.held.push_back((index, command));
        let most = match self.stage {
            Stage::Live if self.thinned => FRAME_MOST,
            Stage::Live => usize::MAX,
            Stage::Before | Stage::CatchingUp { .. } => AT_START,
        };
        if self.held.len() > most {
            self.skip();
        }
    }

    /// Leaves out the oldest message; but what the person said is waited for.
    fn skip(&mut self) {
        let others = |(_, command): &(u64, Command)| command.client != self.me;
        let oldest = self.held.iter().position(others).unwrap_or(0);
        if let Some((index, _)) = self.held.remove(oldest) {
            let skipped = self.skipped.get_or_insert(Skipped {
                count: 0,
                first: index,
                last: index,
            });
            skipped.count += 1;
            skipped.last = skipped.last.max(index);
        }
    }

    /// What is to be shown by now. With the end of the start comes the index of the first message
    /// that is shown.
    pub fn take(&mut self, now: Duration) -> (Vec<Shown>, Option<u64>) {
        if self.due().is_none_or(|due| now < due) {
            return (Vec::new(), None);
        }
        let started = !self.is_live();
        self.stage = Stage::Live;
        self.shown_at = Some(now);
        let skipped = self.skipped.take();
        let mut shown = Vec::new();
        match skipped {
            Some(Skipped { last, .. }) if started => {
                shown.push(Shown::Notice(earlier(last)));
            }
            Some(Skipped { count, first, last }) => {
                shown.push(Shown::Notice(format!(
                    "… {count} messages left out: /history {first}-{last}"
                )));
            }
            None if started && self.held.is_empty() => {
                shown.push(Shown::Notice("nothing was said yet".into()));
            }
            None => {}
        }
        let first = skipped.map_or(1, |skipped| skipped.last + 1);
        for (_, command) in std::mem::take(&mut self.held) {
            let own = command.client == self.me;
            shown.push(Shown::Message {
                command,
                own,
                place: None,
            });
        }
        (shown, started.then_some(first))
    }

    /// When [`Feed::take`] has something; it may be in the past.
    pub fn due(&self) -> Option<Duration> {
        match self.stage {
            Stage::Before => None,
            Stage::CatchingUp { until, progress_at } => {
                let complete = until.is_some_and(|until| self.seen >= until);
                Some(
                    progress_at
                        + if complete {
                            Duration::ZERO
                        } else {
                            START_LIMIT
                        },
                )
            }
            Stage::Live if self.held.is_empty() => None,
            Stage::Live if self.thinned => {
                Some(self.shown_at.map_or(Duration::ZERO, |at| at + FRAME))
            }
            Stage::Live => Some(Duration::ZERO),
        }
    }
}

/// Says how much comes before what is shown.
pub fn earlier(messages: u64) -> String {
    match messages {
        1 => "… 1 earlier message: /history".into(),
        more => format!("… {more} earlier messages: /history"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn command(index: u64) -> Command {
        Command {
            client: ClientId(5),
            seq: index,
            name: "bob".into(),
            at_ms: 0,
            text: index.to_string(),
        }
    }

    fn deliver(feed: &mut Feed, now: Duration, first: u64, last: u64) {
        for index in first..=last {
            feed.delivered(now, index, command(index));
        }
    }

    /// As somebody sees it who said none of it.
    fn said(first: u64, last: u64) -> Vec<Shown> {
        (first..=last)
            .map(|index| Shown::Message {
                command: command(index),
                own: false,
                place: None,
            })
            .collect()
    }

    fn notice(text: &str) -> Vec<Shown> {
        vec![Shown::Notice(text.into())]
    }

    fn live(thinned: bool) -> Feed {
        let mut feed = Feed::new(ClientId(1), thinned);
        assert!(feed.joined(ms(0)));
        feed.length(0);
        assert_eq!(feed.take(ms(0)), (notice("nothing was said yet"), Some(1)));
        feed
    }

    #[test]
    fn of_a_long_chat_the_end_is_shown_when_all_of_it_is_there() {
        let mut feed = Feed::new(ClientId(1), true);
        assert!(feed.joined(ms(0)));
        deliver(&mut feed, ms(10), 1, 100);
        feed.length(140);
        assert_eq!(feed.take(ms(20)), (vec![], None));
        deliver(&mut feed, ms(30), 101, 140);
        let expected = [notice("… 120 earlier messages: /history"), said(121, 140)].concat();
        assert_eq!(feed.take(ms(30)), (expected, Some(121)));
        assert!(feed.is_live());
        assert!(!feed.joined(ms(40)));
    }

    #[test]
    fn a_short_chat_is_shown_whole() {
        let mut feed = Feed::new(ClientId(1), true);
        feed.joined(ms(0));
        feed.length(3);
        deliver(&mut feed, ms(1), 1, 3);
        assert_eq!(feed.take(ms(1)), (said(1, 3), Some(1)));
    }

    #[test]
    fn without_the_rest_the_start_ends_all_the_same() {
        let mut feed = Feed::new(ClientId(1), true);
        feed.joined(ms(0));
        feed.length(9);
        deliver(&mut feed, ms(500), 1, 4);
        assert_eq!(feed.due(), Some(ms(3500)));
        assert_eq!(feed.take(ms(3500)), (said(1, 4), Some(1)));
    }

    #[test]
    fn a_terminal_gets_a_flood_in_frames_without_most_of_it() {
        let mut feed = live(true);
        deliver(&mut feed, ms(50), 1, 1);
        assert_eq!(feed.take(ms(99)), (vec![], None));
        assert_eq!(feed.due(), Some(ms(100)));
        deliver(&mut feed, ms(99), 2, 141);
        let expected = [
            notice("… 101 messages left out: /history 1-101"),
            said(102, 141),
        ]
        .concat();
        assert_eq!(feed.take(ms(100)), (expected, None));
        assert_eq!(feed.take(ms(300)), (vec![], None));
        deliver(&mut feed, ms(300), 142, 143);
        assert_eq!(feed.take(ms(300)), (said(142, 143), None));
    }

    #[test]
    fn what_the_person_said_is_not_lost_in_a_flood() {
        let mut feed = live(true);
        let mut own = command(2);
        own.client = ClientId(1);
        deliver(&mut feed, ms(200), 1, 1);
        feed.delivered(ms(200), 2, own.clone());
        deliver(&mut feed, ms(200), 3, 50);
        let place = None;
        let own = Shown::Message {
            command: own,
            own: true,
            place,
        };
        let note = notice("… 10 messages left out: /history 1-11");
        let expected = [note, vec![own], said(12, 50)].concat();
        assert_eq!(feed.take(ms(200)), (expected, None));
    }

    #[test]
    fn a_pipe_gets_everything_at_once() {
        let mut feed = live(false);
        deliver(&mut feed, ms(0), 1, 500);
        assert_eq!(feed.take(ms(0)), (said(1, 500), None));
    }
}
