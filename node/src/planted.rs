//! Bugs that can be planted in a node, to prove that the checks of a run notice them.
//!
//! They exist only with the feature `planted-bugs`, which no release build has. Without it [`is`] is
//! `false` for the compiler too, and nothing of them is left. Evidence is never tampered with: a node
//! with a bug does wrong and says honestly what it did.

use std::fmt;
use std::str::FromStr;

/// A mistake that real systems made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Bug {
    /// A promise is given before, and without, being written.
    PromiseNotPersisted = 1,
    /// What has to wait for the disk leaves at once.
    AnswersBeforeFsync,
    /// A failed fsync is taken for a successful one.
    FsyncErrorIgnored,
    /// An acceptance does not raise the promise.
    AcceptKeepsPromise,
    /// An Accept below the promise is accepted.
    OldBallotAccepted,
    /// A server that starts again stands under the ballot that it used last.
    BallotReused,
    /// A Promise for an earlier ballot counts for the present one.
    StalePromiseCounted,
    /// A repeated Promise counts as that of another server.
    DuplicatePromiseCounted,
    /// N/2 servers are a majority.
    QuorumOfHalf,
    /// A new leader ignores what the promises report.
    AcceptedValuesIgnored,
    /// A new leader takes the value of the lowest ballot instead of the highest.
    LowestBallotWins,
    /// A new leader fills slots with no-ops that only a peer accepted.
    NoOpOverAccepted,
    /// A follower takes the leader's chosen index for slots that it accepted in another ballot.
    ChosenInAnotherBallot,
    /// A follower passes over a slot that it lacks.
    GapApplied,
    /// A leader takes its own acceptance for a majority's.
    AcksWithoutMajority,
    /// A restart hands out the last messages of the chat again.
    ReappliedAfterRestart,
    /// A restart forgets the sessions.
    SessionsLost,
    /// A message with the text of the client's last one is taken for a repetition.
    DedupByText,
    /// A message that is sent again goes out as another one.
    RetryAsNew,
    /// A message is pushed to clients when it was accepted.
    DeliveredBeforeChosen,
    /// After a change of servers a message of the chat is left out.
    RerouteSkips,
    /// After a change of servers a message of the chat is shown again.
    RerouteRepeats,
    /// A leader answers reads without asking whether it still leads.
    UnconfirmedReads,
    /// A leader answers reads for as long as a clock says that nobody else can lead.
    ClockLease,
    /// A group at the end of the log is taken although its checksum is wrong.
    TornGroupAccepted,
    /// Damage in the log is cut off like a torn end.
    DamageCutOff,
    /// Any disk of a peer is believed, also one that was emptied.
    AnyDiskVotes,
    /// A lower number than that of the last message of a client takes effect again.
    OldSequenceApplied,
}

/// There is no bug of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no bug `{0}` to plant")]
pub struct NoSuchBug(String);

impl Bug {
    pub const ALL: [Bug; 28] = [
        Bug::PromiseNotPersisted,
        Bug::AnswersBeforeFsync,
        Bug::FsyncErrorIgnored,
        Bug::AcceptKeepsPromise,
        Bug::OldBallotAccepted,
        Bug::BallotReused,
        Bug::StalePromiseCounted,
        Bug::DuplicatePromiseCounted,
        Bug::QuorumOfHalf,
        Bug::AcceptedValuesIgnored,
        Bug::LowestBallotWins,
        Bug::NoOpOverAccepted,
        Bug::ChosenInAnotherBallot,
        Bug::GapApplied,
        Bug::AcksWithoutMajority,
        Bug::ReappliedAfterRestart,
        Bug::SessionsLost,
        Bug::DedupByText,
        Bug::RetryAsNew,
        Bug::DeliveredBeforeChosen,
        Bug::RerouteSkips,
        Bug::RerouteRepeats,
        Bug::UnconfirmedReads,
        Bug::ClockLease,
        Bug::TornGroupAccepted,
        Bug::DamageCutOff,
        Bug::AnyDiskVotes,
        Bug::OldSequenceApplied,
    ];

    /// As it is named on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Bug::PromiseNotPersisted => "promise-not-persisted",
            Bug::AnswersBeforeFsync => "answers-before-fsync",
            Bug::FsyncErrorIgnored => "fsync-error-ignored",
            Bug::AcceptKeepsPromise => "accept-keeps-promise",
            Bug::OldBallotAccepted => "old-ballot-accepted",
            Bug::BallotReused => "ballot-reused",
            Bug::StalePromiseCounted => "stale-promise-counted",
            Bug::DuplicatePromiseCounted => "duplicate-promise-counted",
            Bug::QuorumOfHalf => "quorum-of-half",
            Bug::AcceptedValuesIgnored => "accepted-values-ignored",
            Bug::LowestBallotWins => "lowest-ballot-wins",
            Bug::NoOpOverAccepted => "no-op-over-accepted",
            Bug::ChosenInAnotherBallot => "chosen-in-another-ballot",
            Bug::GapApplied => "gap-applied",
            Bug::AcksWithoutMajority => "acks-without-majority",
            Bug::ReappliedAfterRestart => "reapplied-after-restart",
            Bug::SessionsLost => "sessions-lost",
            Bug::DedupByText => "dedup-by-text",
            Bug::RetryAsNew => "retry-as-new",
            Bug::DeliveredBeforeChosen => "delivered-before-chosen",
            Bug::RerouteSkips => "reroute-skips",
            Bug::RerouteRepeats => "reroute-repeats",
            Bug::UnconfirmedReads => "unconfirmed-reads",
            Bug::ClockLease => "clock-lease",
            Bug::TornGroupAccepted => "torn-group-accepted",
            Bug::DamageCutOff => "damage-cut-off",
            Bug::AnyDiskVotes => "any-disk-votes",
            Bug::OldSequenceApplied => "old-sequence-applied",
        }
    }

    /// What is wrong, in a few words.
    pub fn what(self) -> &'static str {
        match self {
            Bug::PromiseNotPersisted => "a promise is not written",
            Bug::AnswersBeforeFsync => "answers leave before the fsync",
            Bug::FsyncErrorIgnored => "a failed fsync is ignored",
            Bug::AcceptKeepsPromise => "an acceptance does not raise the promise",
            Bug::OldBallotAccepted => "an older ballot is accepted after a newer promise",
            Bug::BallotReused => "a ballot is used again after a restart",
            Bug::StalePromiseCounted => "a stale promise counts in a new ballot",
            Bug::DuplicatePromiseCounted => "a repeated promise counts twice",
            Bug::QuorumOfHalf => "half of the servers are a quorum",
            Bug::AcceptedValuesIgnored => "phase 1 ignores accepted values",
            Bug::LowestBallotWins => "phase 1 takes the lowest ballot's value",
            Bug::NoOpOverAccepted => "phase 1 puts no-ops over peers' values",
            Bug::ChosenInAnotherBallot => "the chosen index is taken for another ballot's value",
            Bug::GapApplied => "a missing slot is passed over",
            Bug::AcksWithoutMajority => "a leader goes on without a majority",
            Bug::ReappliedAfterRestart => "a restart applies the last messages again",
            Bug::SessionsLost => "a restart forgets the session table",
            Bug::DedupByText => "repetitions are told by their text",
            Bug::RetryAsNew => "a retry is a new message",
            Bug::DeliveredBeforeChosen => "messages are delivered before they are chosen",
            Bug::RerouteSkips => "a change of servers skips a message",
            Bug::RerouteRepeats => "a change of servers repeats a message",
            Bug::UnconfirmedReads => "reads are answered by a cut-off leader",
            Bug::ClockLease => "reads rely on a clock",
            Bug::TornGroupAccepted => "a torn record is accepted",
            Bug::DamageCutOff => "damage in the middle is cut off as a tail",
            Bug::AnyDiskVotes => "a wiped server rejoins and votes",
            Bug::OldSequenceApplied => "a repeated message is applied again",
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = NoSuchBug;

    fn from_str(name: &str) -> Result<Bug, NoSuchBug> {
        let mut all = Bug::ALL.into_iter();
        all.find(|bug| bug.name() == name)
            .ok_or_else(|| NoSuchBug(name.to_owned()))
    }
}

/// Whether this build can have bugs.
pub const POSSIBLE: bool = cfg!(feature = "planted-bugs");

/// Whether the bug is planted.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
pub use planting::{is, plant, plant_in_process};

#[cfg(feature = "planted-bugs")]
mod planting {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    /// What every thread has that has none of its own; 0 is none.
    static IN_PROCESS: AtomicU8 = AtomicU8::new(0);

    thread_local! {
        static ON_THREAD: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether the bug is planted on this thread, or in this process.
    pub fn is(bug: Bug) -> bool {
        match ON_THREAD.get() {
            Some(planted) => planted == bug,
            None => IN_PROCESS.load(Ordering::Relaxed) == bug as u8,
        }
    }

    /// Plants a bug on this thread, or takes it out, and returns what was planted before.
    pub fn plant(bug: Option<Bug>) -> Option<Bug> {
        ON_THREAD.replace(bug)
    }

    /// Plants a bug in this process.
    pub fn plant_in_process(bug: Bug) {
        IN_PROCESS.store(bug as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_name_of_its_own() {
        for bug in Bug::ALL {
            assert_eq!(bug.to_string().parse(), Ok(bug));
            assert!(!is(bug));
        }
        assert!("none".parse::<Bug>().is_err());
    }
}
