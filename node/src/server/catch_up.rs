//! Teaching peers that stayed behind, without neglecting those who do not.
//!
//! Reading old values and writing them anew costs every server that takes part in it time and disk.
//! While clients are served, peers that catch up share a bounded rate, which is above that of what is
//! newly chosen, so that they do get there. While nothing is chosen they get all that they can take.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{CHUNK_BYTES, Server};
use crate::ids::{ServerId, Slot};
use crate::log::{LogError, size_bytes};
use crate::paxos::{Chosen, Message, Serve};
use crate::value::Value;

/// What peers are sent in a second while values are being chosen: so much, or if more than that is
/// chosen, this much more than that.
const LEAST_BYTES_A_SECOND: u64 = 24 << 20;
const MORE_BYTES_A_SECOND: u64 = 8 << 20;

/// Values were chosen a moment ago: clients are being served. What is chosen is measured over as long.
const MOMENT: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub struct CatchUp {
    /// Who wants what is chosen from which slot on.
    asked: BTreeMap<ServerId, Slot>,
    /// The time for what was sent so far is over then.
    paid_at: Duration,
    /// When something was chosen last.
    chosen_at: Duration,
    flow: Flow,
}

/// How much is chosen.
#[derive(Debug, Default)]
struct Flow {
    since: Duration,
    bytes: u64,
    bytes_a_second: u64,
}

impl Flow {
    fn note(&mut self, now: Duration, bytes: usize) {
        let elapsed = now.saturating_sub(self.since);
        if elapsed >= MOMENT {
            self.bytes_a_second = self.bytes * 1_000_000 / elapsed.as_micros() as u64;
            self.since = now;
            self.bytes = 0;
        }
        self.bytes += bytes as u64;
    }
}

impl CatchUp {
    /// A peer that was paused asks for many chunks at once, and needs the last only.
    fn ask(&mut self, serve: Serve) {
        self.asked.insert(serve.to, serve.from);
    }

    /// So much was chosen.
    fn chose(&mut self, now: Duration, bytes: usize) {
        self.chosen_at = now;
        self.flow.note(now, bytes);
    }

    /// The next request that may be answered now.
    fn next(&mut self, now: Duration) -> Option<(ServerId, Slot)> {
        if now < self.due() {
            return None;
        }
        self.asked.pop_first()
    }

    fn sent(&mut self, now: Duration, bytes: usize) {
        let rate = LEAST_BYTES_A_SECOND.max(self.flow.bytes_a_second + MORE_BYTES_A_SECOND);
        let time = Duration::from_micros(bytes as u64 * 1_000_000 / rate);
        // A little of what was not used may be made up for.
        self.paid_at = self.paid_at.max(now.saturating_sub(MOMENT)) + time;
    }

    /// When something may be answered, unless more is chosen until then.
    pub fn due(&self) -> Duration {
        match self.asked.is_empty() {
            true => Duration::MAX,
            false => self.paid_at.min(self.chosen_at + MOMENT),
        }
    }
}

impl Server {
    /// Answers peers that lack something of what is chosen.
    pub(super) fn teach(
        &mut self,
        now: Duration,
        asked: Vec<Serve>,
        chosen: &[Chosen],
    ) -> Result<(), LogError> {
        for serve in asked {
            self.catch_up.ask(serve);
        }
        if !chosen.is_empty() {
            let bytes = chosen.iter().map(|chosen| size_bytes(&chosen.value)).sum();
            self.catch_up.chose(now, bytes);
        }
        while let Some((to, from)) = self.catch_up.next(now) {
            let values: Vec<Value> = self.history.read(from, CHUNK_BYTES)?;
            let bytes = values.iter().map(size_bytes).sum();
            self.catch_up.sent(now, bytes);
            let chosen = self.replica.chosen();
            let learn = Message::Learn {
                from,
                values,
                chosen,
            };
            self.send_paxos(vec![(to, learn)]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S2: ServerId = ServerId(2);
    const S3: ServerId = ServerId(3);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn ask(catch_up: &mut CatchUp, to: ServerId, from: u64) {
        let from = Slot(from);
        catch_up.ask(Serve { to, from });
    }

    #[test]
    fn while_nothing_is_chosen_nobody_waits() {
        let mut catch_up = CatchUp::default();
        for from in 1..5 {
            ask(&mut catch_up, S2, from);
            assert_eq!(catch_up.next(at(100)), Some((S2, Slot(from))));
            catch_up.sent(at(100), CHUNK_BYTES);
        }
        assert_eq!(catch_up.due(), Duration::MAX);
    }

    /// What is sent in a second in which so much is chosen every millisecond.
    fn sent_while(chosen_bytes: usize) -> u64 {
        let mut catch_up = CatchUp::default();
        let mut sent = 0;
        for ms in 0..2000 {
            catch_up.chose(at(ms), chosen_bytes);
            for to in [S2, S3] {
                ask(&mut catch_up, to, 1);
            }
            while let Some((to, _)) = catch_up.next(at(ms)) {
                catch_up.sent(at(ms), CHUNK_BYTES);
                sent += if ms < 1000 { 0 } else { CHUNK_BYTES as u64 };
                ask(&mut catch_up, to, 1);
            }
        }
        sent
    }

    #[test]
    fn while_values_are_chosen_all_who_catch_up_share_a_rate_above_that() {
        for (chosen_bytes, rate) in [
            (0, LEAST_BYTES_A_SECOND),
            (1000, LEAST_BYTES_A_SECOND),
            (100_000, 100_000_000 + MORE_BYTES_A_SECOND),
        ] {
            let sent = sent_while(chosen_bytes);
            assert!(sent.abs_diff(rate) < rate / 20, "{sent} of {rate}");
        }
    }

    #[test]
    fn who_waits_is_answered_when_no_more_is_chosen() {
        let mut catch_up = CatchUp::default();
        catch_up.chose(at(10), 0);
        catch_up.sent(at(10), LEAST_BYTES_A_SECOND as usize);
        ask(&mut catch_up, S2, 1);
        ask(&mut catch_up, S2, 7);
        assert_eq!(catch_up.next(at(11)), None);
        assert_eq!(catch_up.due(), at(10) + MOMENT);
        assert_eq!(catch_up.next(at(10) + MOMENT), Some((S2, Slot(7))));
        assert_eq!(catch_up.next(at(10) + MOMENT), None);
    }
}
