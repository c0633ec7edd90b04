//! The pure core of Hanse. No IO, no clock, no randomness: time and everything else is a parameter.
//!
//! ```text
//! YAML ─parse→ Document ─plan→ Plan ─propose→ Change (statement + contents)   author's machine
//!                                              │ check                        hub
//!                                              ▼
//!                           Offer ─verify→ VerifiedBundle ─render→ objects    agent
//!                                                                 ─drift→ what differs
//! ```

pub mod access;
pub mod authorise;
pub mod bundle;
pub mod ceiling;
pub mod change;
pub mod document;
pub mod drift;
pub mod fleet;
pub mod history;
pub mod ids;
pub mod kinds;
pub mod names;
pub mod object;
pub mod parse;
pub mod plan;
pub mod render;
pub mod selector;
pub mod trust;
