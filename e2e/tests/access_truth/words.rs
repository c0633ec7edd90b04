//! The words that policies and questions are made of: few, so that they meet, and odd ones first.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// What stands in the cluster, made by the test. One is a prefix of another.
pub(crate) const NAMESPACES: [&str; 4] = ["team", "team-a", "ci", "kube-system"];
/// Asked about as well: no such namespace is there, and the name is none.
pub(crate) const NO_NAMESPACES: [&str; 3] = ["nowhere", "Team", "*"];

pub(crate) const VERBS: [&str; 16] = [
    "",
    "*",
    "GET",
    "get*",
    "**",
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "escalate",
    "use",
];

pub(crate) const GROUPS: [&str; 9] = [
    "",
    "*",
    "APPS",
    "apps",
    "*.k8s.io",
    "batch",
    "rbac.authorization.k8s.io",
    "metrics.k8s.io",
    "k8s.io",
];

/// As rules write them.
pub(crate) const RESOURCES: [&str; 24] = [
    "",
    "*",
    "*/*",
    "pods/*",
    "*/",
    "/log",
    "Pods",
    "pod*",
    "pods/log/x",
    "*/log/x",
    "*/scale",
    "*/log",
    "*/*/log",
    "pods",
    "pods/log",
    "pods/exec",
    "secrets",
    "deployments",
    "deployments/scale",
    "statefulsets/scale",
    "serviceaccounts/token",
    "roles",
    "configmaps",
    "pods/",
];

/// Resources and subresources as a question names them.
pub(crate) const ASKED: [(&str, &str); 22] = [
    ("", ""),
    ("*", ""),
    ("*", "*"),
    ("", "log"),
    ("pods", "*"),
    ("*", "scale"),
    ("*", "log"),
    ("pods/log", ""),
    ("pods/", ""),
    ("pods", "log/x"),
    ("Pods", ""),
    ("pods", "LOG"),
    ("pods", ""),
    ("pods", "log"),
    ("pods", "exec"),
    ("secrets", ""),
    ("deployments", ""),
    ("deployments", "scale"),
    ("statefulsets", "scale"),
    ("serviceaccounts", "token"),
    ("roles", ""),
    ("configmaps", ""),
];

/// Of objects: in rules and in questions. The empty one is that of a list.
pub(crate) const NAMES: [&str; 8] = ["", "*", "db", "DB", "db ", "d*", "größe", "a:b"];

/// As rules write them.
pub(crate) const URLS: [&str; 18] = [
    "",
    "*",
    "**",
    "/",
    "/*",
    "/metrics",
    "/metrics/",
    "/metrics/*",
    "/metrics*",
    "/metrics/**",
    "/a*b",
    "/a*b*",
    "*b",
    "metrics",
    "/Metrics",
    "/healthz",
    "/größe/*",
    "/*/x",
];

/// As a question names them.
pub(crate) const PATHS: [&str; 17] = [
    "",
    "/",
    "*",
    "/*",
    "/metrics",
    "/metrics/",
    "/metrics/cadvisor",
    "/metricsx",
    "/Metrics",
    "/a*b",
    "/axb",
    "/a*bc",
    "metrics",
    "/healthz",
    "/api",
    "/größe/x",
    "/a/x",
];

/// Names of users, some of which look like something else.
pub(crate) const USERS: [&str; 18] = [
    "system:serviceaccount:team:ci",
    "system:serviceaccount:team-a:default",
    "system:serviceaccount:team:",
    "system:serviceaccount::ci",
    "system:serviceaccount:team",
    "system:serviceaccount:Team:CI",
    "system:serviceaccount:a:b:c",
    "system:anonymous",
    "system:masters",
    "system:kube-scheduler",
    "*",
    " ",
    "anna",
    "Anna",
    "anna@example.com",
    "oidc:anna",
    "bob smith",
    "jürgen",
];

/// Names of groups, in and out of `system:`, some of which look like something else.
pub(crate) const GROUPS_OF_PEOPLE: [&str; 14] = [
    "system:masters",
    "system:authenticated",
    "system:unauthenticated",
    "system:serviceaccounts",
    "system:serviceaccounts:team",
    "system:serviceaccounts:nowhere",
    "system:monitoring",
    "system:serviceaccount:team:ci",
    "*",
    "anna",
    "SRE",
    "sre",
    "oidc:payments",
    "größen",
];

/// Namespaces and names of service accounts as subjects write them. The API server does not look at
/// the namespace of a subject.
pub(crate) const ACCOUNTS: [(&str, &str); 10] = [
    ("", "ci"),
    ("", "default"),
    ("team", "ci"),
    ("team-a", "ci"),
    ("team-a", "default"),
    ("nowhere", "ghost"),
    ("a:b", "c"),
    ("Team", "ci"),
    ("ci", "a.b"),
    ("team:a", "ci"),
];

/// Names of roles and of cluster roles: the same, so that the kind of a reference decides.
pub(crate) const ROLES: [&str; 12] = [
    "Reader",
    "reader",
    "a:b",
    "two words",
    "größe",
    "*",
    "system:reader",
    "x",
    "hanse:ns:x",
    "ghost",
    "r.1",
    "...",
];

/// Names of bindings.
pub(crate) const BINDINGS: [&str; 10] =
    ["B", "b", "b:1", "b 2", "größe", "*", "system:b", "b.3", "b4", "b5"];

/// Groups of people as a directory has them: group, users, groups within.
pub(crate) const DIRECTORY: [(&str, &[&str], &[&str]); 4] = [
    ("sre", &["anna", "bob smith"], &[]),
    ("oidc:payments", &["oidc:anna"], &["sre", "größen"]),
    ("größen", &["jürgen"], &["oidc:payments"]),
    ("SRE", &[], &[]),
];

/// One of several.
pub(crate) fn one<T: Copy>(rng: &mut StdRng, of: &[T]) -> T {
    *of.choose(rng).unwrap()
}

/// From `least` to `most` of several, each with the chance to come twice.
pub(crate) fn some<T: Copy>(rng: &mut StdRng, of: &[T], least: usize, most: usize) -> Vec<T> {
    let count = rng.random_range(least..=most);
    (0..count).map(|_| one(rng, of)).collect()
}

/// True once in so many times.
pub(crate) fn once_in(rng: &mut StdRng, times: u32) -> bool {
    rng.random_ratio(1, times)
}
