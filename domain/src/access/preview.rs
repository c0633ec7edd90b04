//! What a change of documents would do to a cluster's access: paths that it opens and closes, invariants
//! that it violates and heals. The cluster is taken as it is now, with what others made in it.

use std::collections::BTreeSet;

use super::aggregate::aggregate;
use super::directory::Directory;
use super::escalation::{Escalation, Filter, Target, escalations};
use super::index::Index;
use super::invariant::{Violation, violations};
use super::object::{AccessContent, AccessKey, AccessKind};
use super::read::read;
use super::subject::Subject;
use crate::history::roster::Labels;
use crate::ids::ClusterId;
use crate::kinds::invariant::InvariantSpec;
use crate::object::ObjectKind;
use crate::render::{Rendered, Rendering};

/// What documents say of one cluster, before or after a change.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'d> {
    /// Their objects.
    pub rendering: &'d Rendering,
    /// Their invariants, by name.
    pub invariants: &'d [(&'d str, &'d InvariantSpec)],
}

/// What a change would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Paths to what their subjects could not reach before.
    pub opened: Vec<Escalation>,
    /// Paths to what their subjects cannot reach afterwards.
    pub closed: Vec<Escalation>,
    /// Violations that are not there before.
    pub violated: Vec<Violation>,
    /// Violations that are not there afterwards.
    pub resolved: Vec<Violation>,
}

impl Effect {
    /// Whether it would do nothing.
    pub const fn is_empty(&self) -> bool {
        self.opened.is_empty()
            && self.closed.is_empty()
            && self.violated.is_empty()
            && self.resolved.is_empty()
    }
}

/// What a change from one declaration to the other would do in a cluster.
pub fn preview(
    index: &Index,
    cluster: ClusterId,
    before: Declared<'_>,
    after: Declared<'_>,
    directory: &Directory,
) -> Effect {
    let mut next = index.fork(cluster);
    let changes = changes(index, cluster, before.rendering, after.rendering);
    if !changes.is_empty() {
        next.update(cluster, changes);
        aggregate(&mut next, cluster);
    }
    // Holders count: to get the target itself is the shortest path to it.
    let filter = Filter { holders: true, ..Filter::default() };
    let paths = |index: &Index| escalations(index, cluster, directory, &filter);
    let (old, new) = (paths(index), paths(&next));
    let reached = |paths: &[Escalation]| -> BTreeSet<(Subject, Target)> {
        paths.iter().map(|path| (path.subject.clone(), path.target.clone())).collect()
    };
    let (old_reached, new_reached) = (reached(&old), reached(&new));
    let only = |paths: Vec<Escalation>, other: &BTreeSet<(Subject, Target)>| {
        paths.into_iter().filter(|path| !reaches(other, path)).collect()
    };
    let violations_of = |index: &Index, declared: Declared<'_>| {
        violations(index, cluster, declared.invariants, directory)
    };
    let (old_violations, new_violations) =
        (violations_of(index, before), violations_of(&next, after));
    let without = |violations: &[Violation], other: &[Violation]| -> Vec<Violation> {
        let held: BTreeSet<_> = other.iter().map(Violation::key).collect();
        violations.iter().filter(|violation| !held.contains(&violation.key())).cloned().collect()
    };
    Effect {
        opened: only(new, &old_reached),
        closed: only(old, &new_reached),
        violated: without(&new_violations, &old_violations),
        resolved: without(&old_violations, &new_violations),
    }
}

/// Whether the target of a path is reached anyway, for the Secrets of a namespace also with those of all.
fn reaches(reached: &BTreeSet<(Subject, Target)>, path: &Escalation) -> bool {
    let to = |target: Target| reached.contains(&(path.subject.clone(), target));
    to(path.target.clone())
        || (matches!(path.target, Target::Secrets(Some(_))) && to(Target::Secrets(None)))
}

type Change = (AccessKey, Option<AccessContent>);

fn changes(
    index: &Index,
    cluster: ClusterId,
    before: &Rendering,
    after: &Rendering,
) -> Vec<Change> {
    let mut out = Vec::new();
    for (reference, rendered) in &after.objects {
        let old = before.objects.get(reference);
        let is_same = |old: &Rendered| old.object.body == rendered.object.body;
        let kind = AccessKind::of(reference.kind).filter(|_| !old.is_some_and(is_same));
        let Some(kind) = kind else {
            continue;
        };
        let Ok(Some(read)) = read(kind, &rendered.object.body) else { continue };
        if let AccessContent::Namespace { labels } = &read.content {
            out.extend(namespace(index, cluster, read.key, old, labels));
        } else {
            out.push((read.key, Some(read.content)));
        }
    }
    for (reference, rendered) in &before.objects {
        // A namespace that the fleet lets go of stays.
        let gone = !after.objects.contains_key(reference)
            && !after.unrendered.contains(&rendered.source)
            && reference.kind != ObjectKind::Namespace;
        if let Some(kind) = AccessKind::of(reference.kind).filter(|_| gone) {
            let namespace = reference.namespace.clone().unwrap_or_default();
            let key = AccessKey { kind, namespace, name: reference.name.clone() };
            out.push((key, None));
        }
    }
    out
}

/// A namespace keeps the labels that others gave it. A new one gets its default service account.
fn namespace(
    index: &Index,
    cluster: ClusterId,
    key: AccessKey,
    old: Option<&Rendered>,
    labels: &Labels,
) -> Vec<Change> {
    let held = index.namespaces(cluster).find(|(name, _)| *name == key.name);
    let is_new = held.is_none();
    let mut all: Labels = held.map(|(_, labels)| labels.clone()).unwrap_or_default();
    if let Some(Ok(Some(old))) = old.map(|old| read(AccessKind::Namespace, &old.object.body))
        && let AccessContent::Namespace { labels } = old.content
    {
        all.retain(|name, _| !labels.contains_key(name));
    }
    all.extend(labels.clone());
    let account = is_new.then(|| {
        let account = AccessKey::namespaced(AccessKind::ServiceAccount, &key.name, "default");
        (account, Some(AccessContent::ServiceAccount { token_secret: false }))
    });
    let namespace = (key, Some(AccessContent::Namespace { labels: all }));
    std::iter::once(namespace).chain(account).collect()
}

#[cfg(test)]
mod tests;
