//! `/history`: pages of the chat, asked of a server and shown in order.

use std::collections::VecDeque;

use paxosctl_node::drive::Ask;
use paxosctl_node::ids::ClientId;
use paxosctl_node::value::Command;

use super::command::Span;
use super::feed::earlier;
use super::render::Shown;

/// Messages of one `/history`.
const PAGE: u64 = 20;
/// Messages asked of a server at once.
const CHUNK: u64 = 200;

#[derive(Debug)]
pub struct Pages {
    me: ClientId,
    /// The first message that was shown of the chat's continuous end.
    earliest: u64,
    /// Asked one after the other; the first is under way.
    wanted: VecDeque<Wanted>,
}

/// Messages that are still to be shown.
#[derive(Debug)]
struct Wanted {
    next: u64,
    last: u64,
    /// How many to announce above them.
    earlier: u64,
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Turned {
    /// To be asked of the server now.
    Ask(Ask),
    /// It waits for those before it.
    Queued,
    /// There is nothing to show, and why.
    Nothing(String),
}

impl Pages {
    pub fn new(me: ClientId) -> Pages {
        Pages {
            me,
            earliest: 1,
            wanted: VecDeque::new(),
        }
    }

    /// The first message that the window shows.
    pub fn begin_at(&mut self, earliest: u64) {
        self.earliest = earliest;
    }

    /// Whether something is asked for and not shown yet.
    pub fn is_open(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// `length` is that of the chat.
    pub fn want(&mut self, span: Span, length: u64) -> Turned {
        if length == 0 {
            return Turned::Nothing("nothing was said yet".into());
        }
        let (first, last) = match span {
            Span::Earlier if self.earliest <= 1 => {
                return Turned::Nothing("that was all: the chat begins there".into());
            }
            Span::Earlier => (self.earliest.saturating_sub(PAGE).max(1), self.earliest - 1),
            Span::Last(count) => ((length + 1).saturating_sub(count).max(1), length),
            Span::Between { first, last } => (first, last.min(length)),
        };
        if first > last {
            return Turned::Nothing(format!("the chat has {length} messages"));
        }
        let announced = match span {
            Span::Earlier => {
                self.earliest = first;
                first - 1
            }
            Span::Last(_) | Span::Between { .. } => 0,
        };
        self.wanted.push_back(Wanted {
            next: first,
            last,
            earlier: announced,
        });
        if self.wanted.len() > 1 {
            return Turned::Queued;
        }
        self.ask().map_or(Turned::Queued, Turned::Ask)
    }

    /// A page came: what to show of it, and what to ask next.
    pub fn page(&mut self, first: u64, messages: Vec<Command>) -> (Vec<Shown>, Option<Ask>) {
        let mut shown = Vec::new();
        let Some(wanted) = self
            .wanted
            .front_mut()
            .filter(|wanted| wanted.next == first)
        else {
            return (shown, None);
        };
        let above = std::mem::take(&mut wanted.earlier);
        if above > 0 {
            shown.push(Shown::Notice(earlier(above)));
        }
        // A server that knows less than another did ends the page.
        let ends = messages.is_empty();
        for (place, command) in (first..=wanted.last).zip(messages) {
            wanted.next = place + 1;
            let own = command.client == self.me;
            let place = Some(place);
            shown.push(Shown::Message {
                command,
                own,
                place,
            });
        }
        if ends || wanted.next > wanted.last {
            self.wanted.pop_front();
        }
        (shown, self.ask())
    }

    fn ask(&self) -> Option<Ask> {
        let wanted = self.wanted.front()?;
        let count = (wanted.last - wanted.next + 1).min(CHUNK);
        Some(Ask::History {
            from: wanted.next,
            limit: u32::try_from(count).unwrap_or(u32::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(first: u64, last: u64) -> Vec<Command> {
        (first..=last)
            .map(|index| Command {
                client: ClientId(index),
                seq: 1,
                name: "bob".into(),
                at_ms: 0,
                text: index.to_string(),
            })
            .collect()
    }

    fn said(first: u64, last: u64) -> Vec<Shown> {
        (first..=last)
            .zip(commands(first, last))
            .map(|(place, command)| Shown::Message {
                own: command.client == ClientId(7),
                command,
                place: Some(place),
            })
            .collect()
    }

    fn ask(from: u64, limit: u32) -> Turned {
        Turned::Ask(Ask::History { from, limit })
    }

    fn pages(earliest: u64) -> Pages {
        let mut pages = Pages::new(ClientId(7));
        pages.begin_at(earliest);
        pages
    }

    #[test]
    fn each_history_goes_one_page_further_back() {
        let mut pages = pages(31);
        assert_eq!(pages.want(Span::Earlier, 50), ask(11, 20));
        let (shown, next) = pages.page(11, commands(11, 30));
        let note = Shown::Notice("… 10 earlier messages: /history".into());
        assert_eq!(shown, [vec![note], said(11, 30)].concat());
        assert_eq!(next, None);
        assert_eq!(pages.want(Span::Earlier, 50), ask(1, 10));
        assert_eq!(pages.page(1, commands(1, 10)), (said(1, 10), None));
        let end = Turned::Nothing("that was all: the chat begins there".into());
        assert_eq!(pages.want(Span::Earlier, 50), end);
    }

    #[test]
    fn a_long_span_comes_in_chunks_of_whatever_size_the_server_likes() {
        let mut pages = pages(1);
        assert_eq!(pages.want(Span::Last(300), 1000), ask(701, 200));
        let (shown, next) = pages.page(701, commands(701, 850));
        assert_eq!(shown, said(701, 850));
        let (from, limit) = (851, 150);
        assert_eq!(next, Some(Ask::History { from, limit }));
        assert_eq!(
            pages.page(851, commands(851, 1000)),
            (said(851, 1000), None)
        );
    }

    #[test]
    fn spans_end_where_the_chat_ends() {
        let mut pages = pages(1);
        assert_eq!(pages.want(Span::Last(300), 7), ask(1, 7));
        pages.page(1, commands(1, 7));
        let (first, last) = (5, 90);
        assert_eq!(pages.want(Span::Between { first, last }, 7), ask(5, 3));
        pages.page(5, commands(5, 7));
        let (first, last) = (8, u64::MAX);
        let nothing = Turned::Nothing("the chat has 7 messages".into());
        assert_eq!(pages.want(Span::Between { first, last }, 7), nothing);
        let nothing = Turned::Nothing("nothing was said yet".into());
        assert_eq!(pages.want(Span::Last(u64::MAX), 0), nothing);
    }

    #[test]
    fn requests_are_answered_one_after_the_other() {
        let mut pages = pages(1);
        assert_eq!(pages.want(Span::Last(2), 10), ask(9, 2));
        let (first, last) = (1, 3);
        assert_eq!(
            pages.want(Span::Between { first, last }, 10),
            Turned::Queued
        );
        // A page that nobody asked for.
        assert_eq!(pages.page(4, commands(4, 4)), (vec![], None));
        let (shown, next) = pages.page(9, commands(9, 10));
        assert_eq!(shown, said(9, 10));
        assert_eq!(next, Some(Ask::History { from: 1, limit: 3 }));
        assert_eq!(pages.page(1, commands(1, 3)), (said(1, 3), None));
    }

    #[test]
    fn a_server_that_lags_behind_ends_a_page() {
        let mut pages = pages(1);
        assert_eq!(pages.want(Span::Last(2), 10), ask(9, 2));
        assert_eq!(pages.page(9, vec![]), (vec![], None));
        assert_eq!(pages.want(Span::Last(1), 10), ask(10, 1));
    }
}
