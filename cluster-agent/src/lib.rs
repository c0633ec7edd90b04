//! The agent of one cluster: it dials out to the hub, applies its share and reports every drift.
//!
//! ```text
//!            link ── wire ──┐                  ┌── kube::observe   watches
//!  hub  ◄──►  mTLS stream   ├──►  run  ──►  core (sans-IO)
//!                           │      │           effects
//!            identity ──────┤      └──► kube::{apply, ledger, events}
//!            fence ─────────┘           as the identity that kube::writers has
//! ```
//!
//! `run` carries inputs into the core and effects out of it; nothing else decides anything. The
//! commands of the binary are in [`commands`].

pub mod backoff;
pub mod commands;
pub mod core;
pub mod enroll;
pub mod fence;
pub mod identity;
pub mod inventory;
pub mod kube;
pub mod link;
pub mod logging;
pub mod metrics;
pub mod run;
pub mod supervisor;
pub mod terminal;
pub mod wire;

/// The version that is told to the hub.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
