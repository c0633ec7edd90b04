//! One object of ours: what it should be, what was last seen of it and what is being done about it.

use hanse_domain::drift::{self, Finding};
use hanse_domain::ids::Digest;
use hanse_domain::object::ObjectKind;
use hanse_domain::render::Rendered;
use jiff::{SignedDuration, Timestamp};

use super::io::{Live, Written};
use super::ledger::Recorded;

/// Corrections of one object that are made without a pause.
const BURST: f64 = 300.0;
/// Corrections a second after that: another writer keeps changing it, and nobody shall win by force.
const CORRECTIONS_PER_SECOND: f64 = 1.0;

/// An object of ours.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) rendered: Rendered,
    /// Digest of `rendered`'s body.
    pub(super) body: Digest,
    /// Set once we made it, or took it over with the cluster's consent.
    pub(super) uid: Option<String>,
    /// Whether this body was applied; if not, a difference is work to do and no drift.
    pub(super) applied: bool,
    /// Our fields as the API server shows them when nobody touched them.
    pub(super) fields: Option<Digest>,
    /// The newest `resourceVersion` that is known; nothing when the object is not there.
    pub(super) version: Option<u64>,
    pub(super) work: Work,
    /// Digest of the body whose apply is under way.
    sent: Option<Digest>,
    /// Seen while an apply was in flight; judged when it ends.
    pub(super) meanwhile: Option<Meanwhile>,
    /// Failures in a row.
    attempts: u32,
    budget: Budget,
}

/// What the watch told while an apply was under way; the newest counts.
#[derive(Debug)]
pub(super) enum Meanwhile {
    /// It looked like this.
    Seen(Live),
    /// It was gone.
    Gone,
}

/// What is being done about an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Work {
    /// Nothing.
    Idle,
    /// To be applied as soon as its turn comes.
    Wanted,
    /// An apply is under way.
    InFlight,
    /// To be tried again at that moment; `refused` when the API server said no.
    Later { at: Timestamp, refused: bool, why: String },
}

/// What a sight of an object means.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// As it should be.
    Clean,
    /// Not ours yet, or its declaration is newer than what is there.
    Outdated,
    /// Somebody changed it.
    Drifted(Finding),
}

impl Owned {
    pub(super) fn new(rendered: Rendered) -> Self {
        Self {
            body: body_digest(&rendered),
            rendered,
            uid: None,
            applied: false,
            fields: None,
            version: None,
            work: Work::Wanted,
            sent: None,
            meanwhile: None,
            attempts: 0,
            budget: Budget { tokens: BURST, at: Timestamp::UNIX_EPOCH },
        }
    }

    /// As the ledger remembers it. What was applied by another version of the agent, which rendered
    /// another body, is applied anew.
    pub(super) fn recorded(rendered: Rendered, record: &Recorded) -> Self {
        let mut owned = Self::new(rendered);
        owned.uid = Some(record.uid.clone());
        owned.applied = record.applied == owned.body.to_string();
        if owned.applied {
            owned.fields = record.fields.parse().ok();
            owned.version = record.version.parse().ok();
            owned.work = Work::Idle;
        }
        owned
    }

    /// Takes over a newer declaration.
    pub(super) fn declare(&mut self, rendered: Rendered) {
        let body = body_digest(&rendered);
        self.rendered = rendered;
        if body != self.body {
            self.body = body;
            self.applied = false;
            self.fields = None;
            if self.work != Work::InFlight {
                self.work = Work::Wanted;
            }
        }
    }

    pub(super) fn record(&self) -> Option<Recorded> {
        let mut record = Recorded::new(&self.rendered.object.reference, self.uid.as_deref()?);
        if self.applied {
            record.applied = self.body.to_string();
            record.fields = self.fields.map(|digest| digest.to_string()).unwrap_or_default();
            if !self.rendered.object.reference.kind.is_watched() {
                record.version =
                    self.version.map(|version| version.to_string()).unwrap_or_default();
            }
        }
        Some(record)
    }

    /// A Secret as it was last written.
    pub(super) fn written(&self) -> Option<Written> {
        Some(Written { uid: self.uid.clone()?, resource_version: self.version?.to_string() })
    }

    /// What it means that the object looks like this.
    pub(super) fn judge(&mut self, live: &Live) -> Verdict {
        self.version = version(live);
        if !self.applied {
            return Verdict::Outdated;
        }
        let declared = &self.rendered.object.body;
        let manager = self.rendered.object.reference.kind.concern().field_manager();
        let fields = drift::projection_digest(declared, &live.body);
        let ours = self.uid.as_ref() == Some(&live.uid);
        let untouched =
            ours && self.fields == Some(fields) && drift::strays(declared, &live.body).is_none();
        let finding = if untouched {
            drift::contested(declared, &live.body, manager)
        } else {
            drift::compare(declared, &live.body, manager)
        };
        match finding {
            // Somebody made it anew with the same values: make it ours again.
            None if !ours => {
                self.applied = false;
                self.work = Work::Wanted;
                Verdict::Outdated
            }
            None => {
                self.fields = Some(fields);
                Verdict::Clean
            }
            Some(finding) => Verdict::Drifted(finding),
        }
    }

    /// The apply of what is declared now goes out.
    pub(super) fn send(&mut self) {
        self.work = Work::InFlight;
        self.sent = Some(self.body);
        self.meanwhile = None;
    }

    /// Remembers what the API server made of an apply. When the declaration changed meanwhile, it is
    /// applied once more.
    pub(super) fn settle(&mut self, live: &Live) {
        self.uid = Some(live.uid.clone());
        self.version = version(live);
        if self.sent.take() != Some(self.body) {
            self.work = Work::Wanted;
            return;
        }
        if self.rendered.object.reference.kind.is_watched() {
            self.fields = Some(drift::projection_digest(&self.rendered.object.body, &live.body));
        }
        self.applied = true;
        self.attempts = 0;
        self.work = Work::Idle;
    }

    /// Whether a sight is newer than what is known. Since Kubernetes 1.35 resource versions of one
    /// resource can be compared as numbers (KEP-5504).
    pub(super) fn is_newer(&self, live: &Live) -> bool {
        match (version(live), self.version) {
            (Some(seen), Some(known)) => seen > known,
            _ => true,
        }
    }

    /// Whether a sight is older than what is known: it was overtaken by an answer to an apply.
    pub(super) fn is_overtaken(&self, live: &Live) -> bool {
        match (version(live), self.version) {
            (Some(seen), Some(known)) => seen < known,
            _ => false,
        }
    }

    /// Takes one correction from the budget; the moment of the next one when it is used up.
    pub(super) fn spend(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        self.budget.spend(now)
    }

    /// When to try again after `attempts` failures in a row: from 0.2 s, doubling, to 30 s.
    pub(super) fn retry(&mut self, now: Timestamp, refused: bool, why: String) {
        self.attempts = self.attempts.saturating_add(1);
        let base_ms: i64 = if refused { 5_000 } else { 200 };
        let most_ms = if refused { 300_000 } else { 30_000 };
        let delay_ms = base_ms.saturating_mul(1 << self.attempts.min(12)).min(most_ms);
        let at = now + SignedDuration::from_millis(delay_ms);
        self.work = Work::Later { at, refused, why };
    }
}

fn version(live: &Live) -> Option<u64> {
    live.resource_version.parse().ok()
}

fn body_digest(rendered: &Rendered) -> Digest {
    Digest::of(rendered.object.body.to_string().as_bytes())
}

/// The turn in which a kind is applied: namespaces before what is in them, roles before bindings.
pub(super) const fn turn(kind: ObjectKind) -> u8 {
    match kind {
        ObjectKind::Namespace => 0,
        ObjectKind::ResourceQuota
        | ObjectKind::LimitRange
        | ObjectKind::NetworkPolicy
        | ObjectKind::ClusterRole
        | ObjectKind::Role
        | ObjectKind::Secret => 1,
        ObjectKind::ClusterRoleBinding | ObjectKind::RoleBinding => 2,
    }
}

/// A token bucket.
#[derive(Debug)]
struct Budget {
    tokens: f64,
    at: Timestamp,
}

impl Budget {
    fn spend(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.tokens = (self.tokens + passed * CORRECTIONS_PER_SECOND).min(BURST);
        self.at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            Ok(())
        } else {
            Err(now + SignedDuration::from_secs(1))
        }
    }
}
