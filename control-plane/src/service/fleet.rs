//! The fleet as it stands now, in memory, and the only way to change it.
//!
//! ```text
//! commit ─ (mutex) ─ catch up ─ Change::check ─ plan::verify ─ roster check ─ store.append
//!                                                                                 │
//!       watchers ◀─ head (watch) ◀─ touched sessions wake ◀─ swap Current ◀───────┘
//! ```
//!
//! What is in memory is what the database holds up to its number, never more: it moves on after the
//! append. A commit runs to its end even when its caller goes away, so that the two never part.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use hanse_domain::change::{Change, ChangeError};
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::merkle::Frontier;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::Digest;
use hanse_domain::plan;
use jiff::Timestamp;
use tokio::sync::{Mutex, watch};
use tokio_util::task::TaskTracker;

use super::landed::Landed;
use super::sessions::Sessions;
use super::{ServiceError, load};
use crate::store::{StatementRow, Store, StoreError};

/// Most bytes of a commit as it arrives.
pub const MAX_COMMIT_BYTES: usize = 32 * 1024 * 1024;
/// Longest signature that is stored.
const MAX_SIGNATURE_BYTES: usize = 16 * 1024;
/// Statements that are read at once while catching up.
const PAGE: usize = 50;
/// How many of the newest statements are kept ready for delivery.
const RECENT: usize = 4;

/// The fleet at one revision. Immutable; a commit makes another one.
#[derive(Clone, Debug)]
pub struct Current {
    /// What is agreed on. Its `history` covers all statements up to its number.
    pub fleet: Fleet,
    /// The history's tree.
    pub(super) frontier: Frontier,
    /// The newest statements, oldest first.
    pub(super) recent: VecDeque<Arc<Landed>>,
}

/// A change to commit, as it arrived.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The statement's canonical encoding.
    pub statement: Bytes,
    /// SSHSIG over it; may be empty.
    pub signature: Bytes,
    /// The documents and roster entries that it brings.
    pub contents: Vec<Vec<u8>>,
}

/// The fleet. Clones share it.
#[derive(Clone)]
pub struct FleetService(Arc<Inner>);

struct Inner {
    store: Store,
    current: ArcSwap<Current>,
    /// Taken by everything that moves `current` on.
    moving: Mutex<()>,
    head: watch::Sender<u64>,
    sessions: Sessions,
    commits: TaskTracker,
}

impl FleetService {
    /// Loads the fleet from the database and checks that it is whole. Commits run in `tracker`.
    pub async fn load(
        store: Store,
        sessions: Sessions,
        tracker: TaskTracker,
    ) -> Result<Self, ServiceError> {
        let current = load::current(&store).await?;
        let head = watch::Sender::new(current.fleet.number.0);
        Ok(Self(Arc::new(Inner {
            store,
            current: ArcSwap::from_pointee(current),
            moving: Mutex::default(),
            head,
            sessions,
            commits: tracker,
        })))
    }

    /// The fleet as it stands.
    pub fn current(&self) -> Arc<Current> {
        self.0.current.load_full()
    }

    /// The number of the newest statement, and a wakeup for each change of it.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.0.head.subscribe()
    }

    /// Appends one statement. What was committed before with the same bytes is answered again, so
    /// that a caller who lost the answer may repeat the call.
    pub async fn commit(
        &self,
        author: &str,
        proposal: Proposal,
        now: Timestamp,
    ) -> Result<StatementRow, ServiceError> {
        if proposal.signature.len() > MAX_SIGNATURE_BYTES {
            let why = format!("the signature has more than {MAX_SIGNATURE_BYTES} bytes");
            return Err(ServiceError::invalid(why));
        }
        let (inner, author) = (Arc::clone(&self.0), author.to_owned());
        let commit = async move { inner.commit(author, &proposal, now).await };
        self.0
            .commits
            .spawn(commit)
            .await
            .map_err(|error| ServiceError::Internal(format!("a commit failed: {error}")))?
    }

    /// What the statement would make of the fleet, without making it.
    pub async fn try_out(&self, proposal: &Proposal) -> Result<Change, ServiceError> {
        self.catch_up().await?;
        self.0.check(self.current(), proposal).await
    }

    /// Moves on to what other hubs have appended.
    pub async fn catch_up(&self) -> Result<(), ServiceError> {
        let _moving = self.0.moving.lock().await;
        self.0.catch_up().await
    }
}

impl Inner {
    async fn commit(
        &self,
        author: String,
        proposal: &Proposal,
        now: Timestamp,
    ) -> Result<StatementRow, ServiceError> {
        let _moving = self.moving.lock().await;
        self.catch_up().await?;
        let base = self.current.load_full();
        let change = match self.check(Arc::clone(&base), proposal).await {
            Ok(change) => change,
            Err(stale @ ServiceError::Stale { .. }) => {
                return self.committed(proposal).await?.ok_or(stale);
            }
            Err(error) => return Err(error),
        };
        let landed = Landed::of(&base.fleet, &change, proposal.signature.clone());
        let new = landed.to_store(&change, author, now)?;
        match self.store.append(&new).await {
            Ok(()) => {}
            Err(StoreError::Stale { current }) => {
                self.catch_up().await?;
                return Err(ServiceError::Stale { current });
            }
            Err(error) => return Err(error.into()),
        }
        self.land(&base, change, landed);
        Ok(new.row)
    }

    /// Checks and plans off the async threads: a large change takes a while.
    async fn check(&self, base: Arc<Current>, proposal: &Proposal) -> Result<Change, ServiceError> {
        let (statement, contents) = (proposal.statement.clone(), proposal.contents.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let change = Change::check(&base.fleet, &statement, &contents)?;
            let errors = plan::verify(&change.fleet, &change.edits);
            Ok::<_, ChangeError>((change, errors))
        });
        let (change, errors) = checked
            .await
            .map_err(|error| ServiceError::Internal(format!("a check failed: {error}")))?
            .map_err(refused)?;
        if !errors.is_empty() {
            let all = errors.iter().map(ToString::to_string).collect();
            return Err(ServiceError::Invalid(all));
        }
        self.check_roster(&change.edits).await?;
        Ok(change)
    }

    /// Only a cluster that was invited here, by that name, and is not revoked can be accepted.
    async fn check_roster(&self, edits: &[Edit]) -> Result<(), ServiceError> {
        let mut errors = Vec::new();
        for edit in edits {
            let Edit::PutCluster(entry) = edit else {
                continue;
            };
            let why = match self.store.cluster(entry.id).await? {
                None => "no cluster with that id was invited".to_owned(),
                Some(row) if row.name != entry.name => {
                    format!("the cluster with that id is named {}", row.name)
                }
                Some(row) if row.revoked_at.is_some() => "it was revoked".to_owned(),
                Some(_) => continue,
            };
            errors.push(format!("Cluster/{} ({}): {why}", entry.id, entry.name));
        }
        if errors.is_empty() { Ok(()) } else { Err(ServiceError::Invalid(errors)) }
    }

    /// The row of a statement that is in the history with exactly these bytes.
    async fn committed(&self, proposal: &Proposal) -> Result<Option<StatementRow>, ServiceError> {
        let Ok(statement) = Statement::decode(&proposal.statement) else {
            return Ok(None);
        };
        let row = self.store.statement(statement.number).await?;
        Ok(row.filter(|row| row.bytes == proposal.statement))
    }

    async fn catch_up(&self) -> Result<(), ServiceError> {
        let newest = self.store.head_number().await?;
        loop {
            let base = self.current.load_full();
            if base.fleet.number >= newest {
                return Ok(());
            }
            let rows = self.store.statements_after(base.fleet.number, PAGE).await?;
            if rows.is_empty() {
                let what = format!("statement {} is missing", base.fleet.number.next());
                return Err(StoreError::Corrupt { what }.into());
            }
            for row in rows {
                self.follow(row).await?;
            }
        }
    }

    /// Moves on by one statement that another hub has committed.
    async fn follow(&self, row: StatementRow) -> Result<(), ServiceError> {
        let base = self.current.load_full();
        let damaged =
            |why: String| StoreError::Corrupt { what: format!("statement {}: {why}", row.number) };
        let statement = Statement::decode(&row.bytes).map_err(|e| damaged(e.to_string()))?;
        let wanted: Vec<Digest> = statement.changes.values().filter_map(|t| t.after).collect();
        let contents = self.store.contents(&wanted).await?;
        let contents: Vec<Vec<u8>> = contents.into_iter().map(|(_, bytes)| bytes.into()).collect();
        let (fleet, bytes) = (Arc::clone(&base), row.bytes.clone());
        let change =
            tokio::task::spawn_blocking(move || Change::check(&fleet.fleet, &bytes, &contents))
                .await
                .map_err(|error| ServiceError::Internal(format!("a check failed: {error}")))?
                .map_err(|error| damaged(error.to_string()))?;
        let landed = Landed::of(&base.fleet, &change, row.signature);
        self.land(&base, change, landed);
        Ok(())
    }

    fn land(&self, base: &Current, change: Change, landed: Landed) {
        let mut frontier = base.frontier.clone();
        frontier.push(Statement::leaf_hash(&change.bytes));
        let mut fleet = change.fleet;
        fleet.history = frontier.root();
        let mut recent = base.recent.clone();
        recent.push_back(Arc::new(landed));
        if recent.len() > RECENT {
            recent.pop_front();
        }
        let number = fleet.number;
        self.current.store(Arc::new(Current { fleet, frontier, recent }));
        self.head.send_replace(number.0);
        self.sessions.wake(&change.touched);
        tracing::info!(
            revision.id = number.0,
            clusters = change.touched.len(),
            "revision {number} landed"
        );
    }
}

fn refused(error: ChangeError) -> ServiceError {
    match error {
        ChangeError::Stale { current, .. } => ServiceError::Stale { current },
        ChangeError::Empty
        | ChangeError::OtherFleet
        | ChangeError::Malformed(_)
        | ChangeError::Document(_)
        | ChangeError::Inconsistent(_)
        | ChangeError::TooMuch { .. } => ServiceError::invalid(error),
    }
}
