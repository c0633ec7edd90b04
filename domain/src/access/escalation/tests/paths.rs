//! Whole paths, in words and with their grants.

use std::collections::BTreeSet;

use insta::assert_snapshot;

use super::{Lab, rule, subject, told};
use crate::access::directory::Directory;
use crate::access::escalation::{Edge, Filter, Target};
use crate::access::object::AccessKind;
use crate::kinds::invariant::Goal;

#[test]
fn a_path_goes_over_several_accounts() {
    let mut lab = Lab::new();
    lab.account("ci", "runner", false);
    lab.grant("group devs", &["ci: create pods"]);
    lab.grant("account ci/runner", &["shut: create serviceaccounts/token"]);
    assert_snapshot!(lab.told("group devs"), @"
    group devs → cluster-admin: runs a pod as service account ci/runner (workload), asks for a token of service account shut/boss (token), may do everything in the cluster (has)
    group devs → secrets of every namespace: runs a pod as service account ci/runner (workload), asks for a token of service account shut/boss (token), may do everything in the cluster (has)
    group devs → node: runs a pod as service account ci/runner (workload), asks for a token of service account shut/boss (token), may do everything in the cluster (has)
    ");
    let paths = lab.of("group devs");
    let path = paths.iter().find(|path| path.target == Target::ClusterAdmin).unwrap();
    let (first, last) = (&path.steps[0], path.steps.last().unwrap());
    assert_eq!(first.from, subject("group devs"));
    assert_eq!(first.to, Some(subject("account ci/runner")));
    assert_eq!(first.grant.namespace.as_deref(), Some("ci"));
    assert_eq!(*first.grant.rule, rule("create pods"));
    assert_eq!(last.from, subject("account shut/boss"));
    assert_eq!(last.grant.subject, subject("account shut/boss"));
    assert_eq!(last.grant.role.as_ref().unwrap().name, "cluster-admin");
}

#[test]
fn the_shortest_path_is_told() {
    let mut lab = Lab::new();
    lab.grant("user ann", &["*: impersonate users", "shut: create pods"]);
    lab.grant("user ann", &["*: create mutatingwebhookconfigurations.admission"]);
    let paths = lab.of("user ann");
    let admin = paths.iter().find(|path| path.target == Target::ClusterAdmin).unwrap();
    assert_eq!(admin.steps.len(), 1);
    assert_eq!(admin.steps[0].edge, Edge::Webhook);
}

#[test]
fn a_set_of_accounts_is_no_step() {
    let mut lab = Lab::new();
    lab.grant("user ann", &["*: impersonate users bob", "*: create serviceaccounts/token"]);
    lab.grant("user bob", &["*: impersonate users kim"]);
    lab.grant("user kim", &["*: create mutatingwebhookconfigurations.admission"]);
    let paths = lab.of("user ann");
    let admin = paths.iter().find(|path| path.target == Target::ClusterAdmin).unwrap();
    assert_eq!(admin.steps.len(), 2, "{}", lab.told("user ann"));
}

#[test]
fn everything_in_a_namespace_is_not_everything() {
    let mut lab = Lab::new();
    lab.bind("open", "ClusterRole/cluster-admin", "user ann");
    assert_snapshot!(lab.told("user ann"), @"
    user ann → cluster-admin: runs a privileged pod in open (privileged-pod), takes the token of service account shut/boss from a node (node-pods), may do everything in the cluster (has)
    user ann → secrets of every namespace: runs a privileged pod in open (privileged-pod), takes the token of service account shut/boss from a node (node-pods), may do everything in the cluster (has)
    user ann → node: runs a privileged pod in open (privileged-pod)
    ");
}

#[test]
fn a_role_of_one_s_own_is_made_to_say_more() {
    let mut lab = Lab::new();
    lab.role("open", "mine", &[rule("escalate,update roles.rbac mine")]);
    lab.bind("open", "Role/mine", "user ann");
    assert_snapshot!(lab.told("user ann"), @"
    user ann → cluster-admin: adds everything to a role that it has in open (escalate), runs a privileged pod in open (privileged-pod), takes the token of service account shut/boss from a node (node-pods), may do everything in the cluster (has)
    user ann → secrets of every namespace: adds everything to a role that it has in open (escalate), runs a privileged pod in open (privileged-pod), takes the token of service account shut/boss from a node (node-pods), may do everything in the cluster (has)
    user ann → node: adds everything to a role that it has in open (escalate), runs a privileged pod in open (privileged-pod)
    ");
}

#[test]
fn a_bound_role_is_one_step_and_what_it_gives_another() {
    let mut lab = Lab::new();
    lab.role("", "runner", &[rule("create pods")]);
    lab.grant(
        "user ann",
        &["*: create clusterrolebindings.rbac", "*: bind clusterroles.rbac runner"],
    );
    assert_snapshot!(lab.told("user ann"), @"
    user ann → cluster-admin: binds ClusterRole runner to itself in the whole cluster (bind), runs a pod as service account shut/boss (workload), may do everything in the cluster (has)
    user ann → secrets of every namespace: binds ClusterRole runner to itself in the whole cluster (bind), runs a pod that mounts the Secrets of every namespace (secret-volume)
    user ann → node: binds ClusterRole runner to itself in the whole cluster (bind), runs a privileged pod in the whole cluster (privileged-pod)
    ");
    let binder = &lab.of("user ann")[0].steps[1];
    assert_eq!(binder.from, subject("user ann"));
    assert_eq!((binder.grant.binding.as_ref(), binder.grant.namespace.as_ref()), (None, None));
    assert_eq!(binder.grant.role.as_ref().unwrap().name, "runner");
}

#[test]
fn a_node_gives_the_tokens_of_its_pods() {
    let mut lab = Lab::new();
    lab.grant("user ann", &["*: get nodes/proxy"]);
    lab.grant("user bob", &["*: get nodes/proxy node-1"]);
    assert_snapshot!(lab.told("user ann"), @"
    user ann → cluster-admin: has a kubelet run a command in a pod of its node (nodes-proxy), takes the token of service account shut/boss from a node (node-pods), may do everything in the cluster (has)
    user ann → secrets of every namespace: has a kubelet run a command in a pod of its node (nodes-proxy), takes the token of service account shut/boss from a node (node-pods), may do everything in the cluster (has)
    user ann → node: has a kubelet run a command in a pod of its node (nodes-proxy)
    ");
    assert_snapshot!(lab.told("user bob"), @"user bob → node: has a kubelet run a command in a pod of its node (nodes-proxy)");
}

#[test]
fn a_token_secret_is_read() {
    let mut lab = Lab::new();
    lab.account("shut", "boss", true);
    lab.grant("user ann", &["shut: list secrets"]);
    assert_snapshot!(lab.told("user ann"), @"
    user ann → cluster-admin: reads a token of service account shut/boss from a Secret (token-secret), may do everything in the cluster (has)
    user ann → secrets of every namespace: reads a token of service account shut/boss from a Secret (token-secret), may do everything in the cluster (has)
    user ann → node: reads a token of service account shut/boss from a Secret (token-secret), may do everything in the cluster (has)
    ");
}

#[test]
fn a_certificate_is_for_anybody_but_masters() {
    let mut lab = Lab::empty();
    let approve = [
        "*: create certificatesigningrequests.certificates",
        "*: update certificatesigningrequests.certificates/approval",
        "*: approve signers.certificates",
    ];
    lab.grant("user ann", &approve);
    lab.bind("", "ClusterRole/cluster-admin", "group system:masters");
    assert_snapshot!(lab.told("user ann"), @"");
    lab.bind("", "ClusterRole/cluster-admin", "group admins");
    assert_snapshot!(lab.told("user ann"), @"
    user ann → cluster-admin: signs a certificate for group admins (certificate), may do everything in the cluster (has)
    user ann → secrets of every namespace: signs a certificate for group admins (certificate), may do everything in the cluster (has)
    user ann → node: signs a certificate for group admins (certificate), may do everything in the cluster (has)
    ");
}

#[test]
fn rights_by_groups_count_together() {
    let mut lab = Lab::new();
    let groups = [
        ("makers".to_owned(), vec!["ann".to_owned()], Vec::new()),
        ("binders".to_owned(), vec!["ann".to_owned(), "bob".to_owned()], Vec::new()),
    ];
    lab.directory = Directory::new(groups).unwrap();
    lab.grant("group makers", &["*: create clusterrolebindings.rbac"]);
    lab.grant("group binders", &["*: bind clusterroles.rbac"]);
    let goals = BTreeSet::from([Goal::ClusterAdmin]);
    let subjects = Some(BTreeSet::from([subject("user ann"), subject("user bob")]));
    let paths = lab.paths(&Filter { subjects, goals: goals.clone(), ..Filter::default() });
    assert_snapshot!(told(&paths), @"user ann → cluster-admin: binds ClusterRole cluster-admin to itself in the whole cluster (bind), may do everything in the cluster (has)");
    assert_eq!(paths[0].steps[0].grant.via_group.as_deref(), Some("binders"));
    assert_eq!(lab.paths(&Filter { goals, ..Filter::default() }), []);
}

#[test]
fn an_impersonated_user_is_in_no_group_of_a_directory() {
    let mut lab = Lab::new();
    let groups = [("admins".to_owned(), vec!["kim".to_owned()], Vec::new())];
    lab.directory = Directory::new(groups).unwrap();
    lab.bind("", "ClusterRole/absent", "user kim");
    lab.grant("user ann", &["*: impersonate users kim"]);
    assert_eq!(lab.told("user ann"), "");
}

#[test]
fn service_accounts_have_the_rights_of_their_groups() {
    let mut lab = Lab::new();
    lab.account("ci", "default", false);
    lab.bind("", "ClusterRole/cluster-admin", "group system:serviceaccounts:ci");
    lab.grant("user ann", &["ci: create pods"]);
    assert_snapshot!(lab.told("user ann"), @"
    user ann → cluster-admin: runs a pod as service account ci/default (workload), may do everything in the cluster (has)
    user ann → secrets of every namespace: runs a pod as service account ci/default (workload), may do everything in the cluster (has)
    user ann → node: runs a pod as service account ci/default (workload), may do everything in the cluster (has)
    ");
}

#[test]
fn holders_are_told_only_when_asked_for() {
    let lab = Lab::new();
    let goals: BTreeSet<Goal> = [Goal::ClusterAdmin].into();
    let filter = Filter { goals, ..Filter::default() };
    assert_eq!(lab.paths(&filter), []);
    let all = lab.paths(&Filter { holders: true, ..filter });
    assert_snapshot!(told(&all), @"
    user root → cluster-admin: may do everything in the cluster (has)
    group admins → cluster-admin: may do everything in the cluster (has)
    group system:masters → cluster-admin: may do everything in the cluster (has)
    service account shut/boss → cluster-admin: may do everything in the cluster (has)
    ");
    assert!(all.iter().all(crate::access::escalation::Escalation::is_held));
}

#[test]
fn secrets_of_some_namespaces_are_asked_for() {
    let mut lab = Lab::new();
    lab.grant("user ann", &["open: create pods", "shut: get secrets"]);
    let filter = Filter {
        subjects: Some([subject("user ann")].into()),
        goals: [Goal::Secrets].into(),
        namespaces: Some(["shut".to_owned()].into()),
        holders: true,
    };
    assert_snapshot!(told(&lab.paths(&filter)), @"user ann → secrets of every namespace: runs a privileged pod in open (privileged-pod), takes the token of service account shut/boss from a node (node-pods), may do everything in the cluster (has)");
}

#[test]
fn a_privileged_container_beside_others_is_on_the_node() {
    let mut lab = Lab::new();
    lab.workload(AccessKind::CronJob, "open", "nightly", "idle");
    lab.grant("user ann", &["open: patch pods/ephemeralcontainers"]);
    assert_snapshot!(lab.told("user ann"), @"user ann → node: adds a privileged container to a pod (ephemeral-container)");
}
