//! How quick the harness itself is: how long it takes to judge a long run, and how much time it
//! simulates. What these come to is data, for whoever shows it.

mod check;
mod made_up;
mod simulation;

pub use check::{CheckFigures, CheckRun, PartTime, checks};
pub use simulation::{SimulationFigures, SimulationLoad, simulation};
