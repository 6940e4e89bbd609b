//! From a plan to a timeline.
