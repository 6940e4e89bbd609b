//! Whether a majority could be had one server after the other.

use super::Reach;

/// A proposal on its way: who has it, who accepted it, and who knows of which acceptance.
struct Spread {
    /// For each server: it has the proposal.
    has: Vec<bool>,
    /// For each server: whose acceptances it knows of, its own included.
    knows: Vec<Vec<bool>>,
    /// What was sent to each server and may reach it as soon as it runs, however late.
    has_coming: Vec<bool>,
    knows_coming: Vec<Vec<bool>>,
}

impl Reach {
    /// Whether anything proposed from `from_us` on can have been known to be accepted by a majority
    /// at `to_us`, whatever route messages took: some server in one life of its process proposed it,
    /// every server of a majority received it and accepted it, and some server heard so of each.
    ///
    /// Not all at once: an acceptance lies on a disk, so it counts though its server died since, and
    /// together with one of a server that came back only later. What was sent to a server that is
    /// down or paused may still reach it afterwards.
    pub fn may_be_chosen_within(&self, from_us: u64, to_us: u64) -> bool {
        let first = self.moments.partition_point(|&at_us| at_us <= from_us);
        let after = self.moments.partition_point(|&at_us| at_us <= to_us);
        let moments = &self.moments[first.saturating_sub(1)..after];
        (0..self.servers.len()).any(|proposer| {
            let is_down = |at_us| self.lifetimes.surely_down(&self.servers[proposer], at_us);
            // A proposer counts in one life: each may have been the one.
            (0..moments.len())
                .filter(|&place| !is_down(moments[place]))
                .filter(|&place| place == 0 || is_down(moments[place - 1]))
                .any(|place| self.chosen_by(proposer, &moments[place..]))
        })
    }

    /// The same for what this server proposed from the first of these moments on, in the life that
    /// it has then.
    fn chosen_by(&self, proposer: usize, moments: &[u64]) -> bool {
        let count = self.servers.len();
        let mut spread = Spread {
            has: vec![false; count],
            knows: vec![vec![false; count]; count],
            has_coming: vec![false; count],
            knows_coming: vec![vec![false; count]; count],
        };
        spread.has[proposer] = true;
        moments.iter().any(|&at_us| {
            if self.lifetimes.surely_down(&self.servers[proposer], at_us) {
                spread.has[proposer] = false;
            }
            self.go_on(&mut spread, at_us);
            let most = spread
                .knows
                .iter()
                .map(|of| of.iter().filter(|&&it| it).count());
            most.max().unwrap_or(0) > count / 2
        })
    }

    /// Lets everything go as far as it can at one moment.
    fn go_on(&self, spread: &mut Spread, at_us: u64) {
        let servers = 0..self.servers.len();
        let out: Vec<bool> = (self.servers.iter())
            .map(|name| self.lifetimes.surely_out(name, at_us))
            .collect();
        let sends = self.open_links(|span| span.surely(at_us), |_| false);
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for server in servers.clone().filter(|&server| !out[server]) {
                goes_on |= add(&mut spread.has[server], spread.has_coming[server]);
                for of in servers.clone() {
                    goes_on |= add(
                        &mut spread.knows[server][of],
                        spread.knows_coming[server][of],
                    );
                }
                let accepts = spread.has[server] && self.may_vote(server, at_us);
                goes_on |= add(&mut spread.knows[server][server], accepts);
                for to in servers.clone().filter(|&to| sends[server][to]) {
                    goes_on |= add(&mut spread.has_coming[to], spread.has[server]);
                    for of in servers.clone() {
                        goes_on |= add(&mut spread.knows_coming[to][of], spread.knows[server][of]);
                    }
                }
            }
        }
    }
}

/// Whether that is news.
fn add(to: &mut bool, what: bool) -> bool {
    let news = what && !*to;
    *to |= what;
    news
}
