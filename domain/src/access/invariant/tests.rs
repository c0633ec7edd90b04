#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use insta::assert_snapshot;

use super::*;
use crate::access::escalation::tests::{Lab, subject};
use crate::access::object::{AccessContent, AccessKey, AccessKind};
use crate::document::Document;
use crate::kinds::Spec;
use crate::parse::parse_document;

/// An invariant from the fields of its spec.
pub(crate) fn invariant(fields: &str) -> InvariantSpec {
    let text = format!(
        "{{apiVersion: hanse.dev/v1alpha1, kind: AccessInvariant, metadata: {{name: i}}, \
         spec: {{placement: {{clusterSelector: {{}}}}, {fields}}}}}"
    );
    let document: Document = parse_document(text.as_bytes()).unwrap();
    let placed = document.placed(&crate::history::roster::Labels::new()).unwrap();
    let Spec::Invariant(spec) = placed.spec else { unreachable!("{placed:?}") };
    spec
}

const SECRETS: &str = "access: [{verbs: [get, list], apiGroups: [''], resources: [secrets]}]";

fn told(lab: &Lab, fields: &str) -> String {
    let spec = invariant(fields);
    let found = violations(&lab.index, lab.cluster, &[("i", &spec)], &lab.directory);
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn lab() -> Lab {
    let mut lab = Lab::empty();
    lab.namespace("pay", "restricted");
    lab.namespace("lab", "restricted");
    lab.grant("user ann", &["pay: get,watch secrets"]);
    lab.grant("user bob", &["lab: list secrets"]);
    lab.grant("user kim", &["pay: get secrets one"]);
    lab.grant("group sre", &["*: get,list secrets"]);
    lab.grant("account pay/robot", &["pay: * secrets"]);
    lab.grant("account kube-system/controller", &["*: * *.*"]);
    lab.grant("user system:kube-controller-manager", &["*: list secrets"]);
    lab.grant("group system:authenticated", &["lab: watch,list secrets"]);
    lab.grant("user lou", &["*: get pods"]);
    lab
}

#[test]
fn whoever_has_a_part_of_it_violates_it() {
    assert_snapshot!(told(&lab(), &format!("deny: {{{SECRETS}}}")), @"
    i: user ann can get secrets in pay
    i: user bob can list secrets in lab
    i: user kim can get secrets in pay
    i: group sre can get,list secrets
    i: group system:authenticated can list secrets in lab
    i: service account pay/robot can get,list secrets in pay
    ");
}

#[test]
fn namespaces_bound_it_and_the_whole_cluster_is_in_each() {
    assert_snapshot!(told(&lab(), &format!("deny: {{{SECRETS}, namespaces: {{names: [lab]}}}}")), @"
    i: user bob can list secrets in lab
    i: group sre can get,list secrets
    i: group system:authenticated can list secrets in lab
    ");
    let labels = "{selector: {matchLabels: {pod-security.kubernetes.io/enforce: privileged}}}";
    assert_eq!(told(&lab(), &format!("deny: {{{SECRETS}, namespaces: {labels}}}")), "");
}

#[test]
fn who_is_excepted_is_let_off() {
    let except = "users: [ann, kim], groups: [sre, system:authenticated], \
                  serviceAccounts: [{namespace: pay, name: robot}]";
    let fields = format!("deny: {{{SECRETS}}}, except: {{{except}}}");
    assert_snapshot!(told(&lab(), &fields), @"i: user bob can list secrets in lab");
    let fields = format!("deny: {{{SECRETS}}}, except: {{namespaces: [pay]}}");
    assert!(!told(&lab(), &fields).contains("robot"));
}

#[test]
fn a_member_of_an_excepted_group_is_excepted() {
    let mut lab = lab();
    let groups = [("people".to_owned(), vec!["ann".into(), "bob".into()], vec![])];
    lab.directory = Directory::new(groups).unwrap();
    let fields = format!("deny: {{{SECRETS}}}, except: {{groups: [people]}}");
    let told = told(&lab, &fields);
    assert!(!told.contains("ann") && !told.contains("bob") && told.contains("sre"), "{told}");
}

#[test]
fn a_group_of_excepted_members_alone_is_not_excepted() {
    let mut lab = lab();
    lab.directory = Directory::new([("sre".to_owned(), vec!["zoe".into()], vec![])]).unwrap();
    let told = told(&lab, &format!("deny: {{{SECRETS}}}, except: {{users: [zoe]}}"));
    assert!(told.contains("group sre"), "{told}");
}

#[test]
fn the_control_plane_is_included_when_asked_for() {
    let fields = format!("deny: {{{SECRETS}}}, system: Include, except: {{namespaces: [pay]}}");
    assert_snapshot!(told(&lab(), &fields), @"
    i: user ann can get secrets in pay
    i: user bob can list secrets in lab
    i: user kim can get secrets in pay
    i: user system:kube-controller-manager can list secrets
    i: group sre can get,list secrets
    i: group system:authenticated can list secrets in lab
    i: group system:masters can get,list secrets
    i: service account kube-system/controller can get,list secrets
    ");
}

#[test]
fn what_is_reached_by_a_path_is_denied_too() {
    let mut lab = Lab::new();
    lab.grant("user ann", &["shut: create pods"]);
    lab.grant("user bob", &["shut: get secrets"]);
    assert_snapshot!(told(&lab, "deny: {reach: [cluster-admin]}, except: {groups: [admins]}"), @"
    i: user ann can reach cluster-admin
    i: user root can reach cluster-admin
    i: service account shut/boss can reach cluster-admin
    ");
    let secrets = "deny: {reach: [secrets], namespaces: {names: [shut]}}";
    assert_snapshot!(told(&lab, secrets), @"
    i: user ann can reach secrets of every namespace
    i: user bob can reach secrets of shut
    i: user root can reach secrets of every namespace
    i: group admins can reach secrets of every namespace
    i: service account shut/boss can reach secrets of every namespace
    ");
    let secrets = "deny: {reach: [secrets], namespaces: {names: [open]}}, except: {users: [root]}";
    let told = told(&lab, secrets);
    assert!(told.contains("ann") && !told.contains("bob"), "{told}");
}

#[test]
fn paths_of_the_api_server_are_denied_in_the_whole_cluster_only() {
    let mut lab = Lab::empty();
    let metrics = PolicyRule {
        verbs: vec!["get".into()],
        non_resource_urls: vec!["/metrics/*".into()],
        ..PolicyRule::default()
    };
    lab.role("", "metrics", &[metrics]);
    lab.bind("", "ClusterRole/metrics", "user ann");
    lab.bind("shut", "ClusterRole/metrics", "user bob");
    let fields = "deny: {access: [{verbs: [get, post], nonResourceURLs: ['/metrics*']}]}";
    assert_snapshot!(told(&lab, fields), @"i: user ann can get /metrics*");
}

#[test]
fn a_violation_keeps_its_name_when_another_binding_gives_the_same() {
    let mut lab = Lab::empty();
    lab.grant("user ann", &["pay: get secrets"]);
    let spec = invariant(&format!("deny: {{{SECRETS}}}"));
    let found = |lab: &Lab| violations(&lab.index, lab.cluster, &[("i", &spec)], &lab.directory);
    let before = found(&lab);
    lab.grant("user ann", &["pay: get secrets"]);
    let first = AccessKey::namespaced(AccessKind::RoleBinding, "pay", "binding-1");
    lab.index.apply(lab.cluster, &first, None::<&AccessContent>);
    let after = found(&lab);
    assert_eq!(before.len(), 1);
    let keys = |found: &[Violation]| -> Vec<String> {
        found.iter().map(|violation| format!("{:?}", violation.key())).collect()
    };
    assert_eq!(keys(&before), keys(&after));
    assert_ne!(before, after);
    assert_eq!(before.first().map(|violation| &violation.subject), Some(&subject("user ann")));
}
