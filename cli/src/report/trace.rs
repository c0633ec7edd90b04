//! Where an object comes from: from a statement of the verified history, or from an observation.

use std::collections::BTreeMap;

use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind, Origin};
use hanse_domain::access::read;
use hanse_domain::drift::is_bootstrap;
use hanse_domain::fleet::Fleet;
use hanse_domain::ids::{ClusterId, RevisionNumber};
use hanse_domain::render::render;
use jiff::Timestamp;
use serde::Serialize;

use super::past::Past;

/// What a row traces to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    pub(crate) source: Source,
    /// `FederatedRoleBinding/payments-devs`, as the object names it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<u64>,
    /// Names of the keys that signed the statement.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) manager: String,
}

/// How an object came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Source {
    /// A signed statement makes exactly this object on this cluster.
    Declared,
    /// A signed statement makes this object, but with another content.
    Altered,
    /// The object names a statement that does not make it.
    Claimed,
    /// Nobody declared it; it has a name that Kubernetes gives to its own.
    Bootstrap,
    /// Nobody declared it.
    Observed,
    /// The API server grants it without any object.
    BuiltIn,
    /// It is referred to and is not there.
    Missing,
}

impl Source {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Altered => "altered",
            Self::Claimed => "claimed",
            Self::Bootstrap => "kubernetes",
            Self::Observed => "unmanaged",
            Self::BuiltIn => "built-in",
            Self::Missing => "missing",
        }
    }
}

impl Trace {
    fn only(source: Source) -> Self {
        Self {
            source,
            document: String::new(),
            revision: None,
            author: String::new(),
            uid: String::new(),
            created_at: None,
            changed_at: None,
            manager: String::new(),
        }
    }

    /// Of what the API server grants by itself.
    pub(crate) fn built_in() -> Self {
        Self::only(Source::BuiltIn)
    }

    /// Of an object that is not there.
    pub(crate) fn missing() -> Self {
        Self::only(Source::Missing)
    }

    /// Without the times, which say nothing about where it comes from.
    pub(crate) fn lasting(&self) -> Self {
        let (created_at, changed_at, manager) = (None, None, String::new());
        Self { created_at, changed_at, manager, ..self.clone() }
    }
}

/// What declared documents make on one cluster: each object with the revision that it names.
type Made = BTreeMap<AccessKey, (String, Option<u64>, AccessContent)>;

/// Finds out where the objects of one cluster come from.
#[derive(Debug)]
pub(crate) struct Tracer<'p> {
    past: &'p Past,
    cluster: ClusterId,
    made: BTreeMap<RevisionNumber, Made>,
}

impl<'p> Tracer<'p> {
    pub(crate) const fn new(past: &'p Past, cluster: ClusterId) -> Self {
        Self { past, cluster, made: BTreeMap::new() }
    }

    /// Where an object comes from that was like this at a moment.
    pub(crate) fn trace(
        &mut self,
        key: &AccessKey,
        content: &AccessContent,
        origin: &Origin,
        at: Timestamp,
    ) -> Trace {
        let (source, author) = self.source(key, content, origin, at);
        Trace {
            source,
            document: origin.source.clone(),
            revision: origin.revision,
            author,
            uid: origin.uid.clone(),
            created_at: origin.created_at,
            changed_at: origin.changed_at,
            manager: origin.manager.clone(),
        }
    }

    fn source(
        &mut self,
        key: &AccessKey,
        content: &AccessContent,
        origin: &Origin,
        at: Timestamp,
    ) -> (Source, String) {
        if origin.source.is_empty() {
            let bootstrap = key.object_ref().is_some_and(|reference| is_bootstrap(&reference));
            let source = if bootstrap { Source::Bootstrap } else { Source::Observed };
            return (source, String::new());
        }
        let nothing = (Source::Claimed, String::new());
        let Some(revision) = origin.revision.map(RevisionNumber) else { return nothing };
        let past = self.past;
        let Some((_, author)) = past.changed(revision, &origin.source) else { return nothing };
        // What the fleet had agreed on then; an agent that was late had what the statement left.
        let fleets = [past.at(at), past.after(revision)];
        let mut best = Source::Claimed;
        for fleet in fleets.into_iter().flatten() {
            let made = self.made(fleet).get(key);
            let Some((source, number, declared)) = made else { continue };
            if *source != origin.source || *number != origin.revision {
                continue;
            }
            if declared == content {
                return (Source::Declared, author.to_owned());
            }
            best = Source::Altered;
        }
        let author = if best == Source::Altered { author.to_owned() } else { String::new() };
        (best, author)
    }

    /// What the documents of a fleet make here. Bindings that have expired count: they were declared.
    fn made(&mut self, fleet: &Fleet) -> &Made {
        let cluster = self.cluster;
        self.made.entry(fleet.number).or_insert_with(|| {
            let Some(member) = fleet.member(cluster) else { return Made::new() };
            let rendering = render(fleet.placed_on(member), &member.entry.labels, Timestamp::MIN);
            let objects = rendering.objects.values().filter_map(|rendered| {
                let kind = AccessKind::of(rendered.object.reference.kind)?;
                read::read(kind, &rendered.object.body).ok().flatten()
            });
            objects
                .map(|object| {
                    let origin = object.origin;
                    (object.key, (origin.source, origin.revision, object.content))
                })
                .collect()
        })
    }
}
