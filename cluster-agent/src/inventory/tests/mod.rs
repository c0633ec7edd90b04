//! The keeper by scenario: inputs in, reports out, and a hub that does what the protocol says.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod breaks;
mod outages;
mod reports;
mod times;
mod world;
