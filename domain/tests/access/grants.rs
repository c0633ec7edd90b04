//! What a grant says, in a cluster that a person can read.

use std::ops::ControlFlow;

use hanse_domain::access::directory::Directory;
use hanse_domain::access::index::Index;
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind};
use hanse_domain::access::query::{
    Grant, MAX_NEAREST, all_grants, allows, nearest, paths, what_can, who_can,
};
use hanse_domain::access::request::{Request, Scope};
use hanse_domain::access::subject::{Identity, Subject};

use crate::policy::CLUSTER;

fn index(objects: &[(&str, &str)]) -> Index {
    let mut index = Index::default();
    for (key, content) in objects {
        let mut words = key.split(' ');
        let kind = AccessKind::from_name(words.next().unwrap()).unwrap();
        let at = words.next().unwrap();
        let (namespace, name) = at.split_once('/').unwrap_or(("", at));
        let content = serde_json::from_str::<AccessContent>(content).unwrap();
        index.apply(CLUSTER, &AccessKey::namespaced(kind, namespace, name), Some(&content));
    }
    index
}

fn role(rules: &str) -> String {
    format!(r#"{{"is":"role","rules":[{rules}]}}"#)
}

fn binding(role: &str, subjects: &[&str]) -> String {
    let (kind, name) = role.split_once(' ').unwrap();
    let subjects: Vec<String> = subjects
        .iter()
        .map(|subject| {
            let (kind, name) = subject.split_once(' ').unwrap();
            format!(r#"{{"kind":"{kind}","name":"{name}"}}"#)
        })
        .collect();
    format!(
        r#"{{"is":"binding","role":{{"kind":"{kind}","name":"{name}"}},"subjects":[{}]}}"#,
        subjects.join(",")
    )
}

const READ_ALL: &str = r#"{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}"#;
const READ_TWO: &str =
    r#"{"apiGroups":[""],"resources":["secrets"],"verbs":["get"],"resourceNames":["a","b"]}"#;
const LIST: &str = r#"{"apiGroups":[""],"resources":["secrets"],"verbs":["list"]}"#;
const SCRAPE: &str = r#"{"verbs":["get"],"nonResourceURLs":["/metrics"]}"#;

fn secrets(name: Option<&str>) -> Request {
    Request::Resource {
        verb: "get".to_owned(),
        api_group: String::new(),
        resource: "secrets".to_owned(),
        subresource: String::new(),
        name: name.map(str::to_owned),
    }
}

fn shop() -> Index {
    index(&[
        ("ClusterRole all", &role(READ_ALL)),
        ("ClusterRole two", &role(&[LIST, READ_TWO, SCRAPE].join(","))),
        ("ClusterRole both", &role(&[READ_TWO, READ_ALL].join(","))),
        ("Role ci/all", &role(READ_ALL)),
        ("ClusterRoleBinding everywhere", &binding("ClusterRole two", &["User anna", "Group sre"])),
        ("ClusterRoleBinding no-such-scope", &binding("Role all", &["User eve"])),
        (
            "RoleBinding ci/local",
            &binding("Role all", &["ServiceAccount robot", "ServiceAccount robot"]),
        ),
        (
            "RoleBinding prod/wide",
            &binding("ClusterRole both", &["Group system:serviceaccounts:ci"]),
        ),
        ("RoleBinding prod/gone", &binding("Role gone", &["User anna"])),
        ("RoleBinding prod/open", &binding("ClusterRole all", &["Group system:authenticated"])),
        ("ServiceAccount ci/robot", r#"{"is":"serviceAccount"}"#),
        ("ServiceAccount prod/other", r#"{"is":"serviceAccount"}"#),
    ])
}

fn people() -> Directory {
    let group = |name: &str, users: &[&str]| {
        (name.to_owned(), users.iter().map(|user| (*user).to_owned()).collect(), vec![])
    };
    Directory::new([group("sre", &["bob", "carla"]), group("system:masters", &["root"])]).unwrap()
}

/// "subject via group: namespace/binding → role, limits"
fn line(grant: &Grant) -> String {
    let via = grant.via_group.as_ref().map(|group| format!(" via {group}")).unwrap_or_default();
    let by = match (&grant.binding, &grant.role) {
        (Some(binding), Some(role)) => format!("{binding} → {role}"),
        _ => "itself".to_owned(),
    };
    let limits = grant.limited_to.join("+");
    assert_eq!(
        grant.namespace.as_deref().unwrap_or_default(),
        grant.binding.as_ref().map(|binding| binding.namespace.as_str()).unwrap_or_default()
    );
    format!("{}{via}: {by} {limits}", grant.subject).trim_end().to_owned()
}

fn lines(
    ask: impl FnOnce(&mut dyn FnMut(Grant) -> ControlFlow<()>) -> ControlFlow<()>,
) -> Vec<String> {
    let mut out = Vec::new();
    let _ = ask(&mut |grant| {
        out.push(line(&grant));
        ControlFlow::Continue(())
    });
    out.sort();
    out
}

fn who(request: &Request, scope: &Scope, direct: bool) -> Vec<String> {
    lines(|visit| who_can(&shop(), CLUSTER, request, scope, &people(), direct, visit))
}

const EVERYWHERE: &str = "ClusterRoleBinding everywhere → ClusterRole two";
const LOCAL: &str = "service account ci/robot: RoleBinding ci/local → Role ci/all";
const WIDE: &str = "RoleBinding prod/wide → ClusterRole both";
const OPEN: &str = "group system:authenticated: RoleBinding prod/open → ClusterRole all";

#[test]
fn who_can_lists_subjects_and_members_with_their_paths() {
    let sre = |limits: &str| {
        ["group sre", "user anna", "user bob via sre", "user carla via sre"]
            .map(|who| format!("{who}: {EVERYWHERE}{limits}"))
    };
    let masters = ["group system:masters: itself", "user root via system:masters: itself"];
    let [group, anna, bob, carla] = sre(" a+b");
    let wide = [
        format!("group system:serviceaccounts:ci: {WIDE}"),
        format!("service account ci/robot via system:serviceaccounts:ci: {WIDE}"),
    ];
    let expected = |rows: &[&str]| {
        let mut rows: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
        rows.sort();
        rows
    };
    let everyone = [&group, &anna, &bob, &carla].map(String::as_str);
    let [wide_group, wide_robot] = wide.each_ref().map(String::as_str);
    let any = secrets(None);
    assert_eq!(who(&any, &Scope::Cluster, false), expected(&[&masters[..], &everyone].concat()));
    assert_eq!(who(&any, &Scope::Cluster, true), expected(&[masters[0], &group, &anna]));
    assert_eq!(
        who(&any, &Scope::Namespace("ci".to_owned()), false),
        expected(&[&masters[..], &everyone, &[LOCAL]].concat())
    );
    assert_eq!(
        who(&any, &Scope::AllNamespaces, false),
        expected(&[&masters[..], &everyone, &[LOCAL, wide_group, wide_robot, OPEN]].concat())
    );
    // A rule without limits says more than those with some.
    assert_eq!(
        who(&secrets(Some("c")), &Scope::Namespace("prod".to_owned()), true),
        expected(&[masters[0], wide_group, OPEN])
    );
    let [group, anna, bob, carla] = sre("");
    let named = [masters[0], masters[1], &group, &anna, &bob, &carla];
    assert_eq!(who(&secrets(Some("a")), &Scope::Cluster, false), expected(&named));
    let path = Request::Path { verb: "get".to_owned(), path: "/metrics".to_owned() };
    assert_eq!(who(&path, &Scope::Namespace("ci".to_owned()), false), expected(&named));
}

#[test]
fn somebody_has_paths_or_what_comes_nearest() {
    let (index, people) = (shop(), people());
    let all = Scope::AllNamespaces;
    let of = |name: &str| Identity::of(&Subject::of_username(name), &people);
    let paths_of = |name: &str| -> Vec<String> {
        paths(&index, CLUSTER, &of(name), &secrets(Some("a")), &all).iter().map(line).collect()
    };
    assert_eq!(
        paths_of("bob"),
        [
            format!("user bob via sre: {EVERYWHERE}"),
            "user bob via system:authenticated: RoleBinding prod/open → ClusterRole all".to_owned(),
        ]
    );
    assert_eq!(paths_of("system:anonymous"), Vec::<String>::new());
    assert_eq!(paths_of("root")[1], "user root via system:masters: itself");

    let anna = of("anna");
    let denied = secrets(Some("c"));
    let prod = Scope::Namespace("prod".to_owned());
    assert!(allows(&index, CLUSTER, &anna, &denied, &prod));
    assert!(!allows(&index, CLUSTER, &anna, &denied, &Scope::Cluster));
    let near = nearest(&index, CLUSTER, &anna, &denied, &prod);
    assert_eq!(
        near.iter().map(line).collect::<Vec<_>>(),
        [
            format!("user anna: {EVERYWHERE}"),
            "user anna: RoleBinding prod/gone → Role prod/gone".to_owned()
        ]
    );
    assert_eq!(near[0].rule.resource_names, ["a", "b"]);
    assert!(near[1].rule.verbs.is_empty());
}

#[test]
fn the_nearest_are_few_and_the_best() {
    let mut objects: Vec<(String, String)> = (0..40)
        .map(|n| {
            (format!("ClusterRoleBinding b{n:02}"), binding("ClusterRole far", &["User anna"]))
        })
        .collect();
    objects.push(("ClusterRoleBinding z".to_owned(), binding("ClusterRole near", &["User anna"])));
    objects.push(("ClusterRole far".to_owned(), role(SCRAPE)));
    objects.push(("ClusterRole near".to_owned(), role(&[SCRAPE, LIST].join(","))));
    let objects: Vec<(&str, &str)> =
        objects.iter().map(|(k, c)| (k.as_str(), c.as_str())).collect();
    let anna = Identity { username: "anna".to_owned(), ..Identity::default() };
    let near = nearest(&index(&objects), CLUSTER, &anna, &secrets(None), &Scope::Cluster);
    let names: Vec<_> = near.iter().map(|g| g.binding.as_ref().unwrap().name.as_str()).collect();
    assert_eq!(names, ["z", "b00", "b01", "b02", "b03", "b04", "b05", "b06", "b07", "b08"]);
    assert_eq!(names.len(), MAX_NEAREST);
    assert_eq!(near[0].rule.verbs, ["list"]);
}

#[test]
fn what_can_lists_each_rule_that_reaches() {
    let (index, people) = (shop(), people());
    let robot = Identity::of(&Subject::service_account("ci", "robot"), &people);
    let rules = |scope: &Scope| lines(|visit| what_can(&index, CLUSTER, &robot, scope, visit));
    let open = OPEN
        .replace("group system:authenticated", "service account ci/robot via system:authenticated");
    let wide = format!("service account ci/robot via system:serviceaccounts:ci: {WIDE}");
    assert_eq!(rules(&Scope::Cluster), Vec::<String>::new());
    assert_eq!(rules(&Scope::Namespace("ci".to_owned())), [LOCAL]);
    assert_eq!(rules(&Scope::AllNamespaces), [open, wide.clone(), wide + " a+b", LOCAL.to_owned()]);
    let all = lines(|visit| all_grants(&index, CLUSTER, &Scope::Cluster, visit));
    let named = ["", "", " a+b"];
    let expected = ["group sre", "user anna"]
        .iter()
        .flat_map(|who| named.map(|limits| format!("{who}: {EVERYWHERE}{limits}")));
    assert_eq!(all, expected.collect::<Vec<_>>());
}

#[test]
fn a_role_that_vanishes_takes_its_grants_along_and_brings_them_back() {
    let mut index = shop();
    let robot = Identity::of(&Subject::service_account("ci", "robot"), &Directory::default());
    let ci = Scope::Namespace("ci".to_owned());
    let key = AccessKey::namespaced(AccessKind::Role, "ci", "all");
    assert!(allows(&index, CLUSTER, &robot, &secrets(None), &ci));
    index.apply(CLUSTER, &key, None);
    assert!(!allows(&index, CLUSTER, &robot, &secrets(None), &ci));
    let back = serde_json::from_str::<AccessContent>(&role(READ_TWO)).unwrap();
    index.apply(CLUSTER, &key, Some(&back));
    assert!(allows(&index, CLUSTER, &robot, &secrets(Some("a")), &ci));
    assert!(!allows(&index, CLUSTER, &robot, &secrets(Some("c")), &ci));
}

#[test]
fn rules_with_different_limits_are_all_said() {
    let third = READ_TWO.replace(r#""a","b""#, r#""c""#);
    let index = index(&[
        ("ClusterRole some", &role(&[READ_TWO, LIST, &third].join(","))),
        ("ClusterRoleBinding b", &binding("ClusterRole some", &["User anna"])),
    ]);
    let anna = Identity { username: "anna".to_owned(), ..Identity::default() };
    let found = paths(&index, CLUSTER, &anna, &secrets(None), &Scope::Cluster);
    let limits: Vec<_> = found.iter().map(|grant| grant.limited_to.join("+")).collect();
    assert_eq!(limits, ["a+b", "c"]);
}

#[test]
fn whoever_has_seen_enough_stops() {
    let (index, all, mut seen) = (shop(), Scope::AllNamespaces, 0);
    let mut one = |_| {
        seen += 1;
        ControlFlow::Break(())
    };
    let robot = Identity::of(&Subject::service_account("ci", "robot"), &people());
    assert!(who_can(&index, CLUSTER, &secrets(None), &all, &people(), false, &mut one).is_break());
    assert!(what_can(&index, CLUSTER, &robot, &all, &mut one).is_break());
    assert!(all_grants(&index, CLUSTER, &all, &mut one).is_break());
    assert_eq!(seen, 3);
}
