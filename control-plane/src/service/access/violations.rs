//! Violations as they are kept, listed and watched.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::Stream;
use hanse_domain::access::escalation::{self, Edge, Target};
use hanse_domain::access::invariant::{self, Cause};
use hanse_domain::access::object::AccessKey;
use hanse_domain::access::query::Grant;
use hanse_domain::access::subject::Subject;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::kinds::invariant::Goal;
use hanse_domain::kinds::role::PolicyRule;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::{
    AccessService, Asked, AskedCluster, Escalation, Granted, Part, Question, Step, answer,
};
use crate::service::ServiceError;
use crate::store::{StoreError, ViolationFilter, ViolationRow};

/// Rows that are read at once.
const PAGE: usize = 500;
/// Said of a cluster where no violation would be found.
const UNCHECKED: &str = "the invariants of this cluster cannot be checked: its agent does not see all that \
                         gives rights, and what stood before stands until it does";

/// Who violates which invariant, how and since when.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Of this one time that it stood; empty for one that is only expected.
    pub id: String,
    /// The cluster's name.
    pub cluster: String,
    /// The invariant's name.
    pub invariant: String,
    /// Who.
    pub subject: Subject,
    /// What they can do.
    pub what: String,
    /// The right that gives it.
    pub granted: Option<Granted>,
    /// The path that leads to it.
    pub escalation: Option<Escalation>,
    /// When the agent saw what brought it.
    pub since: Option<Timestamp>,
    /// When the hub found it.
    pub detected_at: Option<Timestamp>,
    /// When it ended.
    pub resolved_at: Option<Timestamp>,
}

impl AccessService {
    /// Violations by cluster, newest first: those that stand at the moment of the question, or all that
    /// ever stood.
    pub fn list_violations(
        &self,
        asked: Asked,
        invariant: Option<String>,
        history: bool,
    ) -> impl Stream<Item = Result<Part<Violation>, ServiceError>> + Send + 'static {
        let service = self.clone();
        answer(move |sink| async move {
            for cluster in &asked.clusters {
                let filter = ViolationFilter {
                    cluster: Some(cluster.id),
                    invariant: invariant.clone(),
                    at: asked.moment.map(|moment| moment.at),
                    history,
                };
                let (mut count, mut after) = (0, None);
                loop {
                    let page = service.0.store.list_violations(&filter, PAGE, after).await?;
                    after = page.next;
                    for row in page.rows {
                        count += 1;
                        sink.send(Part::Item(Violation::of(&cluster.name, row)?)).await?;
                    }
                    if after.is_none() {
                        break;
                    }
                }
                let mut view = service.view(&asked, cluster, count).await?;
                if asked.moment.is_none() && !service.is_checkable(cluster.id) {
                    view.caveats.push(UNCHECKED.to_owned());
                    if view.unseen.is_empty() {
                        // There is nothing at all.
                        (view.covered, view.seen_until) = (false, None);
                    }
                }
                sink.send(Part::View(view)).await?;
            }
            Ok(())
        })
    }

    /// Each violation that begins or ends from now on.
    pub fn watch_violations(&self) -> broadcast::Receiver<ViolationRow> {
        self.0.violations.subscribe()
    }

    /// The name of a cluster that a question is about.
    pub async fn name_of(
        &self,
        question: &Question,
        cluster: ClusterId,
    ) -> Result<Option<String>, ServiceError> {
        let (name, matches) = {
            let current = self.0.fleet.current();
            let member = current.fleet.member(cluster);
            let matches = member.map(|member| question.selector.matches(&member.entry.labels));
            (member.map(|member| member.entry.name.clone()), matches)
        };
        let name = match name {
            Some(name) => name,
            None => self.0.store.cluster(cluster).await?.map(|row| row.name).unwrap_or_default(),
        };
        // One that has left has no labels: that its violations end is said all the same.
        let named = question.clusters.is_empty() || question.clusters.contains(&name);
        Ok((named && matches.unwrap_or(true)).then_some(name))
    }
}

impl Violation {
    /// One that a change would bring or take away.
    pub(super) fn expected(cluster: &AskedCluster, violation: invariant::Violation) -> Self {
        let kept = Kept::of(&violation);
        kept.shown(&cluster.name, violation.invariant)
    }

    /// From its row.
    pub fn of(cluster: &str, row: ViolationRow) -> Result<Self, ServiceError> {
        let kept: Kept = serde_json::from_slice(&row.detail).map_err(|error| {
            let what = format!("violation {}: {error}", row.id);
            ServiceError::Store(StoreError::Corrupt { what })
        })?;
        Ok(Self {
            id: row.id.to_string(),
            since: Some(row.since),
            detected_at: Some(row.detected_at),
            resolved_at: row.resolved_at,
            ..kept.shown(cluster, row.invariant)
        })
    }
}

/// What makes a violation the same one as before.
pub(super) fn identity(violation: &invariant::Violation) -> Digest {
    let key = serde_json::to_vec(&violation.key()).unwrap_or_default();
    Digest::of(&key)
}

/// What is kept of a violation.
pub(super) fn detail(violation: &invariant::Violation) -> Result<Bytes, ServiceError> {
    serde_json::to_vec(&Kept::of(violation))
        .map(Bytes::from)
        .map_err(|error| ServiceError::Internal(format!("a violation as JSON: {error}")))
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    subject: Subject,
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant: Option<KeptGrant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<KeptPath>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptGrant {
    subject: Subject,
    via_group: Option<String>,
    binding: Option<AccessKey>,
    role: Option<AccessKey>,
    rule: PolicyRule,
    namespace: Option<String>,
    limited_to: Vec<String>,
    aggregated_from: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptPath {
    goal: String,
    namespace: Option<String>,
    steps: Vec<KeptStep>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptStep {
    edge: String,
    from: Subject,
    to: Option<Subject>,
    namespace: Option<String>,
    text: String,
    grant: KeptGrant,
}

impl Kept {
    fn of(violation: &invariant::Violation) -> Self {
        let (grant, path) = match &violation.cause {
            Cause::Direct(grant) => (Some(KeptGrant::of(grant)), None),
            Cause::Path(path) => (None, Some(KeptPath::of(path))),
        };
        let (subject, what) = (violation.subject.clone(), violation.what.clone());
        Self { subject, what, grant, path }
    }

    fn shown(self, cluster: &str, invariant: String) -> Violation {
        let subject = self.subject.clone();
        Violation {
            id: String::new(),
            cluster: cluster.to_owned(),
            invariant,
            what: self.what,
            granted: self.grant.map(|grant| grant.shown(cluster)),
            escalation: self.path.and_then(|path| path.shown(cluster, &subject)),
            subject: self.subject,
            since: None,
            detected_at: None,
            resolved_at: None,
        }
    }
}

impl KeptGrant {
    fn of(grant: &Grant) -> Self {
        let grant = grant.clone();
        Self {
            subject: grant.subject,
            via_group: grant.via_group,
            binding: grant.binding,
            role: grant.role,
            rule: (*grant.rule).clone(),
            namespace: grant.namespace,
            limited_to: grant.limited_to,
            aggregated_from: grant.aggregated_from.into_iter().collect(),
        }
    }

    fn shown(self, cluster: &str) -> Granted {
        let grant = Grant {
            subject: self.subject,
            via_group: self.via_group,
            binding: self.binding,
            role: self.role,
            rule: self.rule.into(),
            namespace: self.namespace,
            limited_to: self.limited_to,
            aggregated_from: self.aggregated_from.into_iter().collect(),
        };
        Granted { cluster: cluster.to_owned(), grant, provenance: None }
    }
}

impl KeptPath {
    fn of(path: &escalation::Escalation) -> Self {
        let namespace = path.target.namespace().map(str::to_owned);
        let steps = path.steps.iter().map(|step| KeptStep {
            edge: step.edge.name().to_owned(),
            from: step.from.clone(),
            to: step.to.clone(),
            namespace: step.namespace.clone(),
            text: step.text.clone(),
            grant: KeptGrant::of(&step.grant),
        });
        let goal = path.target.goal().name().to_owned();
        Self { goal, namespace, steps: steps.collect() }
    }

    /// Nothing for a sort of path that this program does not know.
    fn shown(self, cluster: &str, subject: &Subject) -> Option<Escalation> {
        let target = match Goal::from_name(&self.goal)? {
            Goal::ClusterAdmin => Target::ClusterAdmin,
            Goal::Secrets => Target::Secrets(self.namespace),
            Goal::Node => Target::Node,
        };
        let steps = self.steps.into_iter().map(|step| {
            let edge = Edge::from_name(&step.edge)?;
            let granted = step.grant.shown(cluster);
            let (from, to, namespace, text) = (step.from, step.to, step.namespace, step.text);
            Some(Step { edge, from, to, namespace, text, granted })
        });
        let steps = steps.collect::<Option<Vec<_>>>()?;
        Some(Escalation { cluster: cluster.to_owned(), subject: subject.clone(), target, steps })
    }
}
