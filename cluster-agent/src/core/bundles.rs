//! Bundles: from an offer to what should be there.

use std::collections::BTreeMap;
use std::sync::Arc;

use hanse_domain::bundle::{self, Condition, Held, Offer, Refusal, VerifiedBundle};
use hanse_domain::ids::Digest;
use hanse_domain::object::{MANAGED_LABEL, ObjectKind, ObjectRef};
use hanse_domain::trust::authority::Untrusted;
use hanse_domain::trust::walk::RootStep;
use jiff::{SignedDuration, Timestamp};

use super::io::{Effect, Failure, Notice};
use super::ledger::Ledger;
use super::owned::Owned;
use super::secrets::rendering_of;
use super::{Core, Writing};

/// How long to wait before the ledger is written again after a failure; it doubles, to a minute.
const LEDGER_RETRY_MS: i64 = 250;

impl Core {
    /// The hub sent a bundle. Only the newest one counts.
    pub(super) fn offered(&mut self, offer: Offer, now: Timestamp) {
        if !self.is_started() || self.writing.is_some() {
            self.waiting_offer = Some(offer);
            return;
        }
        let contents = self.contents();
        let Some(trust) = &self.trust.chain else {
            tracing::warn!("the hub sent a bundle and no trust root; nothing is accepted without");
            return;
        };
        let held = Held {
            trust,
            head: self.trust.head,
            bundle: self.bundle.as_ref(),
            contents: Some(&contents),
        };
        let verified = if offer.generation < self.floor {
            Err(Refusal::Older { offered: offer.generation, accepted: self.floor })
        } else {
            bundle::verify(self.cluster, &held, &offer)
        };
        match verified {
            Ok(None) => self.refused = None,
            // The certificate's id is the hub's to give; the name is not.
            Ok(Some(bundle)) if bundle.entry.name != self.name => {
                let theirs = &bundle.entry.name;
                let why = format!(
                    "generation {}: it is of cluster {theirs}, and this is {}",
                    offer.generation, self.name
                );
                self.refuse(Condition::Manifest, why);
            }
            Ok(Some(bundle)) => {
                self.refused = None;
                self.refused_before = None;
                self.asked_for_all = None;
                self.accept(bundle, now);
            }
            // The hub sent only what it thought was missing, or proofs from where it thought that we
            // are: ask for all of it.
            Err(
                Refusal::Missing(_)
                | Refusal::OtherHistory { .. }
                | Refusal::Unproven { .. }
                | Refusal::Untrusted(Untrusted::OtherRoot { .. }),
            ) if self.asked_for_all != Some(offer.generation) => {
                self.asked_for_all = Some(offer.generation);
                self.hello(None);
            }
            Err(refusal) => {
                let why = format!("generation {}: {refusal}", offer.generation);
                self.refuse(refusal.condition(), why);
            }
        }
    }

    fn refuse(&mut self, condition: Condition, why: String) {
        let refused = Some((condition, why.clone()));
        if self.refused != refused {
            self.effects.push(Effect::Notice(Notice::BundleRefused(condition, why)));
        }
        self.refused = refused;
    }

    /// The hub sent trust roots. What they let sign counts from now on, and is remembered with the
    /// next write of the ledger at the latest.
    pub(super) fn trust_roots(&mut self, first: &[u8], steps: &[RootStep]) {
        match self.trust.walk(first, steps) {
            Ok(false) => {}
            Ok(true) => {
                self.ledger_changed = true;
                let version = self.trust.version();
                if version > 1 {
                    self.effects.push(Effect::Notice(Notice::TrustRootChanged(version)));
                }
            }
            Err(refusal) => {
                self.ledger_changed = true;
                self.refuse(Condition::Statement, format!("a trust root: {refusal}"));
            }
        }
    }

    /// Everything that is held, by its digest.
    fn contents(&self) -> BTreeMap<Digest, Arc<[u8]>> {
        let Some(bundle) = &self.bundle else {
            return BTreeMap::new();
        };
        let entry: Arc<[u8]> = bundle.entry.encode().into();
        std::iter::once((bundle.manifest.entry.digest, entry))
            .chain(bundle.documents.iter().map(|(d, _)| (d.digest, Arc::clone(&d.bytes))))
            .chain(bundle.wraps.values().map(|wrap| (wrap.digest(), wrap.encode().into())))
            .collect()
    }

    /// Persists a bundle; it takes effect when it is written. The removals that it makes are written
    /// with it, so that none is forgotten in a crash.
    fn accept(&mut self, bundle: VerifiedBundle, now: Timestamp) {
        let rendering = rendering_of(&bundle, now);
        let mut removals = self.removals.clone();
        removals.reclaim(&rendering);
        removals.plan(&self.objects, &rendering, &bundle, now);
        let mut ledger = Ledger::of(&bundle);
        ledger.objects = self
            .objects
            .iter()
            .filter(|(reference, owned)| {
                rendering.objects.contains_key(*reference)
                    || rendering.unrendered.contains(&owned.rendered.source)
            })
            .filter_map(|(_, owned)| owned.record())
            .collect();
        removals.record(&mut ledger);
        // It was shown to be the history: whatever comes next must extend it.
        self.trust.head = bundle.head;
        self.trust.record(&mut ledger);
        self.effects.push(Effect::WriteLedger(ledger.clone()));
        self.writing = Some(Writing::Bundle(Box::new(bundle), ledger));
    }

    pub(super) fn ledger_written(&mut self, result: Result<(), Failure>, now: Timestamp) {
        if let Err(failure) = result {
            let (Failure::Refused(why) | Failure::Unavailable(why) | Failure::Conflict(why)) =
                failure;
            tracing::warn!(why, "the ledger could not be written; trying again");
            let failures = self.ledger_failures.0.saturating_add(1);
            let delay_ms = LEDGER_RETRY_MS.saturating_mul(1 << failures.min(8)).min(60_000);
            self.ledger_failures = (failures, why);
            self.ledger_retry = Some(now + SignedDuration::from_millis(delay_ms));
            return;
        }
        self.ledger_failures = (0, String::new());
        match self.writing.take() {
            Some(Writing::Bundle(bundle, ledger)) => {
                self.ledger = ledger;
                self.floor = bundle.generation;
                self.untold = true;
                self.bundle = Some(*bundle);
                self.render(now);
            }
            Some(Writing::Record(ledger)) => self.ledger = ledger,
            None => {}
        }
        if let Some(offer) = self.waiting_offer.take() {
            self.offered(offer, now);
        }
    }

    /// Begins the write anew, with what is known by now: a newer offer takes the place of the bundle
    /// that could not be written.
    pub(super) fn write_again(&mut self, now: Timestamp) {
        match (self.writing.take(), self.waiting_offer.take()) {
            (Some(Writing::Bundle(..)), Some(newer)) => self.offered(newer, now),
            (Some(Writing::Bundle(bundle, _)), None) => self.accept(*bundle, now),
            (Some(Writing::Record(_)) | None, offer) => {
                self.ledger_changed = true;
                if let Some(offer) = offer {
                    self.offered(offer, now);
                }
            }
        }
    }

    /// Writes what became of the objects, once nothing is under way.
    pub(super) fn write_record(&mut self) {
        if !self.ledger_changed || self.writing.is_some() || self.is_applying() {
            return;
        }
        self.ledger_changed = false;
        let mut ledger = self.ledger.clone();
        ledger.objects = self.objects.values().filter_map(Owned::record).collect();
        self.removals.record(&mut ledger);
        self.trust.record(&mut ledger);
        if ledger != self.ledger {
            self.effects.push(Effect::WriteLedger(ledger.clone()));
            self.writing = Some(Writing::Record(ledger));
        }
    }

    /// Renders the accepted bundle as of now, and makes that what should be there.
    pub(super) fn render(&mut self, now: Timestamp) {
        let Some(bundle) = &self.bundle else { return };
        let rendering = rendering_of(bundle, now);
        let reclaimed = self.removals.reclaim(&rendering);
        self.removals.plan(&self.objects, &rendering, bundle, now);
        self.next_expiry = rendering.next_expiry;
        self.rendering_problems =
            rendering.problems.iter().map(|(document, why)| format!("{document}: {why}")).collect();
        let waiting = self.removals.waiting();
        if waiting > 0 {
            self.effects.push(Effect::Notice(Notice::RemovalsWaiting(waiting)));
        }
        self.declare(rendering, &reclaimed, now);
    }

    /// Tries a bundle that is only proposed: what it would change, in this cluster's own words.
    pub(super) fn dry_run(&mut self, id: u64, offer: &Offer, now: Timestamp) {
        let contents = self.contents();
        let inspected = match &self.trust.chain {
            Some(trust) => {
                let held = Held {
                    trust,
                    head: self.trust.head,
                    bundle: self.bundle.as_ref(),
                    contents: Some(&contents),
                };
                bundle::inspect(self.cluster, &held, offer).map_err(|refusal| refusal.to_string())
            }
            None => Err("the agent has no trust root yet".to_owned()),
        };
        let bundle = match inspected {
            Ok(bundle) => bundle,
            Err(why) => {
                self.effects.push(Effect::DryRun { id, objects: Err(why), problems: Vec::new() });
                return;
            }
        };
        let (mut objects, mut problems) = (Vec::new(), Vec::new());
        for (reference, rendered) in rendering_of(&bundle, now).objects {
            // What cannot be opened without its key cannot be tried either.
            if reference.kind == ObjectKind::Secret {
                continue;
            }
            let known = self.objects.get(&reference);
            if known.is_some_and(|owned| owned.rendered.object == rendered.object) {
                continue;
            }
            let made = known.is_some_and(|owned| owned.uid.is_some());
            if !made && self.foreign.get(&reference) == Some(&false) {
                problems.push((reference.clone(), not_ours(&reference)));
            } else {
                objects.push(rendered.object);
            }
        }
        self.effects.push(Effect::DryRun { id, objects: Ok(objects), problems });
    }
}

/// Why an object that was there before is left alone, and how to hand it over.
pub fn not_ours(reference: &ObjectRef) -> String {
    let namespace = reference.namespace.as_ref().map(|ns| format!("-n {ns} ")).unwrap_or_default();
    format!(
        "it was there before and is not the federation's; to hand it over: \
         kubectl {namespace}label {} {} {MANAGED_LABEL}=true",
        reference.kind.name().to_lowercase(),
        reference.name
    )
}
