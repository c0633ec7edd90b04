//! Messages about what each kind has.

use insta::assert_snapshot;

use crate::support::{errors, everywhere, namespace, text};

#[test]
fn protected_namespaces_are_not_declared() {
    let names = ["default", "kube-system", "kube-public", "kube-x", "hanse-agent", "openshift-x"];
    for name in names {
        let message = errors(&everywhere("FederatedNamespace", name, ""));
        assert!(message.contains("metadata.name: ") && message.contains("protected"), "{message}");
        let spec = format!(
            "  subjects: [{{kind: User, name: a}}]\n  roleRef: {{kind: ClusterRole, name: view}}\n  namespaces: [{name}]\n"
        );
        let message = errors(&everywhere("FederatedRoleBinding", "a", &spec));
        assert!(
            message.contains("spec.namespaces[0]: ") && message.contains("protected"),
            "{message}"
        );
    }
    assert_snapshot!(errors(&everywhere("FederatedNamespace", "kube-system", "")), @"f.yaml:4: metadata.name: `kube-system` is a protected namespace, which Hanse never touches");
}

#[test]
fn a_namespaces_name_is_a_dns_label() {
    assert_snapshot!(errors(&everywhere("FederatedNamespace", "a.b", "")), @"f.yaml:4: metadata.name: `a.b` is not a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit");
}

fn of_namespace(spec: &str) -> String {
    errors(&everywhere("FederatedNamespace", "a", spec))
}

#[test]
fn a_namespace_keeps_off_keys_of_others() {
    assert_snapshot!(of_namespace("  labels:\n    team: a\n    pod-security.kubernetes.io/enforce: privileged\n    kubernetes.io/metadata.name: b\n  annotations:\n    hanse.dev/source: x\n    notkubernetes.io/x: y\n"), @r"
    f.yaml:9: spec.labels[pod-security.kubernetes.io/enforce]: this key belongs to Kubernetes: set `podSecurity` instead
    f.yaml:10: spec.labels[kubernetes.io/metadata.name]: this key belongs to Kubernetes or to Hanse
    f.yaml:12: spec.annotations[hanse.dev/source]: this key belongs to Kubernetes or to Hanse
    ");
}

#[test]
fn quantities_are_those_of_kubernetes() {
    for good in ["4", "500m", "2Gi", "1.5", "\"0\"", ".5", "1e3", "1E-2", "+1", "0.5"] {
        namespace("a", &format!("  resourceQuota: {{hard: {{cpu: {good}}}}}\n"));
    }
    for bad in [
        "x", "-1", "1K", "1gi", "\"\"", "1e", "1e200", "0x10", "012", "1_000", "1 Gi", "true",
        "[1]", "1.2.3", "\"1\\n\"",
    ] {
        let message = of_namespace(&format!("  resourceQuota: {{hard: {{cpu: {bad}}}}}\n"));
        assert!(
            message.contains("spec.resourceQuota.hard[cpu]: expected a quantity"),
            "{bad}: {message}"
        );
    }
    assert_snapshot!(of_namespace("  resourceQuota: {hard: {cpu: lots, pods: -1, requests.memory: true}}\n"), @r#"
    f.yaml:7: spec.resourceQuota.hard[cpu]: expected a quantity like 4, 500m or 2Gi, not negative, found the string "lots"
    f.yaml:7: spec.resourceQuota.hard[pods]: expected a quantity like 4, 500m or 2Gi, not negative, found the number -1
    f.yaml:7: spec.resourceQuota.hard[requests.memory]: expected a quantity like 4, 500m or 2Gi, not negative, found the boolean true
    "#);
    assert_snapshot!(of_namespace("  resourceQuota: {hard: {}}\n"), @"f.yaml:7: spec.resourceQuota.hard: at least one resource is needed");
    assert_snapshot!(of_namespace("  resourceQuota: {cpu: 1}\n"), @r"
    f.yaml:7: spec.resourceQuota.hard: this field is required
    f.yaml:7: spec.resourceQuota.cpu: unknown field; known are hard
    ");
}

#[test]
fn limits_are_told_one_by_one() {
    assert_snapshot!(of_namespace("  limitRange:\n    limits:\n    - type: Container\n      max: {cpu: x}\n      min: {cpu: y}\n    - type: Box\n      default: {cpu: 1}\n    - type: Pod\n"), @r#"
    f.yaml:10: spec.limitRange.limits[0].max[cpu]: expected a quantity like 4, 500m or 2Gi, not negative, found the string "x"
    f.yaml:11: spec.limitRange.limits[0].min[cpu]: expected a quantity like 4, 500m or 2Gi, not negative, found the string "y"
    f.yaml:12: spec.limitRange.limits[1].type: `Box` is none of Container, Pod, PersistentVolumeClaim
    f.yaml:14: spec.limitRange.limits[2]: a limit needs at least one of `max`, `min`, `default`, …
    "#);
}

#[test]
fn a_network_policy_has_its_words() {
    assert_snapshot!(of_namespace("  networkPolicy: {deny: [ingress], allow: [Dns], allowFromNamespaces: [A], allowTo: [b]}\n"), @r"
    f.yaml:7: spec.networkPolicy.deny[0]: `ingress` is none of Ingress, Egress; did you mean `Ingress`?
    f.yaml:7: spec.networkPolicy.allow[0]: `Dns` is none of SameNamespace, DNS; did you mean `DNS`?
    f.yaml:7: spec.networkPolicy.allowFromNamespaces[0]: `A` is not a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit
    f.yaml:7: spec.networkPolicy.allowTo: unknown field; known are deny, allow, allowFromNamespaces, allowToNamespaces
    ");
    assert_snapshot!(of_namespace("  podSecurity: strict\n"), @"f.yaml:7: spec.podSecurity: `strict` is none of restricted, baseline, privileged");
}

#[test]
fn rules_are_those_of_kubernetes() {
    let rules = |scope: &str, rules: &str| {
        errors(&everywhere("FederatedRole", "a", &format!("  scope: {scope}\n  rules:\n{rules}")))
    };
    assert_snapshot!(rules("Namespace", "  - {}\n  - {apiGroups: [\"\"], resources: [pods], verbs: [1]}\n  - {nonResourceURLs: [/healthz], verbs: [get]}\n"), @r#"
    f.yaml:9: spec.rules[0]: `verbs` must name at least one verb
    f.yaml:9: spec.rules[0]: `apiGroups` must name at least one API group ("" is the core group)
    f.yaml:9: spec.rules[0]: `resources` must name at least one resource
    f.yaml:10: spec.rules[1].verbs[0]: expected a string, found a number: write "1"
    f.yaml:11: spec.rules[2]: `nonResourceURLs` need `scope: Cluster`
    "#);
    assert_snapshot!(rules("Cluster", "  - {nonResourceURLs: [/healthz], resources: [pods], apiGroups: [\"\"], verbs: [get]}\n  - {nonResourceURLs: [/healthz]}\n  - {verb: [get]}\n"), @r#"
    f.yaml:9: spec.rules[0]: a rule has `nonResourceURLs` or `resources`, not both
    f.yaml:10: spec.rules[1]: `verbs` must name at least one verb
    f.yaml:11: spec.rules[2]: `verbs` must name at least one verb
    f.yaml:11: spec.rules[2]: `apiGroups` must name at least one API group ("" is the core group)
    f.yaml:11: spec.rules[2]: `resources` must name at least one resource
    f.yaml:11: spec.rules[2].verb: unknown field; did you mean `verbs`?
    "#);
    assert_snapshot!(rules("cluster", "  - {nonResourceURLs: [/healthz], verbs: [get]}\n"), @"f.yaml:7: spec.scope: `cluster` is none of Namespace, Cluster; did you mean `Cluster`?");
    let many = "  - {apiGroups: [\"\"], resources: [a], verbs: [b]}\n".repeat(1001);
    assert_snapshot!(rules("Cluster", &many), @"f.yaml:9: spec.rules: 1001 rules, more than 1000");
}

fn of_binding(spec: &str) -> String {
    errors(&everywhere("FederatedRoleBinding", "a", spec))
}

const WHO: &str =
    "  subjects: [{kind: User, name: ada}]\n  roleRef: {kind: FederatedRole, name: r}\n";

#[test]
fn a_binding_has_exactly_one_scope() {
    assert_snapshot!(of_binding(WHO), @"f.yaml:6: spec: exactly one of `namespaces`, `namespaceSelector` and `clusterWide: true` is needed");
    assert_snapshot!(of_binding(&format!("{WHO}  namespaces: [a]\n  clusterWide: true\n")), @"f.yaml:6: spec: exactly one of `namespaces`, `namespaceSelector` and `clusterWide: true` is needed");
    assert_snapshot!(of_binding(&format!("{WHO}  namespaces: [a]\n  namespaceSelector: {{}}\n")), @"f.yaml:6: spec: exactly one of `namespaces`, `namespaceSelector` and `clusterWide: true` is needed");
    assert_snapshot!(of_binding(&format!("{WHO}  clusterWide: false\n")), @"f.yaml:9: spec.clusterWide: `clusterWide: false` binds nothing: name `namespaces` instead");
    assert_snapshot!(of_binding(&format!("{WHO}  clusterWide: yes\n")), @r#"f.yaml:9: spec.clusterWide: expected true or false, found the string "yes""#);
    assert_snapshot!(of_binding(&format!("{WHO}  namespaces: []\n")), @"f.yaml:9: spec.namespaces: at least one namespace is needed");
    assert_snapshot!(of_binding(&format!("{WHO}  namespaces: [kube-system, A]\n")), @r"
    f.yaml:9: spec.namespaces[0]: `kube-system` is a protected namespace, which Hanse never touches
    f.yaml:9: spec.namespaces[1]: `A` is not a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit
    ");
    assert_snapshot!(of_binding(&format!("{}  clusterWide: true\n", WHO.replace("FederatedRole", "Role"))), @"f.yaml:6: spec: a `Role` cannot be bound cluster-wide: refer to a `ClusterRole`");
}

#[test]
fn subjects_and_roles_are_those_of_kubernetes() {
    let spec = "  clusterWide: true\n  roleRef: {kind: ClusterRol, name: a/b}\n  subjects:\n  - {kind: user, name: ada}\n  - {kind: Group, name: \"\"}\n  - {kind: User, name: \"ada\\u202Enimda\"}\n  - {kind: User, name: a, namespace: b}\n  - {kind: ServiceAccount, name: A}\n  - {kind: ServiceAccount, name: a, namespace: B}\n  - {name: a}\n";
    assert_snapshot!(of_binding(spec), @r"
    f.yaml:8: spec.roleRef.kind: `ClusterRol` is none of FederatedRole, ClusterRole, Role; did you mean `ClusterRole`?
    f.yaml:10: spec.subjects[0].kind: `user` is none of User, Group, ServiceAccount; did you mean `User`?
    f.yaml:11: spec.subjects[1].name: a name of 1 to 512 bytes without control and invisible characters is needed
    f.yaml:12: spec.subjects[2].name: a name of 1 to 512 bytes without control and invisible characters is needed
    f.yaml:13: spec.subjects[3].namespace: only a `ServiceAccount` has a namespace
    f.yaml:14: spec.subjects[4].name: `A` is not a DNS subdomain: DNS labels with '.' between, at most 253 characters
    f.yaml:15: spec.subjects[5].namespace: `B` is not a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit
    f.yaml:16: spec.subjects[6].kind: this field is required
    ");
    assert_snapshot!(of_binding("  clusterWide: true\n  subjects: []\n  roleRef: {kind: ClusterRole, name: a/b}\n"), @r"
    f.yaml:8: spec.subjects: between 1 and 1000 subjects are needed
    f.yaml:9: spec.roleRef.name: `a/b` is not a name without '/', '%', spaces, control or invisible characters, at most 253 bytes
    ");
}

#[test]
fn an_expiry_is_a_time_of_rfc_3339() {
    let at = |time: &str| of_binding(&format!("{WHO}  clusterWide: true\n  expiresAt: {time}\n"));
    assert_snapshot!(at("tomorrow"), @r#"f.yaml:10: spec.expiresAt: expected an RFC 3339 time like 2026-12-31T18:00:00Z, found the string "tomorrow""#);
    assert_snapshot!(at("2026-12-31"), @r#"f.yaml:10: spec.expiresAt: expected an RFC 3339 time like 2026-12-31T18:00:00Z, found the string "2026-12-31""#);
    for bad in [
        "2026-12-31T18:00:00",
        "2026-02-30T18:00:00Z",
        "2026-12-31 18:00:00Z",
        "\"2026-12-31T18:00:00+01:00[Europe/Berlin]\"",
        "2026-12-31T18:00:00.Z",
        "20261231T180000Z",
        "2026-12-31T18:00Z",
        "1798740000",
        "2026-12-31T25:00:00Z",
    ] {
        assert!(at(bad).contains("RFC 3339") || at(bad).contains("expected a string"), "{bad}");
    }
    for good in
        ["2026-12-31T18:00:00Z", "2026-12-31T18:00:00.25+01:00", "\"2026-12-31T18:00:00-08:30\""]
    {
        crate::support::binding("a", &format!("{WHO}  clusterWide: true\n  expiresAt: {good}\n"));
    }
}

#[test]
fn a_reason_is_short() {
    assert_snapshot!(of_binding(&format!("{WHO}  clusterWide: true\n  reason: {}\n", "x".repeat(1025))), @"f.yaml:10: spec.reason: longer than 1024 bytes");
}

#[test]
fn errors_of_several_documents_come_together_in_order() {
    let role = everywhere("FederatedRole", "r", "  rules:\n  - {verbs: [get]}\n");
    let binding = text("FederatedRoleBinding", "b", "  subjects: 3\n");
    let file = format!(
        "# first\n\n{role}\n---\n\n# second\n{binding}---\n# nothing\n---\n{{broken\n---\n{role}"
    );
    assert_snapshot!(errors(&file), @r#"
    f.yaml:10: spec.rules[0]: `apiGroups` must name at least one API group ("" is the core group)
    f.yaml:10: spec.rules[0]: `resources` must name at least one resource
    f.yaml:20: spec.placement: this field is required
    f.yaml:20: spec.subjects: expected a list, found the number 3
    f.yaml:20: spec.roleRef: this field is required
    f.yaml:20: spec: exactly one of `namespaces`, `namespaceSelector` and `clusterWide: true` is needed
    f.yaml:24: not valid YAML: unclosed bracket '{'
    f.yaml:33: spec.rules[0]: `apiGroups` must name at least one API group ("" is the core group)
    f.yaml:33: spec.rules[0]: `resources` must name at least one resource
    "#);
    assert_eq!(
        errors(&file),
        errors(&file.replace('\n', "\r\n")),
        "lines count the same with CRLF"
    );
    assert_eq!(
        errors(&file),
        errors(&format!("\u{feff}{file}")),
        "a byte order mark moves no line"
    );
}

#[test]
fn the_agents_own_role_is_not_handed_out() {
    let binds = "  subjects: [{kind: User, name: ada}]\n  roleRef: {kind: ClusterRole, name: hanse-agent}\n  clusterWide: true\n";
    assert_snapshot!(errors(&everywhere("FederatedRoleBinding", "b", binds)), @"f.yaml:8: spec.roleRef.name: the agent's own role is not handed out");
}
