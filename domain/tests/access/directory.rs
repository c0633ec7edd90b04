//! Who somebody is to the API server.

use std::collections::BTreeSet;

use hanse_domain::access::directory::{Directory, MAX_MEMBERSHIPS, TooManyMemberships};
use hanse_domain::access::object::RawSubject;
use hanse_domain::access::subject::{Identity, Subject};

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn directory(groups: &[(&str, &[&str], &[&str])]) -> Directory {
    let groups = groups
        .iter()
        .map(|(name, users, within)| ((*name).to_owned(), texts(users), texts(within)));
    Directory::new(groups).unwrap()
}

fn groups(subject: &Subject, directory: &Directory) -> Vec<String> {
    Identity::of(subject, directory).groups.into_iter().collect()
}

#[test]
fn groups_within_groups_and_circles_are_followed() {
    let held = directory(&[
        ("all", &["cleo"], &["sre", "nobody-knows"]),
        ("sre", &["anna"], &["night"]),
        ("night", &["bob"], &["sre"]),
        ("sre", &["dana"], &[]),
        ("empty", &[], &[]),
    ]);
    let members = |group| held.members_of(group).map(Iterator::collect::<Vec<_>>);
    assert_eq!(members("all"), Some(vec!["anna", "bob", "cleo", "dana"]));
    assert_eq!(members("night"), Some(vec!["anna", "bob", "dana"]));
    assert_eq!(members("empty"), Some(vec![]));
    assert_eq!(members("nobody-knows"), None);
    assert_eq!(held.groups_of("bob").collect::<Vec<_>>(), ["all", "night", "sre"]);
    assert_eq!(held.groups_of("cleo").collect::<Vec<_>>(), ["all"]);
    assert_eq!(held.groups_of("erin").count(), 0);
}

#[test]
fn memberships_are_bounded() {
    let users: Vec<String> = (0..1000).map(|n| format!("u{n}")).collect();
    let chain = |length: usize| {
        let users = users.clone();
        (0..length).map(move |n| {
            let within = if n + 1 < length { vec![format!("g{}", n + 1)] } else { users.clone() };
            let (users, within) = if n + 1 < length { (vec![], within) } else { (within, vec![]) };
            (format!("g{n}"), users, within)
        })
    };
    assert!(
        Directory::new(chain(900)).is_err_and(|e| e == TooManyMemberships)
            || chain(900).count() == 900
    );
    assert_eq!(Directory::new(chain(1001)), Err(TooManyMemberships));
    let one = |count| [("g".to_owned(), (0..count).map(|n| n.to_string()).collect(), vec![])];
    assert!(Directory::new(one(MAX_MEMBERSHIPS)).is_ok());
    assert_eq!(Directory::new(one(MAX_MEMBERSHIPS + 1)), Err(TooManyMemberships));
}

#[test]
fn everybody_has_the_groups_that_the_api_server_gives() {
    let held = directory(&[
        ("sre", &["anna", "system:serviceaccount:ci:robot", "system:anonymous"], &[]),
        ("system:masters", &["root"], &[]),
        ("system:unauthenticated", &["anna"], &[]),
    ]);
    let of = |name: &str| groups(&Subject::of_username(name), &held);
    assert_eq!(of("anna"), ["sre", "system:authenticated"]);
    assert_eq!(of("root"), ["system:authenticated", "system:masters"]);
    assert_eq!(of("system:anonymous"), ["system:unauthenticated"]);
    assert_eq!(
        of("system:serviceaccount:ci:robot"),
        ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:ci"]
    );
    assert_eq!(of("system:serviceaccount:ci"), ["system:authenticated"]);
    let user = Subject::User("system:serviceaccount:ci:robot".to_owned());
    assert_eq!(groups(&user, &held), of("system:serviceaccount:ci:robot"));

    let group = Identity::of(&Subject::Group("sre".to_owned()), &held);
    let alone = Identity { username: String::new(), groups: BTreeSet::from(["sre".to_owned()]) };
    assert_eq!(group, alone);
    assert_eq!(group.subject().to_string(), "group sre");
}

#[test]
fn a_user_with_the_name_of_a_service_account_is_it() {
    let account = |namespace: &str, name: &str| Subject::ServiceAccount {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let long = "a".repeat(100);
    for (username, expected) in [
        ("system:serviceaccount:ci:robot", account("ci", "robot")),
        ("system:serviceaccount:ci:robot.v2", account("ci", "robot.v2")),
        (format!("system:serviceaccount:ci:{long}").as_str(), account("ci", &long)),
    ] {
        let subject = Subject::of_username(username);
        assert_eq!(subject, expected);
        assert_eq!(subject.username().as_deref(), Some(username));
    }
    for username in [
        "anna",
        "system:serviceaccount:ci",
        "system:serviceaccount::robot",
        "system:serviceaccount:ci:",
        "system:serviceaccount:CI:robot",
        "system:serviceaccount:ci:Robot",
        "system:serviceaccount:a:b:c",
        "system:serviceaccount:a.b:c",
        "System:serviceaccount:ci:robot",
        &format!("system:serviceaccount:{long}:robot"),
    ] {
        assert_eq!(Subject::of_username(username), Subject::User(username.to_owned()));
    }
}

#[test]
fn a_binding_means_whom_kubernetes_finds() {
    let of = |kind: &str, namespace: &str, name: &str, within: &str| {
        let raw = RawSubject {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        Subject::from_raw(&raw, within).map(|subject| subject.to_string())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(of("User", "ci", "anna", ""), some("user anna"));
    assert_eq!(of("Group", "", "sre", "ci"), some("group sre"));
    assert_eq!(of("ServiceAccount", "prod", "robot", "ci"), some("service account prod/robot"));
    assert_eq!(of("ServiceAccount", "", "robot", "ci"), some("service account ci/robot"));
    assert_eq!(of("ServiceAccount", "", "robot", ""), None);
    assert_eq!(of("ServiceAccount", "a", "b:c", ""), some("user system:serviceaccount:a:b:c"));
    assert_eq!(
        of("User", "", "system:serviceaccount:ci:robot", ""),
        some("service account ci/robot")
    );
    assert_eq!(of("Group", "", "", ""), some("group "));
    for kind in ["user", "Robot", ""] {
        assert_eq!(of(kind, "ci", "anna", "ci"), None);
    }
}
