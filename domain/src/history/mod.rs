//! The history of a fleet: a log of statements, and under each the Merkle root over what every
//! cluster must hold.
//!
//! ```text
//! Statement 1 ─ 2 ─ 3 ─ … ─ n        history(n) = Merkle root over statements 1 … n-1
//!                         │
//!                     fleet_root      Merkle root over one leaf a cluster, ordered by id
//!                   ┌─────┼─────┐
//!               Manifest Manifest …   (cluster id, digest of its manifest)
//!                   │
//!          roster entry, documents    each by digest and by the statement that last changed it
//! ```
//!
//! Encodings and proofs only: what a change means is in `plan`, what an agent believes in `bundle`.

pub mod changes;
pub mod encoding;
pub mod log;
pub mod manifest;
pub mod merkle;
pub mod roster;
pub mod statement;
pub mod wrap;
