//! Statements that show where things come from, and what took them away.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::refusal::{Condition, Refusal};
use super::{Contents, Held, Offer, Opened, VerifiedBundle, under};
use crate::document::DocumentRef;
use crate::document::Kind;
use crate::history::changes::{ProvenChange, Subject, WrapRef};
use crate::history::manifest::{Manifest, Pin};
use crate::history::merkle::InclusionProof;
use crate::history::statement::Statement;
use crate::ids::{ClusterId, Digest, RevisionNumber};
use crate::trust::authority::{NotAllowed, Signed};

/// An earlier statement, and what of it concerns this cluster.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Its bytes.
    pub statement: Vec<u8>,
    /// SSHSIG blocks over it.
    pub signatures: Vec<u8>,
    /// That it is in the history of the offer's statement.
    pub inclusion: InclusionProof,
    /// Changes that it lists.
    pub changes: Vec<ProvenChange>,
    /// The cluster's manifest as it was right after it: where something went, and where the labels
    /// changed and brought what is older.
    pub shown: Option<Shown>,
}

/// A manifest of this cluster at an earlier statement.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its bytes.
    pub manifest: Vec<u8>,
    /// That it is under that statement's fleet root.
    pub inclusion: InclusionProof,
}

/// A statement whose signatures, place in the history and changes are proven.
struct Witness<'w> {
    signed: Signed<'w>,
    /// What it lists, with the digest after.
    changes: BTreeMap<&'w Subject, Option<Digest>>,
    manifest: Option<Manifest>,
}

/// All statements that an offer shows, by number.
pub(super) struct Witnesses<'w> {
    cluster: ClusterId,
    contents: &'w Contents<'w>,
    by_number: BTreeMap<RevisionNumber, Witness<'w>>,
}

impl<'w> Witnesses<'w> {
    /// Proves every statement that is shown, the offer's own among them.
    pub(super) fn new(
        cluster: ClusterId,
        held: &Held<'w>,
        offer: &'w Offer,
        contents: &'w Contents<'w>,
        statement: &Statement,
        signed: Signed<'w>,
        manifest: &Manifest,
    ) -> Result<Self, Refusal> {
        let own = Witness {
            signed,
            changes: listed(statement, &offer.changes)?,
            manifest: Some(manifest.clone()),
        };
        let mut by_number = BTreeMap::from([(statement.number, own)]);
        for evidence in &offer.evidence {
            let (number, witness) = evidence.prove(cluster, held, statement)?;
            by_number.insert(number, witness);
        }
        Ok(Self { cluster, contents, by_number })
    }

    /// That a statement of this number brought what is pinned, and might.
    pub(super) fn brought(
        &self,
        subject: &Subject,
        pin: Pin,
        before: Option<&VerifiedBundle>,
        opened: &Opened,
    ) -> Result<(), Refusal> {
        let number = pin.number;
        let unproven = || Refusal::Unproven { subject: subject.clone(), number };
        let witness = self.by_number.get(&number).ok_or_else(unproven)?;
        if witness.changes.get(subject) != Some(&Some(pin.digest)) {
            return Err(unproven());
        }
        let allowed = match subject {
            Subject::Cluster(_) => witness.signed.may_change_roster(subject),
            Subject::Document(reference) => {
                let document = opened.document(reference).ok_or_else(unproven)?;
                let replaced = before.map_or(Ok(()), |before| {
                    let mut rights = self.rights(reference, subject, before).into_iter();
                    rights.find(|(of, _)| *of == number).map_or(Ok(()), |(_, right)| right)
                });
                replaced.and_then(|()| witness.signed.may_put(document))
            }
            // It opens that secret and nothing else, and the secret that it was wrapped for may have been
            // another one than is here now.
            Subject::Wrap(WrapRef { secret, .. }) => witness.signed.may_wrap(secret),
            Subject::TrustRoot => return Err(unproven()),
        };
        allowed.map_err(|why| not_allowed(number, Condition::Provenance, why))
    }

    /// That what is older than the cluster's entry was there when the entry changed: who keeps the
    /// roster has said so, and nobody puts back what had gone by then.
    pub(super) fn was_there(&self, subject: &Subject, pin: Pin, entry: Pin) -> Result<(), Refusal> {
        let shown = self.by_number.get(&entry.number).and_then(|witness| witness.manifest.as_ref());
        let pinned = shown.and_then(|manifest| manifest.pin(subject));
        if pin.number >= entry.number || pinned == Some(pin) {
            Ok(())
        } else {
            Err(Refusal::Replayed { subject: subject.clone(), number: pin.number })
        }
    }

    /// That a statement took away what was pinned, and might.
    pub(super) fn took_away(
        &self,
        subject: &Subject,
        before: &VerifiedBundle,
    ) -> Result<(), Refusal> {
        let own = Subject::Cluster(self.cluster);
        let reference = match subject {
            Subject::Document(reference) => reference.clone(),
            Subject::Wrap(WrapRef { secret, .. }) => {
                DocumentRef { kind: Kind::FederatedSecret, name: secret.clone() }
            }
            Subject::Cluster(_) | Subject::TrustRoot => {
                return Err(Refusal::Omitted { subject: subject.clone() });
            }
        };
        let mut rights = self.rights(&reference, subject, before);
        let mut refused = None;
        for (number, witness) in self.after(before) {
            let absent =
                witness.manifest.as_ref().is_some_and(|manifest| manifest.pin(subject).is_none());
            let removed = match witness.changes.get(subject) {
                Some(None) => true,
                Some(Some(_)) => absent,
                None => false,
            };
            let allowed = if removed {
                rights.remove(number).unwrap_or(Ok(()))
            } else if absent && witness.changes.contains_key(&own) {
                witness.signed.may_change_roster(&own)
            } else {
                continue;
            };
            match allowed {
                Ok(()) => return Ok(()),
                Err(why) => refused = Some(not_allowed(*number, Condition::Removals, why)),
            }
        }
        Err(refused.unwrap_or_else(|| Refusal::Omitted { subject: subject.clone() }))
    }

    /// The statements that the agent has not seen yet: older ones excuse nothing.
    fn after(
        &self,
        before: &VerifiedBundle,
    ) -> impl Iterator<Item = (&RevisionNumber, &Witness<'w>)> {
        self.by_number.range(before.generation.next()..)
    }

    /// Whether the statements that change `subject` may take away or replace a document that was held,
    /// as each of them found it. Where one replaced it with bytes that are shown, the next one needs
    /// the right to those; where it is seen to have left this cluster, whatever comes is new to it.
    fn rights(
        &self,
        reference: &DocumentRef,
        subject: &Subject,
        before: &VerifiedBundle,
    ) -> BTreeMap<RevisionNumber, Result<(), NotAllowed>> {
        let document = Subject::Document(reference.clone());
        let own = Subject::Cluster(self.cluster);
        let replaced = before.document(reference);
        let mut now = replaced.map(Cow::Borrowed);
        let mut rights = BTreeMap::new();
        for (number, witness) in self.after(before) {
            let after = witness.changes.get(&document);
            let shown = witness.manifest.as_ref();
            let left = witness.changes.get(&own) == Some(&None)
                || shown.is_some_and(|manifest| manifest.pin(&document).is_none());
            if after.is_none() && !witness.changes.contains_key(subject) {
                let relabelled = left && witness.changes.contains_key(&own);
                if relabelled && witness.signed.may_change_roster(&own).is_ok() {
                    now = None;
                }
                continue;
            }
            let right = now.as_ref().map_or(Ok(()), |now| witness.signed.may_remove(now));
            match after {
                Some(None) if right.is_ok() => now = None,
                Some(Some(_)) if right.is_ok() && left => now = None,
                Some(Some(digest)) if right.is_ok() => {
                    let next = self.contents.document(*digest, reference).map(Cow::Owned);
                    now = next.or(now).or_else(|| replaced.map(Cow::Borrowed));
                }
                Some(_) | None => {}
            }
            rights.insert(*number, right);
        }
        rights
    }
}

impl Evidence {
    fn prove<'w>(
        &'w self,
        cluster: ClusterId,
        held: &Held<'w>,
        newest: &Statement,
    ) -> Result<(RevisionNumber, Witness<'w>), Refusal> {
        let bad = |number, why: &dyn std::fmt::Display| Refusal::BadEvidence {
            number,
            why: why.to_string(),
        };
        let statement =
            Statement::decode(&self.statement).map_err(|e| bad(RevisionNumber(0), &e))?;
        let number = statement.number;
        let place = (self.inclusion.leaf_index, self.inclusion.tree_size);
        if place != (number.0.wrapping_sub(1), newest.number.0.wrapping_sub(1)) {
            return Err(bad(number, &"it is shown at another place of the history"));
        }
        self.inclusion
            .verify(Statement::leaf_hash(&self.statement), newest.history)
            .map_err(|_| bad(number, &"it is not in the history"))?;
        let signed = Signed::check(held.trust, &statement, &self.statement, &self.signatures)
            .and_then(Signed::known)
            .map_err(|error| bad(number, &error))?;
        let manifest = match &self.shown {
            Some(shown) => Some(under(cluster, &shown.manifest, &shown.inclusion, &statement)?),
            None => None,
        };
        Ok((number, Witness { signed, changes: listed(&statement, &self.changes)?, manifest }))
    }
}

fn listed<'w>(
    statement: &Statement,
    changes: &'w [ProvenChange],
) -> Result<BTreeMap<&'w Subject, Option<Digest>>, Refusal> {
    for change in changes {
        statement.lists(change).map_err(|_| Refusal::Unproven {
            subject: change.subject.clone(),
            number: statement.number,
        })?;
    }
    Ok(changes.iter().map(|change| (&change.subject, change.transition.after)).collect())
}

const fn not_allowed(number: RevisionNumber, condition: Condition, why: NotAllowed) -> Refusal {
    Refusal::NotAllowed { number, condition, why }
}
