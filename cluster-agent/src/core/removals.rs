//! What is to be removed. Only objects that we made, by uid; many at once only after a confirmation.

use std::collections::BTreeMap;

use hanse_domain::bundle::VerifiedBundle;
use hanse_domain::ids::{Generation, RevisionNumber};
use hanse_domain::object::{ObjectKind, ObjectRef};
use hanse_domain::plan::unconfirmed_removals;
use hanse_domain::render::Rendering;
use jiff::{SignedDuration, Timestamp};

use super::ledger::{Ledger, Recorded, RecordedRemoval};
use super::owned::{Owned, Work};

/// Removals that are not done yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Removals {
    pending: BTreeMap<ObjectRef, Removal>,
    /// The newest generation at which some wait for a confirmation: what a person has seen of them.
    waiting_at: Option<Generation>,
}

#[derive(Clone, Debug)]
struct Removal {
    /// Nothing when an apply was under way whose answer did not come, or not yet: then the object is
    /// ours when it shows our field manager.
    uid: Option<String>,
    confirmed: bool,
    /// A binding that has expired goes, whatever waits beside it.
    expires_at: Option<Timestamp>,
    stage: Stage,
    attempts: u32,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Wanted,
    InFlight,
    Later { at: Timestamp, why: String },
}

impl Removals {
    /// Takes up again what the ledger says was not done.
    pub(super) fn restore(&mut self, ledger: &Ledger) {
        self.waiting_at = (ledger.waiting_at > 0).then_some(RevisionNumber(ledger.waiting_at));
        for record in &ledger.removals {
            if let Some(reference) = record.object.reference() {
                let removal = Removal {
                    uid: Some(record.object.uid.clone()).filter(|uid| !uid.is_empty()),
                    confirmed: record.confirmed,
                    expires_at: record.expires_at,
                    stage: Stage::Wanted,
                    attempts: 0,
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
    /// may hold what is not ours.
    pub(super) fn plan(
        &mut self,
        objects: &BTreeMap<ObjectRef, Owned>,
        rendering: &Rendering,
        bundle: &VerifiedBundle,
        now: Timestamp,
    ) {
        for (reference, owned) in objects {
            let made = owned.uid.is_some() || owned.work == Work::InFlight;
            if rendering.objects.contains_key(reference)
                || rendering.unrendered.contains(&owned.rendered.source)
                || reference.kind == ObjectKind::Namespace
                || !made
            {
                continue;
            }
            self.pending.entry(reference.clone()).or_insert_with(|| Removal {
                // What is under way may end with another uid, which the watch tells; of Secrets nobody
                // tells, and most of what is under way there is only a look.
                uid: owned
                    .uid
                    .clone()
                    .filter(|_| owned.work != Work::InFlight || !reference.kind.is_watched()),
                confirmed: false,
                expires_at: owned.rendered.expires_at,
                stage: Stage::Wanted,
                attempts: 0,
            });
        }
        self.expire(now);
        self.decide(objects.len(), bundle);
    }

    /// Confirms what has expired.
    pub(super) fn expire(&mut self, now: Timestamp) {
        for removal in self.pending.values_mut() {
            removal.confirmed |= removal.expires_at.is_some_and(|at| at <= now);
        }
    }

    /// A confirmation counts when it names the generation that a person saw and exactly the number
    /// that waits.
    fn decide(&mut self, objects: usize, bundle: &VerifiedBundle) {
        let unconfirmed = self.pending.values().filter(|removal| !removal.confirmed).count();
        let confirmed = bundle.entry.confirmed_removals.is_some_and(|confirmed| {
            Some(confirmed.generation) == self.waiting_at && confirmed.count as usize == unconfirmed
        });
        if unconfirmed > unconfirmed_removals(objects) && !confirmed {
            self.waiting_at = Some(bundle.generation);
            return;
        }
        self.waiting_at = None;
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
            self.waiting_at = None;
        }
        done
    }

    /// It did not work: again after 2 s, doubling, to 5 minutes.
    pub(super) fn later(&mut self, reference: &ObjectRef, why: String, now: Timestamp) {
        if let Some(removal) = self.pending.get_mut(reference) {
            let delay_s = (1_i64 << removal.attempts.min(9)).saturating_mul(2).min(300);
            removal.attempts = removal.attempts.saturating_add(1);
            removal.stage = Stage::Later { at: now + SignedDuration::from_secs(delay_s), why };
        }
    }

    /// Tries again what is due, and lets go what has expired.
    pub(super) fn retry(&mut self, now: Timestamp) {
        self.expire(now);
        for removal in self.pending.values_mut() {
            if matches!(removal.stage, Stage::Later { at, .. } if at <= now) {
                removal.stage = Stage::Wanted;
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let due = |removal: &Removal| match &removal.stage {
            Stage::Later { at, .. } => Some(*at),
            Stage::Wanted | Stage::InFlight => removal.expires_at.filter(|_| !removal.confirmed),
        };
        self.pending.values().filter_map(due).min()
    }

    /// What could not be removed, and why.
    pub(super) fn problems(&self) -> impl Iterator<Item = (&ObjectRef, &str)> {
        self.pending.iter().filter_map(|(reference, removal)| match &removal.stage {
            Stage::Later { why, .. } => Some((reference, why.as_str())),
            Stage::Wanted | Stage::InFlight => None,
        })
    }

    /// What waits for a confirmation, by name, cut after some.
    pub(super) fn waiting_names(&self) -> String {
        const NAMED: usize = 30;
        let waiting = || self.pending.iter().filter(|(_, removal)| !removal.confirmed);
        let names: Vec<String> = waiting().take(NAMED).map(|(r, _)| r.to_string()).collect();
        let more = waiting().count().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("waiting to be removed: {}{more}", names.join(", "))
    }

    /// How many wait for a confirmation.
    pub(super) fn waiting(&self) -> u32 {
        let waiting = self.pending.values().filter(|removal| !removal.confirmed).count();
        u32::try_from(waiting).unwrap_or(u32::MAX)
    }

    /// Whether some are under way, or will be right away.
    pub(super) fn is_busy(&self) -> bool {
        self.pending.values().any(|removal| {
            let failing = matches!(removal.stage, Stage::Later { .. });
            removal.confirmed && removal.uid.is_some() && !failing
        })
    }

    /// Whether the uid of an object is still to be learnt.
    pub(super) fn awaits_uid(&self, reference: &ObjectRef) -> bool {
        self.pending.get(reference).is_some_and(|removal| removal.uid.is_none())
    }

    /// Writes them into a ledger.
    pub(super) fn record(&self, ledger: &mut Ledger) {
        let recorded = |(reference, removal): (&ObjectRef, &Removal)| RecordedRemoval {
            object: Recorded::new(reference, removal.uid.as_deref().unwrap_or_default()),
            confirmed: removal.confirmed,
            expires_at: removal.expires_at,
        };
        ledger.removals = self.pending.iter().map(recorded).collect();
        ledger.waiting_at = self.waiting_at.map_or(0, |generation| generation.0);
    }
}
