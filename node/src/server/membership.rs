//! Who may vote: the members remember each other's incarnation from the first formation on.
//!
//! A server whose disk was emptied or exchanged has forgotten what it promised. Were it to vote, a
//! majority could be made of servers of which one has no memory, and a chosen value be lost. So a
//! server votes only once *every* peer has its incarnation on disk. A peer that remembers another
//! incarnation never confirms the new one, and one such peer is enough: the server whose place was
//! taken over had been confirmed by all of them before it first voted.
//!
//! Every server remembers each peer under the first incarnation that it hears of, and believes no
//! other one: neither its votes, nor what it says of memberships. A server that may not vote does
//! the same, so that it knows from whom it may learn.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::ServerId;
use crate::log::{Member, Record};
use crate::planted::{self, Bug};
use crate::wire::PeerMessage;

/// The formation of the cluster, as one server knows it.
#[derive(Debug)]
pub struct Membership {
    me: ServerId,
    incarnation: u64,
    peers: Vec<ServerId>,
    /// The peers' incarnations, on disk or on their way there.
    known: BTreeMap<ServerId, u64>,
    /// Peers that have this server's incarnation on disk, each under the incarnation that is known
    /// of it.
    confirmed_by: BTreeSet<ServerId>,
    standing: Standing,
}

#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Waits until every peer confirmed it.
    Forming,
    /// All confirmed; the record of it is on its way to the disk.
    Confirmed,
    Voting,
    /// Its earlier log was lost, or a peer remembers another incarnation under this id.
    Stranger,
}

/// What came of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub persist: Option<Record>,
    /// May leave once everything that was persisted so far is durable.
    pub reply_after_persist: Option<PeerMessage>,
    /// Set once, when this server finds out that it must never vote: the reason.
    pub barred: Option<String>,
}

impl Membership {
    /// `members`, `formed` and `lost` are what the disk says; nothing in a new directory.
    pub fn new(
        me: ServerId,
        servers: u16,
        incarnation: u64,
        members: &[Member],
        formed: bool,
        lost: bool,
    ) -> Membership {
        Membership {
            me,
            incarnation,
            peers: (1..=servers)
                .map(ServerId)
                .filter(|&server| server != me)
                .collect(),
            known: members
                .iter()
                .map(|member| (member.server, member.incarnation))
                .collect(),
            confirmed_by: BTreeSet::new(),
            // A lost log is never forgiven: were all logs of a cluster lost, nobody would remember.
            standing: match (lost, formed) {
                (true, _) => Standing::Stranger,
                (false, true) => Standing::Voting,
                (false, false) => Standing::Forming,
            },
        }
    }

    pub fn votes(&self) -> bool {
        self.standing == Standing::Voting
    }

    /// Whether votes from this incarnation of a peer count.
    pub fn trusts(&self, peer: ServerId, incarnation: u64) -> bool {
        self.known.get(&peer) == Some(&incarnation) || planted::is(Bug::WipedServerVotes)
    }

    /// Introductions to send now; to be repeated while there are any. A server that waits to vote
    /// introduces itself until all confirmed it, one that may not vote until it knows all.
    pub fn introductions(&self) -> Vec<(ServerId, PeerMessage)> {
        self.peers
            .iter()
            .filter_map(|&peer| Some((peer, self.introduction(peer)?)))
            .collect()
    }

    /// The introduction to one peer, if it needs one.
    pub fn introduction(&self, peer: ServerId) -> Option<PeerMessage> {
        let needed = match self.standing {
            Standing::Forming => !self.confirmed_by.contains(&peer),
            Standing::Stranger => !self.known.contains_key(&peer),
            Standing::Confirmed | Standing::Voting => false,
        };
        let incarnation = self.incarnation;
        needed.then_some(PeerMessage::Introduce { incarnation })
    }

    /// What a peer that asked to be remembered waits for; may leave once everything that was
    /// persisted so far is durable.
    pub fn confirmation(&self, peer: ServerId) -> Option<PeerMessage> {
        let you = *self.known.get(&peer)?;
        Some(PeerMessage::Remembered { you })
    }

    /// A peer, whose incarnation is given, asks to be remembered.
    pub fn introduced(&mut self, peer: ServerId, incarnation: u64) -> Outcome {
        let persist = self.get_to_know(peer, incarnation);
        let reply = match self.known.get(&peer) {
            Some(&remembered) if !self.trusts(peer, incarnation) => {
                PeerMessage::Stranger { remembered }
            }
            _ => PeerMessage::Remembered { you: incarnation },
        };
        Outcome {
            persist,
            reply_after_persist: Some(reply),
            barred: None,
        }
    }

    /// A peer has the incarnation `you` on disk. Only the disk that is known of it counts: another
    /// one may be gone by now, and its memory with it.
    pub fn remembered(&mut self, peer: ServerId, incarnation: u64, you: u64) -> Outcome {
        let persist = self.get_to_know(peer, incarnation);
        if you == self.incarnation && self.trusts(peer, incarnation) {
            self.confirmed_by.insert(peer);
        }
        Outcome {
            persist,
            ..Outcome::default()
        }
    }

    /// A peer remembers another incarnation under this server's id.
    pub fn stranger(&mut self, peer: ServerId, incarnation: u64, remembered: u64) -> Outcome {
        let persist = self.get_to_know(peer, incarnation);
        let mut outcome = Outcome {
            persist,
            ..Outcome::default()
        };
        // Whoever lost its own disk is no witness, and a disk that all confirmed is no stranger.
        let believed = self.trusts(peer, incarnation)
            && remembered != self.incarnation
            && self.standing == Standing::Forming;
        if believed {
            self.standing = Standing::Stranger;
            outcome.barred = Some(format!(
                "{peer} remembers {me} with the disk {remembered:016x}, and this one is {mine:016x}: \
                 what {me} promised is lost with the old disk, so it learns from its peers and does \
                 not vote",
                me = self.me,
                mine = self.incarnation,
            ));
        }
        outcome
    }

    /// Remembers a peer that was not known; the record of it is to be made durable.
    fn get_to_know(&mut self, server: ServerId, incarnation: u64) -> Option<Record> {
        if self.known.contains_key(&server) {
            return None;
        }
        self.known.insert(server, incarnation);
        Some(Record::Member(Member {
            server,
            incarnation,
        }))
    }

    /// All peers confirmed: the server may vote once that is on disk. To be called after every
    /// message, and once at the start for a cluster of one.
    pub fn form_if_complete(&mut self) -> Option<Record> {
        let complete = self.standing == Standing::Forming
            && self
                .peers
                .iter()
                .all(|peer| self.confirmed_by.contains(peer));
        if !complete {
            return None;
        }
        self.standing = Standing::Confirmed;
        Some(Record::Formed)
    }

    /// The record of the formation is durable. True when the server votes from now on.
    pub fn formed_on_disk(&mut self) -> bool {
        if self.standing == Standing::Confirmed {
            self.standing = Standing::Voting;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S1: ServerId = ServerId(1);
    const S2: ServerId = ServerId(2);
    const S3: ServerId = ServerId(3);

    fn new_server() -> Membership {
        Membership::new(S1, 3, 11, &[], false, false)
    }

    fn member(server: ServerId, incarnation: u64) -> Record {
        Record::Member(Member {
            server,
            incarnation,
        })
    }

    #[test]
    fn votes_only_once_every_peer_confirmed_it_and_that_is_on_disk() {
        let mut membership = new_server();
        assert_eq!(membership.introductions().len(), 2);
        let outcome = membership.introduced(S2, 22);
        assert_eq!(outcome.persist, Some(member(S2, 22)));
        assert_eq!(
            outcome.reply_after_persist,
            Some(PeerMessage::Remembered { you: 22 })
        );
        membership.introduced(S3, 33);
        assert_eq!(membership.remembered(S2, 22, 11), Outcome::default());
        assert_eq!(
            membership.introductions(),
            [(S3, PeerMessage::Introduce { incarnation: 11 })]
        );
        assert_eq!(membership.remembered(S3, 33, 11), Outcome::default());
        assert_eq!(membership.form_if_complete(), Some(Record::Formed));
        assert!(!membership.votes());
        assert!(membership.formed_on_disk());
        assert!(membership.votes());
    }

    #[test]
    fn a_confirmation_of_another_incarnation_does_not_count() {
        let mut membership = new_server();
        membership.introduced(S2, 22);
        membership.introduced(S3, 33);
        membership.remembered(S2, 22, 11);
        membership.remembered(S3, 33, 99);
        assert_eq!(membership.form_if_complete(), None);
        // That of a disk that is not the one known of the peer does not either.
        membership.remembered(S3, 34, 11);
        assert_eq!(membership.form_if_complete(), None);
        membership.remembered(S3, 33, 11);
        assert_eq!(membership.form_if_complete(), Some(Record::Formed));
    }

    #[test]
    fn an_introduction_is_answered_again_but_written_once() {
        let mut membership = new_server();
        membership.introduced(S2, 22);
        let again = membership.introduced(S2, 22);
        assert_eq!(again.persist, None);
        assert_eq!(
            again.reply_after_persist,
            Some(PeerMessage::Remembered { you: 22 })
        );
    }

    #[test]
    fn a_wiped_server_is_a_stranger_and_never_votes() {
        let remembers = [
            Member {
                server: S2,
                incarnation: 22,
            },
            Member {
                server: S3,
                incarnation: 33,
            },
        ];
        let mut veteran = Membership::new(S1, 3, 11, &remembers, true, false);
        let outcome = veteran.introduced(S3, 34);
        assert_eq!(
            outcome.reply_after_persist,
            Some(PeerMessage::Stranger { remembered: 33 })
        );
        assert!(veteran.trusts(S3, 33));
        assert!(!veteran.trusts(S3, 34));

        let mut wiped = Membership::new(S3, 3, 34, &[], false, false);
        let outcome = wiped.stranger(S1, 11, 33);
        assert!(outcome.barred.is_some());
        assert_eq!(
            wiped.confirmation(S1),
            Some(PeerMessage::Remembered { you: 11 })
        );
        assert_eq!(wiped.confirmation(S2), None);
        // It learns from those whom it knows, and introduces itself until it knows everyone.
        assert_eq!(outcome.persist, Some(member(S1, 11)));
        assert!(wiped.trusts(S1, 11));
        assert_eq!(
            wiped.introductions(),
            [(S2, PeerMessage::Introduce { incarnation: 34 })]
        );
        wiped.remembered(S2, 22, 34);
        wiped.remembered(S1, 11, 34);
        assert_eq!(wiped.form_if_complete(), None);
        assert!(wiped.introductions().is_empty());
    }

    /// Even where no peer remembers anything, for all of them may have lost their logs.
    #[test]
    fn a_server_that_lost_its_log_never_votes() {
        let mut lost = Membership::new(S1, 3, 11, &[], false, true);
        for (peer, incarnation) in [(S2, 22), (S3, 33)] {
            lost.introduced(peer, incarnation);
            lost.remembered(peer, incarnation, 11);
        }
        assert_eq!(lost.form_if_complete(), None);
        assert!(!lost.votes() && lost.trusts(S2, 22));
        let mut alone = Membership::new(S1, 1, 11, &[], false, true);
        assert_eq!(alone.form_if_complete(), None);
    }

    #[test]
    fn a_stranger_bars_nobody() {
        let mut veteran = Membership::new(S1, 3, 11, &[], false, false);
        veteran.introduced(S2, 22);
        veteran.introduced(S3, 33);
        assert_eq!(veteran.stranger(S2, 23, 12), Outcome::default());
        veteran.remembered(S2, 22, 11);
        veteran.remembered(S3, 33, 11);
        assert_eq!(veteran.form_if_complete(), Some(Record::Formed));
        assert_eq!(veteran.stranger(S2, 22, 12), Outcome::default());
        assert!(veteran.formed_on_disk());
    }

    #[test]
    fn a_cluster_of_one_forms_by_itself() {
        let mut membership = Membership::new(S1, 1, 11, &[], false, false);
        assert_eq!(membership.form_if_complete(), Some(Record::Formed));
        assert_eq!(membership.form_if_complete(), None);
    }
}
