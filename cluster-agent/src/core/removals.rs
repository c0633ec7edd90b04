//! What is to be removed. Only objects that we made, by uid; many at once only after a confirmation.

use std::collections::BTreeMap;

use hanse_domain::bundle::VerifiedBundle;
use hanse_domain::ids::{Generation, RevisionNumber};
use hanse_domain::kinds::Spec;
use hanse_domain::object::{ObjectKind, ObjectRef};
use hanse_domain::plan::unconfirmed_removals;
use hanse_domain::render::Rendering;
use jiff::{SignedDuration, Timestamp};

use super::ledger::{Ledger, Recorded};
use super::owned::{Owned, Work};

const RETRY: SignedDuration = SignedDuration::from_secs(2);

/// Removals that are not done yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Removals {
    pending: BTreeMap<ObjectRef, Removal>,
    /// The generation at which some began to wait for a confirmation.
    waiting_since: Option<Generation>,
}

#[derive(Clone, Debug)]
struct Removal {
    /// Nothing when an apply was under way whose answer did not come, or not yet: then the object is
    /// ours when it shows our field manager.
    uid: Option<String>,
    confirmed: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Wanted,
    InFlight,
    Later(Timestamp),
}

impl Removals {
    /// Takes up again what the ledger says was not done.
    pub(super) fn restore(&mut self, ledger: &Ledger) {
        self.waiting_since =
            (ledger.waiting_since > 0).then_some(RevisionNumber(ledger.waiting_since));
        for record in &ledger.removals {
            if let Some(reference) = record.reference() {
                let removal = Removal {
                    uid: Some(record.uid.clone()).filter(|uid| !uid.is_empty()),
                    confirmed: self.waiting_since.is_none(),
                    stage: Stage::Wanted,
                };
                self.pending.insert(reference, removal);
            }
        }
    }

    /// Takes back what is declared again and was not removed yet; gives the uids.
    pub(super) fn reclaim(&mut self, rendering: &Rendering) -> BTreeMap<ObjectRef, String> {
        let declared = |reference: &ObjectRef, removal: &mut Removal| {
            removal.stage != Stage::InFlight && rendering.objects.contains_key(reference)
        };
        let taken = self.pending.extract_if(.., declared);
        taken.filter_map(|(reference, removal)| Some((reference, removal.uid?))).collect()
    }

    /// Compares what was made with what shall be, and decides what goes. Namespaces never go: they
    /// may hold what is not ours. A binding that expired goes unasked.
    pub(super) fn plan(
        &mut self,
        objects: &BTreeMap<ObjectRef, Owned>,
        rendering: &Rendering,
        bundle: &VerifiedBundle,
        now: Timestamp,
    ) {
        let expired = |owned: &Owned| {
            bundle.documents.iter().any(|(document, _)| {
                document.reference == owned.rendered.source
                    && matches!(
                        document.placed(&bundle.entry.labels).map(|placed| placed.spec),
                        Ok(Spec::RoleBinding(spec)) if spec.expires_at.is_some_and(|at| at <= now)
                    )
            })
        };
        for (reference, owned) in objects {
            let made = owned.uid.is_some() || owned.work == Work::InFlight;
            if rendering.objects.contains_key(reference)
                || reference.kind == ObjectKind::Namespace
                || !made
            {
                continue;
            }
            self.pending.entry(reference.clone()).or_insert_with(|| Removal {
                uid: owned.uid.clone().filter(|_| owned.work != Work::InFlight),
                confirmed: expired(owned),
                stage: Stage::Wanted,
            });
        }
        self.decide(objects.len(), bundle);
    }

    fn decide(&mut self, objects: usize, bundle: &VerifiedBundle) {
        let unconfirmed = self.pending.values().filter(|removal| !removal.confirmed).count();
        let confirmed_by_entry = bundle.entry.confirmed_removals.is_some_and(|confirmed| {
            self.waiting_since.is_some_and(|since| confirmed.generation >= since)
                && confirmed.count as usize == unconfirmed
        });
        if unconfirmed > unconfirmed_removals(objects) && !confirmed_by_entry {
            self.waiting_since = self.waiting_since.or(Some(bundle.generation));
            return;
        }
        self.waiting_since = None;
        for removal in self.pending.values_mut() {
            removal.confirmed = true;
        }
    }

    /// What can go now.
    pub(super) fn next(&mut self) -> Option<(ObjectRef, String)> {
        let (reference, removal) = self.pending.iter_mut().find(|(_, removal)| {
            removal.confirmed && removal.stage == Stage::Wanted && removal.uid.is_some()
        })?;
        removal.stage = Stage::InFlight;
        Some((reference.clone(), removal.uid.clone()?))
    }

    /// Whether an object is among them.
    pub(super) fn contains(&self, reference: &ObjectRef) -> bool {
        self.pending.contains_key(reference)
    }

    /// Whether the removal of an object is under way.
    pub(super) fn is_in_flight(&self, reference: &ObjectRef) -> bool {
        self.pending.get(reference).is_some_and(|removal| removal.stage == Stage::InFlight)
    }

    /// The object is there after all, made by an apply that ended late.
    pub(super) fn made(&mut self, reference: &ObjectRef, uid: &str) {
        if let Some(removal) = self.pending.get_mut(reference) {
            removal.uid = Some(uid.to_owned());
        }
    }

    /// The object is not there.
    pub(super) fn done(&mut self, reference: &ObjectRef) -> bool {
        let done = self.pending.remove(reference).is_some();
        if self.pending.values().all(|removal| removal.confirmed) {
            self.waiting_since = None;
        }
        done
    }

    /// It did not work.
    pub(super) fn later(&mut self, reference: &ObjectRef, now: Timestamp) {
        if let Some(removal) = self.pending.get_mut(reference) {
            removal.stage = Stage::Later(now + RETRY);
        }
    }

    /// Tries again what is due.
    pub(super) fn retry(&mut self, now: Timestamp) {
        for removal in self.pending.values_mut() {
            if matches!(removal.stage, Stage::Later(at) if at <= now) {
                removal.stage = Stage::Wanted;
            }
        }
    }

    /// When the next one is due.
    pub(super) fn next_retry(&self) -> Option<Timestamp> {
        let at = |removal: &Removal| match removal.stage {
            Stage::Later(at) => Some(at),
            Stage::Wanted | Stage::InFlight => None,
        };
        self.pending.values().filter_map(at).min()
    }

    /// How many wait for a confirmation.
    pub(super) fn waiting(&self) -> u32 {
        let waiting = self.pending.values().filter(|removal| !removal.confirmed).count();
        u32::try_from(waiting).unwrap_or(u32::MAX)
    }

    /// Whether some are confirmed and not done.
    pub(super) fn is_busy(&self) -> bool {
        self.pending.values().any(|removal| removal.confirmed && removal.uid.is_some())
    }

    /// Whether the uid of an object is still to be learnt.
    pub(super) fn awaits_uid(&self, reference: &ObjectRef) -> bool {
        self.pending.get(reference).is_some_and(|removal| removal.uid.is_none())
    }

    /// Writes them into a ledger.
    pub(super) fn record(&self, ledger: &mut Ledger) {
        ledger.removals = self
            .pending
            .iter()
            .map(|(reference, removal)| {
                Recorded::new(reference, removal.uid.as_deref().unwrap_or_default())
            })
            .collect();
        ledger.waiting_since = self.waiting_since.map_or(0, |generation| generation.0);
    }
}
