//! Bugs, planted from outside into what a server keeps, says and hears.

use paxosctl_node::ids::{Ballot, ServerId};
use paxosctl_node::paxos::{Message, Recovered};

use crate::scope::SERVERS;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// A restart forgets the promises, but not the acceptances.
    ForgetPromises,
    /// A restart forgets the acceptances, but not the promises.
    ForgetAcceptances,
    /// What waits for the disk leaves at once.
    SpeakBeforeSync,
    /// Promises leave without what was accepted.
    HideAccepted,
    /// One server's promise counts for two.
    CountPromisesTwice,
    /// One server's acceptance counts for two.
    CountAcceptancesTwice,
}

impl Tamper {
    pub const ALL: [Tamper; 6] = [
        Tamper::ForgetPromises,
        Tamper::ForgetAcceptances,
        Tamper::SpeakBeforeSync,
        Tamper::HideAccepted,
        Tamper::CountPromisesTwice,
        Tamper::CountAcceptancesTwice,
    ];

    pub fn recovered(self, recovered: &mut Recovered) {
        match self {
            Tamper::ForgetPromises => {
                let accepted = recovered.accepted.iter().map(|(_, ballot, _)| *ballot);
                recovered.promised = accepted.max().unwrap_or(Ballot::ZERO);
            }
            Tamper::ForgetAcceptances => recovered.accepted.clear(),
            _ => {}
        }
    }

    pub fn leaving(self, message: &mut Message) {
        if let (Tamper::HideAccepted, Message::Promise { accepted, .. }) = (self, message) {
            accepted.clear();
        }
    }

    /// In whose name besides its sender's the message arrives.
    pub fn also_from(self, to: ServerId, from: ServerId, message: &Message) -> Option<ServerId> {
        let twice = match self {
            Tamper::CountPromisesTwice => matches!(message, Message::Promise { .. }),
            Tamper::CountAcceptancesTwice => matches!(message, Message::Accepted { .. }),
            _ => false,
        };
        (1..=SERVERS)
            .map(ServerId)
            .find(|&server| twice && server != to && server != from)
    }
}
