//! Who asks: raw attributes, as an authenticator would hand them to the authoriser or as none would.

use std::collections::BTreeSet;

use hanse_domain::access::subject::Subject;
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use crate::words::{ACCOUNTS, DIRECTORY, GROUPS_OF_PEOPLE, NAMESPACES, USERS, once_in, one, some};

/// Somebody, by the attributes of a `SubjectAccessReview`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) user: String,
    pub(crate) groups: BTreeSet<String>,
    /// Whom the attributes are all of, when they are exactly somebody's.
    pub(crate) plain: Option<Plain>,
}

/// A subject as a person names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plain {
    /// Of a name that is no service account's.
    User(String),
    Group(String),
    Account {
        namespace: String,
        name: String,
    },
}

impl Who {
    fn raw(user: &str, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        Self { user: user.to_owned(), groups, plain: None }
    }
}

/// Everything that an authenticator says of a subject, and the directory of a person.
pub(crate) fn plain(subject: Plain) -> Who {
    let mut who = match &subject {
        Plain::Group(group) => Who::raw("", [group.as_str()]),
        Plain::User(user) if user == "system:anonymous" => {
            Who::raw(user, ["system:unauthenticated"])
        }
        Plain::User(user) => {
            let mut groups = directory_groups(user);
            groups.insert("system:authenticated".to_owned());
            Who::raw(user, groups)
        }
        Plain::Account { namespace, name } => Who::raw(
            &format!("system:serviceaccount:{namespace}:{name}"),
            [
                "system:authenticated".to_owned(),
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
            ],
        ),
    };
    who.plain = Some(subject);
    who
}

/// Somebody whom the engine lists.
pub(crate) fn of_row(row: &Subject) -> Who {
    plain(match row.clone() {
        Subject::User(name) => Plain::User(name),
        Subject::Group(name) => Plain::Group(name),
        Subject::ServiceAccount { namespace, name } => Plain::Account { namespace, name },
    })
}

/// A user: the service account whose user name it is, if it is one's.
pub(crate) fn user(name: &str) -> Plain {
    let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    match account {
        Some((namespace, name)) if is_label(namespace) && name.split('.').all(is_label) => {
            Plain::Account { namespace: namespace.to_owned(), name: name.to_owned() }
        }
        _ => Plain::User(name.to_owned()),
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// The groups of a user, also those that the user's groups are within.
fn directory_groups(user: &str) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    loop {
        let before = groups.len();
        for (group, users, within) in DIRECTORY {
            if users.contains(&user) || within.iter().any(|inner| groups.contains(*inner)) {
                groups.insert(group.to_owned());
            }
        }
        if groups.len() == before {
            return groups;
        }
    }
}

/// Whom a subject of a binding means, and who is almost that.
pub(crate) fn of_subject(rng: &mut StdRng, subject: &Value, binding: &str) -> Vec<Who> {
    let text = |field| subject.get(field).and_then(Value::as_str).unwrap_or_default();
    let name = text("name");
    match text("kind") {
        "User" => vec![
            plain(user(name)),
            Who::raw(name, Vec::<String>::new()),
            Who::raw(&name.to_uppercase(), ["system:authenticated"]),
            Who::raw("", [name]),
        ],
        "Group" => vec![
            plain(Plain::Group(name.to_owned())),
            Who::raw(one(rng, &USERS), [name, "system:authenticated"]),
            Who::raw(name, ["other"]),
            Who::raw("someone", [name.to_lowercase(), format!("{name}s")]),
            plain(user(one(rng, &USERS))),
        ],
        _ => {
            let namespace = match (text("namespace"), binding) {
                ("", "") => "default",
                ("", binding) => binding,
                (namespace, _) => namespace,
            };
            let full = format!("system:serviceaccount:{namespace}:{name}");
            let other = format!("system:serviceaccount:{}:{name}", one(rng, &NAMESPACES));
            vec![
                plain(user(&full)),
                Who::raw(&full, Vec::<String>::new()),
                Who::raw(&full.to_uppercase(), Vec::<String>::new()),
                Who::raw(&format!("{full}x"), ["system:authenticated"]),
                plain(user(&other)),
                Who::raw(&format!("{namespace}:{name}"), ["system:serviceaccounts"]),
            ]
        }
    }
}

/// Anybody: a user, a group, a service account with all, some or none of its groups, or nobody.
pub(crate) fn any(rng: &mut StdRng) -> Who {
    match rng.random_range(0..12) {
        0..3 => plain(user(one(rng, &USERS))),
        3..5 => plain(Plain::Group(one(rng, &GROUPS_OF_PEOPLE).to_owned())),
        5..8 => {
            let (namespace, name) = one(rng, &ACCOUNTS);
            let namespace = if namespace.is_empty() { one(rng, &NAMESPACES) } else { namespace };
            let full = format!("system:serviceaccount:{namespace}:{name}");
            if once_in(rng, 3) {
                Who::raw(&full, some(rng, &GROUPS_OF_PEOPLE, 0, 2))
            } else {
                plain(user(&full))
            }
        }
        8 => plain(Plain::User("system:anonymous".to_owned())),
        9 => Who::raw("", some(rng, &GROUPS_OF_PEOPLE[1..], 1, 3)),
        _ => Who::raw(one(rng, &USERS), some(rng, &GROUPS_OF_PEOPLE[1..], 0, 4)),
    }
}
