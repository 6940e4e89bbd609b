//! Loads: many sessions in one process, and what they do.

use super::Lowering;
use crate::plan::raw::{RawBurst, RawLoad, RawMix, Typed};
use crate::plan::words;
use crate::plan::{Arrivals, Burst, Load, Mix};

/// More sessions than one process is asked to hold.
const MOST_CLIENTS: u64 = 10_000;

/// More operations at once than are a burst.
const MOST_OF_A_BURST: u64 = 100_000;

impl Lowering {
    pub(super) fn load(&mut self, typed: Typed, lasts: Option<Typed>) -> Option<Load> {
        let raw = RawLoad::read(typed.value, &mut self.errors)?;
        let clients = match raw.clients {
            Some(clients) => self.whole_number(clients, 1, MOST_CLIENTS),
            None => {
                self.errors.add_help(
                    typed.key.place,
                    "`clients` is missing in `load`",
                    "say how many sessions: load: {clients: 8}",
                );
                None
            }
        };
        let rate = raw.rate.map(|rate| self.word(rate, words::rate));
        let arrivals = self.arrivals(&raw);
        let burst = raw.burst.map(|burst| self.burst(burst));
        let mix = match raw.mix {
            Some(mix) => self.mix(mix),
            None => Some(Mix::default()),
        };
        let bytes = raw
            .bytes
            .map_or(Some((64, 64)), |bytes| self.word(bytes, words::byte_range));
        let Some(lasts) = lasts else {
            self.errors.add_help(
                typed.key.place,
                "a load without an end",
                "say how long it lasts: {at: 1s, for: 10s, load: {…}}",
            );
            return None;
        };
        let lasts = self.positive_duration(lasts)?;
        if let (Some(Some(burst)), Some(typed)) = (burst, raw.burst)
            && u128::from(burst.every_ms) >= lasts.as_millis()
        {
            self.errors.add_help(
                typed.value.place,
                "the load ends before its first burst",
                "the first comes after `every` has passed once; make it shorter than `for`",
            );
        }
        Some(Load {
            clients: clients? as u32,
            rate: sound(rate)?,
            arrivals: arrivals?,
            burst: sound(burst)?,
            mix: mix?,
            bytes: bytes?,
            lasts,
            seed: 0,
        })
    }

    fn arrivals(&mut self, raw: &RawLoad) -> Option<Arrivals> {
        let Some(typed) = raw.arrivals else {
            return Some(Arrivals::Steady);
        };
        if raw.rate.is_none() {
            self.errors.add_help(
                typed.key.place,
                "`arrivals` without `rate`",
                "they are how operations arrive at a rate: load: {rate: 50/s, arrivals: poisson}",
            );
        }
        match self.text(typed)? {
            "steady" => Some(Arrivals::Steady),
            "poisson" => Some(Arrivals::Poisson),
            other => {
                self.errors.add_help(
                    typed.value.place,
                    format!("unknown arrivals `{other}`"),
                    "they are steady or poisson",
                );
                None
            }
        }
    }

    fn burst(&mut self, typed: Typed) -> Option<Burst> {
        let raw = RawBurst::read(typed.value, &mut self.errors)?;
        let (Some(of), Some(every)) = (raw.of, raw.every) else {
            self.errors.add_help(
                typed.value.place,
                "a burst needs `of` and `every`",
                "write burst: {of: 50, every: 2s}",
            );
            return None;
        };
        let of = self.whole_number(of, 1, MOST_OF_A_BURST);
        let every_ms = self.positive_duration(every)?.as_millis().max(1);
        Some(Burst {
            of: of? as u32,
            every_ms: u64::try_from(every_ms).unwrap_or(u64::MAX),
        })
    }

    fn mix(&mut self, typed: Typed) -> Option<Mix> {
        let raw = RawMix::read(typed.value, &mut self.errors)?;
        let mut weight = |typed: Option<Typed>| match typed {
            Some(typed) => self
                .whole_number(typed, 0, 1000)
                .map(|weight| weight as u32),
            None => Some(0),
        };
        let weights = [raw.send, raw.read, raw.history, raw.leave].map(&mut weight);
        let [send, read, history, leave] = weights;
        let mix = Mix {
            send: send?,
            read: read?,
            history: history?,
            leave: leave?,
        };
        if mix.send == 0 {
            self.errors.add_help(
                typed.value.place,
                "a mix in which nothing is sent",
                "a run is judged by its messages: mix: {send: 70, read: 20, history: 10}",
            );
            return None;
        }
        Some(mix)
    }
}

/// A value that may be left out, and that was read well if it was not.
fn sound<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}
