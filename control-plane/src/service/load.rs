//! Reads the whole fleet from the database and believes nothing of it: leaves must parse, roots and
//! manifests must be those that the statements and bundles name.

use std::collections::VecDeque;
use std::time::Duration;

use hanse_domain::fleet::Fleet;
use hanse_domain::history::merkle::Frontier;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_domain::parse;

use super::ServiceError;
use super::fleet::Current;
use crate::store::{BundleRow, Leaves, StatementRow, Store, StoreError};

/// Leaf hashes that are read at once.
const PAGE: usize = 100_000;
/// How often the load begins again because another hub appended meanwhile.
const ATTEMPTS: u32 = 20;

/// What one look at the database gave.
struct Picture {
    id: Digest,
    leaves: Leaves,
    bundles: Vec<BundleRow>,
    /// All but the newest.
    earlier: Frontier,
    newest: Option<StatementRow>,
}

/// The fleet as the database has it.
pub(super) async fn current(store: &Store) -> Result<Current, ServiceError> {
    for _ in 0..ATTEMPTS {
        if let Some(picture) = look(store).await? {
            return tokio::task::spawn_blocking(move || assemble(picture))
                .await
                .map_err(|error| ServiceError::Internal(format!("the load failed: {error}")))?;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(ServiceError::Unavailable("the history moves faster than it can be read".to_owned()))
}

/// `None` when the history moved on meanwhile.
async fn look(store: &Store) -> Result<Option<Picture>, ServiceError> {
    let fleet = store.fleet().await?.ok_or_else(|| damaged("no fleet"))?;
    let leaves = store.current_leaves().await?;
    let bundles = store.latest_bundles().await?;
    let number = leaves.number;
    let earlier = earlier(store, number).await?;
    let newest = store.statement(number).await?;
    if store.head_number().await? != number {
        return Ok(None);
    }
    Ok(Some(Picture { id: fleet.id, leaves, bundles, earlier, newest }))
}

/// The history's tree over the statements below a number.
async fn earlier(store: &Store, number: RevisionNumber) -> Result<Frontier, ServiceError> {
    let mut frontier = Frontier::default();
    while frontier.size().saturating_add(1) < number.0 {
        let after = RevisionNumber(frontier.size());
        let missing = number.0 - 1 - after.0;
        let limit = usize::try_from(missing).unwrap_or(PAGE).min(PAGE);
        let hashes = store.leaf_hashes(after, limit).await?;
        if hashes.is_empty() {
            return Err(damaged(format!("statement {} is missing", after.next())));
        }
        for hash in hashes {
            frontier.push(hash);
        }
    }
    Ok(frontier)
}

fn assemble(picture: Picture) -> Result<Current, ServiceError> {
    let number = picture.leaves.number;
    let mut frontier = picture.earlier.clone();
    match &picture.newest {
        Some(row) => frontier.push(row.leaf_hash),
        None if number.0 == 0 => {}
        None => return Err(damaged(format!("statement {number} is missing"))),
    }
    let mut roster = Vec::new();
    let mut documents = Vec::new();
    for row in picture.leaves.rows {
        let unreadable = |why: String| damaged(format!("{}: {why}", row.subject));
        let found = if row.subject.starts_with("Cluster/") {
            let entry = ClusterEntry::decode(&row.bytes).map_err(|e| unreadable(e.to_string()))?;
            let subject = format!("Cluster/{}", entry.id);
            roster.push((entry, row.number));
            subject
        } else {
            let document =
                parse::parse_document(&row.bytes).map_err(|e| unreadable(e.to_string()))?;
            let subject = document.reference.to_string();
            documents.push((document, row.number));
            subject
        };
        if found != row.subject {
            return Err(unreadable(format!("its content is {found}")));
        }
    }
    let mut fleet = Fleet::assemble(picture.id, number, frontier.root(), roster, documents);
    set_generations(&mut fleet, &picture.bundles)?;
    if let Some(row) = &picture.newest {
        check_newest(&fleet, &picture.earlier, row)?;
    }
    Ok(Current { fleet, frontier, recent: VecDeque::new() })
}

/// Each cluster's newest bundle must be what the fleet makes of it.
fn set_generations(fleet: &mut Fleet, bundles: &[BundleRow]) -> Result<(), ServiceError> {
    let mut members = 0;
    for bundle in bundles {
        let Some(member) = fleet.member(bundle.cluster) else {
            continue;
        };
        if member.digest != bundle.manifest {
            let what = format!("cluster {} has another manifest", bundle.cluster);
            return Err(damaged(what));
        }
        fleet.set_generation(bundle.cluster, bundle.generation);
        members += 1;
    }
    if members < fleet.members().len() {
        return Err(damaged("a cluster of the roster has no bundle"));
    }
    Ok(())
}

/// The newest statement must be about this fleet, this history and these manifests.
fn check_newest(fleet: &Fleet, earlier: &Frontier, row: &StatementRow) -> Result<(), ServiceError> {
    let number = row.number;
    let statement = Statement::decode(&row.bytes)
        .map_err(|error| damaged(format!("statement {number}: {error}")))?;
    let wrong = if Statement::leaf_hash(&row.bytes) != row.leaf_hash {
        Some("another leaf hash")
    } else if statement.fleet != fleet.id {
        Some("another fleet")
    } else if statement.history != earlier.root() {
        Some("another history")
    } else if statement.fleet_root != fleet.root() {
        Some("another fleet root")
    } else {
        None
    };
    match wrong {
        Some(wrong) => Err(damaged(format!("statement {number} names {wrong}"))),
        None => Ok(()),
    }
}

fn damaged(what: impl Into<String>) -> ServiceError {
    let what = what.into();
    StoreError::Corrupt { what }.into()
}
