//! The fleet as it stands now, in memory, and the only way to change it.
//!
//! ```text
//! commit ─ (mutex) ─ catch up ─ signatures ─ Change::check ─ plan::verify ─ roster check ─ authorise ─ store.append
//!                                                                    │ wants more          │
//!                                                                    └─▶ proposals         │
//!       watchers ◀─ head (watch) ◀─ touched sessions wake ◀─ swap Current ◀────────────────┘
//! ```
//!
//! What is in memory is what the database holds up to its number, never more: it moves on after the
//! append. A commit runs to its end even when its caller goes away, so that the two never part.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use hanse_domain::authorise::{Refused, authorise};
use hanse_domain::change::{Change, ChangeError};
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::Changes;
use hanse_domain::history::merkle::Tree;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::Digest;
use hanse_domain::plan;
use hanse_domain::trust::authority::Signed;
use hanse_domain::trust::root::KeyName;
use hanse_domain::trust::signature::MAX_SIGNATURES_LEN;
use jiff::Timestamp;
use tokio::sync::{Mutex, watch};
use tokio_util::task::TaskTracker;

use super::landed::Landed;
use super::sessions::Sessions;
use super::{ServiceError, load};
use crate::store::{ProposalRow, StatementRow, Store, StoreError};

/// Most bytes of a commit as it arrives.
pub const MAX_COMMIT_BYTES: usize = 32 * 1024 * 1024;
/// Most bytes that a change brings which nobody signed, and which is only tried.
pub const MAX_UNSIGNED_BYTES: usize = 4 * 1024 * 1024;
/// Statements that are read at once while catching up.
const PAGE: usize = 50;
/// How many of the newest statements are kept ready for delivery.
const RECENT: usize = 4;

/// The fleet at one revision. Immutable; a commit makes another one.
#[derive(Clone, Debug)]
pub struct Current {
    /// What is agreed on. Its `history` covers all statements up to its number.
    pub fleet: Fleet,
    /// The history's tree, over all statements up to its number.
    pub(super) tree: Tree,
    /// The newest statements, oldest first.
    pub(super) recent: VecDeque<Arc<Landed>>,
}

/// A change to commit, as it arrived.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The statement's canonical encoding.
    pub statement: Bytes,
    /// SSHSIG blocks over it, one behind the other.
    pub signatures: Bytes,
    /// The list of changes in its canonical encoding.
    pub changes: Bytes,
    /// The documents, roster entries, wrapped keys and the trust root that it brings.
    pub contents: Vec<Vec<u8>>,
}

/// What became of a change.
#[derive(Clone, Debug)]
pub enum Committed {
    /// It is in the history.
    Revision(StatementRow),
    /// It waits for more signatures.
    Proposal(ProposalRow),
}

/// With what a change that was authorised lands.
pub(super) struct Landing {
    pub(super) signatures: Bytes,
    pub(super) signers: Vec<KeyName>,
    pub(super) author: String,
    /// What it was proposed as.
    pub(super) proposal: Option<Digest>,
}

/// The fleet. Clones share it.
#[derive(Clone)]
pub struct FleetService(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) current: ArcSwap<Current>,
    /// Taken by everything that moves `current` on.
    pub(super) moving: Mutex<()>,
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

    /// Appends one statement, when those who signed it may say all of it. When others must sign, too,
    /// it is kept with `propose`, and refused without. What was committed before with the same bytes
    /// is answered again, so that a caller who lost the answer may repeat the call.
    pub async fn commit(
        &self,
        author: &str,
        submission: Submission,
        propose: bool,
        now: Timestamp,
    ) -> Result<Committed, ServiceError> {
        let (inner, author) = (Arc::clone(&self.0), author.to_owned());
        self.to_the_end(async move { inner.commit(author, submission, propose, now).await }).await
    }

    /// Runs what changes something to its end, also when its caller goes away.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
    ) -> Result<T, ServiceError> {
        self.0
            .commits
            .spawn(work)
            .await
            .map_err(|error| ServiceError::Internal(format!("a commit failed: {error}")))?
    }

    /// What the statement would make of the fleet, without making it. Nobody has to have signed it,
    /// unless it is large.
    pub async fn try_out(&self, submission: &Submission) -> Result<Change, ServiceError> {
        let unsigned = submission.signatures.is_empty();
        let bytes: usize = submission.contents.iter().map(Vec::len).sum();
        if unsigned && bytes + submission.changes.len() > MAX_UNSIGNED_BYTES {
            let why = format!(
                "it brings {bytes} bytes: at most {MAX_UNSIGNED_BYTES} are tried unsigned; try less of \
                 it at once, or sign it"
            );
            return Err(ServiceError::invalid(why));
        }
        self.catch_up().await?;
        let base = self.current();
        if !unsigned {
            signed(Arc::clone(&base), submission).await?;
        }
        self.0.check(base, submission).await
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
        submission: Submission,
        propose: bool,
        now: Timestamp,
    ) -> Result<Committed, ServiceError> {
        let _moving = self.moving.lock().await;
        self.catch_up().await?;
        let base = self.current.load_full();
        let checked = match signed(Arc::clone(&base), &submission).await {
            Ok(()) => self.check(Arc::clone(&base), &submission).await,
            Err(error) => Err(error),
        };
        let change = match checked {
            Ok(change) => change,
            Err(stale @ ServiceError::Stale { .. }) => {
                let row = self.committed(&submission).await?.ok_or(stale)?;
                return Ok(Committed::Revision(row));
            }
            Err(error) => return Err(error),
        };
        let signatures = submission.signatures.clone();
        let (change, signers) = authorised(Arc::clone(&base), change, signatures.clone()).await?;
        match signers {
            Ok(signers) => {
                let landing = Landing { signatures, signers, author, proposal: None };
                Ok(Committed::Revision(self.append(&base, change, landing, now).await?))
            }
            Err(why) if propose && why.wants_more() => {
                let row = self.propose(&base, &change, submission, author, &why, now).await?;
                Ok(Committed::Proposal(row))
            }
            Err(why) => Err(not_yet(&why)),
        }
    }

    /// Puts a change that was checked and authorised on `base` into the history.
    pub(super) async fn append(
        &self,
        base: &Current,
        change: Change,
        landing: Landing,
        now: Timestamp,
    ) -> Result<StatementRow, ServiceError> {
        let landed = Landed::of(&base.fleet, &change, landing.signatures);
        let new = landed.to_store(&change, landing.author, &landing.signers, now)?;
        let appended = match landing.proposal {
            Some(proposal) => self.store.append_proposed(&new, &proposal).await,
            None => self.store.append(&new).await,
        };
        match appended {
            Ok(()) => {}
            Err(StoreError::Stale { current }) => {
                self.catch_up().await?;
                return Err(ServiceError::Stale { current });
            }
            Err(error) => return Err(error.into()),
        }
        self.land(base, change, landed);
        Ok(new.row)
    }

    /// Checks and plans off the async threads: a large change takes a while.
    pub(super) async fn check(
        &self,
        base: Arc<Current>,
        submission: &Submission,
    ) -> Result<Change, ServiceError> {
        let Submission { statement, changes, contents, .. } = submission.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let change = Change::check(&base.fleet, &statement, &changes, &contents)?;
            let errors = plan::verify(&change.fleet, &change.edits);
            Ok::<_, ChangeError>((change, errors))
        });
        let (change, errors) = checked.await.map_err(|e| broke(&e))?.map_err(refused)?;
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
                    format!("the cluster with that id is named {}, and keeps its name", row.name)
                }
                Some(row) if row.revoked_at.is_some() => "it was revoked".to_owned(),
                Some(_) => continue,
            };
            errors.push(format!("Cluster/{} ({}): {why}", entry.id, entry.name));
        }
        if errors.is_empty() { Ok(()) } else { Err(ServiceError::Invalid(errors)) }
    }

    /// The row of a statement that is in the history with exactly these bytes.
    async fn committed(
        &self,
        submission: &Submission,
    ) -> Result<Option<StatementRow>, ServiceError> {
        let Ok(statement) = Statement::decode(&submission.statement) else {
            return Ok(None);
        };
        let row = self.store.statement(statement.number).await?;
        Ok(row.filter(|row| row.bytes == submission.statement))
    }

    pub(super) async fn catch_up(&self) -> Result<(), ServiceError> {
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
        let changes = Changes::decode(&row.changes).map_err(|e| damaged(e.to_string()))?;
        let wanted: Vec<Digest> = changes.0.values().filter_map(|t| t.after).collect();
        let contents = self.store.contents(&wanted).await?;
        let contents: Vec<Vec<u8>> = contents.into_iter().map(|(_, bytes)| bytes.into()).collect();
        let (fleet, bytes, changes) = (Arc::clone(&base), row.bytes.clone(), row.changes.clone());
        let change = tokio::task::spawn_blocking(move || {
            Change::check(&fleet.fleet, &bytes, &changes, &contents)
        });
        let change =
            change.await.map_err(|e| broke(&e))?.map_err(|error| damaged(error.to_string()))?;
        let landed = Landed::of(&base.fleet, &change, row.signatures);
        self.land(&base, change, landed);
        Ok(())
    }

    fn land(&self, base: &Current, change: Change, landed: Landed) {
        let mut tree = base.tree.clone();
        tree.push(Statement::leaf_hash(&change.bytes));
        let mut fleet = change.fleet;
        fleet.history = tree.root();
        let mut recent = base.recent.clone();
        recent.push_back(Arc::new(landed));
        if recent.len() > RECENT {
            recent.pop_front();
        }
        let number = fleet.number;
        self.current.store(Arc::new(Current { fleet, tree, recent }));
        self.head.send_replace(number.0);
        self.sessions.wake(&change.touched);
        if change.edits.iter().any(|edit| matches!(edit, Edit::PutRoot(_))) {
            self.sessions.wake_all();
        }
        tracing::info!(
            revision.id = number.0,
            clusters = change.touched.len(),
            "revision {number} landed"
        );
    }
}

/// Whether somebody with a part in the fleet signed a statement. It costs little, and is asked before
/// anything that the statement brings is read.
async fn signed(base: Arc<Current>, submission: &Submission) -> Result<(), ServiceError> {
    if submission.signatures.len() > MAX_SIGNATURES_LEN {
        let why = format!("the signatures have more than {MAX_SIGNATURES_LEN} bytes");
        return Err(ServiceError::invalid(why));
    }
    let (bytes, signatures) = (submission.statement.clone(), submission.signatures.clone());
    let checked = tokio::task::spawn_blocking(move || {
        let statement = Statement::decode(&bytes).map_err(ServiceError::invalid)?;
        let current = base.fleet.number;
        if statement.fleet != base.fleet.id() {
            return Err(refused(ChangeError::OtherFleet));
        }
        if statement.number != current.next() {
            return Err(ServiceError::Stale { current });
        }
        Signed::check(&base.fleet.trust, &statement, &bytes, &signatures)
            .and_then(|signed| signed.has_part())
            .map_err(|why| ServiceError::Untrusted(why.to_string()))
    });
    checked.await.map_err(|error| broke(&error))?
}

/// Whether those who signed a change may make it, off the async threads.
pub(super) async fn authorised(
    base: Arc<Current>,
    change: Change,
    signatures: Bytes,
) -> Result<(Change, Result<Vec<KeyName>, Refused>), ServiceError> {
    let asked = tokio::task::spawn_blocking(move || {
        let signers = authorise(&base.fleet, &change, &signatures);
        (change, signers)
    });
    asked.await.map_err(|error| broke(&error))
}

/// Why a change is not in the history.
pub(super) fn not_yet(why: &Refused) -> ServiceError {
    if why.wants_more() {
        ServiceError::Signatures(why.to_string())
    } else {
        ServiceError::Untrusted(why.to_string())
    }
}

fn broke(error: &tokio::task::JoinError) -> ServiceError {
    ServiceError::Internal(format!("a check failed: {error}"))
}

fn refused(error: ChangeError) -> ServiceError {
    match error {
        ChangeError::Stale { current, .. } => ServiceError::Stale { current },
        ChangeError::Empty
        | ChangeError::OtherFleet
        | ChangeError::Malformed(_)
        | ChangeError::TrustRoot(_)
        | ChangeError::Document(_)
        | ChangeError::Inconsistent(_)
        | ChangeError::TooMuch { .. }
        | ChangeError::TooMany { .. } => ServiceError::invalid(error),
    }
}
