//! Bugs that are planted from outside: in what a server finds on its disk, in what it hears, and in
//! what its disk does. The server itself is the one that ships.

use std::fmt;

use paxosctl_node::ids::{Ballot, ServerId};
use paxosctl_node::log::RecoveredLog;
use paxosctl_node::paxos::Message;
use paxosctl_node::wire::PeerMessage;

/// What is tampered with, at every server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tamper {
    /// A server that starts again has forgotten what it promised since it last accepted something.
    PromiseForgotten,
    /// A server that starts again has forgotten what it accepted and did not know to be chosen.
    AcceptancesForgotten,
    /// A server starts again over an older copy of its disk, as after a virtual machine was set back.
    DiskSetBack,
    /// A disk says that it synced, and did not.
    LyingDisk,
    /// A disk that was emptied is taken for the one that was there before.
    EmptyDiskVotes,
    /// A candidate never hears what was accepted before.
    PromisesWithoutValues,
    /// A candidate hears every accepted value under the same ballot.
    ValuesUnderOneBallot,
    /// A leader hears acceptances that nobody sent.
    ForgedAcceptances,
    /// A leader hears answers to its heartbeats that nobody sent.
    ForgedHeartbeatReplies,
    /// A follower hears that one slot more is chosen than is.
    ChosenTooEarly,
}

impl Tamper {
    pub const ALL: [Tamper; 10] = [
        Tamper::PromiseForgotten,
        Tamper::AcceptancesForgotten,
        Tamper::DiskSetBack,
        Tamper::LyingDisk,
        Tamper::EmptyDiskVotes,
        Tamper::PromisesWithoutValues,
        Tamper::ValuesUnderOneBallot,
        Tamper::ForgedAcceptances,
        Tamper::ForgedHeartbeatReplies,
        Tamper::ChosenTooEarly,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Tamper::PromiseForgotten => "promise-forgotten",
            Tamper::AcceptancesForgotten => "acceptances-forgotten",
            Tamper::DiskSetBack => "disk-set-back",
            Tamper::LyingDisk => "lying-disk",
            Tamper::EmptyDiskVotes => "empty-disk-votes",
            Tamper::PromisesWithoutValues => "promises-without-values",
            Tamper::ValuesUnderOneBallot => "values-under-one-ballot",
            Tamper::ForgedAcceptances => "forged-acceptances",
            Tamper::ForgedHeartbeatReplies => "forged-heartbeat-replies",
            Tamper::ChosenTooEarly => "chosen-too-early",
        }
    }

    /// What is wrong, as a sentence.
    pub fn what(self) -> &'static str {
        match self {
            Tamper::PromiseForgotten => "A restart forgets the last promise.",
            Tamper::AcceptancesForgotten => "A restart forgets what was accepted.",
            Tamper::DiskSetBack => "A restart finds an older copy of the disk.",
            Tamper::LyingDisk => "Fsync returns before anything is durable.",
            Tamper::EmptyDiskVotes => "A server whose disk was wiped votes again.",
            Tamper::PromisesWithoutValues => "Phase 1 hears no accepted value.",
            Tamper::ValuesUnderOneBallot => "Phase 1 merges values without their ballots.",
            Tamper::ForgedAcceptances => "A leader counts acceptances that nobody made.",
            Tamper::ForgedHeartbeatReplies => "A cut-off leader believes that it still leads.",
            Tamper::ChosenTooEarly => "A follower takes a slot for chosen too early.",
        }
    }

    /// What a server finds on its disk.
    pub(super) fn recovered(self, recovered: &mut RecoveredLog) {
        match self {
            Tamper::PromiseForgotten => {
                let accepted = recovered.accepted.iter().map(|(_, ballot, _)| *ballot);
                recovered.promised = accepted.max().unwrap_or(Ballot::ZERO);
            }
            Tamper::AcceptancesForgotten => recovered.accepted.clear(),
            _ => {}
        }
    }

    /// What a server hears from a peer.
    pub(super) fn heard(self, message: &mut PeerMessage) {
        let PeerMessage::Paxos(message) = message else {
            return;
        };
        match (self, message) {
            (Tamper::PromisesWithoutValues, Message::Promise { accepted, .. }) => accepted.clear(),
            (Tamper::ValuesUnderOneBallot, Message::Promise { accepted, .. }) => {
                for (_, ballot, _) in accepted {
                    *ballot = Ballot::new(1, ServerId(1));
                }
            }
            (Tamper::ChosenTooEarly, Message::Commit { chosen, .. }) => *chosen = chosen.next(),
            _ => {}
        }
    }

    /// What a server hears at once from the peer to which it sends this.
    pub(super) fn forged(self, sent: &PeerMessage) -> Option<PeerMessage> {
        let PeerMessage::Paxos(message) = sent else {
            return None;
        };
        let answer = match (self, message) {
            (Tamper::ForgedAcceptances, Message::Accept { ballot, slot, .. }) => {
                Message::Accepted {
                    ballot: *ballot,
                    slot: *slot,
                }
            }
            (Tamper::ForgedHeartbeatReplies, Message::Heartbeat { ballot, probe }) => {
                Message::HeartbeatReply {
                    ballot: *ballot,
                    probe: *probe,
                    chosen: paxosctl_node::ids::Slot(0),
                }
            }
            _ => return None,
        };
        Some(PeerMessage::Paxos(answer))
    }
}

impl fmt::Display for Tamper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
