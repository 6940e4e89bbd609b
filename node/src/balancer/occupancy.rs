//! How many clients each server has.
//!
//! The servers' own reports are the truth. Only a client that was sent to a server a moment ago
//! counts there, and nowhere else, for a short time: so a burst of clients spreads evenly before
//! the first of them shows up in a report. As that memory expires, the counts cannot drift.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::ids::{ClientId, ServerId};

#[derive(Debug, Default)]
pub(super) struct Occupancy {
    /// The clients in each server's last report.
    reported: BTreeMap<ServerId, BTreeSet<ClientId>>,
    /// Where each client was sent lately.
    routed: BTreeMap<ClientId, Routed>,
    /// When to forget that, oldest first. An entry whose client was sent elsewhere since is void.
    expiries: VecDeque<(Duration, ClientId)>,
    /// The clients that count at each server: kept up to date, since counting them for every
    /// question would make a burst of n clients cost n².
    counts: BTreeMap<ServerId, usize>,
}

#[derive(Debug, Clone, Copy)]
struct Routed {
    server: ServerId,
    until: Duration,
}

impl Occupancy {
    /// The clients of `server`, without `asking` itself.
    pub(super) fn count(&self, server: ServerId, asking: ClientId) -> usize {
        let all = self.counts.get(&server).copied().unwrap_or(0);
        all - usize::from(self.counts_at(asking, server))
    }

    /// The clients that `server` has by its own word.
    pub(super) fn report(&mut self, server: ServerId, clients: BTreeSet<ClientId>) {
        self.reported.insert(server, clients);
        let count = self.recount(server);
        self.counts.insert(server, count);
    }

    /// `client` was sent to `server` and counts there until the time `until`. Returns false when
    /// that repeats what was known.
    pub(super) fn route(&mut self, client: ClientId, server: ServerId, until: Duration) -> bool {
        let before = self.routed.get(&client).map(|routed| routed.server);
        self.change(client, Some(Routed { server, until }));
        self.expiries.push_back((until, client));
        before != Some(server)
    }

    /// Forgets where clients were sent once its time has passed.
    pub(super) fn expire(&mut self, now: Duration) {
        while let Some(&(until, client)) = self.expiries.front() {
            if until > now {
                return;
            }
            self.expiries.pop_front();
            if self.routed.get(&client).is_some_and(|at| at.until == until) {
                self.change(client, None);
            }
        }
    }

    /// Puts `routed` in place for `client`, and moves its count accordingly.
    fn change(&mut self, client: ClientId, routed: Option<Routed>) {
        for server in self.places(client) {
            let count = self.counts.entry(server).or_default();
            assert!(*count > 0, "{client} counts at {server}, whose count is 0");
            *count -= 1;
        }
        match routed {
            Some(routed) => self.routed.insert(client, routed),
            None => self.routed.remove(&client),
        };
        for server in self.places(client) {
            *self.counts.entry(server).or_default() += 1;
        }
    }

    /// The servers at which `client` counts: where it was sent lately, else wherever it is
    /// reported.
    fn places(&self, client: ClientId) -> Vec<ServerId> {
        match self.routed.get(&client) {
            Some(routed) => vec![routed.server],
            None => (self.reported.iter())
                .filter(|(_, clients)| clients.contains(&client))
                .map(|(&server, _)| server)
                .collect(),
        }
    }

    fn counts_at(&self, client: ClientId, server: ServerId) -> bool {
        match self.routed.get(&client) {
            Some(routed) => routed.server == server,
            None => (self.reported.get(&server)).is_some_and(|clients| clients.contains(&client)),
        }
    }

    fn recount(&self, server: ServerId) -> usize {
        let routed_here = self.routed.values().filter(|at| at.server == server);
        let stay = (self.reported.get(&server).into_iter().flatten())
            .filter(|client| !self.routed.contains_key(client));
        routed_here.count() + stay.count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Report(u16, BTreeSet<u64>),
        Route(u64, u16),
        Wait(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..4u16, prop::collection::btree_set(0..6u64, 0..6))
                .prop_map(|(server, clients)| Step::Report(server, clients)),
            (0..6u64, 1..4u16).prop_map(|(client, server)| Step::Route(client, server)),
            (1..1500u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Against a twin that remembers every step and counts from scratch.
        #[test]
        fn counts_follow_the_rule_whatever_happened(steps in prop::collection::vec(any_step(), 0..80)) {
            let kept = Duration::from_millis(2000);
            let mut occupancy = Occupancy::default();
            let mut now = Duration::ZERO;
            let mut reports: BTreeMap<u16, BTreeSet<u64>> = BTreeMap::new();
            let mut routes: Vec<(Duration, u64, u16)> = Vec::new();
            for step in steps {
                match step {
                    Step::Report(server, clients) => {
                        let named = clients.iter().map(|&client| ClientId(client)).collect();
                        occupancy.report(ServerId(server), named);
                        reports.insert(server, clients);
                    }
                    Step::Route(client, server) => {
                        occupancy.route(ClientId(client), ServerId(server), now + kept);
                        routes.push((now, client, server));
                    }
                    Step::Wait(milliseconds) => {
                        now += Duration::from_millis(milliseconds);
                        occupancy.expire(now);
                    }
                }
                let routed_to = |client: u64| routes.iter().rev()
                    .find(|&&(_, of, _)| of == client)
                    .filter(|&&(at, _, _)| at + kept > now)
                    .map(|&(_, _, server)| server);
                for server in 1..4u16 {
                    let counted = |client: u64| match routed_to(client) {
                        Some(to) => to == server,
                        None => reports.get(&server).is_some_and(|listed| listed.contains(&client)),
                    };
                    for asking in 0..6u64 {
                        let others = (0..6u64).filter(|&client| client != asking && counted(client));
                        prop_assert_eq!(
                            occupancy.count(ServerId(server), ClientId(asking)),
                            others.count()
                        );
                    }
                }
            }
        }
    }
}
