//! The link table at work in one node: every message that it sends or receives passes here.

use std::time::Duration;

use super::{Kind, Links, Rule, Side, Table, Verdict};
use crate::event::Event;
use crate::wire::LinkCount;

/// A node's own link table. It keeps the rules that act at this node, and the permanent ones.
#[derive(Debug)]
pub struct NodeLinks {
    me: String,
    links: Links,
    /// In force beside every table.
    permanent: Vec<Rule>,
}

impl NodeLinks {
    /// The links of the node `me`, at which `permanent` rules hold, whatever is loaded later. Its
    /// draws follow from the name.
    pub fn new(me: &str, permanent: Vec<Rule>) -> NodeLinks {
        let seed = me.bytes().fold(0, |seed: u64, byte| {
            seed.wrapping_mul(31).wrapping_add(byte.into())
        });
        NodeLinks::with_seed(me, seed, permanent)
    }

    /// [`NodeLinks::new`] with draws from `seed`.
    pub fn with_seed(me: &str, seed: u64, permanent: Vec<Rule>) -> NodeLinks {
        let mut node = NodeLinks {
            me: me.to_owned(),
            links: Links::new(seed),
            permanent,
        };
        drop(node.load(Table::default()));
        node
    }

    pub fn me(&self) -> &str {
        &self.me
    }

    /// The generation of the table in force.
    pub fn generation(&self) -> u64 {
        self.links.generation()
    }

    /// What each rule did since it came into force.
    pub fn counts(&self) -> Vec<LinkCount> {
        self.links.counts()
    }

    /// Puts a table, which has passed [`Table::check`], in force beside the permanent rules, and
    /// returns the final counts of those rules of the old one that ended.
    pub fn load(&mut self, mut table: Table) -> Vec<LinkCount> {
        // Every node is given the rules of all. Those of others would only be looked through for
        // each message.
        table.rules.retain(|rule| self.acts_here(rule));
        table.rules.splice(0..0, self.permanent.iter().cloned());
        let mut ended = self.links.load(table);
        let in_force = self.links.counts();
        ended.retain(|old| !in_force.iter().any(|new| new.rule == old.rule));
        ended
    }

    /// [`NodeLinks::load`], and the evidence of it.
    pub fn reload(&mut self, table: Table) -> Vec<Event> {
        let before = self.generation();
        let counts = self.load(table);
        let mut events = Vec::new();
        if !counts.is_empty() {
            events.push(Event::LinkCounts {
                generation: before,
                counts,
            });
        }
        events.push(Event::Links {
            generation: self.generation(),
        });
        events
    }

    /// What the rules in force did so far, if there are any; for a node that is about to exit.
    pub fn last_counts(&self) -> Option<Event> {
        let counts = self.counts();
        (!counts.is_empty()).then(|| Event::LinkCounts {
            generation: self.generation(),
            counts,
        })
    }

    /// What becomes of a message that leaves for `to`.
    pub fn sending(&mut self, to: &str, kind: Kind) -> Verdict {
        self.links.pass(Side::Send, &self.me, to, kind)
    }

    /// What becomes of a message that arrives from `from`.
    pub fn receiving(&mut self, from: &str, kind: Kind) -> Verdict {
        self.links.pass(Side::Receive, from, &self.me, kind)
    }

    /// The fate of a handshake frame, which is sent at most once: `None` if it is lost, else how
    /// long it is delayed.
    pub fn handshake(&mut self, side: Side, peer: &str) -> Option<Duration> {
        let verdict = match side {
            Side::Send => self.sending(peer, Kind::Control),
            Side::Receive => self.receiving(peer, Kind::Control),
        };
        verdict.copies().iter().min().copied()
    }

    fn acts_here(&self, rule: &Rule) -> bool {
        let end = match rule.on {
            Side::Send => &rule.from,
            Side::Receive => &rule.to,
        };
        end == "*" || *end == self.me
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Distribution, MODE_RULE, Mode, What};

    fn cut(id: &str) -> Table {
        let rule = Rule {
            id: id.into(),
            from: "s2".into(),
            to: "s1".into(),
            kinds: vec![Kind::Commit],
            on: Side::Receive,
            probability: 1.0,
            what: What::Drop,
        };
        Table {
            generation: 1,
            rules: vec![rule],
        }
    }

    fn count(rule: &str, hits: u64) -> LinkCount {
        LinkCount {
            rule: rule.into(),
            hits,
        }
    }

    #[test]
    fn no_table_removes_the_rules_of_the_mode() {
        let mode: Mode = "p:10".parse().expect("a mode");
        let mut node = NodeLinks::new("s1", mode.rules(MODE_RULE, "s1"));
        let ten_seconds = Verdict::Copies(vec![Duration::from_secs(10)]);
        assert_eq!(node.receiving("s2", Kind::Prepare), ten_seconds);
        assert_eq!(node.load(cut("f1")), []);
        assert_eq!(node.receiving("s2", Kind::Prepare), ten_seconds);
        assert_eq!(node.receiving("s2", Kind::Commit), Verdict::Dropped);
        assert_eq!(node.counts(), [count("mode", 2), count("f1", 1)]);
        assert_eq!(node.load(cut("f2")), [count("f1", 1)]);
        assert_eq!(node.load(Table::default()), [count("f2", 0)]);
        assert_eq!(node.receiving("s2", Kind::Prepare), ten_seconds);
        assert_eq!(node.counts(), [count("mode", 3)]);
    }

    #[test]
    fn rules_of_others_are_left_out() {
        let mut node = NodeLinks::new("s1", Vec::new());
        let mut table = Table::default();
        for (id, from, to, on) in [
            ("sent", "s1", "s2", Side::Send),
            ("received", "s2", "s1", Side::Receive),
            ("any", "*", "*", Side::Receive),
            ("received elsewhere", "s1", "s2", Side::Receive),
            ("sent elsewhere", "s2", "s1", Side::Send),
        ] {
            let rule = Rule {
                id: id.into(),
                from: from.into(),
                to: to.into(),
                on,
                ..cut("f1").rules.remove(0)
            };
            table.rules.push(rule);
        }
        node.load(table);
        let expected = [count("sent", 0), count("received", 0), count("any", 0)];
        assert_eq!(node.counts(), expected);
    }

    #[test]
    fn a_reload_is_reported_with_what_the_rules_that_ended_did() {
        let mut node = NodeLinks::new("s1", Vec::new());
        assert_eq!(node.last_counts(), None);
        assert_eq!(node.reload(cut("f1")), [Event::Links { generation: 1 }]);
        node.receiving("s2", Kind::Commit);
        let counts = Event::LinkCounts {
            generation: 1,
            counts: vec![count("f1", 1)],
        };
        assert_eq!(node.last_counts(), Some(counts.clone()));
        let sound = Table {
            generation: 2,
            rules: Vec::new(),
        };
        assert_eq!(node.reload(sound), [counts, Event::Links { generation: 2 }]);
    }

    #[test]
    fn a_handshake_frame_is_lost_or_goes_the_quickest_way() {
        let mut node = NodeLinks::new("s1", Vec::new());
        assert_eq!(node.handshake(Side::Send, "s2"), Some(Duration::ZERO));
        let mut table = cut("f1");
        table.rules[0].kinds.clear();
        node.load(table.clone());
        assert_eq!(node.handshake(Side::Receive, "s2"), None);
        assert_eq!(node.handshake(Side::Send, "s2"), Some(Duration::ZERO));
        table.rules[0].what = What::Delay {
            by_us: 7000,
            jitter_us: 0,
            distribution: Distribution::Uniform,
        };
        node.load(table);
        let delay = Duration::from_millis(7);
        assert_eq!(node.handshake(Side::Receive, "s2"), Some(delay));
    }
}
