//! Plans on a fleet in memory, as they look.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use hanse_domain::parse::parse_files;
use hanse_domain::plan::plan;
use jiff::Timestamp;

use super::*;
use crate::access::preview::tests::violating;
use crate::fleet::example;

const ROLE: &str = "\
apiVersion: hanse.dev/v1alpha1
kind: FederatedRole
metadata: {name: reader}
spec:
  placement: {clusterSelector: {matchLabels: {env: prod}}}
  rules:
    - {apiGroups: [''], resources: [pods], verbs: [get]}
";

fn documents(yaml: &str) -> Vec<Edit> {
    let documents = parse_files([("test.yaml", yaml.as_bytes())]).unwrap();
    documents.into_iter().map(|document| Edit::Put(Arc::new(document))).collect()
}

fn shown(base: &Fleet, edits: Vec<Edit>) -> String {
    let plan = plan(base, edits, Timestamp::UNIX_EPOCH).unwrap();
    anstream::adapter::strip_str(&show(base, &plan, &Preview::default())).to_string()
}

#[test]
fn what_it_opens_is_in_the_plan() {
    let base = example("");
    let plan = plan(&base, documents(ROLE), Timestamp::UNIX_EPOCH).unwrap();
    let text = anstream::adapter::strip_str(&show(&base, &plan, &violating())).to_string();
    assert!(
        text.contains(
            "\nAccess\n  ‼ violates invariant only-sre-reads-prod-secrets: user anna: can"
        ),
        "{text}"
    );
    assert!(text.ends_with("in 2 clusters, 1 hazard; on revision 4.\n"), "{text}");
}

#[test]
fn additions() {
    insta::assert_snapshot!(shown(&example(""), documents(ROLE)), @"
    The fleet
      + FederatedRole/reader

    Clusters cluster-1, cluster-2
      + ClusterRole hanse:ns:reader  (FederatedRole/reader)

    Plan: 2 to add, 0 to change, 0 to remove in 2 clusters; on revision 4.
    ");
}

#[test]
fn a_change_with_its_fields_a_hazard_and_a_warning() {
    let changed = ROLE.replace("[pods]", "['*']").replace("env: prod", "env: nowhere");
    let wider = ROLE.replace("[pods]", "['*']");
    insta::assert_snapshot!(shown(&example(ROLE), documents(&wider)), @r#"
    The fleet
      ~ FederatedRole/reader

    Clusters cluster-1, cluster-2
      ~ ClusterRole hanse:ns:reader  (FederatedRole/reader)
          rules[0].resources: ["pods"] → ["*"]

    ‼ FederatedRole/reader has a rule with a wildcard (grants-wildcard)

    Plan: 0 to add, 2 to change, 0 to remove in 2 clusters, 1 hazard; on revision 4.
    "#);
    insta::assert_snapshot!(shown(&example(ROLE), documents(&changed)), @"
    The fleet
      ~ FederatedRole/reader

    Clusters cluster-1, cluster-2
      - ClusterRole hanse:ns:reader  (FederatedRole/reader)

    ‼ FederatedRole/reader has a rule with a wildcard (grants-wildcard)
    warning: FederatedRole/reader is placed on no cluster: its placement selects none

    Plan: 0 to add, 0 to change, 2 to remove in 2 clusters, 1 hazard; on revision 4.
    ");
}

#[test]
fn objects_with_nothing_new_but_the_revision_are_left_out() {
    let namespace = "apiVersion: hanse.dev/v1alpha1\nkind: FederatedNamespace\nmetadata: {name: a}\n\
        spec: {placement: {clusterNames: [cluster-1]}, resourceQuota: {hard: {pods: 5}}}\n";
    let base = example(namespace);
    insta::assert_snapshot!(shown(&base, documents(&namespace.replace('5', "6"))), @r#"
    The fleet
      ~ FederatedNamespace/a

    Cluster cluster-1
      ~ ResourceQuota a/hanse  (FederatedNamespace/a)
          spec.hard.pods: "5" → "6"

    Plan: 0 to add, 1 to change, 0 to remove in 1 cluster; on revision 4.
    "#);
    insta::assert_snapshot!(shown(&base, documents(&format!("# why\n{namespace}"))), @"
    The fleet
      ~ FederatedNamespace/a

    Cluster cluster-1
      nothing but the revision's number on its objects

    Plan: 0 to add, 0 to change, 0 to remove in 1 cluster; on revision 4.
    ");
}

#[test]
fn an_invariant_is_an_edit_without_objects() {
    let invariant = "apiVersion: hanse.dev/v1alpha1\nkind: AccessInvariant\nmetadata: {name: a}\n\
        spec: {placement: {clusterSelector: {}}, deny: {reach: [node]}}\n";
    insta::assert_snapshot!(shown(&example(ROLE), documents(invariant)), @"
    The fleet
      + AccessInvariant/a

    Plan: 0 to add, 0 to change, 0 to remove in 0 clusters; on revision 4.
    ");
}

#[test]
fn a_removal_and_the_roster() {
    let base = example(ROLE);
    let mut edits: Vec<Edit> = base.documents().keys().cloned().map(Edit::Remove).collect();
    let mut entry = (*base.member_named("cluster-3").unwrap().entry).clone();
    entry.labels.insert("env".into(), "prod".into());
    edits.push(Edit::PutCluster(entry));
    edits.push(Edit::RemoveCluster(base.member_named("cluster-2").unwrap().entry.id));
    insta::assert_snapshot!(shown(&base, edits), @"
    The fleet
      - Cluster/cluster-2
      ~ Cluster/cluster-3  env=test → env=prod
      - FederatedRole/reader

    Cluster cluster-1
      - ClusterRole hanse:ns:reader  (FederatedRole/reader)

    warning: cluster cluster-2 leaves the fleet; what was applied there stays as it is

    Plan: 0 to add, 0 to change, 1 to remove in 1 cluster; on revision 4.
    ");
}

#[test]
fn nothing() {
    insta::assert_snapshot!(shown(&example(ROLE), documents(ROLE)), @"No changes: the fleet is like that already (revision 4).");
}
