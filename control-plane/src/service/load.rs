//! Reads the whole fleet from the database and believes nothing of it: leaves must parse, roots and
//! manifests must be those that the statements and bundles name.
//!
//! Signatures are not looked at here. Nobody has to trust the hub: what a damaged or forged database
//! makes it say is refused by the agents and by the authors' machines, which check every signature.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hanse_domain::fleet::{Everything, Fleet};
use hanse_domain::history::changes::Subject;
use hanse_domain::history::merkle::Tree;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::statement::Statement;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::RevisionNumber;
use hanse_domain::parse;
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;

use super::ServiceError;
use super::fleet::Current;
use crate::store::{BundleRow, FleetRow, LeafRow, Leaves, StatementRow, Store, StoreError};

/// Leaf hashes that are read at once.
const PAGE: usize = 100_000;
/// How often the load begins again because another hub appended meanwhile.
const ATTEMPTS: u32 = 20;

/// What one look at the database gave.
struct Picture {
    fleet: FleetRow,
    leaves: Leaves,
    /// Every trust root that a statement put in place.
    roots: Vec<LeafRow>,
    bundles: Vec<BundleRow>,
    /// All but the newest.
    earlier: Tree,
    newest: Option<StatementRow>,
}

/// The fleet as the database has it.
pub(super) async fn current(store: &Store) -> Result<Current, ServiceError> {
    for _ in 0..ATTEMPTS {
        if let Some(picture) = look(store).await? {
            return tokio::task::spawn_blocking(move || assemble(&picture))
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
    let roots = store.leaves_of(&Subject::TrustRoot.to_string(), number).await?;
    let earlier = earlier(store, number).await?;
    let newest = store.statement(number).await?;
    if store.head_number().await? != number {
        return Ok(None);
    }
    Ok(Some(Picture { fleet, leaves, roots, bundles, earlier, newest }))
}

/// The history's tree over the statements below a number.
async fn earlier(store: &Store, number: RevisionNumber) -> Result<Tree, ServiceError> {
    let mut all = Vec::new();
    while (all.len() as u64).saturating_add(1) < number.0 {
        let after = RevisionNumber(all.len() as u64);
        let missing = number.0 - 1 - after.0;
        let limit = usize::try_from(missing).unwrap_or(PAGE).min(PAGE);
        let hashes = store.leaf_hashes(after, limit).await?;
        if hashes.is_empty() {
            return Err(damaged(format!("statement {} is missing", after.next())));
        }
        all.extend(hashes);
    }
    Ok(all.into_iter().collect())
}

/// The fleet's first trust root.
pub fn first_root(fleet: &FleetRow) -> Result<RootChain, String> {
    let root = TrustRoot::decode(&fleet.trust_root).map_err(|error| error.to_string())?;
    let chain = RootChain::begin(root).map_err(|error| error.to_string())?;
    if chain.fleet() == fleet.id {
        Ok(chain)
    } else {
        Err("the fleet's id is not the digest of its first trust root".to_owned())
    }
}

fn trust(fleet: &FleetRow, roots: &[LeafRow]) -> Result<RootChain, ServiceError> {
    let mut chain = first_root(fleet).map_err(damaged)?;
    for row in roots {
        let root = TrustRoot::decode(&row.bytes).map_err(|error| damaged(error.to_string()))?;
        chain = chain
            .followed_by(Arc::new(root), row.number)
            .map_err(|error| damaged(format!("statement {}: {error}", row.number)))?;
    }
    Ok(chain)
}

fn assemble(picture: &Picture) -> Result<Current, ServiceError> {
    let number = picture.leaves.number;
    let mut tree = picture.earlier.clone();
    match &picture.newest {
        Some(row) => tree.push(row.leaf_hash),
        None if number.0 == 0 => {}
        None => return Err(damaged(format!("statement {number} is missing"))),
    }
    let trust = trust(&picture.fleet, &picture.roots)?;
    let held = everything(&picture.leaves.rows)?;
    let mut fleet = Fleet::assemble(trust, number, tree.root(), held);
    set_generations(&mut fleet, &picture.bundles)?;
    if let Some(row) = &picture.newest {
        check_newest(&fleet, &picture.earlier, row)?;
    }
    Ok(Current { fleet, tree, recent: VecDeque::new() })
}

/// What the leaves hold, each of the kind that its subject says.
fn everything(rows: &[LeafRow]) -> Result<Everything, ServiceError> {
    let mut held = Everything::default();
    for row in rows {
        let unreadable = |why: String| damaged(format!("{}: {why}", row.subject));
        let subject: Subject =
            row.subject.parse().map_err(|_| unreadable("not a subject".to_owned()))?;
        let found = match subject {
            Subject::TrustRoot => continue,
            Subject::Cluster(_) => {
                let entry =
                    ClusterEntry::decode(&row.bytes).map_err(|e| unreadable(e.to_string()))?;
                let found = Subject::Cluster(entry.id);
                held.roster.push((entry, row.number));
                found
            }
            Subject::Wrap(_) => {
                let wrap = Wrap::decode(&row.bytes).map_err(|e| unreadable(e.to_string()))?;
                let found = Subject::Wrap(wrap.reference.clone());
                held.wraps.push((wrap, row.number));
                found
            }
            Subject::Document(_) => {
                let document =
                    parse::parse_document(&row.bytes).map_err(|e| unreadable(e.to_string()))?;
                let found = Subject::Document(document.reference.clone());
                held.documents.push((document, row.number));
                found
            }
        };
        if found.to_string() != row.subject {
            return Err(unreadable(format!("its content is {found}")));
        }
    }
    Ok(held)
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
fn check_newest(fleet: &Fleet, earlier: &Tree, row: &StatementRow) -> Result<(), ServiceError> {
    let number = row.number;
    let statement = Statement::decode(&row.bytes)
        .map_err(|error| damaged(format!("statement {number}: {error}")))?;
    let wrong = if Statement::leaf_hash(&row.bytes) != row.leaf_hash {
        Some("another leaf hash")
    } else if statement.fleet != fleet.id() {
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
