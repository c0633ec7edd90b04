//! `AccessInvariant`: what it takes, and what becomes of it.

use hanse_domain::document::{DocumentRef, DriftPolicy, Kind};
use hanse_domain::fleet::Edit;
use hanse_domain::history::roster::Labels;
use hanse_domain::kinds::Spec;
use hanse_domain::kinds::invariant::{Denied, Exceptions, InvariantSpec, NamespaceSet};
use hanse_domain::plan::plan;
use hanse_domain::trust::scope::Scope;
use insta::assert_snapshot;

use crate::support::{NOW, document, errors, everywhere, put, text, three_clusters};

const SECRETS: &str =
    "  deny:\n    access: [{verbs: [get, list], apiGroups: [''], resources: [secrets]}]\n";

fn of(spec: &str) -> String {
    errors(&everywhere("AccessInvariant", "a", spec))
}

fn read(spec: &str) -> InvariantSpec {
    let placed = document(&everywhere("AccessInvariant", "a", spec)).placed(&Labels::new());
    let placed = placed.unwrap();
    assert_eq!(placed.drift, DriftPolicy::Report);
    let Spec::Invariant(spec) = placed.spec else { panic!("{placed:?}") };
    spec
}

#[test]
fn what_is_left_out_is_the_strictest() {
    let spec = read(SECRETS);
    assert!(matches!(&spec.deny, Denied::Access(rules) if rules.len() == 1));
    assert_eq!(spec.namespaces, NamespaceSet::All);
    assert_eq!(spec.except, Exceptions::default());
    assert!(!spec.includes_system && spec.reason.is_none());
}

#[test]
fn protected_namespaces_can_be_named() {
    let spec = read(
        "  deny: {reach: [secrets], namespaces: {names: [kube-system]}}\n  except: {namespaces: \
         [kube-system], serviceAccounts: [{namespace: a, name: b}]}\n  system: Include\n",
    );
    assert_eq!(spec.namespaces, NamespaceSet::Names(["kube-system".to_owned()].into()));
    assert!(spec.except.service_accounts.contains(&("a".to_owned(), "b".to_owned())));
    assert!(spec.includes_system);
}

#[test]
fn what_makes_no_sense_is_told() {
    assert_snapshot!(of(""), @"f.yaml:6: spec.deny: this field is required");
    assert_snapshot!(of("  deny: {}\n"), @"f.yaml:7: spec.deny: exactly one of `access` and `reach` is needed");
    assert_snapshot!(of("  deny: {access: [], reach: [root]}\n"), @"f.yaml:7: spec.deny: exactly one of `access` and `reach` is needed");
    assert_snapshot!(of("  deny: {access: []}\n"), @"f.yaml:7: spec.deny.access: between 1 and 100 rules are needed");
    assert_snapshot!(of("  deny: {access: [{verbs: [get]}]}\n"), @r#"
    f.yaml:7: spec.deny.access[0]: `apiGroups` must name at least one API group ("" is the core group)
    f.yaml:7: spec.deny.access[0]: `resources` must name at least one resource
    "#);
    assert_snapshot!(of("  deny: {reach: [root, cluster-admn]}\n"), @"
    f.yaml:7: spec.deny.reach[0]: `root` is none of cluster-admin, secrets, node
    f.yaml:7: spec.deny.reach[1]: `cluster-admn` is none of cluster-admin, secrets, node; did you mean `cluster-admin`?
    ");
    assert_snapshot!(of("  deny: {reach: []}\n"), @"f.yaml:7: spec.deny.reach: at least one of cluster-admin, secrets and node is needed");
    assert_snapshot!(of("  deny: {reach: [secrets, node], namespaces: {names: [a]}}\n"), @"f.yaml:7: spec.deny.namespaces: `node` is in no namespace: only `secrets` is");
    assert_snapshot!(of("  deny: {reach: [secrets], namespaces: {names: []}}\n"), @"f.yaml:7: spec.deny.namespaces.names: at least one namespace is needed");
    assert_snapshot!(of("  deny: {reach: [secrets], namespaces: {}}\n"), @"f.yaml:7: spec.deny.namespaces: exactly one of `names` and `selector` is needed");
    assert_snapshot!(of(&format!("{SECRETS}  except: {{users: [''], serviceAccounts: [{{name: a}}]}}\n")), @"
    f.yaml:9: spec.except.users[0]: a name of 1 to 512 bytes without control and invisible characters is needed
    f.yaml:9: spec.except.serviceAccounts[0].namespace: this field is required
    ");
    assert_snapshot!(of(&format!("{SECRETS}  drift: Enforce\n  system: No\n")), @"
    f.yaml:9: spec.drift: unknown field; known are placement, overrides, deny, except, system, reason
    f.yaml:10: spec.system: `No` is none of Exempt, Include
    ");
}

#[test]
fn an_override_that_denies_nothing_is_refused() {
    let overridden = format!(
        "{SECRETS}  overrides:\n  - {{clusterSelector: {{}}, patch: {{deny: {{access: null}}}}}}\n"
    );
    assert_snapshot!(of(&overridden), @"f.yaml:10: spec.overrides[0].patch: with this patch the spec is not valid: spec.deny: exactly one of `access` and `reach` is needed");
}

#[test]
fn a_plan_of_it_alone_changes_no_object_and_is_an_edit() {
    let invariant = document(&everywhere("AccessInvariant", "a", SECRETS));
    let base = three_clusters();
    let plan = plan(&base, vec![put(invariant.clone())], NOW).unwrap();
    assert!(matches!(plan.edits.as_slice(), [Edit::Put(put)] if **put == invariant));
    assert!(plan.clusters.is_empty() && plan.hazards.is_empty() && plan.warnings.is_empty());
    let (next, touched) = base.with(&plan.edits).unwrap();
    assert_eq!(touched.len(), 3, "it is in the manifest of every cluster");
    let reference = DocumentRef { kind: Kind::AccessInvariant, name: "a".to_owned() };
    assert!(next.documents().contains_key(&reference));
}

#[test]
fn a_scope_covers_it_in_its_namespaces() {
    let scope: Scope =
        "kinds=AccessInvariant namespaces=shop clusters=* hazards=no".parse().unwrap();
    let covers = |namespaces: &str| {
        let spec = format!("  placement: {{clusterSelector: {{}}}}\n{SECRETS}{namespaces}");
        scope.excludes(&document(&text("AccessInvariant", "a", &spec))).unwrap_or_default()
    };
    assert_snapshot!(covers("    namespaces: {names: [shop]}\n"), @"");
    assert_snapshot!(covers("    namespaces: {names: [shop, web]}\n"), @"namespace web is outside of its scope");
    assert_snapshot!(covers(""), @"it may sign only what stays in its namespaces");
}
