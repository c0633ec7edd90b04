//! What is answered.

use hanse_domain::access::object::AccessKey;
use hanse_domain::access::query::Grant;
use hanse_domain::access::subject::Subject;
use hanse_domain::kinds::role::PolicyRule;
use hanse_proto::admin as proto;
use hanse_proto::admin::access_subject::Kind;

use crate::api::convert::time;
use crate::service::access::{
    Decision, Difference, Escalation, Granted, ImportedGroup, Inventory, Provenance, Step, View,
    Violation,
};
use crate::store::{CheckpointRow, CoverageRow, VersionRow};

/// A grant with where it comes from.
pub(in crate::api) fn grant(granted: Granted) -> proto::Grant {
    let Granted { cluster, grant, provenance } = granted;
    let Grant { subject, via_group, binding, role, rule, namespace, limited_to, aggregated_from } =
        grant;
    proto::Grant {
        cluster,
        subject: Some(subject_out(&subject)),
        via_group: via_group.unwrap_or_default(),
        binding: binding.map(reference),
        role: role.map(reference),
        rule: Some(rule_out(&rule)),
        namespace: namespace.unwrap_or_default(),
        resource_names: limited_to,
        provenance: provenance.map(provenance_out),
        aggregated_from,
    }
}

/// A decision.
pub(in crate::api) fn decision(decision: Decision) -> proto::Decision {
    proto::Decision {
        cluster: decision.cluster,
        namespace: decision.namespace.unwrap_or_default(),
        allowed: decision.allowed,
        grants: decision.grants.into_iter().map(grant).collect(),
        nearest: decision.nearest.into_iter().map(grant).collect(),
    }
}

/// A difference.
pub(in crate::api) fn difference(difference: Difference) -> proto::Difference {
    proto::Difference { added: difference.added, grant: Some(grant(difference.granted)) }
}

/// What ends a cluster.
pub(in crate::api) fn view(view: View) -> proto::ClusterView {
    proto::ClusterView {
        cluster: view.cluster,
        covered: view.covered,
        seen_until: view.seen_until.map(time),
        unseen: view.unseen,
        skipped: view.skipped,
        caveats: view.caveats,
        count: view.count,
    }
}

/// A path.
pub(in crate::api) fn escalation(path: Escalation) -> proto::Escalation {
    proto::Escalation {
        cluster: path.cluster,
        subject: Some(subject_out(&path.subject)),
        target: path.target.goal().name().to_owned(),
        namespace: path.target.namespace().unwrap_or_default().to_owned(),
        steps: path.steps.into_iter().map(step).collect(),
    }
}

fn step(step: Step) -> proto::EscalationStep {
    proto::EscalationStep {
        edge: step.edge.name().to_owned(),
        from: Some(subject_out(&step.from)),
        to: step.to.as_ref().map(subject_out),
        namespace: step.namespace.unwrap_or_default(),
        text: step.text,
        grant: Some(grant(step.granted)),
    }
}

/// A violation.
pub(in crate::api) fn violation(violation: Violation) -> proto::Violation {
    proto::Violation {
        id: violation.id,
        cluster: violation.cluster,
        invariant: violation.invariant,
        subject: Some(subject_out(&violation.subject)),
        what: violation.what,
        grant: violation.granted.map(grant),
        escalation: violation.escalation.map(escalation),
        since: violation.since.map(time),
        detected_at: violation.detected_at.map(time),
        resolved_at: violation.resolved_at.map(time),
    }
}

/// How an inventory stands.
pub(in crate::api) fn inventory(inventory: Inventory) -> proto::InventoryStatus {
    proto::InventoryStatus {
        cluster: inventory.cluster,
        objects: inventory.objects,
        root: inventory.root.0.to_vec().into(),
        live: inventory.live,
        coverage: inventory.coverage.into_iter().map(coverage).collect(),
        unseen: inventory.unseen,
        skipped: inventory.skipped,
        history_from: inventory.history_from.map(time),
    }
}

/// A version of an object.
pub(in crate::api) fn version(row: VersionRow) -> proto::InventoryChange {
    let (content, origin) = row.seen.map(|seen| (seen.content, seen.origin)).unwrap_or_default();
    proto::InventoryChange {
        kind: row.key.kind.name().to_owned(),
        namespace: row.key.namespace,
        name: row.key.name,
        content,
        origin,
        at: Some(time(row.at)),
    }
}

/// What an agent signed.
pub(in crate::api) fn checkpoint(row: CheckpointRow) -> proto::SignedCheckpoint {
    proto::SignedCheckpoint { checkpoint: row.checkpoint, signature: row.signature }
}

/// A group of people.
pub(in crate::api) fn group(group: ImportedGroup) -> proto::GroupResponse {
    proto::GroupResponse {
        directory: group.directory,
        imported_at: Some(time(group.imported_at)),
        imported_by: group.imported_by,
        members: Some(proto::GroupMembers {
            group: group.group.group,
            users: group.group.users,
            groups: group.group.groups,
        }),
    }
}

pub(super) fn subject_out(subject: &Subject) -> proto::AccessSubject {
    let (kind, namespace, name) = match subject {
        Subject::User(name) => (Kind::User, "", name),
        Subject::Group(name) => (Kind::Group, "", name),
        Subject::ServiceAccount { namespace, name } => {
            (Kind::ServiceAccount, namespace.as_str(), name)
        }
    };
    proto::AccessSubject { kind: kind.into(), namespace: namespace.to_owned(), name: name.clone() }
}

fn coverage(row: CoverageRow) -> proto::Coverage {
    proto::Coverage { from: Some(time(row.from)), until: Some(time(row.until)) }
}

fn reference(key: AccessKey) -> proto::AccessObjectReference {
    proto::AccessObjectReference {
        kind: key.kind.name().to_owned(),
        namespace: key.namespace,
        name: key.name,
    }
}

fn rule_out(rule: &PolicyRule) -> proto::AccessRule {
    let rule = rule.clone();
    proto::AccessRule {
        verbs: rule.verbs,
        api_groups: rule.api_groups,
        resources: rule.resources,
        resource_names: rule.resource_names,
        non_resource_urls: rule.non_resource_urls,
    }
}

fn provenance_out(known: Provenance) -> proto::Provenance {
    proto::Provenance {
        document: known.document,
        revision: known.revision,
        verified: known.verified,
        author: known.author,
        created_at: known.origin.created_at.map(time),
        // The cluster's own word is the best; what has none became so when the agent saw it.
        changed_at: Some(time(known.origin.changed_at.unwrap_or(known.at))),
        manager: known.origin.manager,
        learned_at: Some(time(known.learned_at)),
        bootstrap: known.bootstrap,
    }
}
