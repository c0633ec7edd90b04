//! What a plan points at before anyone says yes.

use hanse_domain::document::Document;
use hanse_domain::fleet::Edit;
use hanse_domain::plan::{plan, unconfirmed_removals};

use crate::support::{
    NOW, READS_PODS, after, binding, cluster, namespace, put, role, three_clusters,
};

/// The codes of a document's hazards.
fn hazards(document: Document) -> Vec<&'static str> {
    let target = role("r", READS_PODS);
    let plan = plan(&three_clusters(), vec![put(target), put(document)], NOW).unwrap();
    plan.hazards.iter().map(|hazard| hazard.kind.code()).collect()
}

fn of_rule(scope: &str, rule: &str) -> Vec<&'static str> {
    hazards(role("x", &format!("  scope: {scope}\n  rules:\n  - {rule}\n")))
}

fn of_binding(subject: &str, role: &str) -> Vec<&'static str> {
    hazards(binding(
        "x",
        &format!("  subjects: [{subject}]\n  roleRef: {role}\n  clusterWide: true\n"),
    ))
}

#[test]
fn rules_that_deserve_a_second_look() {
    let cases = [
        ("Namespace", "{apiGroups: [''], resources: [pods], verbs: [get]}", vec![]),
        (
            "Namespace",
            "{apiGroups: ['*'], resources: ['*'], verbs: ['*']}",
            vec!["grants-cluster-admin"],
        ),
        (
            "Namespace",
            "{apiGroups: [apps], resources: ['*'], verbs: [get]}",
            vec!["grants-wildcard"],
        ),
        (
            "Namespace",
            "{apiGroups: [apps], resources: ['*/scale'], verbs: [get]}",
            vec!["grants-wildcard"],
        ),
        ("Cluster", "{nonResourceURLs: ['*'], verbs: [get]}", vec!["grants-wildcard"]),
        (
            "Cluster",
            "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate]}",
            vec!["grants-escalation"],
        ),
        (
            "Cluster",
            "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}",
            vec!["grants-escalation"],
        ),
        (
            "Namespace",
            "{apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [create]}",
            vec!["grants-escalation"],
        ),
        (
            "Namespace",
            "{apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [get]}",
            vec![],
        ),
        (
            "Namespace",
            "{apiGroups: ['*'], resources: [rolebindings], verbs: [patch]}",
            vec!["grants-wildcard", "grants-escalation"],
        ),
        (
            "Cluster",
            "{apiGroups: [''], resources: [users], verbs: [impersonate]}",
            vec!["grants-escalation"],
        ),
        (
            "Cluster",
            "{apiGroups: [''], resources: [users], verbs: ['*']}",
            vec!["grants-wildcard", "grants-escalation"],
        ),
        (
            "Cluster",
            "{apiGroups: [authentication.k8s.io], resources: [users], verbs: ['impersonate:user-info']}",
            vec!["grants-escalation"],
        ),
        (
            "Cluster",
            "{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve]}",
            vec!["grants-escalation"],
        ),
        (
            "Cluster",
            "{apiGroups: [admissionregistration.k8s.io], resources: [validatingadmissionpolicies], verbs: [delete]}",
            vec!["grants-escalation"],
        ),
        (
            "Namespace",
            "{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}",
            vec!["grants-escalation"],
        ),
        (
            "Cluster",
            "{apiGroups: [''], resources: [nodes/proxy], verbs: [get]}",
            vec!["grants-escalation"],
        ),
        (
            "Cluster",
            "{apiGroups: [''], resources: [secrets], verbs: [list]}",
            vec!["grants-all-secrets"],
        ),
        (
            "Cluster",
            "{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [a]}",
            vec![],
        ),
        ("Namespace", "{apiGroups: [''], resources: [secrets], verbs: [list]}", vec![]),
    ];
    for (scope, rule, expected) in cases {
        assert_eq!(of_rule(scope, rule), expected, "{scope} {rule}");
    }
}

#[test]
fn bindings_that_deserve_a_second_look() {
    let ada = "{kind: User, name: ada}";
    let view = "{kind: ClusterRole, name: view}";
    assert_eq!(of_binding(ada, view), [""; 0]);
    assert_eq!(
        of_binding(ada, "{kind: ClusterRole, name: cluster-admin}"),
        ["grants-cluster-admin"]
    );
    assert_eq!(
        of_binding(
            ada,
            "{kind: ClusterRole, name: system:controller:clusterrole-aggregation-controller}"
        ),
        ["grants-escalation"]
    );
    for subject in [
        "{kind: Group, name: 'system:masters'}",
        "{kind: Group, name: 'system:authenticated'}",
        "{kind: User, name: 'system:anonymous'}",
    ] {
        assert_eq!(of_binding(subject, view), ["broad-subject"], "{subject}");
    }
}

#[test]
fn privileged_pods_deserve_a_second_look() {
    assert_eq!(hazards(namespace("a", "  podSecurity: privileged\n")), ["privileged-pods"]);
    assert_eq!(hazards(namespace("a", "  podSecurity: restricted\n")), [""; 0]);
}

#[test]
fn an_override_hides_no_hazard() {
    let all = "[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]";
    let overridden = format!(
        "{READS_PODS}  overrides:\n  - clusterSelector: {{matchLabels: {{env: later}}}}\n    patch: {{rules: {all}}}\n"
    );
    assert_eq!(hazards(role("x", &overridden)), ["grants-cluster-admin"]);
    let privileged = "  podSecurity: baseline\n  overrides:\n  - clusterSelector: {}\n    patch: {podSecurity: privileged}\n";
    assert_eq!(hazards(namespace("a", privileged)), ["privileged-pods"]);
}

#[test]
fn overrides_that_come_together_hide_no_hazard() {
    let parts = format!(
        "{READS_PODS}  overrides:\n  - clusterSelector: {{matchLabels: {{env: prod}}}}\n    patch: {{scope: Cluster}}\n  - clusterSelector: {{}}\n    patch: {{rules: [{{apiGroups: [''], resources: [secrets], verbs: [get]}}]}}\n"
    );
    assert_eq!(hazards(role("x", &parts)), ["grants-all-secrets"]);
    // Also where they come together only when a cluster gets other labels.
    let later = parts.replace("{env: prod}", "{env: later}");
    assert_eq!(hazards(role("x", &later)), ["grants-all-secrets"]);
    let kind_and_name = "  roleRef: {kind: ClusterRole, name: view}\n  subjects: [{kind: User, name: u}]\n  namespaces: [shop]\n  overrides:\n  - clusterSelector: {matchLabels: {env: one}}\n    patch: {roleRef: {kind: FederatedRole, name: cluster-admin}}\n  - clusterSelector: {matchLabels: {env: two}}\n    patch: {roleRef: {kind: ClusterRole}}\n";
    let kind_and_name = binding("x", kind_and_name);
    let base = after(&three_clusters(), vec![put(role("cluster-admin", READS_PODS))]);
    let plan = plan(&base, vec![put(kind_and_name)], NOW).unwrap();
    let codes: Vec<&str> = plan.hazards.iter().map(|hazard| hazard.kind.code()).collect();
    assert_eq!(codes, ["grants-cluster-admin"]);
}

#[test]
fn a_hazard_is_told_once() {
    let twice = "  rules:\n  - {apiGroups: ['*'], resources: ['*'], verbs: ['*']}\n  overrides:\n  - clusterSelector: {}\n    patch: {drift: Report}\n";
    assert_eq!(hazards(role("x", twice)), ["grants-cluster-admin"]);
}

#[test]
fn many_removals_deserve_a_second_look() {
    let of = |count: usize| {
        let base =
            after(&crate::support::new_fleet(), vec![Edit::PutCluster(cluster(1, "one", &[]))]);
        let roles = (0..count).map(|n| put(role(&format!("r{n}"), READS_PODS))).collect();
        let base = after(&base, roles);
        let removals = (0..count)
            .map(|n| Edit::Remove(format!("FederatedRole/r{n}").parse().unwrap()))
            .collect();
        plan(&base, removals, NOW).unwrap().hazards
    };
    assert!(of(5).is_empty());
    insta::assert_snapshot!(of(6)[0], @"6 objects go from cluster one; if that is more than a tenth of what is there, its agent waits for `hanse cluster confirm-removals one 6` (many-removals)");
    assert_eq!([0, 50, 59, 60, 1000].map(unconfirmed_removals), [5, 5, 5, 6, 100]);
}
