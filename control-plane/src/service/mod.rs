//! The hub's use cases. They know the store, the domain and each other; they do not know gRPC.
//!
//! ```text
//! api ──▶ FleetService   commit: check ─ verify ─ append ─ swap ──▶ head (watch)
//!     ──▶ Delivery       (cluster, what it has) ─▶ Bundle            │ wakes
//!     ──▶ Sessions       one live agent a cluster ◀──────────────────┘
//!     ──▶ Clusters       rows + roster + sessions ─▶ what a person sees
//!     ──▶ Drift          reports ─▶ rows ─▶ watchers
//!     ──▶ Access       inventories ─▶ index ─▶ who can do what
//!     ──▶ Enrolment      token ─▶ certificate, and its renewal
//!     ──▶ Access         certificate ─▶ Caller
//! ```

pub mod access;
pub mod callers;
pub mod clusters;
pub mod delivery;
pub mod drift;
pub mod dry_run;
pub mod enrolment;
pub mod error;
mod evidence;
pub mod fleet;
mod landed;
mod load;
pub mod proposals;
pub mod rate;
mod rights;
mod said;
pub mod sessions;

pub use error::ServiceError;
pub use load::first_root;
