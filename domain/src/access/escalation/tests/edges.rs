//! What each edge needs: with all of it the edge is there, without any part it is not.

use super::Lab;
use crate::access::escalation::Edge;

/// An edge, rights of user `ann` that make it, each needed, and a way to change the cluster before.
type Case = (Edge, &'static [&'static str]);

const CASES: &[Case] = &[
    (Edge::Bind, &["*: create clusterrolebindings.rbac", "*: bind clusterroles.rbac"]),
    (
        Edge::Bind,
        &["*: create clusterrolebindings.rbac", "*: bind clusterroles.rbac cluster-admin"],
    ),
    (Edge::Bind, &["*: patch clusterrolebindings.rbac", "*: bind clusterroles.rbac"]),
    (Edge::Bind, &["*: update clusterrolebindings.rbac binding-1", "*: bind clusterroles.rbac"]),
    (Edge::Bind, &["shut: create rolebindings.rbac", "shut: bind clusterroles.rbac"]),
    (Edge::Bind, &["shut: create rolebindings.rbac", "*: bind clusterroles.rbac cluster-admin"]),
    (Edge::Bind, &["*: create rolebindings.rbac", "shut: bind clusterroles.rbac"]),
    (Edge::Bind, &["shut: create rolebindings.rbac", "shut: bind roles.rbac keeper"]),
    (Edge::Bind, &["shut: patch rolebindings.rbac", "shut: bind roles.rbac"]),
    (Edge::Escalate, &["*: escalate clusterroles.rbac", "*: update clusterroles.rbac"]),
    (Edge::Escalate, &["*: escalate clusterroles.rbac", "*: patch clusterroles.rbac"]),
    (Edge::Impersonate, &["*: impersonate users"]),
    (Edge::Impersonate, &["*: impersonate users root"]),
    (Edge::Impersonate, &["*: impersonate users nobody", "*: impersonate groups admins"]),
    (Edge::Impersonate, &["*: impersonate users nobody", "*: impersonate groups system:masters"]),
    (Edge::Impersonate, &["open: impersonate serviceaccounts", "*: impersonate groups"]),
    (Edge::Impersonate, &["shut: impersonate serviceaccounts"]),
    (Edge::Impersonate, &["shut: impersonate serviceaccounts boss"]),
    (Edge::Impersonate, &["*: impersonate serviceaccounts boss"]),
    (Edge::Workload, &["shut: create pods"]),
    (Edge::Workload, &["*: create pods"]),
    (Edge::Workload, &["shut: create jobs.batch"]),
    (Edge::Workload, &["shut: create deployments.apps"]),
    (Edge::Workload, &["shut: create replicationcontrollers"]),
    (Edge::Workload, &["shut: patch deployments.apps app"]),
    (Edge::Workload, &["*: update statefulsets.apps"]),
    (Edge::PodImage, &["shut: patch pods"]),
    (Edge::PodImage, &["shut: update pods one"]),
    (Edge::PodImage, &["shut: update pods db-0"]),
    (Edge::Exec, &["shut: create pods/exec"]),
    (Edge::Exec, &["*: create pods/exec one"]),
    (Edge::EphemeralContainer, &["shut: patch pods/ephemeralcontainers"]),
    (Edge::EphemeralContainer, &["shut: update pods/ephemeralcontainers db-12"]),
    (Edge::Token, &["shut: create serviceaccounts/token"]),
    (Edge::Token, &["shut: create serviceaccounts/token boss"]),
    (Edge::TokenSecret, &["shut: create secrets", "shut: get secrets mine"]),
    (Edge::TokenSecret, &["*: create secrets", "shut: watch secrets mine"]),
    (
        Edge::Certificate,
        &[
            "*: create certificatesigningrequests.certificates",
            "*: update certificatesigningrequests.certificates/approval",
            "*: approve signers.certificates kubernetes.io/kube-apiserver-client",
        ],
    ),
    (
        Edge::Certificate,
        &[
            "*: create certificatesigningrequests.certificates",
            "*: patch certificatesigningrequests.certificates/approval mine",
            "*: approve signers.certificates kubernetes.io/*",
        ],
    ),
    (Edge::NodesProxy, &["*: get nodes/proxy"]),
    (Edge::NodesProxy, &["*: create nodes/proxy node-1"]),
    (Edge::PrivilegedPod, &["open: create pods"]),
    (Edge::PrivilegedPod, &["shut: create pods", "shut: patch namespaces"]),
    (Edge::PrivilegedPod, &["shut: create pods", "*: update namespaces shut"]),
    (Edge::SecretVolume, &["bare: create pods"]),
    (Edge::Webhook, &["*: create mutatingwebhookconfigurations.admission"]),
    (Edge::Webhook, &["*: patch mutatingwebhookconfigurations.admission some"]),
    (
        Edge::Policy,
        &[
            "*: create mutatingadmissionpolicies.admission",
            "*: create mutatingadmissionpolicybindings.admission",
        ],
    ),
];

fn has(lab: &Lab, edge: Edge) -> bool {
    let from_ann = |path: &crate::access::escalation::Escalation| path.steps[0].edge == edge;
    lab.of("user ann").iter().any(from_ann)
}

fn lab(rights: &[&str]) -> Lab {
    let mut lab = Lab::new();
    lab.role("shut", "keeper", &[super::rule("get secrets")]);
    lab.bind("shut", "Role/keeper", "user kim");
    lab.namespace("bare", "restricted");
    lab.grant("user ann", rights);
    lab
}

#[test]
fn each_part_of_what_an_edge_needs_is_needed() {
    for (edge, rights) in CASES {
        assert!(
            has(&lab(rights), *edge),
            "{edge:?} by {rights:?}: {}",
            lab(rights).told("user ann")
        );
        for left_out in 0..rights.len() {
            let mut fewer = rights.to_vec();
            let gone = fewer.remove(left_out);
            assert!(!has(&lab(&fewer), *edge), "{edge:?} without {gone}");
        }
    }
}

#[test]
fn every_edge_is_in_the_table_of_cases() {
    for edge in Edge::ALL {
        let is_made = CASES.iter().any(|(made, _)| *made == edge);
        // These two come behind others.
        let is_last = matches!(edge, Edge::Has | Edge::NodePods);
        assert!(is_made != is_last, "{edge:?}");
    }
}

/// What looks like an edge and is none: Kubernetes refuses it, or it gives nothing.
const NONE: &[(Edge, &[&str])] = &[
    // Cluster roles and users are in no namespace.
    (Edge::Bind, &["shut: create clusterrolebindings.rbac", "shut: bind clusterroles.rbac"]),
    (Edge::Bind, &["open: create rolebindings.rbac", "shut: bind clusterroles.rbac"]),
    (Edge::Bind, &["*: create clusterrolebindings.rbac", "shut: bind clusterroles.rbac"]),
    (Edge::Bind, &["*: create clusterrolebindings.rbac", "*: bind clusterroles.rbac absent"]),
    (Edge::Bind, &["*: create clusterrolebindings.rbac", "*: bind roles.rbac"]),
    // A binding that is made has no name yet.
    (Edge::Bind, &["*: create clusterrolebindings.rbac mine", "*: bind clusterroles.rbac"]),
    // A binding that is there keeps its role.
    (Edge::Bind, &["*: patch clusterrolebindings.rbac other", "*: bind clusterroles.rbac"]),
    (Edge::Bind, &["shut: patch rolebindings.rbac", "shut: bind roles.rbac absent"]),
    // Another role than those that one has.
    (Edge::Escalate, &["*: escalate clusterroles.rbac x", "*: update clusterroles.rbac x"]),
    (Edge::Escalate, &["shut: escalate clusterroles.rbac", "shut: update clusterroles.rbac"]),
    (Edge::Escalate, &["*: escalate clusterroles.rbac", "*: create clusterroles.rbac"]),
    (Edge::Escalate, &["*: escalate roles.rbac", "*: update roles.rbac"]),
    (Edge::Impersonate, &["shut: impersonate users"]),
    (Edge::Impersonate, &["*: impersonate groups"]),
    (Edge::Impersonate, &["*: impersonate users lou"]),
    (Edge::Impersonate, &["open: impersonate serviceaccounts"]),
    (Edge::Impersonate, &["shut: impersonate serviceaccounts idle"]),
    (Edge::Workload, &["open: create pods"]),
    (Edge::Workload, &["shut: create pods mine"]),
    (Edge::Workload, &["shut: patch deployments.apps other"]),
    (Edge::Workload, &["shut: patch daemonsets.apps"]),
    (Edge::Workload, &["shut: patch jobs.batch"]),
    (Edge::Workload, &["shut: create pods/exec"]),
    (Edge::PodImage, &["open: patch pods"]),
    (Edge::PodImage, &["shut: patch pods app"]),
    (Edge::Exec, &["shut: get pods/exec"]),
    (Edge::Exec, &["shut: create pods/exec db-x"]),
    (Edge::Exec, &["shut: create pods/attach"]),
    (Edge::EphemeralContainer, &["shut: create pods/ephemeralcontainers"]),
    (Edge::Token, &["shut: create serviceaccounts"]),
    (Edge::Token, &["open: create serviceaccounts/token"]),
    (Edge::TokenSecret, &["shut: get secrets"]),
    (Edge::TokenSecret, &["shut: create secrets", "open: get secrets"]),
    (
        Edge::Certificate,
        &[
            "*: create certificatesigningrequests.certificates",
            "*: update certificatesigningrequests.certificates/approval",
            "*: approve signers.certificates kubernetes.io/kubelet-serving",
        ],
    ),
    (Edge::NodesProxy, &["*: update nodes/proxy"]),
    (Edge::NodesProxy, &["*: get nodes"]),
    (Edge::PrivilegedPod, &["shut: create pods"]),
    (Edge::PrivilegedPod, &["shut: create pods", "open: patch namespaces"]),
    (Edge::PrivilegedPod, &["shut: create pods", "*: create namespaces"]),
    (Edge::Webhook, &["*: create validatingwebhookconfigurations.admission"]),
    (Edge::Webhook, &["shut: create mutatingwebhookconfigurations.admission"]),
    (Edge::Webhook, &["*: delete mutatingwebhookconfigurations.admission"]),
];

#[test]
fn what_kubernetes_refuses_is_no_edge() {
    for (edge, rights) in NONE {
        assert!(
            !has(&lab(rights), *edge),
            "{edge:?} by {rights:?}: {}",
            lab(rights).told("user ann")
        );
    }
}
