//! What sealing promises, from outside: what opens, what is refused, and that nothing leaks.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod canary;
mod identity_files;
mod refusals;
mod round_trip;
mod shapes;
mod support;
mod vectors;
