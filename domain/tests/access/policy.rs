//! Odd policies, identities and requests, from few words, so that they meet.

use std::collections::BTreeMap;

use hanse_domain::access::directory::Directory;
use hanse_domain::access::object::{
    AccessContent, AccessKey, AccessKind, LabelRequirement, LabelSelector, RawSubject,
    RoleReference,
};
use hanse_domain::access::request::{Request, Scope};
use hanse_domain::access::subject::{Identity, Subject};
use hanse_domain::ids::ClusterId;
use hanse_domain::kinds::role::PolicyRule;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) type Change = (AccessKey, Option<AccessContent>);

const VERBS: &[&str] =
    &["get", "get", "get", "get", "get", "get", "list", "create", "*", "GET", ""];
const API_GROUPS: &[&str] = &["", "", "", "", "", "", "apps", "*", "Apps"];
const RESOURCES: &[&str] = &[
    "pods",
    "pods",
    "pods",
    "pods",
    "pods/log",
    "pods/log",
    "*",
    "*/log",
    "deployments/scale",
    "*/scale",
    "deployments",
    "pods/*",
    "*/*",
    "*/",
    "/log",
    "Pods",
    "pods/",
    "",
];
const OBJECTS: &[&str] = &["a", "b", "A", "*", ""];
const URLS: &[&str] =
    &["/metrics", "*", "/api*", "/a*c", "**", "/api/**", "/api/*", "metrics", "", "/"];
const NAMESPACES: &[&str] = &["ci", "prod", "a"];
const ROLES: &[&str] = &["r", "r", "r", "s", "R"];
pub(crate) const GROUPS: &[&str] = &[
    "sre",
    "sre",
    "sre",
    "all",
    "system:serviceaccounts",
    "system:serviceaccounts:ci",
    "system:serviceaccounts:",
    "system:authenticated",
    "system:unauthenticated",
    "anna",
    "",
];
pub(crate) const USERS: &[&str] = &[
    "anna",
    "anna",
    "anna",
    "bob",
    "Anna",
    "system:anonymous",
    "system:serviceaccount:ci:robot",
    "system:serviceaccount:ci:robot",
    "system:serviceaccount:prod:robot",
    "system:serviceaccount:ci:",
    "system:serviceaccount:a:b:c",
    "system:serviceaccount:CI:robot",
    "system:serviceaccount::robot",
    "system:masters",
    "robot",
];

pub(crate) const CLUSTER: ClusterId = ClusterId(uuid::Uuid::from_u128(1));

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(str::to_owned)
}

fn words(words: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        1 => Just(Vec::new()),
        12 => prop::collection::vec(word(words), 1..=most),
    ]
}

pub(crate) fn rule() -> impl Strategy<Value = PolicyRule> {
    (
        words(API_GROUPS, 2),
        words(RESOURCES, 3),
        words(VERBS, 2),
        prop_oneof![2 => Just(Vec::new()), 1 => words(OBJECTS, 2)],
        prop_oneof![2 => Just(Vec::new()), 1 => words(URLS, 2)],
    )
        .prop_map(|(api_groups, resources, verbs, resource_names, non_resource_urls)| {
            PolicyRule { api_groups, resources, verbs, resource_names, non_resource_urls }
        })
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    let resource = (
        word(VERBS),
        word(API_GROUPS),
        select(&["pods", "pods", "pods", "pods", "pods", "deployments", "", "*", "pods/log"][..]),
        select(&["", "", "", "", "log", "scale", "*"][..]),
        prop::option::of(word(OBJECTS)),
    )
        .prop_map(|(verb, api_group, resource, subresource, name)| Request::Resource {
            verb,
            api_group,
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name,
        });
    let paths =
        &["/metrics", "/api", "/api/", "/api/v1", "/abc", "/", "", "*", "/api/**", "/a*c"][..];
    let path = (word(VERBS), select(paths))
        .prop_map(|(verb, path)| Request::Path { verb, path: path.to_owned() });
    prop_oneof![3 => resource, 1 => path]
}

pub(crate) fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        1 => Just(Scope::Cluster),
        1 => Just(Scope::AllNamespaces),
        2 => select(&["ci", "ci", "prod", "a", "none", ""][..])
            .prop_map(|namespace| Scope::Namespace(namespace.to_owned())),
    ]
}

/// Any attributes, also such as no authenticator gives.
pub(crate) fn identity() -> impl Strategy<Value = Identity> {
    let groups = prop::collection::btree_set(word(GROUPS), 0..4);
    let masters =
        prop::sample::select(&[false, false, false, false, false, false, false, true][..]);
    let username = prop_oneof![20 => word(USERS), 1 => Just(String::new())];
    (username, groups, masters).prop_map(|(username, mut groups, masters)| {
        groups.extend(masters.then(|| "system:masters".to_owned()));
        Identity { username, groups }
    })
}

/// What an authenticator, or a question about a group, can be about.
pub(crate) fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        word(USERS).prop_map(|name| Subject::of_username(&name)),
        word(GROUPS).prop_map(Subject::Group),
        Just(Subject::Group("system:masters".to_owned())),
    ]
}

pub(crate) fn directory() -> impl Strategy<Value = Directory> {
    let entry = (word(GROUPS), words(USERS, 3), words(GROUPS, 2));
    prop::collection::vec(entry, 0..4).prop_map(|groups| Directory::new(groups).unwrap())
}

/// Somebody, what they want and where.
pub(crate) type Asked = (Identity, Request, Scope);

/// Questions of which each part is, more often than not, what some binding's subject, its role's rule or
/// its namespace says: yes or nearly.
pub(crate) fn asked(objects: &[(AccessKey, AccessContent)], random: Asked, aim: [u16; 3]) -> Asked {
    let (mut identity, mut request, mut scope) = random;
    let [which, what, mask] = aim.map(usize::from);
    let bindings: Vec<_> = objects
        .iter()
        .filter_map(|(key, content)| match content {
            AccessContent::Binding { role, subjects } => Some((key, role, subjects)),
            _ => None,
        })
        .collect();
    let aimed = |part: usize| mask >> (2 * part) & 3 != 0;
    let Some(&(key, role, subjects)) = pick(&bindings, which) else {
        return (identity, request, scope);
    };
    match pick(subjects, what).and_then(|raw| Subject::from_raw(raw, &key.namespace)) {
        Some(Subject::Group(group)) if aimed(0) => {
            identity.groups.insert(group);
        }
        Some(subject) if aimed(0) => identity.username = subject.username().unwrap_or_default(),
        _ => {}
    }
    if aimed(1) && !key.namespace.is_empty() {
        scope = Scope::Namespace(key.namespace.clone());
    }
    let rules: Vec<&PolicyRule> = objects
        .iter()
        .filter(|(held, _)| {
            held.name == role.name && [&key.namespace, ""].contains(&held.namespace.as_str())
        })
        .filter_map(|(_, content)| match content {
            AccessContent::Role { rules, .. } => Some(rules),
            _ => None,
        })
        .flatten()
        .collect();
    let Some(aim_at) = pick(&rules, what) else { return (identity, request, scope) };
    let set = |part: usize, to: &mut String, from: &[String]| {
        if let Some(from) = pick(from, which).filter(|from| aimed(part) && *from != "*") {
            to.clone_from(from);
        }
    };
    match &mut request {
        Request::Resource { verb, api_group, resource, subresource, name } => {
            let mut both = format!("{resource}/{subresource}");
            set(2, verb, &aim_at.verbs);
            set(3, api_group, &aim_at.api_groups);
            set(4, &mut both, &aim_at.resources);
            if let Some(name) = name {
                set(5, name, &aim_at.resource_names);
            }
            let (main, sub) = both.split_once('/').unwrap_or((&both, ""));
            (*resource, *subresource) = (main.to_owned(), sub.to_owned());
        }
        Request::Path { verb, path } => {
            set(2, verb, &aim_at.verbs);
            set(3, path, &aim_at.non_resource_urls);
        }
    }
    (identity, request, scope)
}

fn pick<T>(list: &[T], at: usize) -> Option<&T> {
    list.get(at.checked_rem(list.len())?)
}

fn raw_subject() -> impl Strategy<Value = RawSubject> {
    let kinds = &["User", "Group", "ServiceAccount", "ServiceAccount", "user", "Robot", ""][..];
    let account = (
        select(kinds),
        word(&["", "ci", "prod", "CI", "a", "a:b"]),
        word(&["robot", "robot", "b:c"]),
    )
        .prop_map(|(kind, namespace, name)| RawSubject {
            kind: kind.to_owned(),
            namespace,
            name,
        });
    let named = |kind: &'static str, names| {
        (word(&["", "ci"]), word(names)).prop_map(move |(namespace, name)| RawSubject {
            kind: kind.to_owned(),
            namespace,
            name,
        })
    };
    // The API server accepts no subject without a name.
    prop_oneof![account, named("User", USERS), named("Group", GROUPS)]
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(word(&["to", "from"]), word(&["admin", "view", ""]), 0..=2)
}

fn selector() -> impl Strategy<Value = LabelSelector> {
    let operators = &["In", "In", "NotIn", "Exists", "DoesNotExist", "Matches"][..];
    let requirement = (word(&["to", "from"]), select(operators), words(&["admin", "view"], 2));
    let requirements = prop::collection::vec(requirement, 0..=1);
    (labels(), requirements).prop_map(|(match_labels, requirements)| LabelSelector {
        match_labels,
        match_expressions: requirements
            .into_iter()
            .map(|(key, operator, values)| LabelRequirement {
                key,
                operator: operator.to_owned(),
                values,
            })
            .collect(),
    })
}

fn key(kind: AccessKind, names: &'static [&'static str]) -> BoxedStrategy<AccessKey> {
    let namespace = if kind.is_namespaced() {
        prop_oneof![20 => word(NAMESPACES), 1 => Just(String::new())].boxed()
    } else {
        prop_oneof![20 => Just(String::new()), 1 => word(NAMESPACES)].boxed()
    };
    (namespace, word(names))
        .prop_map(move |(namespace, name)| AccessKey { kind, namespace, name })
        .boxed()
}

fn role() -> impl Strategy<Value = (AccessKey, AccessContent)> {
    let content = (
        prop::collection::vec(rule(), 0..4),
        labels(),
        prop::option::of(prop::collection::vec(selector(), 0..3)),
    )
        .prop_map(|(rules, labels, aggregates)| AccessContent::Role {
            rules,
            labels,
            aggregates,
        });
    (prop_oneof![key(AccessKind::ClusterRole, ROLES), key(AccessKind::Role, ROLES)], content)
}

fn binding() -> impl Strategy<Value = (AccessKey, AccessContent)> {
    let kinds =
        &["ClusterRole", "ClusterRole", "ClusterRole", "Role", "Role", "clusterrole", ""][..];
    let content = (select(kinds), word(ROLES), prop::collection::vec(raw_subject(), 0..4))
        .prop_map(|(kind, name, subjects)| AccessContent::Binding {
            role: RoleReference { kind: kind.to_owned(), name },
            subjects,
        });
    let names = &["b", "c", "d", "e", "r"];
    let key = prop_oneof![
        key(AccessKind::ClusterRoleBinding, names),
        key(AccessKind::RoleBinding, names)
    ];
    (key, content)
}

fn other() -> impl Strategy<Value = (AccessKey, AccessContent)> {
    prop_oneof![
        (key(AccessKind::Namespace, NAMESPACES), labels())
            .prop_map(|(key, labels)| (key, AccessContent::Namespace { labels })),
        (key(AccessKind::ServiceAccount, &["robot", "other", "r", "Bad_Name"]), any::<bool>())
            .prop_map(|(key, token_secret)| (key, AccessContent::ServiceAccount { token_secret })),
        (
            prop_oneof![key(AccessKind::Pod, ROLES), key(AccessKind::Deployment, ROLES)],
            word(&["robot", "default"])
        )
            .prop_map(|(key, service_account)| (key, AccessContent::Workload { service_account })),
    ]
}

/// A change of one object; sometimes to a content that is none of its kind's.
pub(crate) fn change() -> impl Strategy<Value = Change> {
    let object = prop_oneof![4 => role(), 6 => binding(), 2 => other()].boxed();
    let put = object.clone().prop_map(|(key, content)| (key, Some(content)));
    let take = object.clone().prop_map(|(key, _)| (key, None));
    let misfit = (object.clone(), object).prop_map(|((key, _), (_, content))| (key, Some(content)));
    prop_oneof![12 => put, 3 => take, 1 => misfit]
}

/// What is there after changes.
pub(crate) fn after(changes: &[Change]) -> Vec<(AccessKey, AccessContent)> {
    let mut out = BTreeMap::new();
    for (key, content) in changes {
        match content.as_ref().filter(|content| content.fits(key.kind)) {
            Some(content) => out.insert(key.clone(), content.clone()),
            None => out.remove(key),
        };
    }
    out.into_iter().collect()
}
