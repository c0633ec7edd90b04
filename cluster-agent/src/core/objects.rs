//! Objects: what was seen against what should be there, and what is done about it.

use std::collections::{BTreeMap, BTreeSet};

use hanse_domain::bundle::VerifiedBundle;
use hanse_domain::document::DriftPolicy;
use hanse_domain::drift::{self, DriftClass, Finding};
use hanse_domain::object::{MANAGED_LABEL, ObjectKind, ObjectRef};
use hanse_domain::render::{Rendering, render};
use jiff::Timestamp;
use serde_json::Value;

use super::Core;
use super::bundles::not_ours;
use super::drifts::Sight;
use super::io::{DriftRecord, DriftState, Effect, Failure, Live, Notice, Written};
use super::owned::{Meanwhile, Owned, Verdict, Work, turn};
use super::secrets::rendering_of;

impl Core {
    /// Everything of one kind. Whatever is not in it is not there.
    pub(super) fn listed(&mut self, kind: ObjectKind, objects: Vec<Live>, now: Timestamp) {
        let starting = !self.is_started();
        let there: BTreeSet<ObjectRef> =
            objects.iter().map(|live| live.reference.clone()).collect();
        if self.listed.is_empty() {
            self.restore(now);
        }
        let known = self.objects.keys().chain(self.foreign.keys());
        let gone: BTreeSet<ObjectRef> =
            known.filter(|r| r.kind == kind && !there.contains(*r)).cloned().collect();
        // A list is the truth, whatever versions were seen before.
        for (reference, owned) in &mut self.objects {
            if reference.kind == kind {
                owned.version = None;
            }
        }
        for live in objects {
            self.seen(live, now);
        }
        for reference in gone {
            self.gone(&reference, now);
        }
        self.removals_not_in(kind, &there);
        self.listed.insert(kind);
        if starting && self.is_started() {
            self.render(now);
            if let Some(offer) = self.waiting_offer.take() {
                self.offered(offer, now);
            }
        }
    }

    /// Takes up what the ledger remembers, before the first look at the cluster.
    fn restore(&mut self, now: Timestamp) {
        self.removals.restore(&self.ledger);
        let Some(bundle) = &self.bundle else { return };
        let mut rendering = rendering_of(bundle, now);
        // What expired while the agent was away is still ours to remove.
        let ever = whole(bundle);
        for record in &self.ledger.objects {
            let Some(reference) = record.reference() else {
                continue;
            };
            let rendered = rendering.objects.remove(&reference);
            if let Some(rendered) = rendered.or_else(|| ever.objects.get(&reference).cloned()) {
                self.objects.insert(reference, Owned::recorded(rendered, record));
            }
        }
        let unrecorded =
            rendering.objects.into_iter().map(|(r, rendered)| (r, Owned::new(rendered)));
        self.objects.extend(unrecorded);
    }

    fn removals_not_in(&mut self, kind: ObjectKind, there: &BTreeSet<ObjectRef>) {
        let done: Vec<ObjectRef> = self
            .ledger
            .removals
            .iter()
            .filter_map(|removal| removal.object.reference())
            .filter(|r| r.kind == kind && !there.contains(r) && self.removals.contains(r))
            .collect();
        for reference in done {
            self.removals.done(&reference);
            self.ledger_changed = true;
        }
    }

    /// Makes a rendering what should be there.
    pub(super) fn declare(
        &mut self,
        rendering: Rendering,
        reclaimed: &BTreeMap<ObjectRef, String>,
        now: Timestamp,
    ) {
        let gone: Vec<ObjectRef> = self
            .objects
            .iter()
            .filter(|(reference, owned)| {
                !rendering.objects.contains_key(*reference)
                    && !rendering.unrendered.contains(&owned.rendered.source)
            })
            .map(|(reference, _)| reference.clone())
            .collect();
        for reference in gone {
            self.objects.remove(&reference);
            self.drifts.resolve(&reference, DriftState::Cleared(now));
            self.ledger_changed = true;
            // A namespace that is not declared any more stays, and is nobody's business from here on.
            if reference.kind == ObjectKind::Namespace {
                self.foreign.insert(reference, true);
            }
        }
        for (reference, rendered) in rendering.objects {
            if let Some(owned) = self.objects.get_mut(&reference) {
                owned.declare(rendered);
            } else {
                let mut owned = Owned::new(rendered);
                owned.uid = reclaimed.get(&reference).cloned();
                self.objects.insert(reference, owned);
            }
        }
    }

    /// An object came or changed.
    pub(super) fn seen(&mut self, live: Live, now: Timestamp) {
        let reference = live.reference.clone();
        let starting = !self.is_started();
        let Some(owned) = self.objects.get_mut(&reference) else {
            return self.seen_foreign(&live, now);
        };
        // Made before a crash that came before the ledger was written.
        if starting && owned.uid.as_ref() != Some(&live.uid) && is_made_by_us(&live) {
            owned.uid = Some(live.uid.clone());
            self.ledger_changed = true;
        }
        if owned.uid.is_none() && owned.work != Work::InFlight {
            // Declared, and there is one that we did not make.
            self.note_foreign(&live);
            return self.retry_refused(|r| *r == reference);
        }
        if owned.work == Work::InFlight {
            owned.meanwhile = Some(Meanwhile::Seen(live));
            return;
        }
        if self.removals.is_in_flight(&reference) || owned.is_overtaken(&live) {
            return;
        }
        match owned.judge(&live) {
            Verdict::Outdated => {}
            Verdict::Clean => {
                if matches!(owned.work, Work::Later { refused: false, .. } | Work::Wanted) {
                    owned.work = Work::Idle;
                }
                if self.drifts.resolve(&reference, DriftState::Cleared(now)).is_some() {
                    self.ledger_changed = true;
                }
            }
            Verdict::Drifted(finding) => {
                self.drifted(&reference, Some(&live.resource_version), finding, now);
            }
        }
        self.namespace_is_there(&reference);
    }

    /// What was refused for want of its namespace is tried again.
    fn namespace_is_there(&mut self, reference: &ObjectRef) {
        if reference.kind == ObjectKind::Namespace {
            self.retry_refused(|r| r.namespace.as_deref() == Some(&reference.name));
        }
    }

    /// An object went.
    pub(super) fn gone(&mut self, reference: &ObjectRef, now: Timestamp) {
        if self.removals.contains(reference) {
            self.removals.done(reference);
            self.ledger_changed = true;
        }
        if self.foreign.remove(reference).is_some() {
            self.drifts.resolve(reference, DriftState::Cleared(now));
            self.retry_refused(|r| r == reference);
        }
        let Some(owned) = self.objects.get_mut(reference) else {
            return;
        };
        if owned.work == Work::InFlight {
            owned.meanwhile = Some(Meanwhile::Gone);
            return;
        }
        owned.version = None;
        if owned.uid.is_some() && owned.applied {
            self.drifted(reference, None, Finding::missing(), now);
        }
    }

    /// An object of ours is not as it should be: report it, and put it right if that is wanted.
    pub(super) fn drifted(
        &mut self,
        reference: &ObjectRef,
        version: Option<&str>,
        finding: Finding,
        now: Timestamp,
    ) {
        let Some(owned) = self.objects.get_mut(reference) else {
            return;
        };
        let mut message = String::new();
        let can_correct = finding.class == DriftClass::Missing || !finding.fields.is_empty();
        if owned.rendered.drift == DriftPolicy::Report {
            "its document says `drift: Report`".clone_into(&mut message);
        } else if !can_correct {
            "the values are as declared; another field manager applies them too"
                .clone_into(&mut message);
        } else if let Work::Later { why, .. } = &owned.work {
            message.clone_from(why);
        } else if owned.work == Work::Idle {
            match owned.spend(now) {
                Ok(()) => owned.work = Work::Wanted,
                Err(at) => {
                    "another writer keeps changing it".clone_into(&mut message);
                    owned.work = Work::Later { at, refused: false, why: message.clone() };
                }
            }
        }
        let (class, manager) = (finding.class, finding.manager.clone());
        let source = owned.rendered.source.clone();
        let sight = Sight { object: reference, version, source: Some(&source), finding, message };
        if self.drifts.open(self.cluster, sight, now) {
            self.effects.push(Effect::Notice(Notice::DriftSeen(reference.clone(), class, manager)));
        }
    }

    fn seen_foreign(&mut self, live: &Live, now: Timestamp) {
        self.note_foreign(live);
        self.namespace_is_there(&live.reference);
        if self.removals.contains(&live.reference) {
            if self.removals.awaits_uid(&live.reference) && is_made_by_us(live) {
                self.removals.made(&live.reference, &live.uid);
                self.ledger_changed = true;
            }
            return;
        }
        match drift::unmanaged(&live.reference, &live.body) {
            Some(finding) => {
                let (object, manager) = (&live.reference, finding.manager.clone());
                let version = Some(live.resource_version.as_str());
                let sight =
                    Sight { object, version, source: None, finding, message: String::new() };
                if self.drifts.open(self.cluster, sight, now) {
                    let notice = Notice::DriftSeen(object.clone(), DriftClass::Unmanaged, manager);
                    self.effects.push(Effect::Notice(notice));
                }
            }
            None => {
                self.drifts.resolve(&live.reference, DriftState::Cleared(now));
            }
        }
    }

    fn note_foreign(&mut self, live: &Live) {
        self.foreign.insert(live.reference.clone(), is_marked(live));
    }

    fn retry_refused(&mut self, which: impl Fn(&ObjectRef) -> bool) {
        for (reference, owned) in &mut self.objects {
            if which(reference) && matches!(owned.work, Work::Later { refused: true, .. }) {
                owned.work = Work::Wanted;
            }
        }
    }

    /// Sends out what is due, turn by turn: namespaces, then what they need, then bindings.
    pub(super) fn issue(&mut self, now: Timestamp) {
        let mut secrets = Vec::new();
        let busy = |owned: &Owned| matches!(owned.work, Work::Wanted | Work::InFlight);
        let turns = self.objects.iter().filter(|(_, owned)| busy(owned)).map(|(r, _)| turn(r.kind));
        if let Some(current) = turns.min() {
            for (reference, owned) in &mut self.objects {
                if owned.work != Work::Wanted
                    || turn(reference.kind) != current
                    || self.removals.is_in_flight(reference)
                {
                    continue;
                }
                if owned.uid.is_none() && self.foreign.get(reference) == Some(&false) {
                    let why = not_ours(reference);
                    let notice = Notice::ObjectRefused(reference.clone(), why.clone());
                    self.effects.push(Effect::Notice(notice));
                    owned.retry(now, true, why);
                    continue;
                }
                owned.send();
                let (object, first) = (owned.rendered.object.clone(), owned.uid.is_none());
                if reference.kind == ObjectKind::Secret {
                    let record = owned.uid.clone().map(|uid| Written {
                        uid,
                        resource_version: owned.version.map_or_else(String::new, |v| v.to_string()),
                    });
                    secrets.push((object, owned.rendered.source.clone(), record));
                } else {
                    self.effects.push(Effect::Apply { object, first });
                }
            }
        }
        for (object, source, record) in secrets {
            // What is rendered can be opened.
            if let Some(sealed) = self.sealed(&source) {
                self.effects.push(Effect::WriteSecret { object, sealed, record });
            }
        }
        while let Some((object, uid)) = self.removals.next() {
            self.effects.push(Effect::Remove { object, uid });
        }
    }

    /// Whether applies or removals are under way, or will be right away.
    pub(super) fn is_applying(&self) -> bool {
        self.objects.values().any(|owned| matches!(owned.work, Work::Wanted | Work::InFlight))
            || self.removals.is_busy()
    }

    pub(super) fn applied(
        &mut self,
        reference: &ObjectRef,
        result: Result<Live, Failure>,
        now: Timestamp,
    ) {
        let Some(owned) = self.objects.get_mut(reference) else {
            // Its declaration went while it was being made.
            match result {
                Ok(live) => self.removals.made(reference, &live.uid),
                Err(Failure::Refused(_)) => {
                    self.removals.done(reference);
                }
                // It may have been made all the same; then the watch tells.
                Err(Failure::Unavailable(_) | Failure::Conflict(_)) => {}
            }
            self.ledger_changed = true;
            return;
        };
        let meanwhile = owned.meanwhile.take();
        match result {
            Ok(live) => {
                let before = owned.record();
                owned.settle(&live);
                let changed = owned.record() != before;
                self.ledger_changed |= changed;
                self.foreign.remove(reference);
                self.corrected(reference, now);
                self.namespace_is_there(reference);
                self.judge_meanwhile(reference, meanwhile, now);
            }
            Err(Failure::Refused(why)) => {
                let notice = Notice::ObjectRefused(reference.clone(), why.clone());
                self.effects.push(Effect::Notice(notice));
                owned.retry(now, true, why);
            }
            Err(Failure::Unavailable(why) | Failure::Conflict(why)) => owned.retry(now, false, why),
        }
    }

    fn corrected(&mut self, reference: &ObjectRef, now: Timestamp) {
        // What was unmanaged and is declared now was not corrected: it was taken over.
        let taken_over = |record: &DriftRecord| record.finding.class == DriftClass::Unmanaged;
        if self.drifts.of(reference).is_some_and(taken_over) {
            self.drifts.resolve(reference, DriftState::Cleared(now));
            return;
        }
        if let Some(record) = self.drifts.resolve(reference, DriftState::Corrected(now)) {
            let (class, manager) = (record.finding.class, record.finding.manager.clone());
            let notice = Notice::DriftCorrected(reference.clone(), class, manager);
            self.effects.push(Effect::Notice(notice));
        }
    }

    /// Somebody may have written between our apply and now, or just before it.
    fn judge_meanwhile(
        &mut self,
        reference: &ObjectRef,
        meanwhile: Option<Meanwhile>,
        now: Timestamp,
    ) {
        match meanwhile {
            Some(Meanwhile::Seen(live)) => {
                let newer = self.objects.get(reference).is_some_and(|owned| owned.is_newer(&live));
                if newer {
                    self.seen(live, now);
                }
            }
            // A deletion that was seen while we applied: the apply may have come first. The next
            // sight tells; ask for one by applying again.
            Some(Meanwhile::Gone) => {
                if let Some(owned) = self.objects.get_mut(reference) {
                    owned.work = Work::Wanted;
                }
            }
            None => {}
        }
    }

    pub(super) fn removed(
        &mut self,
        reference: &ObjectRef,
        result: Result<(), Failure>,
        now: Timestamp,
    ) {
        match result {
            Ok(()) => {
                if self.removals.done(reference) {
                    self.effects.push(Effect::Notice(Notice::Removed(reference.clone())));
                }
                self.ledger_changed = true;
            }
            // The object is another one by now, which is not ours to remove.
            Err(Failure::Conflict(_)) => {
                self.removals.done(reference);
                self.ledger_changed = true;
            }
            Err(Failure::Refused(why)) => {
                let why = format!("it cannot be removed: {why}");
                let notice = Notice::ObjectRefused(reference.clone(), why.clone());
                self.effects.push(Effect::Notice(notice));
                self.removals.later(reference, why, now);
            }
            Err(Failure::Unavailable(why)) => self.removals.later(reference, why, now),
        }
    }
}

/// What a bundle would become if nothing expired and every secret could be opened.
fn whole(bundle: &VerifiedBundle) -> Rendering {
    let documents = bundle.documents.iter().map(|(document, number)| (&**document, *number));
    render(documents, &bundle.entry.labels, Timestamp::MIN)
}

/// Whether an object carries our label: the cluster's administrator hands it over with that.
pub fn is_marked(live: &Live) -> bool {
    let labels = live.body.pointer("/metadata/labels");
    labels.and_then(|labels| labels.get(MANAGED_LABEL)).and_then(Value::as_str) == Some("true")
}

/// Whether our field manager applied an object.
fn is_made_by_us(live: &Live) -> bool {
    let manager = live.reference.kind.concern().field_manager();
    let entries = live.body.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().any(|entry| {
        entry.get("manager").and_then(Value::as_str) == Some(manager)
            && entry.get("operation").and_then(Value::as_str) == Some("Apply")
    })
}
