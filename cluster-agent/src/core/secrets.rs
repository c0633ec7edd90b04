//! Sealed secrets: which of them can be opened here, and whether somebody changed what was written.
//! Secrets are never read, so there is no watch: now and then each is written again on the condition
//! that nobody has written it since.

use std::collections::BTreeSet;
use std::sync::Arc;

use hanse_domain::bundle::VerifiedBundle;
use hanse_domain::document::{Document, DocumentRef, DriftPolicy, Kind};
use hanse_domain::drift::{DriftClass, FieldDifference, Finding};
use hanse_domain::fleet::secret_version;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::object::{ObjectKind, ObjectRef};
use hanse_domain::render::{Rendering, render};
use jiff::{SignedDuration, Timestamp};

use super::Core;
use super::io::{DriftState, Effect, Failure, Probe};
use super::owned::{Owned, Work};

/// A secret that can be opened here: its document, and its key for this cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed {
    /// With the payload.
    pub document: Arc<Document>,
    /// The key of this version.
    pub wrap: Arc<Wrap>,
}

/// Renders a bundle as of a moment. Secrets that cannot be opened here count as not rendered: what
/// was written of them before stays.
pub(super) fn rendering_of(bundle: &VerifiedBundle, now: Timestamp) -> Rendering {
    let documents = bundle.documents.iter().map(|(document, number)| (&**document, *number));
    let mut rendering = render(documents, &bundle.entry.labels, now);
    for reference in pending(bundle) {
        rendering.objects.retain(|_, rendered| rendered.source != reference);
        let why =
            "it is not sealed to this cluster yet; an owner does that with `hanse secret reseal`";
        rendering.problems.push((reference.clone(), why.to_owned()));
        rendering.unrendered.insert(reference);
    }
    rendering
}

/// Secrets that are placed here and cannot be opened.
pub(super) fn pending(bundle: &VerifiedBundle) -> BTreeSet<DocumentRef> {
    let secrets = bundle.documents.iter().map(|(document, _)| document);
    let secrets = secrets.filter(|document| document.reference.kind == Kind::FederatedSecret);
    secrets
        .filter(|document| {
            let wrap = bundle.wraps.get(&document.reference.name);
            wrap.is_none_or(|wrap| secret_version(document) != Some(wrap.version))
        })
        .map(|document| document.reference.clone())
        .collect()
}

impl Core {
    /// What it takes to write an object of a sealed secret.
    pub(super) fn sealed(&self, source: &DocumentRef) -> Option<Sealed> {
        let bundle = self.bundle.as_ref()?;
        let mut documents = bundle.documents.iter().map(|(document, _)| document);
        let document = documents.find(|document| document.reference == *source)?;
        let wrap = bundle.wraps.get(&source.name)?;
        Some(Sealed { document: Arc::clone(document), wrap: Arc::clone(wrap) })
    }

    /// Looks after each Secret that was written, if it is time.
    pub(super) fn probe(&mut self, now: Timestamp) {
        let due = self.next_probe.is_none_or(|at| at <= now);
        let mut probes = Vec::new();
        let mut some = false;
        for (reference, owned) in &mut self.objects {
            if reference.kind != ObjectKind::Secret || !owned.applied {
                continue;
            }
            some = true;
            // One that is known to be changed, and is only reported, stays so.
            if due && owned.work == Work::Idle && self.drifts.of(reference).is_none() {
                owned.work = Work::InFlight;
                probes.push((reference.clone(), owned.rendered.source.clone()));
            }
        }
        for (reference, source) in probes {
            let sealed = self.sealed(&source);
            let (Some(sealed), Some(owned)) = (sealed, self.objects.get_mut(&reference)) else {
                continue;
            };
            let Some(record) = owned.written() else {
                owned.work = Work::Wanted;
                continue;
            };
            let dry_run = owned.rendered.drift == DriftPolicy::Report;
            let object = owned.rendered.object.clone();
            self.effects.push(Effect::ProbeSecret { object, sealed, record, dry_run });
        }
        if !some {
            self.next_probe = None;
        } else if due {
            let every = SignedDuration::try_from(self.probe_every);
            self.next_probe = Some(now + every.unwrap_or(SignedDuration::from_mins(1)));
        }
    }

    /// A look at a Secret ended.
    pub(super) fn probed(
        &mut self,
        reference: &ObjectRef,
        result: Result<Probe, Failure>,
        now: Timestamp,
    ) {
        let Some(owned) = self.objects.get_mut(reference) else {
            return;
        };
        owned.work = if owned.applied { Work::Idle } else { Work::Wanted };
        match result {
            Ok(Probe::Unchanged) => {
                self.drifts.resolve(reference, DriftState::Cleared(now));
            }
            Ok(Probe::Changed) => {
                let finding = changed(owned);
                self.drifted(reference, None, finding, now);
            }
            Ok(Probe::Gone) => {
                owned.version = None;
                self.drifted(reference, None, Finding::missing(), now);
            }
            // It is looked at again when it is time.
            Err(Failure::Refused(why) | Failure::Unavailable(why) | Failure::Conflict(why)) => {
                tracing::debug!(object = %reference, why, "a Secret could not be looked at");
            }
        }
    }
}

/// Somebody wrote it. What is there now is not read, and never shown.
fn changed(owned: &Owned) -> Finding {
    let version =
        owned.rendered.object.body.pointer("/metadata/annotations/hanse.dev~1secret-version");
    let version = version.and_then(serde_json::Value::as_str).unwrap_or("?");
    Finding {
        class: DriftClass::Modified,
        fields: vec![FieldDifference {
            path: "data".to_owned(),
            declared: Some(format!("(sealed, version {version})")),
            live: Some("(written by somebody else; not read)".to_owned()),
        }],
        manager: None,
        since: None,
    }
}
