//! Scenarios: inputs in, effects out. The cluster is a map, so that every answer can be late, lost or
//! wrong; what a real API server does is tested on a real one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at few of many effects"
)]

mod bundles;
mod convergence;
mod drift;
mod removals;
mod secrets;
mod trust;
mod world;
