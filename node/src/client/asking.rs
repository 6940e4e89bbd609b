//! Whether the session wants a (better) server of the balancer, and when to ask for one.

use std::time::Duration;

use super::Timing;
use super::retry::{Jitter, Retry};
use crate::ids::ServerId;

#[derive(Debug, Default)]
pub(super) struct Asking {
    open: Option<Open>,
    asked_at: Option<Duration>,
}

/// A question that is repeated until the session has what it wants.
#[derive(Debug)]
struct Open {
    avoid: Option<ServerId>,
    again: Retry,
}

impl Asking {
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// A server is wanted, rather not `avoid`. The question is due at once, unless one was asked a
    /// moment ago.
    pub(super) fn start(&mut self, now: Duration, avoid: Option<ServerId>, timing: &Timing) {
        let spaced = self.asked_at.map(|at| at + timing.ask_spacing);
        let at = spaced.map_or(now, |at| at.max(now));
        let again = Retry::new(at, timing.retransmit);
        self.open = Some(Open { avoid, again });
    }

    /// No server is wanted any more.
    pub(super) fn stop(&mut self) {
        self.open = None;
    }

    /// The question to ask now, if it is due: the server to avoid.
    pub(super) fn due(
        &mut self,
        now: Duration,
        timing: &Timing,
        jitter: &mut Jitter,
    ) -> Option<Option<ServerId>> {
        let open = self.open.as_mut().filter(|open| open.again.is_due(now))?;
        open.again.done(now, timing.retransmit_most, jitter);
        self.asked_at = Some(now);
        Some(open.avoid)
    }

    /// The answer was not what the session wants: it asks again at `at`.
    pub(super) fn again_at(&mut self, at: Duration, timing: &Timing) {
        if let Some(open) = &mut self.open {
            open.again = Retry::new(at, timing.retransmit);
        }
    }

    /// The question may be lost: it is asked again at `at` at the latest.
    pub(super) fn again_by(&mut self, at: Duration) {
        if let Some(open) = &mut self.open {
            open.again.at = open.again.at.min(at);
        }
    }

    /// When the question is due, if there is one.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.open.as_ref().map(|open| open.again.at)
    }
}
