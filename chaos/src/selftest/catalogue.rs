//! Which plan provokes which bug.

use std::path::Path;

use paxosctl_node::planted::Bug;

use crate::plan::{self, Plan};
use crate::sim::{Plant, Tamper};

/// The plans by their names, as text.
pub const PLANS: [(&str, &str); 8] = [
    ("storm", include_str!("plans/storm.yaml")),
    ("duels", include_str!("plans/duels.yaml")),
    ("slow-votes", include_str!("plans/slow-votes.yaml")),
    ("disks", include_str!("plans/disks.yaml")),
    ("power", include_str!("plans/power.yaml")),
    ("blackouts", include_str!("plans/blackouts.yaml")),
    ("clocks", include_str!("plans/clocks.yaml")),
    ("crowd", include_str!("plans/crowd.yaml")),
];

/// A bug, and the plan that provokes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    pub plant: Plant,
    pub plan: &'static str,
}

/// Every bug with its plan, those too that this build cannot have.
pub fn trials() -> impl Iterator<Item = Trial> {
    Plant::all().map(|plant| Trial {
        plant,
        plan: provoked_by(plant),
    })
}

/// The plan of this name.
///
/// # Panics
/// If there is none, or it is no plan: its author has seen neither.
pub fn plan(name: &str) -> Plan {
    let text = PLANS.iter().find(|(known, _)| *known == name);
    let (_, text) = text.unwrap_or_else(|| panic!("no plan {name}"));
    let path = format!("{name}.yaml");
    plan::parse(Path::new(&path), text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn provoked_by(plant: Plant) -> &'static str {
    match plant {
        Plant::Inside(bug) => match bug {
            Bug::AcceptDoesNotRaisePromise
            | Bug::OlderBallotAccepted
            | Bug::DuplicatePromiseCounted
            | Bug::LowestBallotWins
            | Bug::NoOpOverChosen
            | Bug::ChosenIndexOfAnotherBallot => "duels",
            Bug::StalePromiseCounted => "slow-votes",
            Bug::ClockLease | Bug::UnconfirmedReads => "clocks",
            Bug::DedupByText => "crowd",
            Bug::TornRecordAccepted => "power",
            // Where only some servers die, another leads before the one that forgot can stand.
            Bug::BallotReused => "blackouts",
            Bug::MiddleDamageCut | Bug::FsyncErrorIgnored | Bug::WipedServerVotes => "disks",
            _ => "storm",
        },
        Plant::Outside(tamper) => match tamper {
            Tamper::ValuesUnderOneBallot => "duels",
            Tamper::ForgedHeartbeatReplies => "clocks",
            Tamper::EmptyDiskVotes => "disks",
            _ => "storm",
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sim::NoSuchPlant;

    #[test]
    fn every_bug_has_a_plan_and_a_name_of_its_own() {
        let names: BTreeSet<&str> = trials().map(|trial| trial.plant.name()).collect();
        assert_eq!(names.len(), trials().count());
        assert!(names.len() >= 24);
        for trial in trials() {
            assert_eq!(plan(trial.plan).name, trial.plan);
            let read = trial.plant.name().parse();
            match trial.plant {
                Plant::Inside(bug) if !paxosctl_node::planted::AVAILABLE => {
                    assert_eq!(read, Err(NoSuchPlant::NotInThisBuild(bug)));
                }
                plant => assert_eq!(read, Ok(plant)),
            }
        }
    }
}
