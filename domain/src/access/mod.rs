//! Effective access: who can do what in a cluster, as Kubernetes' own RBAC authoriser would say.
//!
//! ```text
//! Kubernetes object ─read→ AccessObject ─┬→ Inventory (buckets, root) ─→ Checkpoint, signed   agent
//!                                        └→ Index ─→ grants, paths, escalations, invariants   hub, auditor
//! ```
//!
//! An agent reads the objects that give access, keeps an [`inventory::Inventory`] of them and signs
//! its root. The hub keeps each version of each object, and asks an index of them. Nothing here
//! decides what an agent does: what was seen is data, and answers say what could not be seen.

pub mod aggregate;
pub mod checkpoint;
pub mod directory;
pub mod escalation;
pub mod index;
pub mod invariant;
pub mod inventory;
pub mod object;
pub mod preview;
pub mod query;
pub mod read;
pub mod request;
pub mod rules;
pub mod subject;
