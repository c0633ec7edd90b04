//! What documents become in a cluster.

use hanse_domain::document::Document;
use hanse_domain::fleet::Fleet;
use hanse_domain::history::roster::Labels;
use hanse_domain::ids::RevisionNumber;
use hanse_domain::names::is_protected_namespace;
use hanse_domain::render::{Rendering, render};
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{NOW, READS_PODS, binding, binds, labels, namespace, role};

/// The first object of a document.
pub(crate) fn only_object(document: &Document, fleet: &Fleet) -> Value {
    let member = fleet.members().values().next().unwrap();
    let rendering = render([(document, fleet.number)], &member.entry.labels, NOW);
    rendering.objects.into_values().next().unwrap().object.body
}

fn rendered_at(documents: &[Document], labels: &Labels, now: Timestamp) -> Rendering {
    render(documents.iter().map(|document| (document, RevisionNumber(7))), labels, now)
}

fn rendered(documents: &[Document]) -> Rendering {
    rendered_at(documents, &Labels::new(), NOW)
}

/// One object a line, for people.
fn objects(rendering: &Rendering) -> String {
    let mut lines: Vec<String> =
        rendering.objects.values().map(|r| r.object.body.to_string()).collect();
    lines.extend(rendering.problems.iter().map(|(document, why)| format!("{document}: {why}")));
    lines.join("\n")
}

fn names(rendering: &Rendering) -> Vec<String> {
    rendering.objects.keys().map(ToString::to_string).collect()
}

const NAMESPACE: &str = "  drift: Report\n  labels: {team: pay}\n  annotations: {example.org/owner: Ada}\n  podSecurity: restricted\n  resourceQuota: {hard: {requests.cpu: 4, pods: '10'}}\n  limitRange: {limits: [{type: Container, default: {cpu: 500m}, max: {memory: 2Gi}}]}\n  networkPolicy: {allow: [SameNamespace, DNS], allowFromNamespaces: [ingress], allowToNamespaces: [db, cache]}\n";

const BINDING: &str = "  reason: on call\n  expiresAt: 2030-01-01T00:00:00Z\n  roleRef: {kind: FederatedRole, name: r}\n  namespaces: [payments, other]\n  subjects:\n  - {kind: User, name: ada}\n  - {kind: Group, name: pay}\n  - {kind: ServiceAccount, name: bot}\n  - {kind: ServiceAccount, name: bot, namespace: ci}\n";

fn everything() -> Vec<Document> {
    vec![
        namespace("payments", NAMESPACE),
        role(
            "r",
            "  rules:\n  - {apiGroups: ['', apps], resources: [pods, pods/log], verbs: [get, list], resourceNames: [a]}\n",
        ),
        role("c", "  scope: Cluster\n  rules:\n  - {nonResourceURLs: [/healthz], verbs: [get]}\n"),
        binding("b", BINDING),
        binding(
            "w",
            "  clusterWide: true\n  roleRef: {kind: FederatedRole, name: c}\n  subjects: [{kind: Group, name: ops}]\n",
        ),
        binding(
            "own",
            "  namespaceSelector: {matchLabels: {team: pay}}\n  roleRef: {kind: Role, name: local}\n  subjects: [{kind: Group, name: ops}]\n",
        ),
    ]
}

#[test]
fn one_of_each_with_everything_set() {
    assert_snapshot!(objects(&rendered(&everything())), @r#"
    {"apiVersion":"v1","kind":"Namespace","metadata":{"labels":{"team":"pay","pod-security.kubernetes.io/enforce":"restricted","pod-security.kubernetes.io/audit":"restricted","pod-security.kubernetes.io/warn":"restricted","app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"example.org/owner":"Ada","hanse.dev/source":"FederatedNamespace/payments","hanse.dev/revision":"7"},"name":"payments"}}
    {"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"hanse","namespace":"payments","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedNamespace/payments","hanse.dev/revision":"7"}},"spec":{"hard":{"pods":"10","requests.cpu":"4"}}}
    {"apiVersion":"v1","kind":"LimitRange","metadata":{"name":"hanse","namespace":"payments","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedNamespace/payments","hanse.dev/revision":"7"}},"spec":{"limits":[{"type":"Container","default":{"cpu":"500m"},"max":{"memory":"2Gi"}}]}}
    {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"hanse-allow-dns","namespace":"payments","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedNamespace/payments","hanse.dev/revision":"7"}},"spec":{"podSelector":{},"policyTypes":["Egress"],"egress":[{"to":[{"namespaceSelector":{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"In","values":["kube-system"]}]}}],"ports":[{"port":53,"protocol":"UDP"},{"port":53,"protocol":"TCP"}]}]}}
    {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"hanse-allow-from-namespaces","namespace":"payments","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedNamespace/payments","hanse.dev/revision":"7"}},"spec":{"podSelector":{},"policyTypes":["Ingress"],"ingress":[{"from":[{"namespaceSelector":{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"In","values":["ingress"]}]}}]}]}}
    {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"hanse-allow-same-namespace","namespace":"payments","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedNamespace/payments","hanse.dev/revision":"7"}},"spec":{"podSelector":{},"policyTypes":["Ingress","Egress"],"ingress":[{"from":[{"podSelector":{}}]}],"egress":[{"to":[{"podSelector":{}}]}]}}
    {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"hanse-allow-to-namespaces","namespace":"payments","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedNamespace/payments","hanse.dev/revision":"7"}},"spec":{"podSelector":{},"policyTypes":["Egress"],"egress":[{"to":[{"namespaceSelector":{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"In","values":["db","cache"]}]}}]}]}}
    {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"hanse-deny","namespace":"payments","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedNamespace/payments","hanse.dev/revision":"7"}},"spec":{"podSelector":{},"policyTypes":["Ingress","Egress"]}}
    {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"hanse:cluster:c","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedRole/c","hanse.dev/revision":"7"}},"rules":[{"nonResourceURLs":["/healthz"],"verbs":["get"]}]}
    {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"hanse:ns:r","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedRole/r","hanse.dev/revision":"7"}},"rules":[{"apiGroups":["","apps"],"resourceNames":["a"],"resources":["pods","pods/log"],"verbs":["get","list"]}]}
    {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"hanse:cluster:w","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedRoleBinding/w","hanse.dev/revision":"7"}},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"hanse:cluster:c"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"ops"}]}
    {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"hanse:ns:b","namespace":"other","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedRoleBinding/b","hanse.dev/revision":"7"}},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"hanse:ns:r"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"ada"},{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"pay"},{"kind":"ServiceAccount","name":"bot","namespace":"other"},{"kind":"ServiceAccount","name":"bot","namespace":"ci"}]}
    {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"hanse:ns:b","namespace":"payments","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedRoleBinding/b","hanse.dev/revision":"7"}},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"hanse:ns:r"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"ada"},{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"pay"},{"kind":"ServiceAccount","name":"bot","namespace":"payments"},{"kind":"ServiceAccount","name":"bot","namespace":"ci"}]}
    {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"hanse:ns:own","namespace":"payments","labels":{"app.kubernetes.io/managed-by":"hanse-agent","hanse.dev/managed":"true"},"annotations":{"hanse.dev/source":"FederatedRoleBinding/own","hanse.dev/revision":"7"}},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"local"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"ops"}]}
    "#);
}

proptest! {
    #[test]
    fn the_order_of_documents_does_not_matter(documents in Just(everything()).prop_shuffle()) {
        let text = objects(&rendered(&documents));
        prop_assert_eq!(text, objects(&rendered(&everything())));
    }
}

#[test]
fn everything_of_ours_is_marked_and_named_and_in_its_place() {
    let rendering = rendered(&everything());
    assert_eq!(rendering.objects.len(), 14);
    for (reference, rendered) in &rendering.objects {
        let metadata = &rendered.object.body["metadata"];
        assert_eq!(metadata["labels"]["hanse.dev/managed"], "true");
        assert_eq!(metadata["labels"]["app.kubernetes.io/managed-by"], "hanse-agent");
        assert_eq!(metadata["annotations"]["hanse.dev/source"], rendered.source.to_string());
        assert_eq!(metadata["annotations"]["hanse.dev/revision"], "7");
        assert_eq!(metadata["name"], reference.name);
        assert_eq!(rendered.object.body["kind"], reference.kind.name());
        assert!(!reference.namespace.as_deref().is_some_and(is_protected_namespace));
        if reference.kind.is_access() {
            assert!(
                reference.name.starts_with("hanse:ns:")
                    || reference.name.starts_with("hanse:cluster:")
            );
            let wide = reference.kind.name() == "ClusterRoleBinding";
            assert!(!wide || reference.name.starts_with("hanse:cluster:"));
        }
    }
}

#[test]
fn an_override_counts_where_its_labels_are() {
    let overridden = format!(
        "{READS_PODS}  overrides:\n  - clusterSelector: {{matchLabels: {{env: prod}}}}\n    patch: {{rules: [], drift: Report}}\n  - clusterSelector: {{matchLabels: {{region: eu}}}}\n    patch: {{drift: Enforce}}\n"
    );
    let document = [role("r", &overridden)];
    let of = |pairs: &[(&str, &str)]| {
        let rendering = rendered_at(&document, &labels(pairs), NOW);
        let only = rendering.objects.into_values().next().unwrap();
        (only.object.body["rules"].as_array().unwrap().len(), format!("{:?}", only.drift))
    };
    assert_eq!(of(&[]), (1, "Enforce".to_owned()));
    assert_eq!(of(&[("env", "prod")]), (0, "Report".to_owned()));
    assert_eq!(of(&[("region", "eu")]), (1, "Enforce".to_owned()));
    assert_eq!(of(&[("env", "prod"), ("region", "eu")]), (0, "Enforce".to_owned()));
}

#[test]
fn a_selector_sees_only_what_is_declared() {
    let selecting = binds("r").replace("namespaces: [payments]", "namespaceSelector: {}");
    let documents = [
        role("r", READS_PODS),
        binding("b", &selecting),
        namespace("one", ""),
        namespace("two", ""),
    ];
    let bound: Vec<String> =
        names(&rendered(&documents)).into_iter().filter(|n| n.starts_with("RoleBinding")).collect();
    assert_eq!(bound, ["RoleBinding one/hanse:ns:b", "RoleBinding two/hanse:ns:b"]);
    // The labels that the agent itself puts on a namespace do not count either.
    let ours = binds("r").replace(
        "namespaces: [payments]",
        "namespaceSelector: {matchLabels: {hanse.dev/managed: 'true'}}",
    );
    let documents = [role("r", READS_PODS), binding("b", &ours), namespace("one", "")];
    assert!(!names(&rendered(&documents)).iter().any(|n| n.starts_with("RoleBinding")));
}

#[test]
fn a_binding_ends_at_its_expiry() {
    let expires_at: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let later = BINDING.replace("2030", "2031");
    let documents = [role("r", READS_PODS), binding("b", BINDING), binding("c", &later)];
    let at = |now: Timestamp| rendered_at(&documents, &Labels::new(), now);
    let before = at(expires_at - SignedDuration::from_nanos(1));
    assert_eq!((before.objects.len(), before.next_expiry), (5, Some(expires_at)));
    let then = at(expires_at);
    assert_eq!((then.objects.len(), then.next_expiry), (3, "2031-01-01T00:00:00Z".parse().ok()));
    assert_eq!(at("2031-01-01T00:00:00Z".parse().unwrap()).next_expiry, None);
}

#[test]
fn what_grants_nothing_is_told() {
    let cluster_wide = binds("r").replace("namespaces: [payments]", "clusterWide: true");
    assert_snapshot!(objects(&rendered(&[binding("b", &binds("r"))])), @"FederatedRoleBinding/b: FederatedRole/r is not placed on this cluster");
    assert_snapshot!(rendered(&[role("r", READS_PODS), binding("b", &cluster_wide)]).problems[0].1, @"FederatedRole/r has `scope: Namespace` and cannot be bound cluster-wide");
    let account = "  clusterWide: true\n  roleRef: {kind: ClusterRole, name: view}\n  subjects: [{kind: ServiceAccount, name: bot}]\n";
    assert_snapshot!(rendered(&[binding("b", account)]).problems[0].1, @"service account bot needs a namespace in a cluster-wide binding");
}

/// A policy isolates its pods in every direction that it names, so an allowance may not name one that
/// nobody asked to deny.
#[test]
fn an_allowance_denies_nothing() {
    for (deny, other) in [("Ingress", "Egress"), ("Egress", "Ingress")] {
        let policy = format!(
            "  networkPolicy: {{deny: [{deny}], allow: [SameNamespace, DNS], allowFromNamespaces: [a], allowToNamespaces: [b]}}\n"
        );
        let rendering = rendered(&[namespace("n", &policy)]);
        assert!(rendering.objects.len() > 2);
        assert!(!objects(&rendering).contains(&format!("\"{other}\"")), "{}", objects(&rendering));
    }
}
