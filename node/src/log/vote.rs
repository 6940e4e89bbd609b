//! What a server must remember to vote, apart from the values: small, and repeated at the beginning
//! of every segment.

use std::collections::BTreeMap;

use super::group::RecordHead;
use super::record::{Member, Record};
use crate::ids::{Ballot, ServerId, Slot};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct VoteState {
    /// The highest ballot promised or accepted. To accept a ballot is to promise it.
    pub promised: Ballot,
    /// The highest slot of a Chosen record.
    pub chosen: Slot,
    pub members: BTreeMap<ServerId, u64>,
    pub formed: bool,
    pub opened: bool,
    pub lost: bool,
}

impl VoteState {
    pub fn note(&mut self, record: &RecordHead) {
        match record {
            RecordHead::Promised { ballot } | RecordHead::Accepted { ballot, .. } => {
                self.note_ballot(*ballot);
            }
            RecordHead::Learned { .. } => {}
            RecordHead::Chosen { upto } => self.chosen = self.chosen.max(*upto),
            RecordHead::Member(member) => self.note_member(*member),
            RecordHead::Formed => self.formed = true,
            RecordHead::Opened => self.opened = true,
            RecordHead::Lost => self.lost = true,
        }
    }

    /// Records that say all of it again.
    pub fn records(&self) -> Vec<Record> {
        let mut records = vec![
            Record::Promised {
                ballot: self.promised,
            },
            Record::Chosen { upto: self.chosen },
        ];
        records.extend(self.members().into_iter().map(Record::Member));
        records.extend(self.formed.then_some(Record::Formed));
        records.extend(self.opened.then_some(Record::Opened));
        records.extend(self.lost.then_some(Record::Lost));
        records
    }

    /// Ascending by server.
    pub fn members(&self) -> Vec<Member> {
        let members = self.members.iter();
        members
            .map(|(&server, &incarnation)| Member {
                server,
                incarnation,
            })
            .collect()
    }

    fn note_ballot(&mut self, ballot: Ballot) {
        self.promised = self.promised.max(ballot);
    }

    fn note_member(&mut self, member: Member) {
        self.members.insert(member.server, member.incarnation);
    }
}
