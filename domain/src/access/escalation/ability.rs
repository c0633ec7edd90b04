//! What a rule can do that a path needs: the requests that edges are made of.

use crate::access::request::Request;
use crate::access::rules::rule_allows;
use crate::kinds::role::PolicyRule;

/// Something that some edge needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ability {
    Everything,
    ReadSecrets,
    CreateSecrets,
    CreateWorkloads,
    ChangeDeployments,
    ChangeStatefulSets,
    ChangeDaemonSets,
    ChangeReplicaSets,
    ChangeCronJobs,
    ChangePods,
    Exec,
    EphemeralContainers,
    Token,
    ImpersonateUsers,
    ImpersonateGroups,
    ImpersonateAccounts,
    CreateClusterRoleBindings,
    ChangeClusterRoleBindings,
    CreateRoleBindings,
    ChangeRoleBindings,
    BindClusterRoles,
    BindRoles,
    EscalateClusterRoles,
    EscalateRoles,
    ChangeClusterRoles,
    ChangeRoles,
    CreateRequests,
    ApproveRequests,
    ApproveSigner,
    NodesProxy,
    CreateWebhooks,
    ChangeWebhooks,
    CreatePolicies,
    CreatePolicyBindings,
    CreateNamespaces,
    ChangeNamespaces,
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const CHANGE: &[&str] = &["update", "patch"];
const CREATE: &[&str] = &["create"];
const IMPERSONATE: &[&str] = &["impersonate"];
/// Whose certificates the API server takes as its clients'.
pub(super) const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
/// All signers of that domain.
pub(super) const ALL_CLIENT_SIGNERS: &str = "kubernetes.io/*";

/// Any of the verbs on any of the resources (group, resource, subresource) is the ability.
type Requests =
    (Ability, &'static [&'static str], &'static [(&'static str, &'static str, &'static str)]);

const REQUESTS: &[Requests] = &[
    (Ability::Everything, &["*"], &[("*", "*", "")]),
    (Ability::ReadSecrets, &["get", "list", "watch"], &[("", "secrets", "")]),
    (Ability::CreateSecrets, CREATE, &[("", "secrets", "")]),
    (
        Ability::CreateWorkloads,
        CREATE,
        &[
            ("", "pods", ""),
            ("apps", "deployments", ""),
            ("apps", "statefulsets", ""),
            ("apps", "daemonsets", ""),
            ("apps", "replicasets", ""),
            ("batch", "jobs", ""),
            ("batch", "cronjobs", ""),
            ("", "replicationcontrollers", ""),
        ],
    ),
    (Ability::ChangeDeployments, CHANGE, &[("apps", "deployments", "")]),
    (Ability::ChangeStatefulSets, CHANGE, &[("apps", "statefulsets", "")]),
    (Ability::ChangeDaemonSets, CHANGE, &[("apps", "daemonsets", "")]),
    (Ability::ChangeReplicaSets, CHANGE, &[("apps", "replicasets", "")]),
    (Ability::ChangeCronJobs, CHANGE, &[("batch", "cronjobs", "")]),
    (Ability::ChangePods, CHANGE, &[("", "pods", "")]),
    (Ability::Exec, CREATE, &[("", "pods", "exec")]),
    (Ability::EphemeralContainers, CHANGE, &[("", "pods", "ephemeralcontainers")]),
    (Ability::Token, CREATE, &[("", "serviceaccounts", "token")]),
    (Ability::ImpersonateUsers, IMPERSONATE, &[("", "users", "")]),
    (Ability::ImpersonateGroups, IMPERSONATE, &[("", "groups", "")]),
    (Ability::ImpersonateAccounts, IMPERSONATE, &[("", "serviceaccounts", "")]),
    (Ability::CreateClusterRoleBindings, CREATE, &[(RBAC, "clusterrolebindings", "")]),
    (Ability::ChangeClusterRoleBindings, CHANGE, &[(RBAC, "clusterrolebindings", "")]),
    (Ability::CreateRoleBindings, CREATE, &[(RBAC, "rolebindings", "")]),
    (Ability::ChangeRoleBindings, CHANGE, &[(RBAC, "rolebindings", "")]),
    (Ability::BindClusterRoles, &["bind"], &[(RBAC, "clusterroles", "")]),
    (Ability::BindRoles, &["bind"], &[(RBAC, "roles", "")]),
    (Ability::EscalateClusterRoles, &["escalate"], &[(RBAC, "clusterroles", "")]),
    (Ability::EscalateRoles, &["escalate"], &[(RBAC, "roles", "")]),
    (Ability::ChangeClusterRoles, CHANGE, &[(RBAC, "clusterroles", "")]),
    (Ability::ChangeRoles, CHANGE, &[(RBAC, "roles", "")]),
    (Ability::CreateRequests, CREATE, &[(CERTIFICATES, "certificatesigningrequests", "")]),
    (Ability::ApproveRequests, CHANGE, &[(CERTIFICATES, "certificatesigningrequests", "approval")]),
    (Ability::ApproveSigner, &["approve"], &[(CERTIFICATES, "signers", "")]),
    (Ability::NodesProxy, &["get", "create"], &[("", "nodes", "proxy")]),
    (Ability::CreateWebhooks, CREATE, &[(ADMISSION, "mutatingwebhookconfigurations", "")]),
    (Ability::ChangeWebhooks, CHANGE, &[(ADMISSION, "mutatingwebhookconfigurations", "")]),
    (Ability::CreatePolicies, CREATE, &[(ADMISSION, "mutatingadmissionpolicies", "")]),
    (Ability::CreatePolicyBindings, CREATE, &[(ADMISSION, "mutatingadmissionpolicybindings", "")]),
    (Ability::CreateNamespaces, CREATE, &[("", "namespaces", "")]),
    (Ability::ChangeNamespaces, CHANGE, &[("", "namespaces", "")]),
];

impl Ability {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        REQUESTS.iter().map(|(ability, ..)| *ability)
    }

    /// Whether a rule that is limited to names gives nothing of it: what is made has no name yet when
    /// the authoriser is asked.
    const fn is_nameless(self) -> bool {
        matches!(
            self,
            Self::Everything
                | Self::CreateSecrets
                | Self::CreateWorkloads
                | Self::CreateClusterRoleBindings
                | Self::CreateRoleBindings
                | Self::CreateRequests
                | Self::CreateWebhooks
                | Self::CreatePolicies
                | Self::CreatePolicyBindings
                | Self::CreateNamespaces
        )
    }
}

/// Reads abilities out of rules.
pub(super) struct Abilities(Vec<(Ability, Vec<Request>)>);

impl Abilities {
    pub(super) fn new() -> Self {
        let request =
            |verb: &str, (group, resource, subresource): (&str, &str, &str)| Request::Resource {
                verb: verb.to_owned(),
                api_group: group.to_owned(),
                resource: resource.to_owned(),
                subresource: subresource.to_owned(),
                name: None,
            };
        let all = REQUESTS.iter().map(|&(ability, verbs, resources)| {
            let requests = verbs
                .iter()
                .flat_map(|verb| resources.iter().map(move |resource| request(verb, *resource)));
            (ability, requests.collect())
        });
        Self(all.collect())
    }

    /// What a rule can do.
    pub(super) fn of(&self, rule: &PolicyRule) -> Vec<Ability> {
        let limited = !rule.resource_names.is_empty();
        let given = self.0.iter().filter(|(ability, requests)| {
            !(limited && ability.is_nameless())
                && requests.iter().any(|request| rule_allows(rule, request))
        });
        given.map(|(ability, _)| *ability).collect()
    }
}
