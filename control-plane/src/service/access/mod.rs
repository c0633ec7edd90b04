//! Effective access over the fleet: what agents report is kept, indexed and asked.
//!
//! ```text
//! agents ─▶ intake ─▶ Store (every version) ─▶ Index (now, in memory) ─▶ invariants ─▶ watchers
//!                          │ at a moment              │
//!                          ▼                          ▼
//!                    an index of one cluster ──▶ questions, a cluster at a time ─▶ answers
//!                                                     │
//!                        provenance (history, store) ─┘
//! ```
//!
//! The index holds the clusters of the roster. It is written under a lock that is held for one report,
//! and read for one cluster: what takes longer works on a copy of that cluster, so that no client keeps
//! an agent waiting. Nobody has to trust what is answered here: what agents signed goes out with
//! [`inventories`](self::inventories), and an auditor computes the answer anew.

mod answer;
mod differences;
mod directory;
mod due;
mod escalations;
mod fresh;
mod held;
mod intake;
mod invariants;
mod inventories;
mod members;
mod preview;
mod provenance;
mod questions;
mod scope;
mod source;
mod view;
mod violations;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arc_swap::ArcSwap;
use hanse_domain::access::directory::Directory;
use hanse_domain::access::index::Index;
use hanse_domain::ids::{ClusterId, Digest};
use tokio::sync::{Notify, Semaphore, broadcast};

pub use self::answer::answer;
pub use self::differences::Difference;
pub use self::directory::{Group, Import, ImportedGroup};
use self::due::Due;
pub use self::escalations::{Escalation, Reach, Step};
use self::held::Held;
pub use self::intake::{Reply, Signed, Told};
use self::invariants::Placements;
pub use self::inventories::{Inventory, InventoryPart};
use self::members::Damage;
pub use self::preview::Previewed;
pub use self::provenance::Provenance;
pub use self::questions::{Decision, Granted};
pub use self::scope::{Asked, AskedCluster, Places, Question};
pub use self::view::{Part, View};
pub use self::violations::Violation;
use super::fleet::FleetService;
use super::sessions::Sessions;
use crate::metrics::Metrics;
use crate::store::{Store, ViolationRow};

/// Answers that may be under way at once.
const QUESTIONS: usize = 16;
/// Violations that a watcher may lag behind by.
const EVENTS: usize = 4_096;

/// Effective access. Clones share everything.
#[derive(Clone)]
pub struct AccessService(Arc<Inner>);

struct Inner {
    store: Store,
    fleet: FleetService,
    sessions: Sessions,
    index: RwLock<Index>,
    /// What is known of each cluster's inventory.
    held: Mutex<BTreeMap<ClusterId, Held>>,
    /// Clusters of which the store holds what cannot be read, and why.
    damaged: Mutex<BTreeMap<ClusterId, Damage>>,
    /// Taken by whatever brings the store and the index of one cluster to the same state.
    gates: Mutex<BTreeMap<ClusterId, Arc<tokio::sync::Mutex<()>>>>,
    /// An agent said something.
    spoke: Notify,
    /// Clusters that were cut off, and may be in the roster all the same.
    revoked: Mutex<BTreeSet<ClusterId>>,
    directory: ArcSwap<Directory>,
    /// What `directory` was made of.
    directories: Mutex<Vec<(String, Digest)>>,
    questions: Arc<Semaphore>,
    /// The invariants of each cluster.
    placements: Mutex<Placements>,
    /// The violations that stand, by cluster.
    standing: Mutex<BTreeMap<ClusterId, BTreeMap<Digest, ViolationRow>>>,
    due: Due,
    violations: broadcast::Sender<ViolationRow>,
    metrics: Metrics,
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, BTreeMap<ClusterId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_revoked(&self, cluster: ClusterId) -> bool {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner).contains(&cluster)
    }

    /// Only one may bring a cluster up to date.
    async fn gate(&self, cluster: ClusterId) -> tokio::sync::OwnedMutexGuard<()> {
        let gate = {
            let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(gates.entry(cluster).or_default())
        };
        gate.lock_owned().await
    }
}
