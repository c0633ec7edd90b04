//! The pure core of Hanse. No IO, no clock, no randomness: time and everything else is a parameter.
//!
//! ```text
//! YAML ─parse→ Document ─plan→ Plan ─propose→ Statement          on the author's machine
//!                                              │ check           on the hub
//!                                              ▼
//!                          Bundle ─verify→ VerifiedBundle ─render→ Objects ─drift→ what differs
//!                                                                                on the agent
//! ```

pub mod document;
pub mod history;
pub mod ids;
pub mod kinds;
pub mod names;
pub mod parse;
pub mod selector;
