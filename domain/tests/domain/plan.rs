//! Plans: what changes, what has no effect and what cannot be.

use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::plan::{Action, Plan, plan};
use insta::assert_snapshot;

use crate::people;
use crate::support::{
    NOW, READS_PODS, after, binding, binds, cluster, cluster_id, document, namespace, put, role,
    text, three_clusters,
};

fn errors(base: &Fleet, edits: Vec<Edit>) -> String {
    let errors = plan(base, edits, NOW).unwrap_err();
    errors.iter().map(|error| format!("{error}\n")).collect()
}

fn warnings(base: &Fleet, edits: Vec<Edit>) -> String {
    plan(base, edits, NOW).unwrap().warnings.join("\n")
}

/// Objects and what happens to them in one cluster.
fn actions(plan: &Plan, cluster: &str) -> Vec<(String, Action)> {
    let changes = plan.clusters.get(cluster).into_iter().flatten();
    changes.map(|change| (change.object.to_string(), change.action())).collect()
}

fn prod_only(kind: &str, name: &str, spec: &str) -> Document {
    document(&text(
        kind,
        name,
        &format!("  placement: {{clusterSelector: {{matchLabels: {{env: prod}}}}}}\n{spec}"),
    ))
}

#[test]
fn the_inverse_of_a_change_is_its_mirror() {
    let base = after(&three_clusters(), vec![put(role("r", READS_PODS))]);
    let edits = vec![
        put(role("r", "  rules: []\n")),
        put(namespace("payments", "")),
        put(binding("b", &binds("r"))),
    ];
    let forward = plan(&base, edits, NOW).unwrap();
    let next = after(&base, forward.edits.clone());
    let inverse = vec![
        put(role("r", READS_PODS)),
        Edit::Remove("FederatedNamespace/payments".parse().unwrap()),
        Edit::Remove("FederatedRoleBinding/b".parse().unwrap()),
    ];
    let backward = plan(&next, inverse, NOW).unwrap();
    assert_eq!(actions(&forward, "dev-1").len(), 3);
    for cluster in ["prod-1", "prod-2", "dev-1"] {
        let mut forward = actions(&forward, cluster);
        let mut backward = actions(&backward, cluster);
        for (_, action) in &mut backward {
            *action = match action {
                Action::Add => Action::Remove,
                Action::Change => Action::Change,
                Action::Remove | Action::Release => Action::Add,
            };
        }
        forward.sort();
        backward.sort();
        assert_eq!(forward, backward);
    }
}

#[test]
fn only_clusters_where_something_changes_are_in_it() {
    let plan = plan(&three_clusters(), vec![put(prod_only("FederatedRole", "r", READS_PODS))], NOW)
        .unwrap();
    assert_eq!(plan.clusters.keys().collect::<Vec<_>>(), ["prod-1", "prod-2"]);
}

#[test]
fn new_labels_of_a_cluster_move_documents() {
    let base = after(&three_clusters(), vec![put(prod_only("FederatedRole", "r", READS_PODS))]);
    let plan =
        plan(&base, vec![Edit::PutCluster(cluster(3, "dev-1", &[("env", "prod")]))], NOW).unwrap();
    assert_eq!(actions(&plan, "dev-1"), [("ClusterRole hanse:ns:r".to_owned(), Action::Add)]);
}

#[test]
fn what_cannot_be_is_told_at_once() {
    let base = after(
        &three_clusters(),
        vec![put(role("reader", READS_PODS)), put(binding("b", &binds("reader")))],
    );
    let edits = vec![
        put(binding("c", &binds("raeder"))),
        put(binding("d", &binds("nothing-like-it"))),
        Edit::PutCluster(cluster(9, "prod-1", &[])),
        Edit::Remove("FederatedRole/gone".parse().unwrap()),
        Edit::RemoveCluster(cluster_id(77)),
    ];
    assert_snapshot!(errors(&base, edits), @r"
    FederatedRole/gone does not exist
    Cluster/00000000-0000-0000-0000-00000000004d does not exist
    FederatedRoleBinding/c refers to FederatedRole/raeder, which does not exist; did you mean `reader`?
    FederatedRoleBinding/d refers to FederatedRole/nothing-like-it, which does not exist
    there is another cluster with the name prod-1
    ");
    assert_snapshot!(errors(&base, vec![Edit::Remove("FederatedRole/reader".parse().unwrap())]), @"FederatedRoleBinding/b still refers to FederatedRole/reader: remove the binding with it, or before");
    // Taken away together, nothing is missing.
    let both = vec![
        Edit::Remove("FederatedRole/reader".parse().unwrap()),
        Edit::Remove("FederatedRoleBinding/b".parse().unwrap()),
    ];
    assert!(plan(&base, both, NOW).is_ok());
}

#[test]
fn an_override_cannot_refer_to_a_role_that_is_not_there() {
    let overridden = binds("reader")
        + "  overrides:\n  - clusterSelector: {matchLabels: {env: dev}}\n    patch: {roleRef: {name: raeder}}\n";
    let edits = vec![put(role("reader", READS_PODS)), put(binding("b", &overridden))];
    assert_snapshot!(errors(&three_clusters(), edits), @"FederatedRoleBinding/b refers to FederatedRole/raeder, which does not exist; did you mean `reader`?");
}

const CLASHING: &str = "  scope: Cluster\n  rules: []\n  overrides:\n  - clusterSelector: {matchLabels: {a: x}}\n    patch: {scope: Namespace}\n  - clusterSelector: {matchLabels: {b: x}}\n    patch: {rules: [{nonResourceURLs: [/healthz], verbs: [get]}]}\n";

#[test]
fn overrides_that_clash_on_a_cluster_are_errors() {
    let both = Edit::PutCluster(cluster(4, "both", &[("a", "x"), ("b", "x")]));
    assert_snapshot!(errors(&three_clusters(), vec![both.clone(), put(role("r", CLASHING))]), @r"
    on cluster both: FederatedRole/r: spec.rules[0]: `nonResourceURLs` need `scope: Cluster`
    on cluster both: FederatedRole/r: spec.rules[0]: `nonResourceURLs` need `scope: Cluster`
    ");
    // Also when it is the cluster that changes, and not the document.
    let base = after(&three_clusters(), vec![put(role("r", CLASHING))]);
    assert_snapshot!(errors(&base, vec![both]), @"on cluster both: FederatedRole/r: spec.rules[0]: `nonResourceURLs` need `scope: Cluster`");
}

#[test]
fn what_has_no_effect_is_told() {
    let base = three_clusters();
    let named = text(
        "FederatedRole",
        "r",
        &format!("  placement: {{clusterNames: [prod-9]}}\n{READS_PODS}"),
    );
    assert_snapshot!(warnings(&base, vec![put(document(&named))]), @r"
    FederatedRole/r names cluster prod-9, which is not in the fleet
    FederatedRole/r is placed on no cluster: its placement selects none
    ");
    let overridden = format!(
        "{READS_PODS}  overrides:\n  - clusterSelector: {{matchLabels: {{env: test}}}}\n    patch: {{drift: Report}}\n"
    );
    assert_snapshot!(warnings(&base, vec![put(role("r", &overridden))]), @"an override of FederatedRole/r matches no cluster");
    let elsewhere =
        vec![put(prod_only("FederatedRole", "r", READS_PODS)), put(binding("b", &binds("r")))];
    assert_snapshot!(warnings(&base, elsewhere), @"on cluster dev-1: FederatedRoleBinding/b grants nothing: FederatedRole/r is not placed on this cluster");
    assert_snapshot!(warnings(&base, vec![Edit::RemoveCluster(cluster_id(1))]), @"cluster prod-1 leaves the fleet; what was applied there stays as it is");
    let expired = binds("r") + "  expiresAt: 2020-01-01T00:00:00Z\n";
    assert_snapshot!(warnings(&base, vec![put(role("r", READS_PODS)), put(binding("b", &expired))]), @"FederatedRoleBinding/b expired at 2020-01-01T00:00:00Z: it grants nothing");
}

#[test]
fn a_cluster_that_leaves_has_read_what_was_sealed_to_it() {
    let secrets = ["db", "web"].map(|name| put(people::secret(name, "payments", 1)));
    let base = after(&three_clusters(), secrets.into());
    let base = after(&base, vec![people::put_wrap(people::wrap("db", 1, 1, 7))]);
    let told = warnings(&base, vec![Edit::RemoveCluster(cluster_id(1))]);
    assert!(told.contains("FederatedSecret/db was readable on cluster prod-1"), "{told}");
    assert!(!told.contains("FederatedSecret/web"), "{told}");
    assert!(!warnings(&base, vec![Edit::RemoveCluster(cluster_id(2))]).contains("readable"));
}

#[test]
fn a_selector_that_matches_no_namespace_is_told() {
    let selecting = binds("r")
        .replace("namespaces: [payments]", "namespaceSelector: {matchLabels: {team: pay}}");
    let edits = |labels: &str| {
        vec![
            put(role("r", READS_PODS)),
            put(binding("b", &selecting)),
            put(prod_only("FederatedNamespace", "payments", labels)),
        ]
    };
    assert_snapshot!(warnings(&three_clusters(), edits("  labels: {team: pay}\n")), @"on cluster dev-1: FederatedRoleBinding/b grants nothing: its `namespaceSelector` matches no FederatedNamespace there");
}

#[test]
fn a_role_of_another_scope_grants_nothing() {
    let edits = vec![
        put(role("r", &format!("  scope: Cluster\n{READS_PODS}"))),
        put(binding("b", &binds("r"))),
    ];
    let base = after(&crate::support::new_fleet(), vec![Edit::PutCluster(cluster(1, "one", &[]))]);
    assert_snapshot!(warnings(&base, edits), @"on cluster one: FederatedRoleBinding/b grants nothing: FederatedRole/r has `scope: Cluster` and can only be bound cluster-wide");
}

#[test]
fn a_namespace_is_let_go_of_and_never_removed() {
    let base = three_clusters();
    let declared = plan(&base, vec![put(namespace("payments", ""))], NOW).unwrap();
    let next = after(&base, declared.edits);
    let gone = vec![Edit::Remove("FederatedNamespace/payments".parse().unwrap())];
    let plan = plan(&next, gone, NOW).unwrap();
    assert_eq!(
        actions(&plan, "prod-1").iter().map(|(_, a)| *a).collect::<Vec<_>>(),
        [Action::Release]
    );
}
