//! Subjects: `user:anna`, `group:sre`, `serviceaccount:ns/name`, `sa:ns/name`, or a bare user name.

use hanse_domain::access::subject::{
    AUTHENTICATED, MASTERS, SERVICE_ACCOUNTS, SubjectRef, UNAUTHENTICATED,
};
use hanse_domain::names;
use hanse_proto::admin::AccessSubject;
use hanse_proto::admin::access_subject::Kind;

use crate::failure::{Failure, Outcome};

const FORMS: &str =
    "user:anna, group:sre, serviceaccount:NAMESPACE/NAME (sa:), or a bare user name";
/// Groups that are easily taken for users.
const GROUPS: [&str; 4] = [MASTERS, AUTHENTICATED, UNAUTHENTICATED, SERVICE_ACCOUNTS];
/// Longer names are in no cluster.
const MAX_NAME: usize = 1024;

/// Groups of a subject besides those that are known.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Groups {
    /// A group that it is in, too; several with commas
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub(crate) as_group: Vec<String>,
}

/// Reads a subject.
pub(crate) fn parse(text: &str) -> Outcome<AccessSubject> {
    let invalid = |why: String| {
        Failure::usage(format!("`{text}` is not a subject"))
            .why(why)
            .hint(format!("subjects are {FORMS}"))
    };
    if text.len() > MAX_NAME {
        return Err(Failure::usage("the subject is too long")
            .why(format!("it has {} bytes, and {MAX_NAME} are the most", text.len())));
    }
    let (kind, name) = match text.split_once(':') {
        Some((prefix, rest)) => match prefix.to_ascii_lowercase().as_str() {
            "user" => (Kind::User, rest),
            "group" => (Kind::Group, rest),
            "serviceaccount" | "sa" => (Kind::ServiceAccount, rest),
            "users" | "groups" | "serviceaccounts" | "service-account" => {
                let meant = if prefix.starts_with(['u', 'U']) {
                    "user"
                } else if prefix.starts_with(['g', 'G']) {
                    "group"
                } else {
                    "serviceaccount"
                };
                return Err(invalid(format!("there is no kind `{prefix}`"))
                    .hint(format!("write {meant}:{rest}; a user of that name is user:{text}")));
            }
            _ => (Kind::User, text),
        },
        None => (Kind::User, text),
    };
    if name.trim().is_empty() {
        return Err(invalid("its name is empty".to_owned()));
    }
    let bare = kind == Kind::User && name.len() == text.len();
    if bare && GROUPS.contains(&name) {
        return Err(Failure::usage(format!("`{text}` is the name of a group"))
            .hint(format!("write group:{text}; a user of that name is user:{text}")));
    }
    match kind {
        Kind::ServiceAccount => account(name).map_err(invalid),
        Kind::User => Ok(match SubjectRef::of_username(name) {
            SubjectRef::ServiceAccount { namespace, name } => of_namespace(namespace, name),
            SubjectRef::User(name) | SubjectRef::Group(name) => of(Kind::User, name),
        }),
        Kind::Group | Kind::Unspecified => Ok(of(kind, name)),
    }
}

fn of(kind: Kind, name: &str) -> AccessSubject {
    AccessSubject { kind: kind.into(), namespace: String::new(), name: name.to_owned() }
}

fn of_namespace(namespace: &str, name: &str) -> AccessSubject {
    AccessSubject {
        kind: Kind::ServiceAccount.into(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// `NAMESPACE/NAME` or `NAMESPACE:NAME`.
fn account(text: &str) -> Result<AccessSubject, String> {
    let (namespace, name) = text
        .split_once(['/', ':'])
        .ok_or("a service account is in a namespace: serviceaccount:NAMESPACE/NAME")?;
    names::check_dns_label(namespace).map_err(|e| format!("its namespace: {e}"))?;
    names::check_dns_subdomain(name).map_err(|e| format!("its name: {e}"))?;
    Ok(of_namespace(namespace, name))
}

/// "user anna", "group sre", "service account ci/deployer".
pub(crate) fn show(subject: &AccessSubject) -> String {
    let AccessSubject { namespace, name, .. } = subject;
    match subject.kind() {
        Kind::User => format!("user {name}"),
        Kind::Group => format!("group {name}"),
        Kind::ServiceAccount => format!("service account {namespace}/{name}"),
        Kind::Unspecified => format!("subject {name}"),
    }
}

/// The same of a message that may lack it.
pub(crate) fn shown(subject: Option<&AccessSubject>) -> String {
    subject.map_or_else(|| "-".to_owned(), show)
}

/// As it can be typed: "user:anna", "group:sre", "serviceaccount:ci/deployer".
pub(crate) fn typed(subject: &AccessSubject) -> String {
    let AccessSubject { namespace, name, .. } = subject;
    match subject.kind() {
        Kind::User | Kind::Unspecified => format!("user:{name}"),
        Kind::Group => format!("group:{name}"),
        Kind::ServiceAccount => format!("serviceaccount:{namespace}/{name}"),
    }
}

/// The kind's word in CSV: "User", "Group", "ServiceAccount", as bindings write it.
pub(crate) const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "User",
        Kind::Group => "Group",
        Kind::ServiceAccount => "ServiceAccount",
        Kind::Unspecified => "",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn subjects_as_people_write_them() {
        for (text, expected) in [
            ("anna", "user anna"),
            ("user:anna", "user anna"),
            ("USER:anna", "user anna"),
            ("oidc:anna@example.com", "user oidc:anna@example.com"),
            ("user:group:x", "user group:x"),
            ("group:sre", "group sre"),
            ("group:system:masters", "group system:masters"),
            ("user:system:masters", "user system:masters"),
            ("system:kube-scheduler", "user system:kube-scheduler"),
            ("serviceaccount:ci/deployer", "service account ci/deployer"),
            ("ServiceAccount:ci/deployer", "service account ci/deployer"),
            ("sa:ci/my.deployer", "service account ci/my.deployer"),
            ("sa:ci:deployer", "service account ci/deployer"),
            ("system:serviceaccount:ci:deployer", "service account ci/deployer"),
            ("user:system:serviceaccount:ci:deployer", "service account ci/deployer"),
            ("system:serviceaccount:ci", "user system:serviceaccount:ci"),
            ("user:system:serviceaccount:ci/deployer", "user system:serviceaccount:ci/deployer"),
        ] {
            assert_eq!(parse(text).map(|s| show(&s)).ok().as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_typed_again_is_the_same() {
        for text in ["user:anna", "group:sre", "serviceaccount:ci/deployer", "user:users:x"] {
            assert_eq!(typed(&parse(text).unwrap()), text);
        }
    }

    #[test]
    fn what_is_no_subject_says_how_one_is_written() {
        let long = "x".repeat(MAX_NAME + 1);
        for (text, said) in [
            ("", "its name is empty"),
            ("user:", "its name is empty"),
            ("group: ", "its name is empty"),
            ("sa:deployer", "a service account is in a namespace"),
            ("sa:CI/deployer", "its namespace"),
            ("sa:ci/", "its name"),
            ("sa:ci/a/b", "its name"),
            ("groups:sre", "there is no kind `groups`"),
            ("system:authenticated", "is the name of a group"),
            (&long, "too long"),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.summary().contains(said), "{text}: {failure}");
            assert_eq!(failure.exit_code().0, 2);
        }
        let hint = parse("groups:sre").unwrap_err();
        assert_eq!(
            hint.hint_text(),
            Some("write group:sre; a user of that name is user:groups:sre")
        );
    }
}
