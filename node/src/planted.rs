//! Bugs that can be planted in this crate, to prove that whoever judges it notices them.
//!
//! Each is a mistake that real systems made. Its hook is a line where the right thing is done:
//! `if planted::is(Bug::…)`. Without the feature `planted-bugs`, which no released program has,
//! [`is`] is always false, and nothing of a hook is left in the program. A planted bug makes a node
//! do wrong; the evidence goes on saying what it did.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// Whether this build can have planted bugs.
pub const AVAILABLE: bool = cfg!(feature = "planted-bugs");

macro_rules! bugs {
    ($(#[doc = $what:literal] $bug:ident = $name:literal,)+) => {
        /// A mistake that can be planted. Written in kebab-case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $(#[doc = $what] $bug,)+
        }

        impl Bug {
            pub const ALL: &[Bug] = &[$(Bug::$bug),+];

            pub fn name(self) -> &'static str {
                match self { $(Bug::$bug => $name),+ }
            }

            /// What it breaks, as a sentence for people.
            pub fn what(self) -> &'static str {
                match self { $(Bug::$bug => $what.trim_ascii()),+ }
            }
        }
    };
}

bugs! {
    // The acceptor.
    /// Accepting a value does not raise the promise, so a lower ballot is promised after it: "only a Prepare sets the promise".
    AcceptDoesNotRaisePromise = "accept-does-not-raise-promise",
    /// An Accept below the promise is taken, and lowers the promise: a ballot overwritten without comparing.
    OlderBallotAccepted = "older-ballot-accepted",
    /// A promise is answered without its record: the write was forgotten.
    PromiseNotPersisted = "promise-not-persisted",
    /// What has to wait for the disk leaves while the write is under way: write and send in the wrong order.
    AckBeforeFsync = "ack-before-fsync",

    // Majorities and phase 1.
    /// N/2 servers count as a majority everywhere: the +1 was left out.
    QuorumOfHalf = "quorum-of-half",
    /// A promise that is repeated counts as another server's: votes are counted, not voters.
    DuplicatePromiseCounted = "duplicate-promise-counted",
    /// A promise for an older ballot of the candidate counts for the new one: the answer is not matched with the question.
    StalePromiseCounted = "stale-promise-counted",
    /// A new leader proposes nothing of what the promises report: phase 1 is taken for an election only.
    AcceptedValuesIgnored = "accepted-values-ignored",
    /// A new leader proposes the value of the lowest ballot in each slot: a comparison the wrong way round.
    LowestBallotWins = "lowest-ballot-wins",
    /// A new leader puts a no-op in every slot that not all of the promises report: seen by few is taken for not chosen.
    NoOpOverChosen = "no-op-over-chosen",
    /// A server that restarts stands for election under the ballot that it used last: the round is raised in memory only.
    BallotReused = "ballot-reused",

    // The leader.
    /// A leader takes its own acceptance as enough, and does not doubt itself when nobody answers: it goes on after it lost its majority.
    AcksWithoutMajority = "acks-without-majority",
    /// A leader answers reads without asking anybody while a lease runs by its clock, which is believed even where it goes back.
    ClockLease = "clock-lease",
    /// A leader answers reads without making sure that it still leads: reads from the local copy.
    UnconfirmedReads = "unconfirmed-reads",

    // The learner.
    /// A follower takes the leader's chosen index for slots that it accepted in another ballot: the index without the ballot.
    ChosenIndexOfAnotherBallot = "chosen-index-of-another-ballot",
    /// A chosen slot is applied though one before it is missing, which is taken for empty: a hole is passed over.
    GapApplied = "gap-applied",

    // Sessions and the chat.
    /// After a restart the sessions are forgotten: the table was kept in memory only.
    SessionTableLost = "session-table-lost",
    /// A message whose text equals the client's last one is taken for a repetition: idempotence by content.
    DedupByText = "dedup-by-text",
    /// After a restart listeners get the last message again under a new index: it was applied before and after.
    ReapplyAfterRestart = "reapply-after-restart",
    /// A message is pushed to listeners when it is accepted: shown before it is chosen.
    DeliveredBeforeChosen = "delivered-before-chosen",

    // The client.
    /// A client that comes to a server sends what is not acknowledged under new numbers: a retry that is no retry.
    RetryUnderNewSession = "retry-under-new-session",
    /// A client that changes servers leaves out one message of the chat: an offset one too high.
    RerouteSkips = "reroute-skips",
    /// A client that changes servers shows one message of the chat again: an offset one too low.
    RerouteRepeats = "reroute-repeats",

    // The log on disk and its server.
    /// Recovery takes the last group of the log though its checksum is wrong, as far as it can be read.
    TornRecordAccepted = "torn-record-accepted",
    /// Damage in the middle of the log is cut off with all behind it, like a torn write.
    MiddleDamageCut = "middle-damage-cut",
    /// A failed fsync is passed over as if it had succeeded.
    FsyncErrorIgnored = "fsync-error-ignored",
    /// A server whose disk was emptied votes again: its peers believe any disk.
    WipedServerVotes = "wiped-server-votes",
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No bug has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a bug that can be planted; these are: {}", names())]
pub struct UnknownBug {
    name: String,
}

fn names() -> String {
    let names: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
    names.join(", ")
}

impl FromStr for Bug {
    type Err = UnknownBug;

    fn from_str(name: &str) -> Result<Bug, UnknownBug> {
        let named = Bug::ALL.iter().find(|bug| bug.name() == name);
        named
            .copied()
            .ok_or_else(|| UnknownBug { name: name.into() })
    }
}

/// This build has no bugs to plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this program was built without planted bugs. \
     What to do: build it with `--features planted-bugs`"
)]
pub struct Unavailable;

/// Whether `bug` is planted here.
#[cfg(feature = "planted-bugs")]
pub fn is(bug: Bug) -> bool {
    plants::planted() == Some(bug)
}

/// Whether `bug` is planted here: never, in this build.
#[cfg(not(feature = "planted-bugs"))]
pub const fn is(_: Bug) -> bool {
    false
}

/// Whether any bug is planted here. Then assertions that another node's mistake would trip keep
/// silent: it is for those who judge to notice.
#[cfg(feature = "planted-bugs")]
pub fn any() -> bool {
    plants::planted().is_some()
}

/// Whether any bug is planted here: never, in this build.
#[cfg(not(feature = "planted-bugs"))]
pub const fn any() -> bool {
    false
}

/// Plants `bug` on this thread, and only there, until the guard is dropped; then what was before is
/// there again. With `None` the thread is sound meanwhile, whatever was planted before or in the
/// process.
///
/// # Errors
/// In a build without planted bugs, for any bug.
pub fn plant(bug: Option<Bug>) -> Result<Planted, Unavailable> {
    match bug {
        Some(_) if !AVAILABLE => Err(Unavailable),
        _ => Ok(Planted {
            before: plants::on_thread(Some(bug)),
            here: PhantomData,
        }),
    }
}

/// Plants `bug` on all threads of the process on which nothing else was planted, for the rest of its
/// life. The first one stays.
///
/// # Errors
/// In a build without planted bugs.
pub fn plant_in_process(bug: Bug) -> Result<(), Unavailable> {
    if !AVAILABLE {
        return Err(Unavailable);
    }
    plants::in_process(bug);
    Ok(())
}

/// What is planted on a thread, as long as this lives. Guards end in the reverse order of their
/// beginning.
#[must_use = "the bug is taken out again when this is dropped"]
#[derive(Debug)]
pub struct Planted {
    before: Option<Option<Bug>>,
    /// It belongs to its thread.
    here: PhantomData<*const ()>,
}

impl Drop for Planted {
    fn drop(&mut self) {
        plants::on_thread(self.before);
    }
}

#[cfg(feature = "planted-bugs")]
mod plants {
    use std::cell::Cell;
    use std::sync::OnceLock;

    use super::Bug;

    thread_local! {
        /// None where nothing was said about this thread.
        static ON_THREAD: Cell<Option<Option<Bug>>> = const { Cell::new(None) };
    }
    static IN_PROCESS: OnceLock<Bug> = OnceLock::new();

    pub fn planted() -> Option<Bug> {
        let in_process = || IN_PROCESS.get().copied();
        ON_THREAD.get().unwrap_or_else(in_process)
    }

    pub fn on_thread(bug: Option<Option<Bug>>) -> Option<Option<Bug>> {
        ON_THREAD.replace(bug)
    }

    pub fn in_process(bug: Bug) {
        // The first one stays.
        let _ = IN_PROCESS.set(bug);
    }
}

#[cfg(not(feature = "planted-bugs"))]
mod plants {
    use super::Bug;

    pub fn on_thread(_: Option<Option<Bug>>) -> Option<Option<Bug>> {
        None
    }

    pub fn in_process(_: Bug) {}
}
