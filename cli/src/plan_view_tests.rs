//! Plans on a fleet in memory, as they look.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use hanse_domain::parse::parse_files;
use hanse_domain::plan::plan;
use jiff::Timestamp;

use super::*;
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
    documents
        .into_iter()
        .map(|document| Edit::Put(Arc::new(document)))
        .collect()
}

fn shown(base: &Fleet, edits: Vec<Edit>) -> String {
    let plan = plan(base, edits, Timestamp::UNIX_EPOCH).unwrap();
    anstream::adapter::strip_str(&show(base, &plan)).to_string()
}

#[test]
fn additions() {
    insta::assert_snapshot!(shown(&example(""), documents(ROLE)), @"");
}

#[test]
fn a_change_with_its_fields_a_hazard_and_a_warning() {
    let changed = ROLE
        .replace("[pods]", "['*']")
        .replace("env: prod", "env: nowhere");
    let wider = ROLE.replace("[pods]", "['*']");
    insta::assert_snapshot!(shown(&example(ROLE), documents(&wider)), @"");
    insta::assert_snapshot!(shown(&example(ROLE), documents(&changed)), @"");
}

#[test]
fn a_removal_and_the_roster() {
    let base = example(ROLE);
    let mut edits: Vec<Edit> = base.documents().keys().cloned().map(Edit::Remove).collect();
    let mut entry = (*base.member_named("cluster-3").unwrap().entry).clone();
    entry.labels.insert("env".into(), "prod".into());
    edits.push(Edit::PutCluster(entry));
    edits.push(Edit::RemoveCluster(
        base.member_named("cluster-2").unwrap().entry.id,
    ));
    insta::assert_snapshot!(shown(&base, edits), @"");
}

#[test]
fn nothing() {
    insta::assert_snapshot!(shown(&example(ROLE), documents(ROLE)), @"");
}

#[test]
fn a_new_base_alone_changes_no_effect() {
    let effect_at = |base: &Fleet| {
        let wider = ROLE.replace("[get]", "[get, list]");
        effect(&plan(base, documents(&wider), Timestamp::UNIX_EPOCH).unwrap())
    };
    let mut later = example(ROLE);
    later.number.0 += 7;
    assert_eq!(effect_at(&example(ROLE)), effect_at(&later));
    assert_ne!(effect_at(&example(ROLE)), effect_at(&example("")));
}
