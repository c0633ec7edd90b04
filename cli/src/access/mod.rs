//! Questions about effective access: what is asked, and how answers look.
//!
//! ```text
//! words of the command line ─ moment, subject, resource, scope ─ request
//!                                                                   │ hub
//! stdout ← sheet (table, CSV, JSON, as rows come) ← rows ← grants … ┤
//! stderr ← views (what an answer could not see) ←───────────────────┘
//! ```
//!
//! Everything here is pure but [`answer`], which reads a stream and writes as it comes.

pub(crate) mod answer;
pub(crate) mod csv;
pub(crate) mod decisions;
pub(crate) mod differences;
pub(crate) mod escalations;
pub(crate) mod explain;
pub(crate) mod grants;
pub(crate) mod groups;
pub(crate) mod known;
pub(crate) mod matrix;
pub(crate) mod moment;
pub(crate) mod preview;
pub(crate) mod question;
pub(crate) mod resource;
pub(crate) mod scope;
pub(crate) mod sheet;
pub(crate) mod status;
pub(crate) mod subject;
pub(crate) mod views;
pub(crate) mod violations;
pub(crate) mod words;
