//! The bugs that a simulated cluster can have.

use std::fmt;
use std::str::FromStr;

use paxosctl_node::planted::{self, Bug};

use super::Tamper;

/// A bug, planted in every node of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// In what the servers hear and find on their disks; the servers are those that ship.
    Outside(Tamper),
    /// In the nodes themselves. Only builds with the feature `planted-bugs` can.
    Inside(Bug),
}

/// There is no such bug, or this build cannot have it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchPlant {
    #[error("there is no bug `{0}` to plant; `paxosctl selftest --list` names them all")]
    Unknown(String),
    #[error(
        "`{0}` can be planted only by a build that has bugs in it: cargo run --release --features \
         planted-bugs -- selftest"
    )]
    NotInThisBuild(Bug),
}

impl Plant {
    /// Every bug, those too that this build cannot have.
    pub fn all() -> impl Iterator<Item = Plant> {
        let inside = Bug::ALL.iter().copied().map(Plant::Inside);
        inside.chain(Tamper::ALL.into_iter().map(Plant::Outside))
    }

    pub fn name(self) -> &'static str {
        match self {
            Plant::Outside(tamper) => tamper.name(),
            Plant::Inside(bug) => bug.name(),
        }
    }

    /// What is wrong, as a sentence.
    pub fn what(self) -> &'static str {
        match self {
            Plant::Outside(tamper) => tamper.what(),
            Plant::Inside(bug) => bug.what(),
        }
    }

    /// Whether this build can have it.
    pub fn is_possible(self) -> bool {
        matches!(self, Plant::Outside(_)) || planted::AVAILABLE
    }

    pub(super) fn tamper(self) -> Option<Tamper> {
        match self {
            Plant::Outside(tamper) => Some(tamper),
            Plant::Inside(_) => None,
        }
    }

    /// The bug that the nodes themselves have.
    pub(super) fn bug(self) -> Option<Bug> {
        match self {
            Plant::Outside(_) => None,
            Plant::Inside(bug) => Some(bug),
        }
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Plant {
    type Err = NoSuchPlant;

    fn from_str(name: &str) -> Result<Plant, NoSuchPlant> {
        let found = Plant::all().find(|plant| plant.name() == name);
        match found {
            Some(Plant::Inside(bug)) if !planted::AVAILABLE => {
                Err(NoSuchPlant::NotInThisBuild(bug))
            }
            Some(plant) => Ok(plant),
            None => Err(NoSuchPlant::Unknown(name.to_owned())),
        }
    }
}
