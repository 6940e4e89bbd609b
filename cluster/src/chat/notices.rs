//! What the window says about the cluster: where it is connected, that it moved, that nothing can
//! be stored. What passes quickly is told in one line or not at all.

use std::time::Duration;

use paxosctl_node::ids::ServerId;

use super::render::Shown;

/// A server is usually found again within this: then one line tells of the move.
const LOST_GRACE: Duration = Duration::from_millis(1500);
/// A server says so only when an election would be over; this spares the rest.
const MAJORITY_GRACE: Duration = Duration::from_millis(500);
/// Servers that start together register within this.
const READY_GRACE: Duration = Duration::from_millis(500);
/// The balancer answers sooner, if it is there.
const SILENCE_GRACE: Duration = Duration::from_secs(2);

const NO_MAJORITY: &str =
    "no majority: what you type is kept, and sent when enough servers are back";

/// What is known of the cluster, and what of it the person was told.
#[derive(Debug)]
pub struct Notices {
    balancer: String,
    started: Duration,
    server: Option<ServerId>,
    lost: Option<Lost>,
    no_majority: Option<Since>,
    not_ready: Option<NotReady>,
    heard: bool,
    told_silence: bool,
}

/// A condition, and whether the person was told of it.
#[derive(Debug, Clone, Copy)]
struct Since {
    at: Duration,
    told: bool,
}

#[derive(Debug)]
struct Lost {
    from: Option<ServerId>,
    reason: String,
    since: Since,
}

#[derive(Debug)]
struct NotReady {
    registered: u16,
    servers: u16,
    since: Since,
}

impl Since {
    fn new(at: Duration) -> Since {
        Since { at, told: false }
    }

    /// When to tell, if that is still to be done.
    fn due(self, grace: Duration) -> Option<Duration> {
        (!self.told).then_some(self.at + grace)
    }
}

impl Notices {
    pub fn new(balancer: String, now: Duration) -> Notices {
        Notices {
            balancer,
            started: now,
            server: None,
            lost: None,
            no_majority: None,
            not_ready: None,
            heard: false,
            told_silence: false,
        }
    }

    /// The server at which the session is open, if it is.
    pub fn server(&self) -> Option<ServerId> {
        self.server
    }

    /// Whether messages can be stored, as far as is known.
    pub fn has_majority(&self) -> bool {
        self.no_majority.is_none()
    }

    pub fn joined(&mut self, server: ServerId) -> Option<Shown> {
        self.heard = true;
        self.server = Some(server);
        self.not_ready = None;
        let Some(lost) = self.lost.take() else {
            return Some(Shown::Notice(format!("connected to {server}")));
        };
        if lost.since.told {
            return Some(Shown::Notice(format!("connected to {server}")));
        }
        if self.no_majority.is_some() {
            // Without a majority a session tries one server after the other.
            return None;
        }
        Some(Shown::Notice(match lost.from {
            Some(from) if from != server => {
                format!("moved from {from} to {server}: {}", lost.reason)
            }
            _ => format!("connected to {server} again: {}", lost.reason),
        }))
    }

    pub fn rerouting(&mut self, now: Duration, from: Option<ServerId>, reason: String) {
        self.heard = true;
        self.server = None;
        // Servers that fail before the session is open there are not worth a word.
        self.lost.get_or_insert(Lost {
            from,
            reason,
            since: Since::new(now),
        });
    }

    pub fn majority(&mut self, now: Duration, majority: bool) -> Option<Shown> {
        self.heard = true;
        if !majority {
            self.no_majority.get_or_insert(Since::new(now));
            return None;
        }
        let told = self.no_majority.take().is_some_and(|since| since.told);
        told.then(|| {
            Shown::Notice(match self.server {
                Some(server) => format!("there is a majority again; you are at {server}"),
                None => "there is a majority again".into(),
            })
        })
    }

    pub fn not_ready(&mut self, now: Duration, registered: u16, servers: u16) {
        self.heard = true;
        // The time runs on while servers register: the first line comes, and with the latest count.
        let since = match &self.not_ready {
            Some(before) if !before.since.told => before.since,
            _ => Since::new(now),
        };
        self.not_ready = Some(NotReady {
            registered,
            servers,
            since,
        });
    }

    /// What is due by now.
    pub fn tick(&mut self, now: Duration) -> Vec<Shown> {
        let mut shown = Vec::new();
        if self.silence_due().is_some_and(|due| due <= now) {
            self.told_silence = true;
            shown.push(Shown::Warning(format!(
                "the balancer at {} does not answer; still trying",
                self.balancer
            )));
        }
        if let Some(not_ready) = &mut self.not_ready
            && (not_ready.since.due(READY_GRACE)).is_some_and(|due| due <= now)
        {
            not_ready.since.told = true;
            shown.push(Shown::Notice(format!(
                "not ready: {} of {} servers are up; waiting for all",
                not_ready.registered, not_ready.servers
            )));
        }
        let lost_due = self.lost_due().is_some_and(|due| due <= now);
        let majority_due = self.majority_due().is_some_and(|due| due <= now);
        if !lost_due && !majority_due {
            return shown;
        }
        // Both together are one piece of news.
        if let Some(since) = &mut self.no_majority
            && !since.told
        {
            since.told = true;
            shown.push(Shown::Warning(NO_MAJORITY.into()));
            if let Some(lost) = &mut self.lost {
                lost.since.told = true;
            }
        } else if let Some(lost) = &mut self.lost {
            lost.since.told = true;
            let from = lost
                .from
                .map_or("the server".into(), |from| from.to_string());
            shown.push(Shown::Warning(format!(
                "lost {from}: {}. Looking for another server; what you type is kept",
                lost.reason
            )));
        }
        shown
    }

    /// When [`Notices::tick`] has something, if nothing happens before.
    pub fn next_tick(&self) -> Option<Duration> {
        let ready = (self.not_ready.as_ref()).and_then(|it| it.since.due(READY_GRACE));
        [
            self.silence_due(),
            ready,
            self.lost_due(),
            self.majority_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn silence_due(&self) -> Option<Duration> {
        (!self.heard && !self.told_silence).then_some(self.started + SILENCE_GRACE)
    }

    fn lost_due(&self) -> Option<Duration> {
        self.lost.as_ref()?.since.due(LOST_GRACE)
    }

    fn majority_due(&self) -> Option<Duration> {
        self.no_majority?.due(MAJORITY_GRACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S1: ServerId = ServerId(1);
    const S3: ServerId = ServerId(3);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn notice(text: &str) -> Option<Shown> {
        Some(Shown::Notice(text.into()))
    }

    fn connected() -> Notices {
        let mut notices = Notices::new("127.0.0.1:9".into(), ms(0));
        assert_eq!(notices.joined(S1), notice("connected to s1"));
        assert_eq!(notices.next_tick(), None);
        notices
    }

    #[test]
    fn a_quick_move_is_one_line() {
        let mut notices = connected();
        notices.rerouting(ms(100), Some(S1), "connection lost".into());
        assert_eq!(notices.server(), None);
        assert_eq!(notices.next_tick(), Some(ms(1600)));
        assert_eq!(notices.tick(ms(1599)), []);
        assert_eq!(
            notices.joined(S3),
            notice("moved from s1 to s3: connection lost")
        );
        assert_eq!(notices.tick(ms(9000)), []);
        assert_eq!(notices.server(), Some(S3));
    }

    #[test]
    fn coming_back_to_the_same_server_is_one_line() {
        let mut notices = connected();
        notices.rerouting(ms(100), Some(S1), "silent".into());
        assert_eq!(notices.joined(S1), notice("connected to s1 again: silent"));
    }

    #[test]
    fn a_long_search_is_told_once_and_so_is_its_end() {
        let mut notices = connected();
        notices.rerouting(ms(100), Some(S1), "connection lost".into());
        notices.rerouting(ms(900), Some(S3), "silent".into());
        assert_eq!(
            notices.tick(ms(1600)),
            [Shown::Warning(
                "lost s1: connection lost. Looking for another server; what you type is kept"
                    .into()
            )]
        );
        assert_eq!(notices.next_tick(), None);
        assert_eq!(notices.joined(S3), notice("connected to s3"));
    }

    #[test]
    fn a_short_election_is_not_told() {
        let mut notices = connected();
        assert_eq!(notices.majority(ms(0), false), None);
        assert_eq!(notices.tick(ms(499)), []);
        assert!(!notices.has_majority());
        assert_eq!(notices.majority(ms(499), true), None);
        assert!(notices.has_majority());
        assert_eq!(notices.next_tick(), None);
    }

    #[test]
    fn the_loss_of_the_majority_and_its_return_are_told_once() {
        let mut notices = connected();
        notices.majority(ms(0), false);
        assert_eq!(notices.tick(ms(500)), [Shown::Warning(NO_MAJORITY.into())]);
        // The session goes from server to server meanwhile.
        notices.rerouting(ms(2500), Some(S1), "no majority".into());
        assert_eq!(notices.joined(S3), None);
        assert_eq!(notices.tick(ms(9000)), []);
        assert_eq!(
            notices.majority(ms(9000), true),
            notice("there is a majority again; you are at s3")
        );
        assert_eq!(notices.majority(ms(9000), true), None);
    }

    #[test]
    fn a_lost_server_without_a_majority_is_one_piece_of_news() {
        let mut notices = connected();
        notices.rerouting(ms(0), Some(S1), "connection lost".into());
        notices.majority(ms(100), false);
        assert_eq!(notices.tick(ms(1500)), [Shown::Warning(NO_MAJORITY.into())]);
        assert_eq!(notices.next_tick(), None);
        assert_eq!(notices.joined(S1), notice("connected to s1"));
        assert_eq!(
            notices.majority(ms(5000), true),
            notice("there is a majority again; you are at s1")
        );
    }

    #[test]
    fn a_cluster_that_is_not_complete_is_counted_without_hurry() {
        let mut notices = Notices::new("127.0.0.1:9".into(), ms(0));
        notices.not_ready(ms(10), 0, 3);
        notices.not_ready(ms(400), 1, 3);
        assert_eq!(
            notices.tick(ms(510)),
            [Shown::Notice(
                "not ready: 1 of 3 servers are up; waiting for all".into()
            )]
        );
        notices.not_ready(ms(600), 2, 3);
        assert_eq!(notices.next_tick(), Some(ms(1100)));
        assert_eq!(notices.joined(S1), notice("connected to s1"));
        assert_eq!(notices.tick(ms(9000)), []);
    }

    #[test]
    fn silence_of_the_balancer_is_told_once() {
        let mut notices = Notices::new("127.0.0.1:9".into(), ms(0));
        assert_eq!(notices.tick(ms(1999)), []);
        assert_eq!(
            notices.tick(ms(2000)),
            [Shown::Warning(
                "the balancer at 127.0.0.1:9 does not answer; still trying".into()
            )]
        );
        assert_eq!(notices.next_tick(), None);
        assert_eq!(notices.joined(S1), notice("connected to s1"));
    }
}
