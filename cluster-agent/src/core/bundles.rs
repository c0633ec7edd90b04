//! Bundles: from an offer to what should be there.

use std::collections::BTreeMap;
use std::sync::Arc;

use hanse_domain::bundle::{self, Held, Offer, Refusal, VerifiedBundle};
use hanse_domain::ids::Digest;
use hanse_domain::object::{MANAGED_LABEL, ObjectRef};
use hanse_domain::render::{Rendering, render};
use jiff::{SignedDuration, Timestamp};

use super::io::{Effect, Failure, Notice, Report};
use super::ledger::Ledger;
use super::owned::Owned;
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
        let held = Held {
            accepted: self.bundle.as_ref().map(|bundle| (bundle.generation, bundle.digest)),
            fleet: Some(self.fleet),
            contents: Some(&contents),
        };
        let verified = if offer.generation < self.floor {
            Err(Refusal::Older { offered: offer.generation, accepted: self.floor })
        } else {
            bundle::verify(self.cluster, &held, &offer)
        };
        match verified {
            Ok(None) => self.refused = None,
            Ok(Some(bundle)) => {
                self.refused = None;
                self.asked_for_all = false;
                self.accept(bundle, now);
            }
            // The hub sent only what it thought was missing: ask for all of it.
            Err(Refusal::Missing(_)) if !self.asked_for_all => {
                self.asked_for_all = true;
                let drift_digest = self.drifts.digest();
                self.effects.push(Effect::Send(Report::Hello { held: None, drift_digest }));
            }
            Err(refusal) => {
                let why = format!("generation {}: {refusal}", offer.generation);
                if self.refused.as_ref() != Some(&why) {
                    self.effects.push(Effect::Notice(Notice::BundleRefused(why.clone())));
                }
                self.refused = Some(why);
            }
        }
    }

    fn contents(&self) -> BTreeMap<Digest, Arc<[u8]>> {
        let Some(bundle) = &self.bundle else {
            return BTreeMap::new();
        };
        let entry: Arc<[u8]> = bundle.entry.encode().into();
        std::iter::once((bundle.manifest.entry.digest, entry))
            .chain(bundle.documents.iter().map(|(d, _)| (d.digest, Arc::clone(&d.bytes))))
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
        let held = Held { accepted: None, fleet: Some(self.fleet), contents: Some(&contents) };
        let bundle = match bundle::verify(self.cluster, &held, offer) {
            Ok(Some(bundle)) => bundle,
            // Without a generation to compare with, nothing is what is held already.
            Ok(None) => return,
            Err(refusal) => {
                let objects = Err(refusal.to_string());
                self.effects.push(Effect::DryRun { id, objects, problems: Vec::new() });
                return;
            }
        };
        let (mut objects, mut problems) = (Vec::new(), Vec::new());
        for (reference, rendered) in rendering_of(&bundle, now).objects {
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

fn rendering_of(bundle: &VerifiedBundle, now: Timestamp) -> Rendering {
    let documents = bundle.documents.iter().map(|(document, number)| (&**document, *number));
    render(documents, &bundle.entry.labels, now)
}
