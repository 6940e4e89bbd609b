//! Smaller loads and shorter messages.

use super::Search;
use crate::plan::{Arrivals, Load, Mix, Plan, Say};

/// The usual length of a load's messages, in bytes.
const USUAL_BYTES: u32 = 64;
/// A message that is longer than that is cut off, in characters.
const SHORT_TEXT: usize = 32;

impl Search<'_> {
    pub(super) fn smaller_loads(&mut self) {
        for index in 0..self.best.traffic.len() {
            match &self.best.traffic[index].what {
                Say::Load { name, load } => {
                    let (name, load) = (name.clone(), load.clone());
                    self.smaller_load(index, &name, &load);
                }
                Say::Say { text, .. } if text.chars().count() > SHORT_TEXT => {
                    let mut plan = self.best.clone();
                    if let Say::Say { text, .. } = &mut plan.traffic[index].what {
                        *text = text.chars().take(SHORT_TEXT).collect();
                    }
                    self.attempt("with a shorter message", plan);
                }
                _ => {}
            }
        }
    }

    fn smaller_load(&mut self, index: usize, name: &str, load: &Load) {
        self.least(load.clients.into(), 1, 1, &|plan, clients| {
            let plan = with(plan, index, |load| load.clients = clients as u32);
            (format!("{name} with fewer sessions, {clients}"), plan)
        });
        if load.burst.is_some() {
            let plan = with(&self.best, index, |load| load.burst = None);
            self.attempt(&format!("{name} without bursts"), plan);
        }
        if let Some(burst) = load.burst {
            self.least(burst.of.into(), 1, 1, &|plan, of| {
                let plan = with(plan, index, |load| {
                    if let Some(burst) = &mut load.burst {
                        burst.of = of as u32;
                    }
                });
                (format!("{name} in bursts of {of}"), plan)
            });
        }
        if let Some(rate) = load.rate {
            self.least(rate.ceil() as u64, 1, 1, &|plan, rate| {
                let plan = with(plan, index, |load| {
                    load.rate = load.rate.map(|now| now.min(rate as f64));
                });
                (format!("{name} with {rate} a second"), plan)
            });
        }
        let steady = with(&self.best, index, |load| load.arrivals = Arrivals::Steady);
        self.attempt(&format!("{name} steadily"), steady);
        let messages = with(&self.best, index, |load| load.mix = Mix::default());
        self.attempt(&format!("{name} with messages only"), messages);
        let (least, most) = load.bytes;
        if (least, most) != (USUAL_BYTES, USUAL_BYTES) {
            let usual = most.min(USUAL_BYTES);
            for bytes in [(usual, usual), (least, least)] {
                if bytes.1 < most || bytes.0 > least {
                    let plan = with(&self.best, index, |load| load.bytes = bytes);
                    self.attempt(&format!("{name} with {} bytes", bytes.0), plan);
                }
            }
        }
    }
}

fn with(plan: &Plan, index: usize, change: impl FnOnce(&mut Load)) -> Plan {
    let mut plan = plan.clone();
    if let Say::Load { load, .. } = &mut plan.traffic[index].what {
        change(load);
    }
    plan
}
