//! What runs beside the core: writes, dry runs and the ledger. Each ends in one result.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use hanse_domain::object::{Object, ObjectKind, ObjectRef};
use tokio::sync::Mutex;

use super::queue::Write;
use super::vault::Vault;
use crate::core::io::{Failure, Input, Live, Probe, Sealed, Written};
use crate::core::ledger::Ledger;
use crate::core::{is_marked, not_ours};
use crate::kube::CallError;
use crate::kube::apply::Applier;
use crate::kube::ledger::LedgerStore;
use crate::kube::observe::is_labelled;
use crate::kube::secret::{self, SecretWriter};

/// Dry-run requests at once, within one dry run.
const DRY_RUNS: usize = 8;
/// Most problems that one answer names.
const MAX_PROBLEMS: usize = 200;

/// What something that ran beside the core brought.
#[derive(Debug)]
pub(super) enum Done {
    /// A write ended.
    Written(ObjectRef, Box<Input>),
    /// The ledger was written, or not.
    Ledger(Result<(), Failure>),
    /// A dry run ended.
    DryRun { id: u64, problems: Vec<(ObjectRef, String)>, tried: usize },
}

/// What writes go through.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) applier: Applier,
    pub(super) secrets: SecretWriter,
    pub(super) vault: Vault,
    /// The fence stands: it keeps us from Secrets that are not ours.
    pub(super) fenced: bool,
}

pub(super) async fn write(hands: Hands, write: Write) -> Done {
    let applier = &hands.applier;
    match write {
        Write::Secret { object, sealed, record } => {
            let outcome = hands.write_secret(&object, &sealed, record).await;
            let reference = object.reference;
            Done::Written(reference.clone(), Box::new(Input::Applied(reference, outcome)))
        }
        Write::Probe { object, sealed, record, dry_run } => {
            let input = hands.probe_secret(object, &sealed, record, dry_run).await;
            Done::Written(input.0, Box::new(input.1))
        }
        Write::Apply { object, first } => {
            let outcome = apply(applier, &object, first).await;
            let reference = object.reference;
            Done::Written(reference.clone(), Box::new(Input::Applied(reference, outcome)))
        }
        Write::Remove { object, uid } => {
            let outcome = if object.kind == ObjectKind::Secret {
                hands.secrets.remove(&object, &uid).await
            } else {
                applier.remove(&object, &uid).await
            };
            Done::Written(object.clone(), Box::new(Input::Removed(object, outcome)))
        }
    }
}

impl Hands {
    async fn write_secret(
        &self,
        object: &Object,
        sealed: &Sealed,
        record: Option<Written>,
    ) -> Result<Live, Failure> {
        let data = self.vault.open(sealed)?;
        let record = record.map(version);
        let written = self.secrets.write(object, &data, record.as_ref(), self.fenced).await?;
        Ok(live(&object.reference, written.version))
    }

    async fn probe_secret(
        &self,
        object: Object,
        sealed: &Sealed,
        record: Written,
        dry_run: bool,
    ) -> (ObjectRef, Input) {
        let probed = match self.vault.open(sealed) {
            Ok(data) => self.secrets.probe(&object, &data, &version(record), dry_run).await,
            Err(failure) => Err(failure),
        };
        let reference = object.reference;
        let found = match probed {
            Ok(secret::Probe::Unchanged) => Ok(Probe::Unchanged),
            Ok(secret::Probe::Changed) => Ok(Probe::Changed),
            Ok(secret::Probe::Gone) => Ok(Probe::Gone),
            Ok(secret::Probe::Written(now)) => {
                let live = live(&reference, now);
                return (reference.clone(), Input::Applied(reference, Ok(live)));
            }
            Err(failure) => Err(failure),
        };
        (reference.clone(), Input::Probed(reference, found))
    }
}

fn version(record: Written) -> secret::Version {
    secret::Version { uid: record.uid, resource_version: record.resource_version }
}

/// A Secret as far as it is known: nobody looks inside.
fn live(reference: &ObjectRef, version: secret::Version) -> Live {
    Live {
        reference: reference.clone(),
        uid: version.uid,
        resource_version: version.resource_version,
        body: serde_json::Value::Null,
    }
}

/// Applies. What we have not made yet, of a kind that is watched by our label alone, is looked for
/// first: one without the label is not ours to take.
async fn apply(applier: &Applier, object: &Object, first: bool) -> Result<Live, Failure> {
    if first && is_labelled(object.reference.kind) {
        let there = applier.read(&object.reference).await?;
        if there.is_some_and(|live| !is_marked(&live)) {
            return Err(Failure::Refused(not_ours(&object.reference)));
        }
    }
    applier.apply(object).await
}

pub(super) async fn write_ledger(store: Arc<Mutex<LedgerStore>>, ledger: Ledger) -> Done {
    Done::Ledger(store.lock().await.write(&ledger).await)
}

pub(super) async fn dry_run(
    applier: Applier,
    id: u64,
    objects: Vec<Object>,
    mut problems: Vec<(ObjectRef, String)>,
) -> Done {
    let namespaces: BTreeSet<String> = objects
        .iter()
        .filter(|object| object.reference.kind == ObjectKind::Namespace)
        .map(|object| object.reference.name.clone())
        .collect();
    let attempts = objects.into_iter().map(|object| {
        let applier = applier.clone();
        async move {
            let outcome = applier.dry_run(&object).await;
            (object.reference, outcome)
        }
    });
    let outcomes: Vec<(ObjectRef, Result<(), CallError>)> =
        futures::stream::iter(attempts).buffered(DRY_RUNS).collect().await;
    let mut tried = problems.len();
    problems.truncate(MAX_PROBLEMS);
    for (reference, outcome) in outcomes {
        match outcome {
            Ok(()) => tried += 1,
            // Its namespace is part of the same change and not there yet: nothing can be said.
            Err(error) if error.is_not_found() && is_in(&reference, &namespaces) => {}
            Err(error) => {
                tried += usize::from(error.status().is_some());
                if problems.len() < MAX_PROBLEMS {
                    problems.push((reference, error.to_string()));
                }
            }
        }
    }
    Done::DryRun { id, problems, tried }
}

fn is_in(reference: &ObjectRef, namespaces: &BTreeSet<String>) -> bool {
    reference.namespace.as_ref().is_some_and(|namespace| namespaces.contains(namespace))
}
