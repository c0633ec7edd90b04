//! Effective access as its users meet it: a hub on SQLite, an agent, and the `hanse` command line.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod evidence;
mod invariant;
mod past;
mod review;
