//! Messages about what all kinds have: envelope, metadata, placement, selectors, overrides.

use hanse_domain::parse::parse_files;
use insta::assert_snapshot;

use crate::support::{errors, errors_of, everywhere, text};

fn role(spec: &str) -> String {
    everywhere("FederatedRole", "a", spec)
}

#[test]
fn unknown_fields_are_told_with_what_was_meant() {
    assert_snapshot!(errors(&role("  rulez: []\n  rules: []\n  Drift: Report\n  zzz: 1\n").replace("metadata:", "metadata:\n  nmae: x\n  namespace: b")), @r"
    f.yaml:4: metadata.nmae: unknown field; known are name, labels, annotations
    f.yaml:5: metadata.namespace: unknown field; known are name, labels, annotations
    f.yaml:9: spec.rulez: unknown field; did you mean `rules`?
    f.yaml:11: spec.Drift: unknown field; did you mean `drift`?
    f.yaml:12: spec.zzz: unknown field; known are placement, overrides, drift, scope, rules
    ");
}

#[test]
fn missing_fields_are_all_told() {
    assert_snapshot!(errors("{}\n"), @r"
    f.yaml:1: apiVersion: this field is required
    f.yaml:1: kind: this field is required
    f.yaml:1: metadata: this field is required
    f.yaml:1: spec: this field is required
    ");
    assert_snapshot!(errors("apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {}\nspec: {}\n"), @r"
    f.yaml:3: metadata.name: this field is required
    f.yaml:4: spec.placement: this field is required
    f.yaml:4: spec.rules: this field is required
    ");
    assert_snapshot!(errors("apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata:\nspec: null\n"), @r"
    f.yaml:1: metadata: this field is required
    f.yaml:1: spec: this field is required
    ");
}

#[test]
fn wrong_types_are_told_with_what_was_found() {
    assert_snapshot!(errors("apiVersion: 1\nkind: true\nmetadata: [a]\nspec: hello\n"), @r#"
    f.yaml:1: apiVersion: expected a string, found a number: write "1"
    f.yaml:2: kind: expected a string, found a boolean: write "true"
    f.yaml:3: metadata: expected a map, found a list
    "#);
    let metadata =
        "metadata:\n  labels: {version: 1.10, on: true, list: [a], none: }\n  annotations: {n: 7}";
    assert_snapshot!(errors(&role("  rules: {}\n  drift: 3\n").replace("metadata:", metadata)), @r#"
    f.yaml:4: metadata.labels[version]: expected a string, found a number: write "1.10"
    f.yaml:4: metadata.labels[on]: expected a string, found a boolean: write "true"
    f.yaml:4: metadata.labels[list]: expected a string, found a list
    f.yaml:4: metadata.labels[none]: expected a string, found nothing
    f.yaml:5: metadata.annotations[n]: expected a string, found a number: write "7"
    f.yaml:9: spec.rules: expected a list, found a map
    f.yaml:10: spec.drift: expected a string, found a number: write "3"
    "#);
}

#[test]
fn versions_and_kinds_are_told_with_what_was_meant() {
    assert_snapshot!(errors(&role("  rules: []\n").replace("v1alpha1", "v1")), @"f.yaml:1: apiVersion: expected `hanse.dev/v1alpha1`, found `hanse.dev/v1`");
    assert_snapshot!(errors(&role("  rules: []\n").replace("FederatedRole", "FederatedRol")), @"f.yaml:2: kind: `FederatedRol` is none of FederatedNamespace, FederatedRole, FederatedRoleBinding, FederatedSecret, AccessInvariant; did you mean `FederatedRole`?");
}

#[test]
fn documents_of_others_are_called_by_their_name() {
    assert_snapshot!(errors("apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a, namespace: b}\nrules: []\n---\napiVersion: v1\nkind: ConfigMap\n---\napiVersion: v1\nkind: Namespace\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n"), @r"
    f.yaml:1: this is `kind: Role` of `apiVersion: rbac.authorization.k8s.io/v1`, not a document of hanse.dev/v1alpha1; over many clusters Hanse has FederatedRole
    f.yaml:6: this is `kind: ConfigMap` of `apiVersion: v1`, not a document of hanse.dev/v1alpha1
    f.yaml:9: this is `kind: Namespace` of `apiVersion: v1`, not a document of hanse.dev/v1alpha1; over many clusters Hanse has FederatedNamespace
    f.yaml:12: this is `kind: ClusterRoleBinding` of `apiVersion: rbac.authorization.k8s.io/v1`, not a document of hanse.dev/v1alpha1; over many clusters Hanse has FederatedRoleBinding
    ");
}

#[test]
fn duplicate_keys_are_told_wherever_they_are() {
    let spec = "  rules: []\n  rules: []\n  overrides:\n  - clusterSelector: {}\n    patch: {drift: Report, drift: Enforce}\n";
    assert_snapshot!(errors(&role(spec)), @r"
    f.yaml:8: spec.rules: this key is here twice
    f.yaml:11: spec.overrides[0].patch.drift: this key is here twice
    ");
}

#[test]
fn one_name_is_one_document_over_all_files() {
    let one = role("  rules: []\n");
    let both = format!("{one}---\n# a comment\n\n{one}");
    assert_snapshot!(errors(&both), @"f.yaml:14: metadata.name: FederatedRole/a is declared at f.yaml:4 already");
    assert_snapshot!(errors_of(&[("a.yaml", one.as_bytes()), ("b.yaml", one.as_bytes())]), @"b.yaml:4: metadata.name: FederatedRole/a is declared at a.yaml:4 already");
}

#[test]
fn names_and_labels_are_those_of_kubernetes() {
    let metadata = "metadata:\n  labels: {-a: b, a/b/c: d, ok: 'not ok', Ex/a: x}";
    assert_snapshot!(errors(&role("  rules: []\n").replace("metadata:", metadata).replace("name: a", "name: A_b")), @r"
    f.yaml:4: metadata.labels[-a]: `-a` is not a label key: [prefix/]name, the name at most 63 of letters, digits, '-', '_' and '.', beginning and ending with a letter or digit
    f.yaml:4: metadata.labels[a/b/c]: `a/b/c` is not a label key: [prefix/]name, the name at most 63 of letters, digits, '-', '_' and '.', beginning and ending with a letter or digit
    f.yaml:4: metadata.labels[ok]: `not ok` is not a label value: at most 63 of letters, digits, '-', '_' and '.', beginning and ending with a letter or digit
    f.yaml:4: metadata.labels[Ex/a]: `Ex/a` is not a label key: [prefix/]name, the name at most 63 of letters, digits, '-', '_' and '.', beginning and ending with a letter or digit
    f.yaml:5: metadata.name: `A_b` is not a DNS subdomain: DNS labels with '.' between, at most 253 characters
    ");
    let long = role("  rules: []\n").replace("name: a", &format!("name: {}", "a".repeat(300)));
    assert_snapshot!(errors(&long), @"f.yaml:4: metadata.name: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…` is not a DNS subdomain: DNS labels with '.' between, at most 253 characters");
    assert_snapshot!(errors(&role("  rules: []\n").replace("name: a", "name: \"a\\u001b[31m\"")), @r"f.yaml:4: metadata.name: `a\u{1b}[31m` is not a DNS subdomain: DNS labels with '.' between, at most 253 characters");
}

#[test]
fn what_a_document_has_is_shown_without_harm() {
    let evil = "metadata:\n  \"\\e[31m\\u202E\": x";
    let spec = format!("  rules: []\n  drift: \"\\e[2J{}\"\n", "x".repeat(5000));
    let message = errors(&role(&spec).replace("metadata:", evil));
    assert!(message.len() < 2000 && !message.contains(['\u{1b}', '\u{202e}']), "{message:?}");
    assert!(message.contains(r"metadata.\u{1b}[31m\u{202e}: unknown field"), "{message}");
}

#[test]
fn a_placement_says_where() {
    let placed = |placement: &str| {
        errors(&text("FederatedRole", "a", &format!("  placement: {placement}\n  rules: []\n")))
    };
    assert_snapshot!(placed("{}"), @"f.yaml:6: spec.placement: name clusters in `clusterNames` or match their labels with `clusterSelector` (`clusterSelector: {}` is every cluster)");
    assert_snapshot!(placed("{clusterNames: []}"), @"f.yaml:6: spec.placement: name clusters in `clusterNames` or match their labels with `clusterSelector` (`clusterSelector: {}` is every cluster)");
    assert_snapshot!(placed("{clusterNames: [Prod]}"), @"f.yaml:6: spec.placement.clusterNames[0]: `Prod` is not a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit");
    assert_snapshot!(placed("{clusterSelctor: {}}"), @r"
    f.yaml:6: spec.placement: name clusters in `clusterNames` or match their labels with `clusterSelector` (`clusterSelector: {}` is every cluster)
    f.yaml:6: spec.placement.clusterSelctor: unknown field; did you mean `clusterSelector`?
    ");
    assert_snapshot!(placed("[prod]"), @"f.yaml:6: spec.placement: expected a map, found a list");
}

#[test]
fn selectors_are_those_of_kubernetes() {
    let selector = |selector: &str| {
        errors(&text(
            "FederatedRole",
            "a",
            &format!("  placement:\n    clusterSelector: {selector}\n  rules: []\n"),
        ))
    };
    assert_snapshot!(selector("{env: prod}"), @"f.yaml:7: spec.placement.clusterSelector.env: unknown field; known are matchLabels, matchExpressions");
    assert_snapshot!(selector("{matchLabels: [a]}"), @"f.yaml:7: spec.placement.clusterSelector.matchLabels: expected a map, found a list");
    assert_snapshot!(selector("{matchExpressions: [{key: a, operator: in, values: [b]}]}"), @"f.yaml:7: spec.placement.clusterSelector.matchExpressions[0].operator: `in` is none of In, NotIn, Exists, DoesNotExist; did you mean `In`?");
    assert_snapshot!(selector("{matchExpressions: [{key: a, operator: In}, {key: b, operator: NotIn, values: []}, {key: c, operator: Exists, values: [d]}, {operator: Exists}]}"), @r"
    f.yaml:7: spec.placement.clusterSelector.matchExpressions[0]: `In` and `NotIn` need `values`
    f.yaml:7: spec.placement.clusterSelector.matchExpressions[1]: `In` and `NotIn` need `values`
    f.yaml:7: spec.placement.clusterSelector.matchExpressions[2]: `Exists` and `DoesNotExist` take no `values`
    f.yaml:7: spec.placement.clusterSelector.matchExpressions[3].key: this field is required
    ");
}

#[test]
fn an_override_changes_the_spec_to_a_valid_one() {
    let overrides = |list: &str| errors(&role(&format!("  rules: []\n  overrides:\n{list}")));
    assert_snapshot!(overrides("  - clusterSelector: {}\n    patch: {placement: {clusterNames: [a]}}\n"), @"f.yaml:10: spec.overrides[0].patch: `placement` cannot be overridden");
    assert_snapshot!(overrides("  - clusterSelector: {}\n    patch: {overrides: []}\n"), @"f.yaml:10: spec.overrides[0].patch: `overrides` cannot be overridden");
    assert_snapshot!(overrides("  - clusterSelector: {}\n    patch: {scope: Everywhere}\n"), @"f.yaml:10: spec.overrides[0].patch: with this patch the spec is not valid: spec.scope: `Everywhere` is none of Namespace, Cluster");
    assert_snapshot!(overrides("  - clusterSelector: {}\n    patch: {rules: null}\n"), @"f.yaml:10: spec.overrides[0].patch: with this patch the spec is not valid: spec.rules: this field is required");
    assert_snapshot!(overrides("  - clusterSelector: {}\n    patch: {rulez: []}\n"), @"f.yaml:10: spec.overrides[0].patch: with this patch the spec is not valid: spec.rulez: unknown field; did you mean `rules`?");
    assert_snapshot!(overrides("  - clusterSelector: {}\n    patch: {}\n  - clusterSelector: {}\n    patch: [a]\n  - patch: {drift: Report}\n  - clusterSelector: {}\n"), @r"
    f.yaml:10: spec.overrides[0].patch: this patch changes nothing
    f.yaml:12: spec.overrides[1].patch: expected a map: a JSON merge patch of the spec
    f.yaml:13: spec.overrides[2].clusterSelector: this field is required
    f.yaml:14: spec.overrides[3].patch: this field is required
    ");
    let many = "  - clusterSelector: {}\n    patch: {drift: Report}\n";
    assert_snapshot!(overrides(&many.repeat(33)), @"f.yaml:9: spec.overrides: 33 overrides, more than 32: make several documents of it");
    assert!(
        parse_files([(
            "f.yaml",
            role(&format!("  rules: []\n  overrides:\n{}", many.repeat(32))).as_bytes()
        )])
        .is_ok()
    );
    // Neither much in all: each makes the whole spec anew.
    let long = "x".repeat(150);
    let large = format!(
        "  - {{apiGroups: [apps], resources: [deployments], verbs: [get], resourceNames: [{long}]}}\n"
    )
    .repeat(900);
    let large = errors(&role(&format!("  rules:\n{large}  overrides:\n{}", many.repeat(32))));
    assert_snapshot!(large.lines().next().unwrap(), @"f.yaml:948: spec.overrides[19].patch: with their patches the overrides up to this one make more than 4194304 bytes of the spec: make several documents of it");
    // On a spec that is wrong already an override would only repeat its errors.
    assert_snapshot!(errors(&role("  rules: 1\n  overrides:\n  - clusterSelector: {}\n    patch: {drift: Report}\n")), @"f.yaml:7: spec.rules: expected a list, found the number 1");
}
