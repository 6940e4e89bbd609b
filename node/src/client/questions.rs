//! Open questions of a session: linearizable reads, and pages of the chat.
//!
//! Both may be asked any number of times, of any server: the answer to any of them will do.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Timing;
use super::retry::{Jitter, Retry};
use crate::ids::ClientId;
use crate::value::Command;
use crate::wire::ClientMessage;

#[derive(Debug)]
pub(super) struct Questions {
    client: ClientId,
    /// Each with its next repetition, none until it is asked of the present server.
    reads: BTreeMap<u64, Option<Retry>>,
    /// Asked one after the other, since an answer does not name its question.
    pages: VecDeque<Page>,
    page_again: Option<Retry>,
}

#[derive(Debug, Clone, Copy)]
struct Page {
    from: u64,
    limit: u32,
}

impl Questions {
    pub(super) fn new(client: ClientId) -> Questions {
        Questions {
            client,
            reads: BTreeMap::new(),
            pages: VecDeque::new(),
            page_again: None,
        }
    }

    pub(super) fn read(&mut self, id: u64) {
        self.reads.insert(id, None);
    }

    /// `from` counts from 1, and a page has at least one message: less is taken as that.
    pub(super) fn page(&mut self, from: u64, limit: u32) {
        self.pages.push_back(Page {
            from: from.max(1),
            limit: limit.max(1),
        });
    }

    /// The read is answered. Returns false when it was before.
    pub(super) fn read_answered(&mut self, id: u64) -> bool {
        self.reads.remove(&id).is_some()
    }

    /// There was no room for the read: it is asked again after a pause.
    pub(super) fn put_off_read(
        &mut self,
        now: Duration,
        id: u64,
        timing: &Timing,
        jitter: &mut Jitter,
    ) {
        if let Some(Some(again)) = self.reads.get_mut(&id) {
            let at = now + jitter.spread(timing.busy_again);
            again.at = again.at.min(at);
        }
    }

    /// A page came. Returns whether it answers the question that is open: it starts where that
    /// starts, or is empty because the chat ends before.
    pub(super) fn page_answered(&mut self, first: u64, messages: &[Command], last: u64) -> bool {
        let Some(page) = self.pages.front() else {
            return false;
        };
        let answers = match messages.is_empty() {
            true => last < page.from,
            false => first == page.from,
        };
        if answers {
            self.pages.pop_front();
            self.page_again = None;
        }
        answers
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.pages.is_empty()
    }

    /// The server is another one: everything is due.
    pub(super) fn ask_all(&mut self) {
        self.reads.values_mut().for_each(|again| *again = None);
        self.page_again = None;
    }

    /// The questions to be asked now.
    pub(super) fn due(
        &mut self,
        now: Duration,
        timing: &Timing,
        jitter: &mut Jitter,
    ) -> Vec<ClientMessage> {
        let client = self.client;
        let mut due = Vec::new();
        let mut ask = |again: &mut Option<Retry>, message: ClientMessage| {
            let mut retry = again.unwrap_or(Retry::new(now, timing.retransmit));
            if retry.is_due(now) {
                retry.done(now, timing.retransmit_most, jitter);
                *again = Some(retry);
                due.push(message);
            }
        };
        for (&id, again) in &mut self.reads {
            ask(again, ClientMessage::Read { client, id });
        }
        if let Some(&Page { from, limit }) = self.pages.front() {
            let message = ClientMessage::History {
                client,
                from,
                limit,
            };
            ask(&mut self.page_again, message);
        }
        due
    }

    /// When [`Questions::due`] has something again.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let page = self.pages.front().map(|_| self.page_again);
        let open = self.reads.values().copied().chain(page);
        open.map(|again| again.map_or(Duration::ZERO, |retry| retry.at))
            .min()
    }
}
