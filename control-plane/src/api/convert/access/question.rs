//! What somebody asks. What makes no sense is refused with the reason.

use std::collections::BTreeSet;

use hanse_domain::access::request::Request;
use hanse_domain::access::subject::Subject;
use hanse_domain::kinds::invariant::Goal;
use hanse_domain::selector::LabelSelector;
use hanse_proto::admin as proto;
use hanse_proto::admin::access_subject::Kind;
use jiff::Timestamp;
use pbjson_types::Timestamp as ProtoTime;

use crate::api::convert::from_time;
use crate::service::ServiceError;
use crate::service::access::{Group, Places, Question};

/// Most bytes of each word of a question: what is longer names nothing in a cluster.
const MAX_WORD_BYTES: usize = 4_096;
/// Most groups and namespaces of a question.
const MOST_WORDS: usize = 10_000;

/// Where and when.
pub(in crate::api) fn question(
    scope: Option<proto::AccessScope>,
) -> Result<Question, ServiceError> {
    let scope = scope.unwrap_or_default();
    if scope.all_namespaces && !scope.namespaces.is_empty() {
        return Err(ServiceError::invalid("`namespaces` and `all_namespaces` exclude each other"));
    }
    if scope.clusters.len() > MOST_WORDS {
        return Err(ServiceError::invalid(format!("more than {MOST_WORDS} clusters")));
    }
    for cluster in &scope.clusters {
        word("a cluster", cluster)?;
    }
    if scope.namespaces.len() > MOST_WORDS {
        return Err(ServiceError::invalid(format!("more than {MOST_WORDS} namespaces")));
    }
    for namespace in &scope.namespaces {
        word("a namespace", namespace)?;
        if namespace.is_empty() {
            return Err(ServiceError::invalid("a namespace without a name"));
        }
    }
    let places = if scope.all_namespaces {
        Places::Everywhere
    } else if scope.namespaces.is_empty() {
        Places::Cluster
    } else {
        Places::Namespaces(scope.namespaces.into_iter().collect())
    };
    let selector = scope.cluster_selector.parse::<LabelSelector>();
    Ok(Question {
        clusters: scope.clusters,
        selector: selector
            .map_err(|error| ServiceError::invalid(format!("`cluster_selector`: {error}")))?,
        places,
        at: moment("at", scope.at.as_ref())?,
        known_at: moment("known_at", scope.known_at.as_ref())?,
    })
}

/// A moment, if one is given, in whole microseconds.
pub(in crate::api) fn moment(
    what: &str,
    at: Option<&ProtoTime>,
) -> Result<Option<Timestamp>, ServiceError> {
    let Some(given) = at else { return Ok(None) };
    let at =
        from_time(Some(given)).and_then(|at| Timestamp::from_microsecond(at.as_microsecond()).ok());
    at.map(Some).ok_or_else(|| ServiceError::invalid(format!("`{what}` is no moment")))
}

/// What somebody wants to do.
pub(in crate::api) fn request(
    request: Option<proto::AccessRequest>,
) -> Result<Request, ServiceError> {
    let Some(msg) = request else { return Err(ServiceError::invalid("`request` is missing")) };
    let proto::AccessRequest { verb, api_group, resource, subresource, name, path } = msg;
    for (what, text) in [
        ("`verb`", &verb),
        ("`api_group`", &api_group),
        ("`resource`", &resource),
        ("`subresource`", &subresource),
        ("`name`", &name),
        ("`path`", &path),
    ] {
        word(what, text)?;
    }
    if verb.is_empty() {
        return Err(ServiceError::invalid("`verb` is missing: get, list, create, …"));
    }
    if path.is_empty() {
        if resource.is_empty() {
            return Err(ServiceError::invalid("`resource` is missing, or `path`"));
        }
        return Ok(Request::resource(verb, api_group, resource, subresource, name));
    }
    if [api_group, resource, subresource, name].iter().any(|text| !text.is_empty()) {
        return Err(ServiceError::invalid("`path` stands alone: it is no resource"));
    }
    if !path.starts_with('/') {
        return Err(ServiceError::invalid("`path` does not begin with /"));
    }
    Ok(Request::Path { verb, path })
}

/// Of whom is asked, with groups that they have besides.
pub(in crate::api) fn subject(
    subject: Option<&proto::AccessSubject>,
    groups: &[String],
) -> Result<Subject, ServiceError> {
    let Some(msg) = subject else { return Err(ServiceError::invalid("`subject` is missing")) };
    for (what, text) in [("the subject's name", &msg.name), ("its namespace", &msg.namespace)] {
        word(what, text)?;
    }
    if groups.len() > MOST_WORDS {
        return Err(ServiceError::invalid(format!("more than {MOST_WORDS} groups")));
    }
    groups.iter().try_for_each(|group| word("a group", group))?;
    if msg.name.is_empty() {
        return Err(ServiceError::invalid("the subject has no name"));
    }
    let is_account = msg.kind() == Kind::ServiceAccount;
    if is_account == msg.namespace.is_empty() {
        let why = if is_account {
            "a service account is in a namespace"
        } else {
            "only a service account is in a namespace"
        };
        return Err(ServiceError::invalid(why));
    }
    match msg.kind() {
        Kind::Unspecified => Err(ServiceError::invalid("the subject has no kind")),
        Kind::User => Ok(Subject::of_username(&msg.name)),
        Kind::Group => Ok(Subject::Group(msg.name.clone())),
        Kind::ServiceAccount => Ok(Subject::service_account(&msg.namespace, &msg.name)),
    }
}

/// What is reached: all of it when nothing is named.
pub(in crate::api) fn goals(targets: &[String]) -> Result<BTreeSet<Goal>, ServiceError> {
    if targets.is_empty() {
        return Ok(Goal::ALL.into());
    }
    let mut goals = BTreeSet::new();
    for name in targets {
        let goal = Goal::from_name(name);
        let why = "a target is cluster-admin, secrets or node";
        goals.insert(goal.ok_or_else(|| ServiceError::invalid(why))?);
    }
    Ok(goals)
}

/// A group to import.
pub(in crate::api) fn group_members(msg: proto::GroupMembers) -> Group {
    Group { group: msg.group, users: msg.users, groups: msg.groups }
}

fn word(what: &str, text: &str) -> Result<(), ServiceError> {
    if text.len() > MAX_WORD_BYTES {
        return Err(ServiceError::invalid(format!("{what} has more than {MAX_WORD_BYTES} bytes")));
    }
    if text.contains('\0') {
        return Err(ServiceError::invalid(format!("{what} holds NUL")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let ask = |verb: &str, resource: &str, path: &str| {
            request(Some(proto::AccessRequest {
                verb: verb.to_owned(),
                resource: resource.to_owned(),
                path: path.to_owned(),
                ..Default::default()
            }))
        };
        let name = |asked: Request| match asked {
            Request::Resource { name, .. } => name,
            Request::Path { path, .. } => Some(path),
        };
        assert_eq!(name(ask("get", "secrets", "").unwrap()), None);
        assert_eq!(name(ask("create", "secrets", "").unwrap()).as_deref(), Some(""));
        assert_eq!(name(ask("get", "", "/metrics").unwrap()).as_deref(), Some("/metrics"));
        for (resource, path) in [("", ""), ("a", "/a"), ("", "a"), ("a\0", "")] {
            assert!(ask("get", resource, path).is_err(), "{resource:?} {path:?}");
        }
        let who = |kind: Kind, namespace: &str, name: &str| {
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            subject(Some(&proto::AccessSubject { kind: kind.into(), namespace, name }), &[])
        };
        let robot = Subject::service_account("ci", "robot");
        assert_eq!(who(Kind::ServiceAccount, "ci", "robot").unwrap(), robot);
        assert_eq!(who(Kind::User, "", "system:serviceaccount:ci:robot").unwrap(), robot);
        for (kind, namespace, name) in [
            (Kind::User, "ci", "a"),
            (Kind::ServiceAccount, "", "a"),
            (Kind::Group, "", ""),
            (Kind::Unspecified, "", "a"),
        ] {
            assert!(who(kind, namespace, name).is_err(), "{kind:?}");
        }
        let places = |clusters: Vec<String>| {
            question(Some(proto::AccessScope { clusters, ..Default::default() })).is_ok()
        };
        assert!(places(vec!["prod".to_owned()]));
        assert!(!places(vec!["x".repeat(MAX_WORD_BYTES + 1)]));
        assert!(!places(vec![String::new(); MOST_WORDS + 1]));
        let far = ProtoTime { seconds: i64::MAX, nanos: 0 };
        assert!(moment("at", Some(&far)).is_err());
        let scope = proto::AccessScope {
            namespaces: vec!["a".to_owned()],
            all_namespaces: true,
            ..Default::default()
        };
        assert!(question(Some(scope)).is_err());
        let cluster_selector = "a isin (b)".to_owned();
        let scope = proto::AccessScope { cluster_selector, ..Default::default() };
        assert!(question(Some(scope)).is_err());
    }
}
