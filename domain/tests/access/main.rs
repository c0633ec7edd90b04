//! Effective access, from outside: it is what Kubernetes says, whichever way it is asked and however it
//! came to be known.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and builds its texts as it reads best"
)]

mod aggregation;
mod directory;
mod grants;
mod index;
mod laws;
mod policy;
mod reference;
mod rules;
