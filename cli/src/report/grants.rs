//! Who could do what in one cluster, and from when until when in the time asked: the engine is asked
//! anew after each change that can matter.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use hanse_domain::access::directory::Directory;
use hanse_domain::access::index::Index;
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind, Origin};
use hanse_domain::access::query::{self, Grant};
use hanse_domain::access::subject::Subject;
use hanse_domain::ids::ClusterId;
use jiff::Timestamp;

use super::evidence::{Evidence, Version};
use super::past::Past;
use super::question::Question;
use super::standing::{Proof, Standing};
use super::trace::{Trace, Tracer};
use crate::failure::{Failure, Outcome};

/// Most rows of one cluster.
pub(crate) const MAX_ROWS: usize = 1_000_000;

/// A grant, for how long it held and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) grant: Grant,
    /// Nothing when it held already at the beginning of the time asked.
    pub(crate) from: Option<Timestamp>,
    /// Nothing when it still held at its end.
    pub(crate) until: Option<Timestamp>,
    pub(crate) proof: Proof,
    pub(crate) binding: Trace,
    pub(crate) role: Trace,
}

impl Row {
    /// Whether a person has it by a group: who is in one, no cluster says.
    pub(crate) fn is_by_membership(&self) -> bool {
        matches!(self.grant.subject, Subject::User(_)) && self.grant.via_group.is_some()
    }
}

/// What makes two grants one row: the same path, from the same origins.
type Key = (Grant, Trace, Trace);

/// All rows of a cluster, by subject.
pub(crate) fn rows(
    question: &Question,
    cluster: ClusterId,
    evidence: &Evidence,
    standing: &Standing,
    past: &Past,
    directory: &Directory,
) -> Outcome<Vec<Row>> {
    let when = question.when;
    let mut sweep = Sweep {
        question,
        directory,
        cluster,
        index: Index::default(),
        origins: BTreeMap::new(),
        tracer: Tracer::new(past, cluster),
        held: BTreeMap::new(),
        rows: Vec::new(),
    };
    let mut versions = evidence.versions.iter().peekable();
    let mut batch = Vec::new();
    while let Some(version) = versions.next_if(|version| version.at <= when.start()) {
        batch.push(version);
    }
    sweep.apply(&batch);
    sweep.ask(when.start(), None)?;
    while let Some(first) = versions.next() {
        batch.clear();
        batch.push(first);
        while let Some(version) = versions.next_if(|version| version.at == first.at) {
            batch.push(version);
        }
        sweep.apply(&batch);
        if batch.iter().any(|version| matters(version.key.kind)) {
            sweep.ask(first.at, Some(first.at))?;
        }
    }
    let mut rows = sweep.end();
    for row in &mut rows {
        let span = (row.from.unwrap_or(when.start()), row.until.unwrap_or(when.end()));
        row.proof = standing.covers(span);
        if row.proof == Proof::Proven && row.is_by_membership() {
            row.proof = Proof::FromGroup;
        }
    }
    Ok(rows)
}

/// Whether a kind can change an answer: roles, bindings, and the service accounts that groups have.
const fn matters(kind: AccessKind) -> bool {
    match kind {
        AccessKind::ServiceAccount
        | AccessKind::ClusterRole
        | AccessKind::Role
        | AccessKind::ClusterRoleBinding
        | AccessKind::RoleBinding => true,
        AccessKind::Namespace
        | AccessKind::Deployment
        | AccessKind::StatefulSet
        | AccessKind::DaemonSet
        | AccessKind::ReplicaSet
        | AccessKind::Job
        | AccessKind::CronJob
        | AccessKind::Pod => false,
    }
}

struct Held {
    from: Option<Timestamp>,
    binding: Trace,
    role: Trace,
}

struct Sweep<'q> {
    question: &'q Question,
    directory: &'q Directory,
    cluster: ClusterId,
    index: Index,
    origins: BTreeMap<AccessKey, (AccessContent, Origin)>,
    tracer: Tracer<'q>,
    held: BTreeMap<Key, Held>,
    rows: Vec<Row>,
}

impl Sweep<'_> {
    fn apply(&mut self, versions: &[&Version]) {
        for version in versions {
            match (&version.content, &version.origin) {
                (Some(content), Some(origin)) if matters(version.key.kind) => {
                    let object = (content.clone(), origin.clone());
                    self.origins.insert(version.key.clone(), object);
                }
                (Some(_) | None, _) => {
                    self.origins.remove(&version.key);
                }
            }
        }
        let changes = versions.iter().map(|version| (version.key.clone(), version.content.clone()));
        self.index.update(self.cluster, changes);
    }

    /// Asks the engine, and ends and begins rows.
    fn ask(&mut self, at: Timestamp, from: Option<Timestamp>) -> Outcome<()> {
        let mut now = BTreeMap::new();
        for grant in self.grants()? {
            let mut trace = |key: Option<&AccessKey>| match key {
                None => Trace::built_in(),
                Some(key) => match self.origins.get(key) {
                    None => Trace::missing(),
                    Some((content, origin)) => self.tracer.trace(key, content, origin, at),
                },
            };
            let (binding, role) = (trace(grant.binding.as_ref()), trace(grant.role.as_ref()));
            now.insert((grant, binding.lasting(), role.lasting()), (binding, role));
        }
        let held = std::mem::take(&mut self.held);
        for (key, held) in held {
            if now.contains_key(&key) {
                self.held.insert(key, held);
            } else {
                self.rows.push(row(key.0, held, Some(at)));
            }
        }
        for (key, (binding, role)) in now {
            self.held.entry(key).or_insert(Held { from, binding, role });
        }
        if self.held.len() + self.rows.len() > MAX_ROWS { Err(too_many()) } else { Ok(()) }
    }

    fn grants(&self) -> Outcome<BTreeSet<Grant>> {
        let mut out = BTreeSet::new();
        let mut full = false;
        let mut visit = |grant| {
            out.insert(grant);
            full = out.len() > MAX_ROWS;
            if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        for scope in self.question.scopes() {
            let flow = match self.question.request() {
                Some(request) => query::who_can(
                    &self.index,
                    self.cluster,
                    &request,
                    &scope,
                    self.directory,
                    false,
                    &mut visit,
                ),
                None => query::all_grants(&self.index, self.cluster, &scope, &mut visit),
            };
            if flow.is_break() {
                break;
            }
        }
        if full { Err(too_many()) } else { Ok(out) }
    }

    fn end(mut self) -> Vec<Row> {
        let held = std::mem::take(&mut self.held);
        self.rows.extend(held.into_iter().map(|((grant, ..), held)| row(grant, held, None)));
        self.rows.sort_by(|a, b| {
            (&a.grant, a.from, a.until, &a.binding, &a.role)
                .cmp(&(&b.grant, b.from, b.until, &b.binding, &b.role))
        });
        self.rows
    }
}

fn row(grant: Grant, held: Held, until: Option<Timestamp>) -> Row {
    let Held { from, binding, role } = held;
    Row { grant, from, until, proof: Proof::Claimed, binding, role }
}

fn too_many() -> Failure {
    Failure::new("report-too-large", format!("one cluster has more than {MAX_ROWS} rows"))
        .why("a report of this size helps nobody")
        .hint("ask about less: -n NAMESPACE, a VERB and a RESOURCE, or a shorter period")
}
