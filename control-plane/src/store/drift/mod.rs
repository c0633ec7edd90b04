//! Drift: what stands in each cluster, and what stood.
//!
//! ```text
//!            open               corrected, cleared
//! (nothing) ──────▶ open ─────────────────────────▶ resolved, kept as history
//!     └───────────── corrected, cleared ──────────────▲   seen and put right between two reports
//! ```
//!
//! At most one occurrence of an object stands. `decide` says what a report changes and touches no
//! database; `record` reads what it needs, asks it and writes; `list` reads.

mod decide;
mod list;
mod record;

use std::cmp::Ordering;

use hanse_domain::ids::ClusterId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::list::{DriftCursor, DriftFilter, DriftPage};
use super::columns::{ClusterColumn, OptionalTimeColumn, TimeColumn};

/// What kind of difference. The numbers are those of hanse.admin.v1 `Drift.Class`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub enum DriftClass {
    /// A field of ours has another value.
    Modified = 1,
    /// An object of ours is not there.
    Missing = 2,
    /// Another field manager applies a field of ours.
    Conflicting = 3,
    /// Access that nobody declared to the fleet.
    Unmanaged = 4,
}

/// Where an occurrence stands. The numbers are those of hanse.admin.v1 `Drift.State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub enum DriftState {
    /// It stands.
    Open = 1,
    /// The agent put it right.
    Corrected = 2,
    /// It went away without the agent.
    Cleared = 3,
}

/// An object of a cluster.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::FromRow,
)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectKey {
    /// "rbac.authorization.k8s.io/v1"
    pub api_version: String,
    /// "`ClusterRole`"
    pub kind: String,
    /// Empty for what is in no namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// One difference of one object, as an agent reports it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Occurrence {
    /// Made by the agent; means something within its cluster alone.
    pub id: Uuid,
    /// What differs.
    #[sqlx(flatten)]
    pub object: ObjectKey,
    /// In which way.
    pub class: DriftClass,
    /// Where it stands.
    pub state: DriftState,
    /// The document that declares the object; empty for unmanaged.
    pub source: String,
    /// JSON, an array of hanse.admin.v1 `FieldDifference`; without values for Secrets.
    pub fields: String,
    /// Who made it so; empty where it cannot be known.
    pub manager: String,
    /// Since when, by the cluster's clock.
    #[sqlx(try_from = "OptionalTimeColumn")]
    pub since: Option<Timestamp>,
    /// When the agent saw it.
    #[sqlx(try_from = "TimeColumn")]
    pub detected_at: Timestamp,
    /// When it was put right or went away; `None` exactly while it is open.
    #[sqlx(try_from = "OptionalTimeColumn")]
    pub resolved_at: Option<Timestamp>,
    /// Why it was not put right, for a person.
    pub message: String,
}

/// One occurrence and where it was.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DriftRow {
    /// The cluster, as its certificate says.
    #[sqlx(rename = "cluster_id", try_from = "ClusterColumn")]
    pub cluster: ClusterId,
    /// What was seen there.
    #[sqlx(flatten)]
    pub occurrence: Occurrence,
}

/// An occurrence with the reports that last changed and that resolved it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Stored {
    #[sqlx(flatten)]
    occurrence: Occurrence,
    updated_by: Option<Uuid>,
    resolved_by: Option<Uuid>,
}

impl Stored {
    /// What is resolved comes first, so that writing in this order never has two open rows of one
    /// object.
    fn write_order(&self, other: &Self) -> Ordering {
        (other.occurrence.state as i16).cmp(&(self.occurrence.state as i16))
    }
}
