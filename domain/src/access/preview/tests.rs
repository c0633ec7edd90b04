#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use insta::assert_snapshot;
use jiff::Timestamp;

use super::*;
use crate::access::escalation::tests::{Lab, told};
use crate::document::Document;
use crate::ids::RevisionNumber;
use crate::parse::parse_document;
use crate::render::render;

fn document(kind: &str, name: &str, spec: &str) -> Document {
    let text = format!(
        "{{apiVersion: hanse.dev/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, \
         spec: {{placement: {{clusterSelector: {{}}}}, {spec}}}}}"
    );
    parse_document(text.as_bytes()).unwrap()
}

fn rendering(documents: &[Document]) -> Rendering {
    let numbered = documents.iter().map(|document| (document, RevisionNumber(1)));
    let rendering = render(numbered, &Labels::new(), Timestamp::UNIX_EPOCH);
    assert!(rendering.problems.is_empty(), "{:?}", rendering.problems);
    rendering
}

fn starts_pods() -> Document {
    let rule = "{apiGroups: [''], resources: [pods], verbs: [create]}";
    document("FederatedRole", "starter", &format!("rules: [{rule}]"))
}

fn bound_in(namespace: &str) -> Document {
    let spec = format!(
        "subjects: [{{kind: Group, name: devs}}], roleRef: {{kind: FederatedRole, name: starter}}, \
         namespaces: [{namespace}]"
    );
    document("FederatedRoleBinding", "devs", &spec)
}

fn effect(lab: &Lab, before: &[Document], after: &[Document], invariants: &[&str]) -> Effect {
    let (before, after) = (rendering(before), rendering(after));
    let specs: Vec<InvariantSpec> =
        invariants.iter().map(|fields| super::super::invariant::tests::invariant(fields)).collect();
    let invariants: Vec<(&str, &InvariantSpec)> = specs.iter().map(|spec| ("i", spec)).collect();
    let declared = |rendering| Declared { rendering, invariants: &invariants };
    preview(&lab.index, lab.cluster, declared(&before), declared(&after), &lab.directory)
}

fn shown(effect: &Effect) -> String {
    let violations = |list: &[Violation]| -> String {
        list.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    format!(
        "opened:\n{}\nclosed:\n{}\nviolated:\n{}\nresolved:\n{}",
        told(&effect.opened),
        told(&effect.closed),
        violations(&effect.violated),
        violations(&effect.resolved)
    )
}

const NOBODY: &str =
    "deny: {reach: [cluster-admin]}, except: {users: [root], groups: [admins], namespaces: [shut]}";

#[test]
fn a_binding_opens_a_path_and_violates_an_invariant() {
    let lab = Lab::new();
    let after = [starts_pods(), bound_in("shut")];
    let opened = effect(&lab, &[], &after, &[NOBODY]);
    assert_snapshot!(shown(&opened), @"
    opened:
    group devs → cluster-admin: runs a pod as service account shut/boss (workload), may do everything in the cluster (has)
    group devs → secrets of every namespace: runs a pod as service account shut/boss (workload), may do everything in the cluster (has)
    group devs → node: runs a pod as service account shut/boss (workload), may do everything in the cluster (has)
    closed:

    violated:
    i: group devs can reach cluster-admin
    resolved:
    ");
    assert_eq!(lab.told("group devs"), "", "the index itself is as it was");
}

#[test]
fn taking_it_away_closes_the_path_and_heals_the_invariant() {
    let mut lab = Lab::new();
    let declared = rendering(&[starts_pods(), bound_in("shut")]);
    for (reference, rendered) in &declared.objects {
        let kind = AccessKind::of(reference.kind).unwrap();
        let object = read(kind, &rendered.object.body).unwrap().unwrap();
        lab.put(&object.key, &object.content);
    }
    let closed = effect(&lab, &[starts_pods(), bound_in("shut")], &[starts_pods()], &[NOBODY]);
    assert_snapshot!(shown(&closed), @"
    opened:

    closed:
    group devs → cluster-admin: runs a pod as service account shut/boss (workload), may do everything in the cluster (has)
    group devs → secrets of every namespace: runs a pod as service account shut/boss (workload), may do everything in the cluster (has)
    group devs → node: runs a pod as service account shut/boss (workload), may do everything in the cluster (has)
    violated:

    resolved:
    i: group devs can reach cluster-admin
    ");
}

#[test]
fn what_changes_nothing_has_no_effect() {
    let lab = Lab::new();
    let same = [starts_pods(), bound_in("shut")];
    assert!(effect(&lab, &same, &same, &[NOBODY]).is_empty());
    let elsewhere = [starts_pods(), bound_in("nowhere")];
    assert!(effect(&lab, &[], &[starts_pods()], &[NOBODY]).is_empty());
    assert_eq!(effect(&lab, &[], &elsewhere, &[]).closed, []);
}

#[test]
fn an_invariant_that_comes_is_violated_by_what_is_there() {
    let lab = Lab::new();
    let none = Rendering::default();
    let spec = super::super::invariant::tests::invariant("deny: {reach: [cluster-admin]}");
    let invariants = [("admins", &spec)];
    let before = Declared { rendering: &none, invariants: &[] };
    let after = Declared { rendering: &none, invariants: &invariants };
    let effect = preview(&lab.index, lab.cluster, before, after, &lab.directory);
    assert_snapshot!(shown(&effect), @"
    opened:

    closed:

    violated:
    admins: user root can reach cluster-admin
    admins: group admins can reach cluster-admin
    admins: service account shut/boss can reach cluster-admin
    resolved:
    ");
}

#[test]
fn a_namespace_s_level_closes_the_way_to_the_node() {
    let mut lab = Lab::new();
    lab.grant("user ann", &["open: create pods"]);
    let shut = document("FederatedNamespace", "open", "podSecurity: restricted");
    let effect = effect(&lab, &[], &[shut], &[]);
    assert_eq!(effect.opened, [], "the Secrets of the namespace were reached before");
    assert_snapshot!(shown(&effect), @"
    opened:

    closed:
    user ann → cluster-admin: runs a privileged pod in open (privileged-pod), takes the token of service account shut/boss from a node (node-pods), may do everything in the cluster (has)
    user ann → secrets of every namespace: runs a privileged pod in open (privileged-pod), takes the token of service account shut/boss from a node (node-pods), may do everything in the cluster (has)
    user ann → node: runs a privileged pod in open (privileged-pod)
    violated:

    resolved:
    ");
}

#[test]
fn a_namespace_keeps_the_labels_of_others_and_a_new_one_has_an_account() {
    let lab = Lab::new();
    let team = document("FederatedNamespace", "open", "labels: {team: pay}");
    let fresh = document("FederatedNamespace", "fresh", "podSecurity: baseline");
    let (before, after) = (Rendering::default(), rendering(&[team, fresh]));
    let changes = changes(&lab.index, lab.cluster, &before, &after);
    let mut told: Vec<String> =
        changes.iter().map(|(key, content)| format!("{key} {content:?}")).collect();
    told.sort();
    assert_snapshot!(told.join("\n"), @r#"
    Namespace fresh Some(Namespace { labels: {"app.kubernetes.io/managed-by": "hanse-agent", "hanse.dev/managed": "true", "pod-security.kubernetes.io/audit": "baseline", "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "baseline"} })
    Namespace open Some(Namespace { labels: {"app.kubernetes.io/managed-by": "hanse-agent", "hanse.dev/managed": "true", "team": "pay"} })
    ServiceAccount fresh/default Some(ServiceAccount { token_secret: false })
    "#);
    let mut next = lab.index.fork(lab.cluster);
    next.update(lab.cluster, changes);
    let team = document("FederatedNamespace", "open", "labels: {other: pay}");
    let changes = super::changes(&next, lab.cluster, &after, &rendering(&[team]));
    assert_snapshot!(format!("{:?}", changes.first().unwrap()), @r#"(AccessKey { kind: Namespace, namespace: "", name: "open" }, Some(Namespace { labels: {"app.kubernetes.io/managed-by": "hanse-agent", "hanse.dev/managed": "true", "other": "pay"} }))"#);
}
