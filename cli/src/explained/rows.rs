//! The table: one row a field.

/// Path, type, whether it is required, meaning.
pub(super) type Row = (&'static str, &'static str, bool, &'static str);
const REQUIRED: bool = true;
const OPTIONAL: bool = false;

pub(super) const COMMON: &[Row] = &[
    ("apiVersion", "string", REQUIRED, "`hanse.dev/v1alpha1`."),
    (
        "kind",
        "string",
        REQUIRED,
        "`FederatedNamespace`, `FederatedRole`, `FederatedRoleBinding`, `FederatedSecret` or `AccessInvariant`.",
    ),
    ("metadata", "object", REQUIRED, "Name, labels and annotations of the document itself."),
    (
        "metadata.name",
        "string",
        REQUIRED,
        "A DNS subdomain, unique within the kind over the whole fleet. What is made of the document in a cluster is named after it.",
    ),
    (
        "metadata.labels",
        "map[string]string",
        OPTIONAL,
        "For `-l` on the command line. They do not go to clusters.",
    ),
    (
        "metadata.annotations",
        "map[string]string",
        OPTIONAL,
        "For people and programs. They do not go to clusters.",
    ),
    ("spec", "object", REQUIRED, "What is declared, and for which clusters."),
    (
        "spec.placement",
        "object",
        REQUIRED,
        "The clusters: those that are named and those that the selector matches.",
    ),
    ("spec.placement.clusterNames", "[]string", OPTIONAL, "Clusters by their names."),
    (
        "spec.placement.clusterSelector",
        "selector",
        OPTIONAL,
        "Clusters by the labels of their roster entries. `{}` is every cluster.",
    ),
    (
        "spec.overrides",
        "[]object",
        OPTIONAL,
        "What the document says differently in some clusters. All that match are merged, in order.",
    ),
    (
        "spec.overrides[].clusterSelector",
        "selector",
        REQUIRED,
        "In which of the document's clusters the patch counts.",
    ),
    (
        "spec.overrides[].patch",
        "patch",
        REQUIRED,
        "A JSON merge patch (RFC 7396) of the spec: maps are merged, lists replaced, null takes a field away. Placement and overrides cannot be patched.",
    ),
    (
        "spec.drift",
        "string",
        OPTIONAL,
        "`Enforce` (the default) puts differences right and reports them; `Report` only reports them.",
    ),
];

/// Below every field of type `selector`.
pub(super) const SELECTOR: &[Row] = &[
    ("matchLabels", "map[string]string", OPTIONAL, "Labels that must have exactly these values."),
    ("matchExpressions", "[]object", OPTIONAL, "Further requirements; each of them must hold."),
    ("matchExpressions[].key", "string", REQUIRED, "The label's key."),
    (
        "matchExpressions[].operator",
        "string",
        REQUIRED,
        "`In`, `NotIn`, `Exists` or `DoesNotExist`. `NotIn` also holds where the label is absent.",
    ),
    (
        "matchExpressions[].values",
        "[]string",
        OPTIONAL,
        "Needed with `In` and `NotIn`, and only there.",
    ),
];

pub(super) const NAMESPACE: &[Row] = &[
    (
        "spec.labels",
        "map[string]string",
        OPTIONAL,
        "Labels of the namespace. Keys of kubernetes.io, k8s.io and hanse.dev are reserved.",
    ),
    (
        "spec.annotations",
        "map[string]string",
        OPTIONAL,
        "Annotations of the namespace. The same keys are reserved.",
    ),
    (
        "spec.podSecurity",
        "string",
        OPTIONAL,
        "Level of the Pod Security Standards, enforced, warned about and audited: `restricted`, `baseline` or `privileged` (a hazard).",
    ),
    (
        "spec.resourceQuota",
        "object",
        OPTIONAL,
        "What all pods and objects of the namespace may use together.",
    ),
    (
        "spec.resourceQuota.hard",
        "map[string]quantity",
        REQUIRED,
        "Limits such as `requests.cpu: 4`, `limits.memory: 16Gi`, `pods: 50`.",
    ),
    (
        "spec.limitRange",
        "object",
        OPTIONAL,
        "Bounds and defaults of single containers, pods and volume claims.",
    ),
    ("spec.limitRange.limits", "[]object", REQUIRED, "One item a type."),
    (
        "spec.limitRange.limits[].type",
        "string",
        REQUIRED,
        "`Container`, `Pod` or `PersistentVolumeClaim`.",
    ),
    (
        "spec.limitRange.limits[].max",
        "map[string]quantity",
        OPTIONAL,
        "The most that one may have.",
    ),
    (
        "spec.limitRange.limits[].min",
        "map[string]quantity",
        OPTIONAL,
        "The least that one may have.",
    ),
    (
        "spec.limitRange.limits[].default",
        "map[string]quantity",
        OPTIONAL,
        "Limits of a container that states none.",
    ),
    (
        "spec.limitRange.limits[].defaultRequest",
        "map[string]quantity",
        OPTIONAL,
        "Requests of a container that states none.",
    ),
    (
        "spec.limitRange.limits[].maxLimitRequestRatio",
        "map[string]quantity",
        OPTIONAL,
        "How many times its request a limit may be.",
    ),
    (
        "spec.networkPolicy",
        "object",
        OPTIONAL,
        "Default network policy: what is denied, and what is allowed all the same. `{}` denies everything.",
    ),
    ("spec.networkPolicy.deny", "[]string", OPTIONAL, "`Ingress`, `Egress`; both when left out."),
    (
        "spec.networkPolicy.allow",
        "[]string",
        OPTIONAL,
        "`SameNamespace`: pods of the namespace among each other; `DNS`: the cluster's DNS.",
    ),
    (
        "spec.networkPolicy.allowFromNamespaces",
        "[]string",
        OPTIONAL,
        "Namespaces from which traffic may come.",
    ),
    (
        "spec.networkPolicy.allowToNamespaces",
        "[]string",
        OPTIONAL,
        "Namespaces to which traffic may go.",
    ),
];

pub(super) const ROLE: &[Row] = &[
    (
        "spec.scope",
        "string",
        OPTIONAL,
        "How widely the role may be bound: `Namespace` (the default) in namespaces only, `Cluster` over whole clusters only.",
    ),
    ("spec.rules", "[]object", REQUIRED, "What is granted, as in rbac.authorization.k8s.io/v1."),
    (
        "spec.rules[].apiGroups",
        "[]string",
        OPTIONAL,
        "API groups; \"\" is the core group. Needed with `resources`.",
    ),
    ("spec.rules[].resources", "[]string", OPTIONAL, "Resources such as `pods` and `pods/log`."),
    (
        "spec.rules[].verbs",
        "[]string",
        REQUIRED,
        "Verbs such as `get`, `list` and `watch`. `*` is a hazard.",
    ),
    ("spec.rules[].resourceNames", "[]string", OPTIONAL, "Only objects of these names."),
    (
        "spec.rules[].nonResourceURLs",
        "[]string",
        OPTIONAL,
        "Paths of the API server such as `/metrics`; only with `scope: Cluster`, and not together with `resources`.",
    ),
];

pub(super) const BINDING: &[Row] = &[
    ("spec.subjects", "[]object", REQUIRED, "Who gets the role."),
    ("spec.subjects[].kind", "string", REQUIRED, "`User`, `Group` or `ServiceAccount`."),
    (
        "spec.subjects[].name",
        "string",
        REQUIRED,
        "As the API servers' authenticators name it, with their prefix: `oidc:payments`.",
    ),
    (
        "spec.subjects[].namespace",
        "string",
        OPTIONAL,
        "Of a service account; with none, the namespace of the binding.",
    ),
    ("spec.roleRef", "object", REQUIRED, "Which role."),
    (
        "spec.roleRef.kind",
        "string",
        REQUIRED,
        "`FederatedRole` of the fleet, or a `ClusterRole` or `Role` that the clusters have by themselves.",
    ),
    ("spec.roleRef.name", "string", REQUIRED, "The role's name."),
    (
        "spec.namespaces",
        "[]string",
        OPTIONAL,
        "In these namespaces. One of `namespaces`, `namespaceSelector` and `clusterWide` is needed.",
    ),
    (
        "spec.namespaceSelector",
        "selector",
        OPTIONAL,
        "In every federated namespace of the cluster whose declared labels match. Labels that somebody sets in the cluster do not count.",
    ),
    ("spec.clusterWide", "boolean", OPTIONAL, "`true`: over the whole cluster."),
    (
        "spec.expiresAt",
        "string",
        OPTIONAL,
        "RFC 3339 time at which the agents take the binding away, also while the hub is away.",
    ),
    ("spec.reason", "string", OPTIONAL, "Why, for auditors; at most 1,024 bytes."),
];

pub(super) const SECRET: &[Row] = &[
    ("spec.type", "string", OPTIONAL, "As the Secret's `type`; `Opaque` by default."),
    ("spec.namespaces", "[]string", REQUIRED, "In these namespaces of each cluster."),
    ("spec.version", "integer", REQUIRED, "Rises by one each time it is sealed."),
    ("spec.keys", "[]string", REQUIRED, "The names of its values, for people."),
    (
        "spec.payload",
        "string",
        REQUIRED,
        "The values as an age file in base64; `hanse secret set` seals them.",
    ),
    ("spec.owners", "[]object", OPTIONAL, "Who else can open it and seal it again."),
    ("spec.owners[].name", "string", REQUIRED, "The owner's name, for people."),
    ("spec.owners[].recipient", "string", REQUIRED, "The owner's age recipient."),
    (
        "spec.owners[].wrap",
        "string",
        REQUIRED,
        "The key of this version for that owner, as an age file in base64.",
    ),
];

pub(super) const INVARIANT: &[Row] = &[
    (
        "spec.deny",
        "object",
        REQUIRED,
        "What is denied: one of `access` and `reach`, and in which namespaces.",
    ),
    (
        "spec.deny.access",
        "[]object",
        OPTIONAL,
        "Rights that nobody may have, as rules of a role: whoever has a part of one violates the invariant. `*` is anything.",
    ),
    (
        "spec.deny.access[].apiGroups",
        "[]string",
        OPTIONAL,
        "API groups; \"\" is the core group. Needed with `resources`.",
    ),
    (
        "spec.deny.access[].resources",
        "[]string",
        OPTIONAL,
        "Resources such as `secrets` and `pods/exec`.",
    ),
    ("spec.deny.access[].verbs", "[]string", REQUIRED, "Verbs such as `get`, `list` and `watch`."),
    ("spec.deny.access[].resourceNames", "[]string", OPTIONAL, "Only objects of these names."),
    (
        "spec.deny.access[].nonResourceURLs",
        "[]string",
        OPTIONAL,
        "Paths of the API server such as `/metrics`; not together with `resources`.",
    ),
    (
        "spec.deny.reach",
        "[]string",
        OPTIONAL,
        "What nobody may get to, also not by a path of escalations: `cluster-admin`, `secrets` (reading them), `node` (code on a node).",
    ),
    (
        "spec.deny.namespaces",
        "object",
        OPTIONAL,
        "In these namespaces only: one of `names` and `selector`. Rights over the whole cluster count in each of them. Not with `reach` of `cluster-admin` or `node`.",
    ),
    ("spec.deny.namespaces.names", "[]string", OPTIONAL, "Namespaces by their names."),
    (
        "spec.deny.namespaces.selector",
        "selector",
        OPTIONAL,
        "Namespaces by the labels that they have in the cluster.",
    ),
    ("spec.except", "object", OPTIONAL, "Who may all the same."),
    (
        "spec.except.users",
        "[]string",
        OPTIONAL,
        "Users, as the API servers' authenticators name them.",
    ),
    (
        "spec.except.groups",
        "[]string",
        OPTIONAL,
        "Groups, and the users that an imported directory has in them.",
    ),
    ("spec.except.serviceAccounts", "[]object", OPTIONAL, "Single service accounts."),
    ("spec.except.serviceAccounts[].namespace", "string", REQUIRED, "The account's namespace."),
    ("spec.except.serviceAccounts[].name", "string", REQUIRED, "The account's name."),
    ("spec.except.namespaces", "[]string", OPTIONAL, "Every service account of these namespaces."),
    (
        "spec.system",
        "string",
        OPTIONAL,
        "`Exempt` (the default) passes over the control plane's own identities: users and groups that begin with `system:`, but for anonymous users, `system:authenticated`, `system:unauthenticated` and groups of service accounts; and the service accounts of kube-system. `Include` does not.",
    ),
    ("spec.reason", "string", OPTIONAL, "Why, for auditors; at most 1,024 bytes."),
];
