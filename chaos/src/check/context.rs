//! What several checks need, worked out once.

use super::acceptances::Acceptances;
use super::gaps::Gaps;
use super::threads_for;
use crate::history::{
    Applied, Ending, Evidence, Firing, HOLE, Message, NO_MESSAGE, Phase, Reach, Replica, State,
};
use crate::parallel::in_order;
use crate::plan::{Plan, Say};
use crate::report::clip;
use crate::target::LogSource;
use paxosctl_node::ids::ClientId;
use paxosctl_node::value::Value;

/// The evidence and the plan, with what is derived from them: what judging a run and showing it share.
pub struct Context<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) plan: &'a Plan,
    pub(crate) reach: Reach,
    pub(crate) firings: Vec<Firing<'a>>,
    /// For each message: its index in the chat of the longest log, or 0.
    pub(crate) index_of: Vec<u32>,
    pub(crate) acceptances: Acceptances,
    pub(crate) gaps: Gaps,
    /// How far the server that knew most knew the log as chosen, over time: both ascend.
    pub(crate) chosen_front: Vec<(u64, u32)>,
    /// For slot 1, 2, … of the longest log: the digest of its value; `None` for a hole.
    pub(crate) log_digests: Vec<Option<u32>>,
}

/// What can be worked out at the same time.
enum Shared {
    Gaps(Gaps),
    LogDigests(Vec<Option<u32>>),
    Acceptances(Acceptances),
    ChosenFront(Vec<(u64, u32)>),
}

impl<'a> Context<'a> {
    /// Works out what is derived.
    pub fn new(evidence: &'a Evidence, plan: &'a Plan) -> Context<'a> {
        let mut index_of = vec![0; evidence.messages.len()];
        for (place, applied) in evidence.chat().iter().enumerate() {
            if applied.message != NO_MESSAGE {
                index_of[applied.message as usize] = place as u32 + 1;
            }
        }
        let reach = Reach::of(evidence);
        let mut shared = in_order(threads_for(evidence), 4, |part| match part {
            0 => Shared::Gaps(Gaps::of(evidence, &reach)),
            1 => Shared::LogDigests(log_digests(evidence)),
            2 => Shared::Acceptances(Acceptances::of(evidence)),
            _ => Shared::ChosenFront(chosen_front(evidence)),
        })
        .into_iter();
        let (
            Some(Shared::Gaps(gaps)),
            Some(Shared::LogDigests(log_digests)),
            Some(Shared::Acceptances(acceptances)),
            Some(Shared::ChosenFront(chosen_front)),
        ) = (shared.next(), shared.next(), shared.next(), shared.next())
        else {
            unreachable!("the parts come in their order");
        };
        Context {
            evidence,
            plan,
            gaps,
            reach,
            firings: evidence.firings(),
            index_of,
            acceptances,
            chosen_front,
            log_digests,
        }
    }

    /// Whether the run was killed: then records of one server may be there and those of another,
    /// which came before them, not.
    pub(crate) fn is_cut_short(&self) -> bool {
        self.evidence.ending == Ending::CutShort
    }

    /// The digest of the chosen value of a slot, where the longest log has it.
    pub(crate) fn chosen_digest(&self, slot: u32) -> Option<u32> {
        let place = slot.checked_sub(1)?;
        self.log_digests.get(place as usize).copied().flatten()
    }

    /// Whether the logs were being read by then: what happened since need not be in them.
    pub(crate) fn is_after_reads(&self, at_us: u64) -> bool {
        let reads_us = self.evidence.phase(Phase::FinalReads);
        reads_us.is_some_and(|reads_us| at_us >= reads_us)
    }

    /// From when on the replicas are to come level: all was healed, and the loads that had to be
    /// stopped had left.
    pub(crate) fn calm_us(&self) -> Option<u64> {
        let healed_us = self.evidence.phase(Phase::Heal)?;
        let left = (self.evidence.nodes.iter())
            .filter(|node| self.is_load(&node.name))
            .flat_map(|node| node.stopping.iter().map(|&(at_us, _)| at_us))
            .filter(|&at_us| !self.is_after_reads(at_us));
        Some(left.fold(healed_us, u64::max))
    }

    /// The index of a message in the chat of the longest log, or 0.
    pub(crate) fn index_of_message(&self, client: ClientId, seq: u64) -> u64 {
        let session = self.evidence.session(client);
        let message = session.and_then(|session| session.message(seq));
        message.map_or(0, |message| u64::from(self.index_of[message as usize]))
    }

    /// When the first server knew the slot as chosen.
    pub(crate) fn chosen_us(&self, slot: u64) -> Option<u64> {
        let place = self
            .chosen_front
            .partition_point(|&(_, upto)| u64::from(upto) < slot);
        self.chosen_front.get(place).map(|&(at_us, _)| at_us)
    }

    /// `ann's message 3 "hello"`
    pub(crate) fn name(&self, message: &Message) -> String {
        format!(
            "{}'s message {} \"{}\"",
            clip(self.evidence.speaker(message), 40),
            message.seq,
            clip(&message.text, 40)
        )
    }

    /// The same for a message that took effect, which perhaps nobody said.
    pub(crate) fn name_applied(&self, applied: &Applied) -> String {
        match self.evidence.messages.get(applied.message as usize) {
            Some(message) => self.name(message),
            None => {
                let command = self.evidence.command(applied);
                format!(
                    "{}'s message {} \"{}\"",
                    clip(&command.name, 40),
                    command.seq,
                    clip(&command.text, 40)
                )
            }
        }
    }

    /// Whether the log could be read.
    pub(crate) fn readable(replica: &Replica) -> bool {
        !matches!(replica.source, LogSource::Unreadable { .. })
    }

    /// The replicas whose live servers gave their logs at the end.
    pub(crate) fn live(&self) -> impl Iterator<Item = &'a Replica> {
        self.evidence
            .replicas
            .iter()
            .filter(|replica| replica.source == LogSource::Served)
    }

    /// Whether the process is a load and not a chat client.
    pub(crate) fn is_load(&self, node: &str) -> bool {
        self.plan
            .traffic
            .iter()
            .any(|traffic| matches!(&traffic.what, Say::Load { name, .. } if name == node))
    }

    /// Whether the process runs until the end of the run, as far as the history tells.
    pub(crate) fn lives_to_end(&self, node: &str) -> bool {
        let left = self
            .plan
            .traffic
            .iter()
            .any(|traffic| matches!(&traffic.what, Say::Leave { client } if client == node));
        let stopped = self.evidence.node(node).is_some_and(|node| {
            let started = node.started_us.last().copied().unwrap_or(0);
            let settled = self.evidence.phase(Phase::FinalReads).unwrap_or(u64::MAX);
            node.stopping
                .iter()
                .any(|&(at_us, _)| at_us >= started && at_us < settled)
        });
        !left && !stopped && self.reach.lifetimes.at_end(node) == State::Up
    }
}

fn chosen_front(evidence: &Evidence) -> Vec<(u64, u32)> {
    let mut front: Vec<(u64, u32)> = evidence
        .servers
        .iter()
        .flat_map(|server| {
            let mut known = 0;
            server.events.iter().filter_map(move |event| {
                let upto = server.chosen_by(event.what)?;
                // Only what is news to the server itself can be news to all.
                let news = upto > known;
                known = known.max(upto);
                news.then_some((event.at_us, upto))
            })
        })
        .collect();
    front.sort_unstable();
    let mut furthest = 0;
    front.retain(|&(_, upto)| {
        let news = upto > furthest;
        furthest = furthest.max(upto);
        news
    });
    front
}

fn log_digests(evidence: &Evidence) -> Vec<Option<u32>> {
    let digests: Vec<u32> = evidence.values.iter().map(Value::digest).collect();
    let longest = evidence
        .replicas
        .iter()
        .filter(|replica| Context::readable(replica))
        // The first of the longest.
        .rev()
        .max_by_key(|replica| replica.values.len());
    longest.map_or(Vec::new(), |replica| {
        let values = replica.values.iter();
        values
            .map(|&value| (value != HOLE).then(|| digests[value as usize]))
            .collect()
    })
}

/// A value for a person: `no-op`, or its messages.
pub(crate) fn value_text(value: &Value) -> String {
    const SHOWN: usize = 3;
    let commands = value.commands();
    if commands.is_empty() {
        return "no-op".to_string();
    }
    let mut parts: Vec<String> = commands
        .iter()
        .take(SHOWN)
        .map(|command| {
            format!(
                "{} #{} \"{}\"",
                clip(&command.name, 24),
                command.seq,
                clip(&command.text, 40)
            )
        })
        .collect();
    if commands.len() > SHOWN {
        parts.push(format!("and {} more", commands.len() - SHOWN));
    }
    parts.join(", ")
}

/// The value at a rank of ascending data: the smallest that at least `share` of all do not exceed.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_exact_ranks() {
        let data: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&data, 0.5), Some(50));
        assert_eq!(percentile(&data, 0.95), Some(95));
        assert_eq!(percentile(&data, 0.99), Some(99));
        assert_eq!(percentile(&data, 1.0), Some(100));
        assert_eq!(percentile(&[7], 0.5), Some(7));
        assert_eq!(percentile(&[1, 2], 0.5), Some(1));
        assert_eq!(percentile(&[1, 2], 0.51), Some(2));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
