//! Hanse end to end, as its users run it: the three programs as processes, on real clusters.
//!
//! ```text
//! Federation ─┬─ Hub      hanse-control-plane serve       killed, stopped and started at will
//!             ├─ Agent    hanse-agent join, run           one a cluster
//!             ├─ Hanse    hanse …                         what a person types, and what it printed
//!             └─ Testbed  the clusters (crate hanse-testbed)
//!
//! story: the demo's steps, each checked on the clusters themselves; also run under faults by tests
//! ```

mod agent;
mod binaries;
mod federation;
mod hanse;
mod hub;
pub mod inventory;
pub mod look;
pub mod poll;
pub mod raw;
mod running;
pub mod story;
pub mod thief;

pub use agent::Agent;
pub use binaries::binary;
pub use federation::{Federation, Settings};
pub use hanse::{Hanse, Printed, Watch};
pub use hub::Hub;
