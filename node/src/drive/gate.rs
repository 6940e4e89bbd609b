//! The link table at work: every frame that a node sends or receives passes here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::link::{Kind, Links, Rule, Side, Table, Verdict};
use crate::wire::LinkCount;

/// The most messages that a node holds back at a time. More are lost, like what does not fit into
/// a queue: a long delay under load must not take all memory.
const MOST_HELD: usize = 1 << 17;
/// And their most bytes, as frames.
const MOST_HELD_BYTES: usize = 256 << 20;

/// A node's own link table, shared by its connections. All of them live on one thread and hold the
/// lock only for one decision.
#[derive(Clone)]
pub struct Gate {
    me: Arc<str>,
    links: Arc<Mutex<Links>>,
    /// In force beside every table.
    permanent: Arc<[Rule]>,
    held: Arc<AllHeld>,
}

/// What a node holds back.
#[derive(Default)]
struct AllHeld {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

/// A message that is held back, until this is dropped.
pub struct Held {
    among: Arc<AllHeld>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.among.messages.fetch_sub(1, Ordering::Relaxed);
        self.among.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Gate {
    /// A gate at which `permanent` rules hold, whatever is loaded later.
    pub fn new(me: &str, links: Links, permanent: Vec<Rule>) -> Gate {
        let gate = Gate {
            me: me.into(),
            links: Arc::new(Mutex::new(links)),
            permanent: permanent.into(),
            held: Arc::default(),
        };
        drop(gate.load(Table::default()));
        gate
    }

    pub fn me(&self) -> &str {
        &self.me
    }

    /// Puts a table in force beside the permanent rules, and returns the final counts of those rules
    /// of the old one that ended.
    pub fn load(&self, mut table: Table) -> Vec<LinkCount> {
        // Every node is given the rules of all. Those of others would only be looked through for
        // each message.
        table.rules.retain(|rule| self.acts_here(rule));
        table.rules.splice(0..0, self.permanent.iter().cloned());
        let mut links = self.lock();
        let mut ended = links.load(table);
        let in_force = links.counts();
        ended.retain(|old| !in_force.iter().any(|new| new.rule == old.rule));
        ended
    }

    fn acts_here(&self, rule: &Rule) -> bool {
        let end = match rule.on {
            Side::Send => &rule.from,
            Side::Receive => &rule.to,
        };
        end == "*" || **end == *self.me
    }

    /// Room to hold a message of so many bytes back, while there is any.
    pub fn hold(&self, bytes: usize) -> Option<Held> {
        let among = self.held.clone();
        let others = among.messages.fetch_add(1, Ordering::Relaxed);
        let with_it = among.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let held = Held { among, bytes };
        (others < MOST_HELD && with_it <= MOST_HELD_BYTES).then_some(held)
    }

    pub fn generation(&self) -> u64 {
        self.lock().generation()
    }

    pub fn counts(&self) -> Vec<LinkCount> {
        self.lock().counts()
    }

    /// What becomes of a message that leaves for `to`.
    pub fn sending(&self, to: &str, kind: Kind) -> Verdict {
        self.lock().pass(Side::Send, &self.me, to, kind)
    }

    /// What becomes of a message that arrives from `from`.
    pub fn receiving(&self, from: &str, kind: Kind) -> Verdict {
        self.lock().pass(Side::Receive, from, &self.me, kind)
    }

    /// The fate of a handshake frame, which is sent at most once: `None` if it is lost, else how
    /// long it is delayed.
    pub fn handshake(&self, side: Side, peer: &str) -> Option<Duration> {
        let (from, to) = match side {
            Side::Send => (&*self.me, peer),
            Side::Receive => (peer, &*self.me),
        };
        let verdict = self.lock().pass(side, from, to, Kind::Control);
        verdict.copies().iter().min().copied()
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        // A panic in another task does not make the table wrong.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{MODE_RULE, Mode, What};

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
        let gate = Gate::new("s1", Links::new(1), mode.rules(MODE_RULE, "s1"));
        let ten_seconds = Verdict::Copies(vec![Duration::from_secs(10)]);
        assert_eq!(gate.receiving("s2", Kind::Prepare), ten_seconds);
        assert_eq!(gate.load(cut("f1")), []);
        assert_eq!(gate.receiving("s2", Kind::Prepare), ten_seconds);
        assert_eq!(gate.receiving("s2", Kind::Commit), Verdict::Dropped);
        assert_eq!(gate.counts(), [count("mode", 2), count("f1", 1)]);
        assert_eq!(gate.load(cut("f2")), [count("f1", 1)]);
        assert_eq!(gate.load(Table::default()), [count("f2", 0)]);
        assert_eq!(gate.receiving("s2", Kind::Prepare), ten_seconds);
        assert_eq!(gate.counts(), [count("mode", 3)]);
    }

    #[test]
    fn rules_of_others_are_left_out() {
        let gate = Gate::new("s1", Links::new(1), Vec::new());
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
        gate.load(table);
        let expected = [count("sent", 0), count("received", 0), count("any", 0)];
        assert_eq!(gate.counts(), expected);
    }

    #[test]
    fn what_is_held_back_is_bounded_and_makes_room_again() {
        for (bytes, most) in [(1, MOST_HELD), (1 << 20, MOST_HELD_BYTES >> 20)] {
            let gate = Gate::new("s1", Links::new(1), Vec::new());
            let mut held: Vec<Held> = (0..most).filter_map(|_| gate.hold(bytes)).collect();
            assert_eq!(held.len(), most);
            assert!(gate.hold(bytes).is_none());
            held.truncate(most - 1);
            held.extend(gate.hold(bytes));
            assert_eq!(held.len(), most);
            assert!(gate.hold(bytes).is_none());
        }
    }
}
