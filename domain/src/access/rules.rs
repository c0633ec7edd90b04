//! Whether a rule allows a request, as Kubernetes 1.36 decides it: `RuleAllows` in
//! `plugin/pkg/auth/authorizer/rbac/rbac.go` over `pkg/apis/rbac/v1/evaluation_helpers.go`.

use super::request::Request;
use crate::kinds::role::PolicyRule;

const ALL: &str = "*";

/// Whether the rule allows the request. Of a request without a name for its object, see
/// [`Request::Resource`].
pub fn rule_allows(rule: &PolicyRule, request: &Request) -> bool {
    match request {
        Request::Resource { verb, api_group, resource, subresource, name } => {
            names(&rule.verbs, verb)
                && names(&rule.api_groups, api_group)
                && names_resource(&rule.resources, resource, subresource)
                && name.as_ref().is_none_or(|name| reaches_object(&rule.resource_names, name))
        }
        Request::Path { verb, path } => {
            names(&rule.verbs, verb) && names_path(&rule.non_resource_urls, path)
        }
    }
}

/// How near a rule is to allowing a request: more the more of it matches, and what it is about more than
/// what is done with it.
pub(crate) fn nearness(rule: &PolicyRule, request: &Request) -> u8 {
    match request {
        Request::Resource { verb, api_group, resource, subresource, name } => {
            let object =
                name.as_ref().is_none_or(|name| reaches_object(&rule.resource_names, name));
            8 * u8::from(names_resource(&rule.resources, resource, subresource))
                + 4 * u8::from(names(&rule.api_groups, api_group))
                + 2 * u8::from(names(&rule.verbs, verb))
                + u8::from(object)
        }
        Request::Path { verb, path } => {
            2 * u8::from(names_path(&rule.non_resource_urls, path))
                + u8::from(names(&rule.verbs, verb))
        }
    }
}

/// `VerbMatches`, `APIGroupMatches`
fn names(list: &[String], wanted: &str) -> bool {
    list.iter().any(|entry| entry == ALL || entry == wanted)
}

/// `ResourceMatches`
fn names_resource(list: &[String], resource: &str, subresource: &str) -> bool {
    list.iter().any(|entry| {
        entry == ALL
            || is_combined(entry, resource, subresource)
            || (!subresource.is_empty() && entry.strip_prefix("*/") == Some(subresource))
    })
}

/// Whether the entry is "resource/subresource", or "resource" without one.
fn is_combined(entry: &str, resource: &str, subresource: &str) -> bool {
    if subresource.is_empty() {
        return entry == resource;
    }
    entry.strip_prefix(resource).and_then(|rest| rest.strip_prefix('/')) == Some(subresource)
}

/// `ResourceNameMatches`
fn reaches_object(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|entry| entry == name)
}

/// `NonResourceURLMatches`. Only stars at the end stand for something.
fn names_path(list: &[String], path: &str) -> bool {
    list.iter().any(|entry| {
        entry == ALL
            || entry == path
            || (entry.ends_with('*') && path.starts_with(entry.trim_end_matches('*')))
    })
}
