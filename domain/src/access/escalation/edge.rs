//! The ways in which somebody gets more than bindings say. Each is as Kubernetes 1.36 has it; sources
//! are named by their paths in `k8s.io/kubernetes` and `k8s.io/apiserver`.

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// No step but the end: bindings give the goal itself.
    ///
    /// Needs, for cluster-admin: one rule with `*` of `*` in `*` over the whole cluster, or the group
    /// `system:masters`, which the authoriser never asks. For Secrets: `get`, `list` or `watch` of
    /// `secrets`, not limited to names.
    Has,
    /// A role is bound to oneself, with a new binding or one that is there.
    ///
    /// Needs `bind` on the role, and `create` on (cluster)rolebindings, or `update` or `patch` on a
    /// binding that has the role (a binding's role never changes, its subjects do). For a role
    /// binding both are asked in its namespace. Without `bind` the API server wants every rule of the
    /// role to be held already, and then nothing is won.
    /// Source: `BindingAuthorized` in `pkg/registry/rbac/escalation_check.go`, and
    /// `pkg/registry/rbac/{cluster,}rolebinding/policybased/storage.go`.
    Bind,
    /// The rules of a role that one has are changed to everything.
    ///
    /// Needs `escalate`, and `update` or `patch`, both on that (cluster) role; the role is one that is
    /// bound to the subject. Bound in a namespace, it gives everything there. Without `escalate` the
    /// API server refuses rules that are not held already.
    /// Source: `RoleEscalationAuthorized` in `pkg/registry/rbac/escalation_check.go`, and
    /// `pkg/registry/rbac/{cluster,}role/policybased/storage.go`.
    Escalate,
    /// Requests are made in the name of another.
    ///
    /// Needs `impersonate` on `users` or on `groups` over the whole cluster, or on `serviceaccounts`
    /// there or in the account's namespace. A group also needs somebody to be: a user or a service
    /// account that one may impersonate. A user who is impersonated is in none of the groups of a
    /// directory, a service account is in its own. `system:masters` is a group like others. Nobody is
    /// asked whether a user or a service account exists. The narrower verbs of KEP 5284
    /// (`impersonate:serviceaccount`, …) are not followed.
    /// Source: `pkg/endpoints/filters/impersonation/mode.go` in `k8s.io/apiserver`.
    Impersonate,
    /// A pod runs as a service account of its namespace, with its token.
    ///
    /// Needs `create` on pods or on something that makes pods (`deployments`, `statefulsets`,
    /// `daemonsets`, `replicasets`, `jobs`, `cronjobs`, `replicationcontrollers`), or `update` or
    /// `patch` on such a workload that is there (not on jobs, whose pods cannot be changed). Any
    /// service account that exists will do: nobody asks whether its user may use it.
    /// Source: `plugin/pkg/admission/serviceaccount/admission.go`.
    Workload,
    /// Another image runs in a pod that is there, with its token.
    ///
    /// Needs `update` or `patch` on the pod. Its service account cannot be changed, its images can.
    /// Source: `ValidatePodUpdate` in `pkg/apis/core/validation/validation.go`.
    PodImage,
    /// A command runs in a pod that is there, and reads its token.
    ///
    /// Needs `create` on `pods/exec` (since 1.35 also for connections by `GET`).
    /// Source: `pkg/registry/core/pod/rest/subresources.go`.
    Exec,
    /// A container of one's own is added to a pod that is there, with the volume of its token. Where
    /// no Pod Security is enforced it can be a privileged one, which is root on the node.
    ///
    /// Needs `update` or `patch` on `pods/ephemeralcontainers`.
    /// Source: `allowedEphemeralContainerFields` in `pkg/apis/core/validation/validation.go`.
    EphemeralContainer,
    /// A token of a service account is asked for.
    ///
    /// Needs `create` on `serviceaccounts/token` of that account, which must exist.
    /// Source: `pkg/registry/core/serviceaccount/storage/token.go`.
    Token,
    /// A token is read from a Secret.
    ///
    /// Needs `get`, `list` or `watch` on `secrets` in the namespace of a service account that has a
    /// token Secret; or beside that `create`, to make one for any service account: a controller writes
    /// the token into a Secret of the type `kubernetes.io/service-account-token`.
    /// Source: `pkg/controller/serviceaccount/tokens_controller.go`.
    TokenSecret,
    /// Secrets are mounted into a pod of one's own.
    ///
    /// Needs what [`Edge::Workload`] needs. The names of the Secrets must be known. Only where the
    /// service account has the annotation `kubernetes.io/enforce-mountable-secrets` are there limits.
    /// Source: `plugin/pkg/admission/serviceaccount/admission.go`.
    SecretVolume,
    /// A client certificate for any name and groups is signed.
    ///
    /// Needs `create` on `certificatesigningrequests`, `update` or `patch` on their `approval`, and
    /// `approve` on the signer `kubernetes.io/kube-apiserver-client`. Only the group `system:masters`
    /// is refused to it.
    /// Source: `plugin/pkg/admission/certificates/{approval,subjectrestriction}/admission.go`.
    Certificate,
    /// A pod runs as root on a node.
    ///
    /// Needs what [`Edge::Workload`] needs in a namespace where Pod Security enforces neither
    /// `baseline` nor `restricted`; or beside that `update` or `patch` on the namespace, whose label
    /// decides; or, with pods in every namespace, `create` on `namespaces`.
    /// Source: `policy/check_privileged.go` and `policy/check_hostPathVolumes.go` in
    /// `k8s.io/pod-security-admission`.
    PrivilegedPod,
    /// The kubelet is asked to run a command in any pod of its node.
    ///
    /// Needs `get` or `create` on `nodes/proxy`. The kubelet trusts the API server; neither admission
    /// nor the audit log sees the command. It is root where a pod of the node is privileged, as those of
    /// the network are.
    /// Source: `pkg/kubelet/server/auth.go`.
    NodesProxy,
    /// From any node, the tokens of the pods that run there.
    ///
    /// Needs nothing further: root on a node reads what it mounts into pods. It is followed when the
    /// node can be chosen.
    NodePods,
    /// What others write is changed on its way: pods of the control plane, bindings that others make.
    ///
    /// Needs `create`, `update` or `patch` on `mutatingwebhookconfigurations`. With `update` or `patch`
    /// alone one must be there.
    /// Source: `pkg/admission/plugin/webhook/mutating` in `k8s.io/apiserver`.
    Webhook,
    /// The same, without a server.
    ///
    /// Needs `create` on both `mutatingadmissionpolicies` and `mutatingadmissionpolicybindings`
    /// (served since 1.36).
    /// Source: `pkg/registry/admissionregistration/mutatingadmissionpolicy`.
    Policy,
}

impl Edge {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Has,
        Self::Bind,
        Self::Escalate,
        Self::Impersonate,
        Self::Workload,
        Self::PodImage,
        Self::Exec,
        Self::EphemeralContainer,
        Self::Token,
        Self::TokenSecret,
        Self::SecretVolume,
        Self::Certificate,
        Self::PrivilegedPod,
        Self::NodesProxy,
        Self::NodePods,
        Self::Webhook,
        Self::Policy,
    ];

    /// As answers and the documentation have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Has => "has",
            Self::Bind => "bind",
            Self::Escalate => "escalate",
            Self::Impersonate => "impersonate",
            Self::Workload => "workload",
            Self::PodImage => "pod-image",
            Self::Exec => "exec",
            Self::EphemeralContainer => "ephemeral-container",
            Self::Token => "token",
            Self::TokenSecret => "token-secret",
            Self::SecretVolume => "secret-volume",
            Self::Certificate => "certificate",
            Self::PrivilegedPod => "privileged-pod",
            Self::NodesProxy => "nodes-proxy",
            Self::NodePods => "node-pods",
            Self::Webhook => "webhook",
            Self::Policy => "policy",
        }
    }

    /// The edge of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|edge| edge.name() == name)
    }

    /// What it needs, in one line.
    pub const fn needs(self) -> &'static str {
        match self {
            Self::Has => "bindings that give the goal itself",
            Self::Bind => {
                "`bind` on a role, and `create` on bindings, or `update` or `patch` on one that has the role"
            }
            Self::Escalate => "`escalate`, and `update` or `patch`, on a role that the subject has",
            Self::Impersonate => {
                "`impersonate` on `users`, `serviceaccounts`, or with one of these on `groups`"
            }
            Self::Workload => {
                "`create` on pods or what makes pods, or `update` or `patch` on a workload that is there"
            }
            Self::PodImage => "`update` or `patch` on `pods`",
            Self::Exec => "`create` on `pods/exec`",
            Self::EphemeralContainer => "`update` or `patch` on `pods/ephemeralcontainers`",
            Self::Token => "`create` on `serviceaccounts/token`",
            Self::TokenSecret => {
                "`get`, `list` or `watch` on `secrets` where a token Secret is, or can be made with `create`"
            }
            Self::SecretVolume => "as `workload`",
            Self::Certificate => {
                "`create` on `certificatesigningrequests`, `update` or `patch` on their `approval`, `approve` on the signer"
            }
            Self::PrivilegedPod => {
                "as `workload`, where Pod Security is not enforced or can be switched off"
            }
            Self::NodesProxy => "`get` or `create` on `nodes/proxy`",
            Self::NodePods => "root on a node that can be chosen",
            Self::Webhook => "`create`, `update` or `patch` on `mutatingwebhookconfigurations`",
            Self::Policy => {
                "`create` on `mutatingadmissionpolicies` and `mutatingadmissionpolicybindings`"
            }
        }
    }

    /// What it gives, in one line.
    pub const fn gives(self) -> &'static str {
        match self {
            Self::Has => "the goal",
            Self::Bind => "what the role grants, where it is bound",
            Self::Escalate => "everything, where the role is bound",
            Self::Impersonate => "what the other may do",
            Self::Workload => "what any service account of the namespace may do",
            Self::PodImage | Self::Exec => "what the pod's service account may do",
            Self::EphemeralContainer => {
                "what the pod's service account may do; the node, without Pod Security"
            }
            Self::Token => "what the service account may do",
            Self::TokenSecret => "what the token's service account may do",
            Self::SecretVolume => "the Secrets of the namespace",
            Self::Certificate => "what anybody but `system:masters` may do",
            Self::PrivilegedPod | Self::NodesProxy => "the node",
            Self::NodePods => "what the service accounts of running pods may do",
            Self::Webhook | Self::Policy => "the cluster",
        }
    }
}
