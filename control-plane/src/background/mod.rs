//! What the hub does by itself. Each is woken by a signal or a timer, takes no input, and may be run
//! again at any time. All end when `soft` is cancelled.

pub mod access;
pub mod follow;
pub mod prune_drift;
pub mod prune_proposals;
pub mod revocations;
pub mod server_certificate;
pub mod touch;
