//! Effective access as agents saw it: every version of every object, by two clocks.
//!
//! ```text
//! report ─▶ record ─▶ access_objects   the newest version of each object, also "gone"
//!                 ├─▶ access_past      those before, each until the next
//!                 ├─▶ access_contents  what they say, each once
//!                 └─▶ access_clusters  256 bucket digests, the root, one learned_at a report
//! ```
//!
//! `at` is when it became so in the cluster, `learned_at` when the hub learned it; for one object both
//! only rise, so that the state at a moment as it was known at another is, for each object, its last
//! version that is not later by either clock. What was signed and seen lies in `checkpoints` and
//! `coverage`, what should not be in `violations`. `compact` forgets what no question within the
//! retention can reach.

mod checkpoints;
mod compact;
mod coverage;
mod decide;
mod pack;
mod record;
mod report;
mod rows;
mod state;
mod totals;
mod versions;
mod violations;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind, Origin};
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;

pub use self::pack::AccessContents;
pub use self::state::AccessChanges;
pub use self::versions::{ProvenanceRow, VersionCursor};
pub use self::violations::{
    NewViolation, Settled, Standing, ViolationCursor, ViolationFilter, ViolationPage, ViolationRow,
};
use super::StoreError;
use super::columns::{ClusterColumn, DigestColumn, SmallCountColumn, TimeColumn, UnseenColumn};

/// Most bytes of a namespace's and of a name's text.
pub const MAX_ACCESS_NAME_BYTES: usize = 4_096;

/// A version of one object, as an agent reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChange {
    /// Which object.
    pub key: AccessKey,
    /// What it says and since when; `None`: it is gone.
    pub seen: Option<(Arc<AccessContent>, Origin)>,
    /// When it became so. It counts as no earlier than the version before.
    pub at: Timestamp,
}

/// What an agent reports at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessReport {
    /// In the order in which they happened. One object may be there more than once.
    pub changes: Vec<AccessChange>,
    /// Buckets that are reported whole: what is stored of them and not among the changes is gone.
    pub whole_buckets: BTreeSet<u8>,
    /// When those are taken to have gone.
    pub gone_at: Timestamp,
    /// Kinds that cannot be seen, and why.
    pub unseen: BTreeMap<AccessKind, String>,
    /// How many objects are not in the inventory.
    pub skipped: u32,
}

/// What an agent says that it saw without a gap, with or without changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighting {
    /// What it signed: of the state before a report, and of the one after it.
    pub checkpoints: Vec<CheckpointRow>,
    /// From when until when the cluster was seen.
    pub covered: Option<CoverageRow>,
}

/// What an agent signed for.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct CheckpointRow {
    /// Of the inventory.
    #[sqlx(try_from = "DigestColumn")]
    pub root: Digest,
    /// Since when it was so.
    #[sqlx(rename = "from_at", try_from = "TimeColumn")]
    pub from: Timestamp,
    /// Until when it was.
    #[sqlx(rename = "until_at", try_from = "TimeColumn")]
    pub until: Timestamp,
    /// As it was signed.
    #[sqlx(try_from = "Vec<u8>")]
    pub checkpoint: Bytes,
    /// As it came; nothing here has verified it.
    #[sqlx(try_from = "Vec<u8>")]
    pub signature: Bytes,
}

/// From when until when a cluster was seen without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct CoverageRow {
    /// The beginning.
    #[sqlx(rename = "from_at", try_from = "TimeColumn")]
    pub from: Timestamp,
    /// The end.
    #[sqlx(rename = "until_at", try_from = "TimeColumn")]
    pub until: Timestamp,
}

/// What a report led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Of all that is stored of the cluster now.
    pub root: Digest,
    /// How many objects that is.
    pub objects: u32,
    /// When a hub had learned the state before; `None` for the first report.
    pub before: Option<Timestamp>,
    /// When the hub learned it: later than everything that it had learned of the cluster before, and
    /// that of the report before when this one changed nothing.
    pub learned_at: Timestamp,
    /// The objects that changed, by hash, as they are now; `None`: gone.
    pub changed: Vec<(AccessKey, Option<Arc<AccessContent>>)>,
}

/// How a cluster's inventory stands.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct InventoryRow {
    /// Whose.
    #[sqlx(rename = "cluster_id", try_from = "ClusterColumn")]
    pub cluster: ClusterId,
    /// Of all that is stored of it.
    #[sqlx(try_from = "DigestColumn")]
    pub root: Digest,
    /// How many objects that is.
    #[sqlx(try_from = "SmallCountColumn")]
    pub objects: u32,
    /// How many are not in it.
    #[sqlx(try_from = "SmallCountColumn")]
    pub skipped: u32,
    /// Kinds that were not seen by the newest report, and why.
    #[sqlx(try_from = "UnseenColumn")]
    pub unseen: BTreeMap<AccessKind, String>,
    /// When the hub learned something of it last.
    #[sqlx(try_from = "TimeColumn")]
    pub learned_at: Timestamp,
}

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessMoment {
    /// When it was so in the cluster.
    pub at: Timestamp,
    /// As the hub knew it then; as it knows it now when `None`.
    pub known_at: Option<Timestamp>,
}

/// An object that is there at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessState {
    /// Which.
    pub key: AccessKey,
    /// What it says; equal contents are shared.
    pub content: Arc<AccessContent>,
}

/// One version of one object, as it was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// Which object.
    pub key: AccessKey,
    /// What it said; `None`: it went.
    pub seen: Option<SeenRow>,
    /// When it became so.
    pub at: Timestamp,
    /// When the hub learned it.
    pub learned_at: Timestamp,
}

/// What a version said, in canonical encodings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRow {
    /// An [`AccessContent`].
    pub content: Bytes,
    /// An [`Origin`].
    pub origin: Bytes,
    /// What the inventory's root covers.
    pub leaf: Digest,
}

impl AccessMoment {
    /// Both clocks as columns hold them; one that is not given has no end.
    fn micros(self) -> (i64, i64) {
        (self.at.as_microsecond(), self.known_at.map_or(i64::MAX, Timestamp::as_microsecond))
    }
}

/// As the column holds it: kinds may come, and none changes its number.
const fn kind_number(kind: AccessKind) -> i16 {
    match kind {
        AccessKind::Namespace => 1,
        AccessKind::ServiceAccount => 2,
        AccessKind::ClusterRole => 3,
        AccessKind::Role => 4,
        AccessKind::ClusterRoleBinding => 5,
        AccessKind::RoleBinding => 6,
        AccessKind::Deployment => 7,
        AccessKind::StatefulSet => 8,
        AccessKind::DaemonSet => 9,
        AccessKind::ReplicaSet => 10,
        AccessKind::Job => 11,
        AccessKind::CronJob => 12,
        AccessKind::Pod => 13,
    }
}

fn kind_of(number: i16) -> Result<AccessKind, StoreError> {
    AccessKind::ALL
        .into_iter()
        .find(|kind| kind_number(*kind) == number)
        .ok_or_else(|| StoreError::corrupt(format!("no kind of access has the number {number}")))
}
