//! What a thief who has the whole hub can do to real clusters: nothing. Each attack is shown to a real
//! agent by whoever sits in the hub's place, and the cluster's own audit log is the witness.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod attacks;
mod base;
mod recipient;
mod stolen;
mod world;
