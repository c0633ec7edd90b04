//! Who may do something: what bindings name, and what somebody is to the API server.
//!
//! To Kubernetes there are only user names and groups. A service account is a user whose name is
//! `system:serviceaccount:NAMESPACE:NAME`; a binding may name it either way, and here it is one and
//! the same [`Subject`].

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::object::RawSubject;
use crate::names;

/// Members may do everything, without any binding.
pub const MASTERS: &str = "system:masters";
/// Everybody who proved who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Everybody who did not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// All service accounts.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
const SERVICE_ACCOUNTS_OF: &str = "system:serviceaccounts:";
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// A user, a group or a service account. Made by [`Subject::of_username`] and [`Subject::from_raw`],
/// each has one form: a user with the name of a service account is that service account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// By the name that the API server sees.
    User(String),
    /// Likewise.
    Group(String),
    /// Of a namespace.
    ServiceAccount {
        /// A DNS label.
        namespace: String,
        /// A DNS subdomain.
        name: String,
    },
}

impl Subject {
    /// Whom a binding means. `None` for a kind that Kubernetes does not know, and for a service
    /// account without a namespace in a cluster role binding (whose own namespace is empty): they are
    /// nobody. Source: `appliesToUser` in `pkg/registry/rbac/validation/rule.go`.
    pub fn from_raw(raw: &RawSubject, binding_namespace: &str) -> Option<Self> {
        match raw.kind.as_str() {
            "User" => Some(Self::of_username(&raw.name)),
            "Group" => Some(Self::Group(raw.name.clone())),
            "ServiceAccount" => {
                let namespace =
                    if raw.namespace.is_empty() { binding_namespace } else { &raw.namespace };
                (!namespace.is_empty()).then(|| Self::service_account(namespace, &raw.name))
            }
            _ => None,
        }
    }

    /// Who has a user name.
    pub fn of_username(username: &str) -> Self {
        SubjectRef::of_username(username).to_subject()
    }

    /// A service account. One whose names Kubernetes would not accept is only a user name that nobody
    /// has.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self::of_username(&format!("{SERVICE_ACCOUNT}{namespace}:{name}"))
    }

    /// By reference.
    pub fn by_ref(&self) -> SubjectRef<'_> {
        match self {
            Self::User(name) => SubjectRef::User(name),
            Self::Group(name) => SubjectRef::Group(name),
            Self::ServiceAccount { namespace, name } => {
                SubjectRef::ServiceAccount { namespace, name }
            }
        }
    }

    /// Its name; of a service account, the name within its namespace.
    pub fn name(&self) -> &str {
        match self {
            Self::User(name) | Self::Group(name) | Self::ServiceAccount { name, .. } => name,
        }
    }

    /// The name as a user; `None` for a group.
    pub fn username(&self) -> Option<String> {
        match self {
            Self::User(name) => Some(name.clone()),
            Self::Group(_) => None,
            Self::ServiceAccount { namespace, name } => {
                Some(format!("{SERVICE_ACCOUNT}{namespace}:{name}"))
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.by_ref().fmt(f)
    }
}

/// A [`Subject`] by reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectRef<'s> {
    /// See [`Subject::User`].
    User(&'s str),
    /// See [`Subject::Group`].
    Group(&'s str),
    /// See [`Subject::ServiceAccount`].
    ServiceAccount {
        /// A DNS label.
        namespace: &'s str,
        /// A DNS subdomain.
        name: &'s str,
    },
}

impl<'s> SubjectRef<'s> {
    /// Who has a user name. Source: `SplitUsername` in
    /// `k8s.io/apiserver/pkg/authentication/serviceaccount`.
    pub fn of_username(username: &'s str) -> Self {
        let account = username.strip_prefix(SERVICE_ACCOUNT).and_then(|rest| rest.split_once(':'));
        account
            .and_then(|(namespace, name)| Self::service_account(namespace, name))
            .unwrap_or(Self::User(username))
    }

    /// A service account, if Kubernetes accepts its names.
    pub fn service_account(namespace: &'s str, name: &'s str) -> Option<Self> {
        (names::is_dns_label(namespace) && is_subdomain(name))
            .then_some(Self::ServiceAccount { namespace, name })
    }

    /// The subject itself.
    pub fn to_subject(self) -> Subject {
        match self {
            Self::User(name) => Subject::User(name.to_owned()),
            Self::Group(name) => Subject::Group(name.to_owned()),
            Self::ServiceAccount { namespace, name } => {
                Subject::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() }
            }
        }
    }
}

impl fmt::Display for SubjectRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::ServiceAccount { namespace, name } => {
                write!(f, "service account {namespace}/{name}")
            }
        }
    }
}

/// What somebody is to the authoriser.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Empty when only groups are asked about.
    pub username: String,
    /// All of them, implicit ones too.
    pub groups: BTreeSet<String>,
}

impl Identity {
    /// What a subject is to the API server when it has proven who it is: with the groups that the API
    /// server adds itself, and for people those of the directory. A group is looked at alone.
    pub fn of(subject: &Subject, directory: &Directory) -> Self {
        let Some(username) = subject.username() else {
            let groups = BTreeSet::from([subject.name().to_owned()]);
            return Self { username: String::new(), groups };
        };
        let mut groups = BTreeSet::new();
        match Subject::of_username(&username) {
            Subject::ServiceAccount { namespace, .. } => {
                groups.insert(SERVICE_ACCOUNTS.to_owned());
                groups.insert(format!("{SERVICE_ACCOUNTS_OF}{namespace}"));
                groups.insert(AUTHENTICATED.to_owned());
            }
            Subject::User(name) if name == ANONYMOUS => {
                groups.insert(UNAUTHENTICATED.to_owned());
            }
            Subject::User(name) | Subject::Group(name) => {
                groups.extend(directory.groups_of(&name).map(str::to_owned));
                groups.insert(AUTHENTICATED.to_owned());
            }
        }
        Self { username, groups }
    }

    /// The same with more groups.
    #[must_use]
    pub fn with_groups(mut self, groups: impl IntoIterator<Item = String>) -> Self {
        self.groups.extend(groups);
        self
    }

    /// As whom grants to it are shown: its user name, or without one its first group.
    pub fn subject(&self) -> Subject {
        self.subject_ref().to_subject()
    }

    /// [`Identity::subject`] by reference.
    pub fn subject_ref(&self) -> SubjectRef<'_> {
        match self.groups.first() {
            Some(group) if self.username.is_empty() => SubjectRef::Group(group),
            Some(_) | None => SubjectRef::of_username(&self.username),
        }
    }

    /// Whether a binding that names the subject reaches this identity.
    pub fn is(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Group(name) => self.groups.contains(name),
            Subject::User(name) => *name == self.username,
            Subject::ServiceAccount { namespace, name } => {
                let rest = self.username.strip_prefix(SERVICE_ACCOUNT);
                let rest = rest.and_then(|rest| rest.strip_prefix(namespace.as_str()));
                rest.and_then(|rest| rest.strip_prefix(':')) == Some(name)
            }
        }
    }

    /// Whether it may do everything.
    pub fn is_master(&self) -> bool {
        self.groups.contains(MASTERS)
    }
}

/// The namespace whose service accounts a group stands for.
pub(crate) fn namespace_of_group(group: &str) -> Option<&str> {
    group.strip_prefix(SERVICE_ACCOUNTS_OF)
}

/// `IsDNS1123Subdomain`, which does not limit each label.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(names::is_dns_label_of_any_length)
}
