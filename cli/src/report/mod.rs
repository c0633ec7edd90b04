//! Evidence of who could do what: a report that somebody who was not there can check.
//!
//! ```text
//! hub ─ fetch ─┬→ history ─ past ────────────────┐
//!              └→ objects, signed checkpoints ─ standing ─ grants ─ sheets (CSV, JSON, HTML)
//!                        │                                            │
//!                        └────────────── bundle ──────────────────────┘
//! bundle ─ verify: the same way once more, from the trust root alone
//! ```
//!
//! The hub's words decide nothing: who signs for a cluster comes from the history that this machine
//! has verified, what was in it from what its agent signed, and who could do what from both.
//! A report is a function of what is in its bundle, to the byte.

pub(crate) mod answer;
pub(crate) mod archive;
pub(crate) mod bundle;
pub(crate) mod evidence;
pub(crate) mod fetch;
pub(crate) mod grants;
pub(crate) mod groups;
pub(crate) mod html;
pub(crate) mod past;
pub(crate) mod question;
pub(crate) mod sheets;
pub(crate) mod standing;
pub(crate) mod summary;
#[cfg(test)]
mod tests;
pub(crate) mod trace;
pub(crate) mod verify;
