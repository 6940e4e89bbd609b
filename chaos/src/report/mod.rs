//! The result of a run, and its renderings.

mod annotations;
mod html;
mod junit;
mod markdown;
mod model;
mod render;
mod schema;
mod sheet;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod words;
mod worlds;

pub use annotations::annotations;
pub(crate) use html::escaped;
pub use html::{html, html_index};
pub use junit::junit;
pub use markdown::{markdown, markdown_of_all};
pub use model::{
    CheckResult, ClientRow, FaultRow, HeldValue, Latency, Outcome, ReplicaRow, RunResult,
    RunResults, SCHEMA_VERSION, TrafficSummary, Verdict, Violation, WindowRow, world_in_short,
};
pub use render::{Look, json, json_of_all, tables};
pub use schema::RESULT_SCHEMA;
pub(crate) use summary::{clients, faults, replicas, traffic};
pub(crate) use text::{clip, count, moment, plain, share, time};
pub use timeline::Timeline;
pub use worlds::{WORLDS_HEADER, WorldsRow, worlds};
