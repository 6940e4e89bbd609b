//! How the balancer takes a server.

use std::time::Duration;

use crate::event::Event;
use crate::wire::BalancerAnswer;

/// A server that the balancer has never accepted gives up after being refused for so long.
const REFUSED_LIMIT: Duration = Duration::from_secs(3);

/// What the balancer answered so far.
#[derive(Debug, Default)]
pub struct Registration {
    accepted: bool,
    refused_since: Option<Duration>,
}

impl Registration {
    /// Notes an answer at the true time `now`, and returns the evidence of a refusal when one begins.
    ///
    /// # Errors
    /// The balancer's reason, when a server that was never accepted was refused for so long that it
    /// is to give up: it is a stranger, or another server runs under its id.
    pub fn note(&mut self, now: Duration, answer: &BalancerAnswer) -> Result<Vec<Event>, String> {
        let BalancerAnswer::Refused { reason } = answer else {
            self.accepted = true;
            self.refused_since = None;
            return Ok(Vec::new());
        };
        match self.refused_since {
            None => {
                self.refused_since = Some(now);
                Ok(vec![Event::Refused {
                    peer: "balancer".into(),
                    reason: reason.clone(),
                }])
            }
            Some(since) if !self.accepted && now.saturating_sub(since) >= REFUSED_LIMIT => {
                Err(reason.clone())
            }
            Some(_) => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> BalancerAnswer {
        BalancerAnswer::Refused {
            reason: "taken".into(),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_stranger_gives_up_and_a_member_never_does() {
        let mut stranger = Registration::default();
        assert_eq!(
            stranger.note(seconds(1), &refused()).map(|e| e.len()),
            Ok(1)
        );
        assert_eq!(stranger.note(seconds(3), &refused()), Ok(Vec::new()));
        assert_eq!(stranger.note(seconds(4), &refused()), Err("taken".into()));

        let mut member = Registration::default();
        let accepted = BalancerAnswer::Registered { opened: false };
        assert_eq!(member.note(seconds(0), &accepted), Ok(Vec::new()));
        assert_eq!(member.note(seconds(1), &refused()).map(|e| e.len()), Ok(1));
        assert_eq!(member.note(seconds(99), &refused()), Ok(Vec::new()));
    }
}
