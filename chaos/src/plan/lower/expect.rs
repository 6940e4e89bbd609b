//! What must hold beside safety.

use std::time::Duration;

use super::Lowering;
use crate::plan::raw::{RawAckLatency, RawExpect, RawLeastTraffic, RawUnavailable, Typed};
use crate::plan::words::{closest, share};
use crate::plan::{AckLatency, Expect, Fault, LeastTraffic};

/// More messages than any run says.
const MOST_TRAFFIC: u64 = 1_000_000_000;

impl Lowering {
    pub(super) fn expect(&mut self, typed: Option<Typed>, faults: &[Fault]) -> Expect {
        let raw = typed.and_then(|typed| RawExpect::read(typed.value, &mut self.errors));
        let Some(raw) = raw else {
            return Expect::default();
        };
        if let Some(agreement) = raw.agreement
            && agreement.value.text() != Some("true")
        {
            self.errors.add_help(
                agreement.value.place,
                format!("`agreement` cannot be {}", agreement.value.describe()),
                "agreement is always judged: write true, or remove the line",
            );
        }
        Expect {
            converged_within: self.limit(raw.converged_within),
            acked: raw.acked.and_then(|acked| self.word(acked, share)),
            unavailable_max: raw
                .unavailable
                .and_then(|typed| RawUnavailable::read(typed.value, &mut self.errors))
                .and_then(|unavailable| self.limit(unavailable.max)),
            ack_latency: self.ack_latency(raw.ack_latency),
            no_ack_during: self.fault_names(raw.no_ack_during, faults),
            told_no_majority: self.clients(raw.told_no_majority),
            rerouted: self.clients(raw.rerouted),
            recovered_within: self.limit(raw.recovered_within),
            traffic: self.least_traffic(raw.traffic),
            nothing_chosen_during: self.fault_names(raw.nothing_chosen_during, faults),
        }
    }

    fn least_traffic(&mut self, typed: Option<Typed>) -> LeastTraffic {
        let raw = typed.and_then(|typed| RawLeastTraffic::read(typed.value, &mut self.errors));
        let Some(raw) = raw else {
            return LeastTraffic::default();
        };
        let mut number = |typed: Option<Typed>| {
            typed.and_then(|typed| self.whole_number(typed, 0, MOST_TRAFFIC))
        };
        LeastTraffic {
            before: number(raw.before),
            during: number(raw.during),
            after: number(raw.after),
        }
    }

    fn limit(&mut self, typed: Option<Typed>) -> Option<Duration> {
        typed.and_then(|typed| self.positive_duration(typed))
    }

    fn ack_latency(&mut self, typed: Option<Typed>) -> AckLatency {
        let raw = typed.and_then(|typed| RawAckLatency::read(typed.value, &mut self.errors));
        let Some(raw) = raw else {
            return AckLatency::default();
        };
        let limits = [raw.p50, raw.p95, raw.p99, raw.max];
        let durations = limits.map(|limit| self.limit(limit));
        let mut least = Duration::ZERO;
        for (limit, duration) in limits.iter().zip(durations) {
            let (Some(limit), Some(duration)) = (limit, duration) else {
                continue;
            };
            if duration < least {
                self.errors.add_help(
                    limit.value.place,
                    "a higher percentile with a lower limit",
                    "latencies grow from p50 over p95 and p99 to max",
                );
            }
            least = least.max(duration);
        }
        let [p50, p95, p99, max] = durations;
        AckLatency { p50, p95, p99, max }
    }

    fn clients(&mut self, typed: Option<Typed>) -> Vec<String> {
        typed.map_or(Vec::new(), |typed| self.client_list(typed))
    }

    fn fault_names(&mut self, typed: Option<Typed>, faults: &[Fault]) -> Vec<String> {
        let Some(typed) = typed else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for node in self.texts(typed) {
            let name = node.text().unwrap_or_default();
            if faults.iter().any(|fault| fault.id == name) {
                names.push(name.to_owned());
                continue;
            }
            let known: Vec<&str> = faults.iter().map(|fault| fault.id.as_str()).collect();
            let help = match closest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "give a fault a name: {at: 5s, name: cut, …}".into(),
                None => format!("the faults of this plan are {}", known.join(", ")),
            };
            self.errors
                .add_help(node.place, format!("unknown fault `{name}`"), help);
        }
        names
    }
}
