//! The server that a session has, and the times at which it is asked for a sign of life.

use std::sync::Arc;
use std::time::Duration;

use super::Timing;
use super::retry::{Jitter, Retry};
use crate::ids::ServerId;

/// It is kept, and tried again, until the balancer names another: the balancer may be down.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) server: ServerId,
    pub(super) address: Arc<str>,
    pub(super) standing: Standing,
    /// False from a failure of the connection until something is heard again.
    pub(super) reachable: bool,
    /// When to send Join again; not in use while joined.
    pub(super) join: Retry,
    /// When to send the next Ping; in use while joined.
    ping_at: Duration,
    pinged_at: Duration,
    /// The time of the last sign of life, or of the first attempt.
    heard_at: Duration,
    /// When the first question since then was sent, be it a join or a ping.
    question_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The first Join is not answered yet.
    Joining,
    Joined,
    /// It failed or sent the session away: the balancer is being asked.
    Lost,
}

impl Home {
    /// A server that was just named; Join is due.
    pub(super) fn new(now: Duration, server: ServerId, address: String, timing: &Timing) -> Home {
        Home {
            server,
            address: address.into(),
            standing: Standing::Joining,
            reachable: true,
            join: Retry::new(now, timing.retransmit),
            ping_at: now,
            pinged_at: now,
            heard_at: now,
            question_at: None,
        }
    }

    pub(super) fn is_joined(&self) -> bool {
        self.standing == Standing::Joined
    }

    /// The session is open here.
    pub(super) fn joined(&mut self, now: Duration, timing: &Timing) {
        self.standing = Standing::Joined;
        self.pinged_at = now;
        self.ping_at = now + timing.ping_after;
    }

    /// It is of no use any more, but Join is tried again.
    pub(super) fn lost(&mut self, now: Duration, timing: &Timing, jitter: &mut Jitter) {
        self.standing = Standing::Lost;
        self.question_at = None;
        self.join = Retry::new(now, timing.retransmit);
        self.join.done(now, timing.retransmit_most, jitter);
    }

    /// It gave a sign of life.
    pub(super) fn heard(&mut self, now: Duration, timing: &Timing) {
        self.reachable = true;
        self.heard_at = now;
        self.question_at = None;
        self.ping_at = (now + timing.ping_after).min(self.pinged_at + timing.ping_at_least);
    }

    /// Something is sent that it answers at once if it can.
    pub(super) fn questioned(&mut self, now: Duration) {
        self.question_at.get_or_insert(now);
    }

    pub(super) fn ping_is_due(&self, now: Duration) -> bool {
        self.is_joined() && now >= self.ping_at
    }

    /// A Ping is sent.
    pub(super) fn pinged(&mut self, now: Duration, timing: &Timing) {
        self.pinged_at = now;
        self.ping_at = now + timing.ping_after;
        self.questioned(now);
    }

    /// When it will have failed by its silence.
    pub(super) fn silent_at(&self, timing: &Timing) -> Option<Duration> {
        if self.standing == Standing::Lost {
            return None;
        }
        let answered_by = self.question_at? + timing.answer_within;
        Some(answered_by.max(self.heard_at + timing.silent_after))
    }

    /// When something is to be sent, or its silence noticed.
    pub(super) fn next_at(&self, timing: &Timing) -> Duration {
        let send_at = match self.standing {
            Standing::Joined => self.ping_at,
            Standing::Joining | Standing::Lost => self.join.at,
        };
        (self.silent_at(timing)).map_or(send_at, |at| at.min(send_at))
    }
}
