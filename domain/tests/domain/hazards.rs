//! What a plan points at before anyone says yes.

use hanse_domain::document::Document;
use hanse_domain::fleet::Edit;
use hanse_domain::parse::parse_files;
use hanse_domain::plan::{hazards_of, plan, unconfirmed_removals};

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
            vec!["grants-all-secrets"],
        ),
        ("Namespace", "{apiGroups: [''], resources: [secrets], verbs: [list]}", vec![]),
    ];
    for (scope, rule, expected) in cases {
        assert_eq!(of_rule(scope, rule), expected, "{scope} {rule}");
    }
}

/// Each is one rule; with `scope: Namespace` only those that are hazards wherever they hold.
#[test]
fn what_is_powerful_in_every_namespace_deserves_a_second_look() {
    let rule = |group: &str, resource: &str, verb: &str| {
        format!("{{apiGroups: ['{group}'], resources: ['{resource}'], verbs: ['{verb}']}}")
    };
    let escalation = ["grants-escalation"];
    let writable = [
        ("", "secrets configmaps namespaces nodes persistentvolumes pods pods/exec pods/attach"),
        ("", "pods/ephemeralcontainers serviceaccounts replicationcontrollers"),
        ("apps", "deployments daemonsets statefulsets replicasets"),
        ("batch", "jobs cronjobs"),
    ];
    for (group, resources) in writable {
        for resource in resources.split(' ') {
            for verb in ["create", "update", "patch", "delete", "deletecollection"] {
                let rule = rule(group, resource, verb);
                assert_eq!(of_rule("Cluster", &rule), escalation, "{rule}");
                assert_eq!(of_rule("Namespace", &rule), [""; 0], "{rule}");
                let named = rule.replace('}', ", resourceNames: [a]}");
                assert_eq!(of_rule("Cluster", &named), escalation, "{named}");
            }
            let reads = rule(group, resource, "watch");
            let secrets: &[&str] =
                if resource == "secrets" { &["grants-all-secrets"] } else { &[] };
            assert_eq!(of_rule("Cluster", &reads), secrets, "{reads}");
        }
    }
    assert_eq!(of_rule("Cluster", &rule("", "pods/exec", "get")), escalation);
    assert_eq!(of_rule("Cluster", &rule("", "pods/log", "get")), [""; 0]);
    assert_eq!(of_rule("Cluster", &rule("shop.example.org", "jobs", "create")), [""; 0]);
    for (group, resource) in [
        ("fence.hanse.dev", "ceilings"),
        ("apiregistration.k8s.io", "apiservices"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("certificates.k8s.io", "certificatesigningrequests"),
    ] {
        for scope in ["Namespace", "Cluster"] {
            let rule = rule(group, resource, "delete");
            assert_eq!(of_rule(scope, &rule), escalation, "{scope} {rule}");
        }
    }
    assert_eq!(of_rule("Cluster", &rule("fence.hanse.dev", "ceilings", "get")), [""; 0]);
    for (group, resource) in
        [("security.openshift.io", "securitycontextconstraints"), ("policy", "podsecuritypolicies")]
    {
        assert_eq!(of_rule("Namespace", &rule(group, resource, "use")), escalation, "{resource}");
        assert_eq!(of_rule("Namespace", &rule(group, resource, "get")), [""; 0], "{resource}");
    }
}

#[test]
fn only_view_is_harmless_over_a_whole_cluster() {
    let ada = "{kind: User, name: ada}";
    for name in ["admin", "edit", "hanse-ceiling", "prometheus", "'hanse:ns:x'"] {
        let role = format!("{{kind: ClusterRole, name: {name}}}");
        assert_eq!(of_binding(ada, &role), ["grants-escalation"], "{name}");
    }
    let in_a_namespace = |name: &str| {
        let spec = format!(
            "  subjects: [{ada}]\n  roleRef: {{kind: ClusterRole, name: {name}}}\n  namespaces: [shop]\n"
        );
        hazards(binding("x", &spec))
    };
    assert_eq!(in_a_namespace("edit"), [""; 0]);
    assert_eq!(in_a_namespace("admin"), [""; 0]);
    // Neither when it takes three overrides.
    let parts = "  roleRef: {kind: ClusterRole, name: view}\n  subjects: [{kind: User, name: u}]\n  namespaces: [shop]\n  overrides:\n  - clusterSelector: {matchLabels: {env: one}}\n    patch: {roleRef: {name: edit}}\n  - clusterSelector: {matchLabels: {env: two}}\n    patch: {clusterWide: true, namespaces: null}\n";
    assert_eq!(hazards(binding("x", parts)), ["grants-escalation"]);
}

#[test]
fn accounts_of_the_cluster_itself_deserve_a_second_look() {
    let view = "{kind: ClusterRole, name: view}";
    let account = |namespace: &str| {
        of_binding(&format!("{{kind: ServiceAccount, name: a, namespace: {namespace}}}"), view)
    };
    for namespace in ["kube-system", "default", "hanse-agent", "openshift-monitoring"] {
        assert_eq!(account(namespace), ["broad-subject"], "{namespace}");
    }
    assert_eq!(account("monitoring"), [""; 0]);
}

#[test]
fn the_examples_have_no_hazards() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folders = ["payments", "platform"].map(|folder| examples.join(folder));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let texts: Vec<Vec<u8>> = files.map(|f| std::fs::read(f.unwrap().path()).unwrap()).collect();
    let documents = parse_files(texts.iter().map(|text| ("f.yaml", text.as_slice()))).unwrap();
    assert_eq!(documents.len(), 9);
    for document in documents {
        assert_eq!(hazards_of(&document), [], "{}", document.reference);
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
