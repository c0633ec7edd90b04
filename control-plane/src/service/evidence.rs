//! What a cluster is shown with a bundle so that it can believe it: the statements that brought what
//! is new to it, and those that took away what it held.
//!
//! ```text
//! pins that it does not hold ───────────────────────────▶ statement of the pin's number
//! pins older than an entry that is new to it ───────────▶ its manifest when the entry changed
//! pins that it held and that are gone ─ bisect bundles ─▶ statement since which they are gone
//! what took the place of what it never held ─ rights ───▶ every statement in between that touched
//!                                                         it, with the bytes that it then held
//!                                      each with its place in the history and with the changes
//!                                      that concern this cluster, and no others
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hanse_domain::bundle::{Evidence, Shown};
use hanse_domain::history::changes::Subject;
use hanse_domain::history::log::LogProof;
use hanse_domain::history::manifest::Manifest;
use hanse_domain::history::merkle::{InclusionProof, Tree};
use hanse_domain::ids::{ClusterId, Digest, Generation, RevisionNumber};
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::walk::RootStep;

use super::ServiceError;
use super::fleet::Current;
use super::rights::Between;
use super::said::Said;
use crate::store::{BundleRow, Store, StoreError};

/// Statements that are read at once: each may have megabytes.
const READ: usize = 16;

/// That a statement is in the history of which somebody knows the first `size` statements, and how
/// many they know then, as `LogHead::admit` counts.
pub(super) fn log_proof(
    tree: &Tree,
    number: RevisionNumber,
    size: u64,
) -> Result<(LogProof, u64), ServiceError> {
    let none = || ServiceError::Internal(format!("no proof for statement {number} at {size}"));
    let before = number.0.checked_sub(1).ok_or_else(none)?;
    if before < size {
        let within = tree.inclusion(before, size).ok_or_else(none)?;
        return Ok((LogProof::Within(within), size));
    }
    let consistency = tree.consistency(size, before).ok_or_else(none)?;
    Ok((LogProof::Ahead { peaks: tree.peaks(before), consistency }, number.0))
}

/// Reads what is needed as evidence.
pub(super) struct Witnesses<'c> {
    pub(super) store: &'c Store,
    pub(super) current: &'c Current,
    pub(super) cluster: ClusterId,
}

/// What an agent holds, at least since a generation.
#[derive(Clone, Copy)]
pub(super) struct Held<'h> {
    pub(super) since: Generation,
    pub(super) manifest: &'h Manifest,
}

/// What of one statement is needed.
#[derive(Default)]
struct Need {
    subjects: BTreeSet<Subject>,
    /// Of these, what the cluster held and does not hold any more.
    gone: BTreeSet<Subject>,
    /// It changed the cluster's entry, and what is older was there then.
    older: bool,
}

/// What is shown besides the bundle itself.
#[derive(Default)]
pub(super) struct Shows {
    pub(super) evidence: Vec<Evidence>,
    /// Contents that came and went since what the agent holds.
    pub(super) contents: BTreeSet<Digest>,
}

impl<'c> Witnesses<'c> {
    pub(super) fn new(store: &'c Store, current: &'c Current, cluster: ClusterId) -> Self {
        Self { store, current, cluster }
    }

    /// One statement, from memory where it is recent.
    pub(super) async fn said(&self, number: RevisionNumber) -> Result<Arc<Said>, ServiceError> {
        let mut found = self.all_said(&[number]).await?;
        found.pop().ok_or_else(|| missing(number))
    }

    /// The steps from one version of the trust root to the newest, for somebody who knows the first
    /// `size` statements; and how many they know then.
    pub(super) async fn root_steps(
        &self,
        trust: &RootChain,
        version: u64,
        mut size: u64,
    ) -> Result<(Vec<RootStep>, u64), ServiceError> {
        let mut steps = Vec::new();
        for next in trust.versions().filter(|v| v.root.version > version.max(1)) {
            let said = self.said(next.since).await?;
            let (log, known) = log_proof(&self.current.tree, next.since, size)?;
            size = known;
            let change = said.prove([&Subject::TrustRoot]).pop();
            steps.push(RootStep {
                statement: said.statement.to_vec(),
                signatures: said.signatures.to_vec(),
                log,
                change: change.ok_or_else(|| missing(next.since))?,
                root: next.root.encode(),
            });
        }
        Ok((steps, size))
    }

    /// All evidence for the bundle of a generation with this manifest. `known`: what the agent holds
    /// and has seen proven; `held`: what it holds, also where all is to be proven anew.
    pub(super) async fn evidence(
        &self,
        generation: Generation,
        manifest: &Manifest,
        known: Option<&Manifest>,
        held: Option<Held<'_>>,
    ) -> Result<Shows, ServiceError> {
        let mut shows = Shows::default();
        let mut needs: BTreeMap<RevisionNumber, Need> = BTreeMap::new();
        let own = Subject::Cluster(self.cluster);
        let same_entry = known.is_some_and(|known| known.entry == manifest.entry);
        // What takes the place of something that is held, and what takes it away.
        let mut successors = Vec::new();
        for (subject, pin) in manifest.pins() {
            if known.is_some_and(|known| known.pin(&subject) == Some(pin)) {
                continue;
            }
            if !same_entry && pin.number < manifest.entry.number {
                needs.entry(manifest.entry.number).or_default().older = true;
            }
            let before = held.and_then(|held| held.manifest.pin(&subject));
            if matches!(subject, Subject::Document(_)) && before.is_some_and(|b| b != pin) {
                successors.push((pin.number, subject.clone()));
            }
            needs.entry(pin.number).or_default().subjects.insert(subject);
        }
        if let Some(held) = held {
            let gone = held.manifest.pins().map(|(subject, _)| subject);
            let gone: Vec<Subject> =
                gone.filter(|subject| manifest.pin(subject).is_none()).collect();
            for (number, gone) in self.gone_since(held.since, generation, gone).await? {
                let need = needs.entry(number).or_default();
                need.subjects.insert(own.clone());
                need.subjects.extend(gone.iter().cloned());
                successors.extend(gone.iter().map(|subject| (number, subject.clone())));
                need.gone.extend(gone);
            }
            for Between { number, document, bytes } in
                self.in_between(generation, held, &successors).await?
            {
                let need = needs.entry(number).or_default();
                need.subjects.insert(document.clone());
                if bytes.is_none() {
                    need.subjects.insert(own.clone());
                    need.gone.insert(document);
                }
                shows.contents.extend(bytes);
            }
        }
        // The bundle's own statement comes with the bundle.
        needs.remove(&generation);
        let numbers: Vec<RevisionNumber> = needs.keys().copied().collect();
        for chunk in numbers.chunks(READ) {
            for said in self.all_said(chunk).await? {
                if let Some(need) = needs.remove(&said.number) {
                    shows.evidence.push(self.one(generation, &said, &need).await?);
                }
            }
        }
        match needs.keys().next() {
            Some(number) => Err(missing(*number)),
            None => Ok(shows),
        }
    }

    async fn one(
        &self,
        generation: Generation,
        said: &Said,
        need: &Need,
    ) -> Result<Evidence, ServiceError> {
        let place = said.number.0.checked_sub(1).zip(generation.0.checked_sub(1));
        let inclusion = place.and_then(|(index, size)| self.current.tree.inclusion(index, size));
        // What the statement itself removes needs no manifest to be seen gone.
        let removed =
            |subject: &Subject| said.transition(subject).is_some_and(|t| t.after.is_none());
        let seen_gone = removed(&Subject::Cluster(self.cluster)) || need.gone.iter().all(removed);
        let shown =
            if seen_gone && !need.older { None } else { Some(self.shown(said.number).await?) };
        Ok(Evidence {
            statement: said.statement.to_vec(),
            signatures: said.signatures.to_vec(),
            inclusion: inclusion.ok_or_else(|| missing(said.number))?,
            changes: said.prove(&need.subjects),
            shown,
        })
    }

    /// The cluster's manifest right after a statement that changed it.
    async fn shown(&self, number: RevisionNumber) -> Result<Shown, ServiceError> {
        let row = self.store.bundle(self.cluster, number).await?;
        let row = row.ok_or_else(|| no_bundle(self.cluster, number))?;
        let manifest = self.store.content(&row.manifest).await?;
        let manifest = manifest.ok_or_else(|| no_bundle(self.cluster, number))?;
        Ok(Shown { manifest: manifest.into(), inclusion: inclusion(row) })
    }

    /// For subjects that were there after statement `low` and are not after `high`: statements after
    /// which they were not there any more. Each look at a manifest halves where to look.
    pub(super) async fn gone_since(
        &self,
        low: RevisionNumber,
        high: RevisionNumber,
        subjects: Vec<Subject>,
    ) -> Result<Vec<(RevisionNumber, Vec<Subject>)>, ServiceError> {
        let mut found = Vec::new();
        let mut open = vec![(low.0, high.0, subjects)];
        while let Some((low, high, subjects)) = open.pop() {
            if subjects.is_empty() {
                continue;
            }
            if high <= low + 1 {
                found.push((RevisionNumber(high), subjects));
                continue;
            }
            let middle = low + (high - low) / 2;
            let row = self.store.bundle_at(self.cluster, RevisionNumber(middle)).await?;
            let Some(row) = row.filter(|row| row.generation.0 > low) else {
                open.push((middle, high, subjects));
                continue;
            };
            let manifest = self.manifest_of(&row).await?;
            let (there, gone) =
                subjects.into_iter().partition(|subject| manifest.pin(subject).is_some());
            open.push((middle, high, there));
            open.push((low, row.generation.0, gone));
        }
        Ok(found)
    }

    /// The manifest of a bundle of this cluster.
    pub(super) async fn manifest_of(&self, row: &BundleRow) -> Result<Manifest, ServiceError> {
        let bytes = self.store.content(&row.manifest).await?;
        let manifest = bytes.and_then(|bytes| Manifest::decode(&bytes).ok());
        manifest.ok_or_else(|| no_bundle(self.cluster, row.generation))
    }

    async fn all_said(&self, numbers: &[RevisionNumber]) -> Result<Vec<Arc<Said>>, ServiceError> {
        let mut all = Vec::with_capacity(numbers.len());
        let mut stored = Vec::new();
        for number in numbers {
            let recent = self.current.recent.iter().find(|landed| landed.said.number == *number);
            match recent {
                Some(landed) => all.push(Arc::clone(&landed.said)),
                None => stored.push(*number),
            }
        }
        for row in self.store.statements(&stored).await? {
            all.push(Arc::new(Said::of_row(&row)?));
        }
        Ok(all)
    }
}

/// The proof that a bundle's manifest is under its statement's fleet root.
pub(super) fn inclusion(row: BundleRow) -> InclusionProof {
    InclusionProof { leaf_index: row.leaf_index, tree_size: row.tree_size, path: row.path }
}

fn missing(number: RevisionNumber) -> ServiceError {
    StoreError::Corrupt { what: format!("statement {number} is missing") }.into()
}

pub(super) fn no_bundle(cluster: ClusterId, generation: Generation) -> ServiceError {
    StoreError::Corrupt { what: format!("bundle {generation} of {cluster} is missing") }.into()
}
