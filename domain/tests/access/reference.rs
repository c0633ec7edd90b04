//! Kubernetes' RBAC authoriser, function by function as in its Go source, over a list of objects.
//! Nothing of the engine is used but the types: what both get wrong, only a real API server would find.

use std::collections::BTreeSet;

use hanse_domain::access::object::{
    AccessContent, AccessKey, AccessKind, RawSubject, RoleReference,
};
use hanse_domain::access::request::{Request, Scope};
use hanse_domain::access::subject::Identity;
use hanse_domain::kinds::role::PolicyRule;

/// A cluster, as its API server has it.
pub(crate) type Objects = [(AccessKey, AccessContent)];

/// Whether the chain of authorisers allows it: the superuser's group, then RBAC. A request about any
/// object is allowed when it is about some object; one in any namespace, when it is in one.
pub(crate) fn authorize(
    objects: &Objects,
    user: &Identity,
    request: &Request,
    scope: &Scope,
) -> bool {
    if user.groups.contains("system:masters") {
        return true;
    }
    let names: Vec<Request> = match request {
        Request::Resource { verb, api_group, resource, subresource, name: None } => {
            let named = |name: &str| Request::Resource {
                verb: verb.clone(),
                api_group: api_group.clone(),
                resource: resource.clone(),
                subresource: subresource.clone(),
                name: Some(name.to_owned()),
            };
            let mut all = vec![named(""), named("a name that no rule has")];
            for (_, content) in objects {
                if let AccessContent::Role { rules, .. } = content {
                    all.extend(rules.iter().flat_map(|r| &r.resource_names).map(|n| named(n)));
                }
            }
            all
        }
        Request::Resource { name: Some(_), .. } | Request::Path { .. } => vec![request.clone()],
    };
    let namespaces: Vec<&str> = match (scope, request) {
        (Scope::Cluster, _) | (_, Request::Path { .. }) => vec![""],
        (Scope::Namespace(namespace), Request::Resource { .. }) => vec![namespace],
        (Scope::AllNamespaces, Request::Resource { .. }) => {
            let all: BTreeSet<&str> =
                objects.iter().map(|(key, _)| key.namespace.as_str()).collect();
            std::iter::once("").chain(all).collect()
        }
    };
    namespaces.iter().any(|namespace| {
        names.iter().any(|request| {
            let mut allowed = false;
            visit_rules_for(objects, user, namespace, &mut |rule| {
                allowed = rule_allows(request, rule);
                !allowed
            });
            allowed
        })
    })
}

/// `VisitRulesFor`
fn visit_rules_for<'o>(
    objects: &'o Objects,
    user: &Identity,
    namespace: &str,
    visitor: &mut dyn FnMut(&'o PolicyRule) -> bool,
) {
    for (key, content) in objects {
        let within = match key.kind {
            AccessKind::ClusterRoleBinding if key.namespace.is_empty() => "",
            AccessKind::RoleBinding if !namespace.is_empty() && key.namespace == namespace => {
                namespace
            }
            _ => continue,
        };
        let AccessContent::Binding { role, subjects } = content else { continue };
        if !subjects.iter().any(|subject| applies_to_user(user, subject, within)) {
            continue;
        }
        for rule in role_reference_rules(objects, role, within).unwrap_or_default() {
            if !visitor(rule) {
                return;
            }
        }
    }
}

/// `GetRoleReferenceRules`
fn role_reference_rules<'o>(
    objects: &'o Objects,
    role: &RoleReference,
    binding_namespace: &str,
) -> Option<&'o [PolicyRule]> {
    let key = match role.kind.as_str() {
        "Role" => AccessKey::namespaced(AccessKind::Role, binding_namespace, &role.name),
        "ClusterRole" => AccessKey::cluster(AccessKind::ClusterRole, &role.name),
        _ => return None,
    };
    if key.kind == AccessKind::Role && key.namespace.is_empty() {
        return None;
    }
    objects.iter().find_map(|(held, content)| match content {
        AccessContent::Role { rules, .. } if *held == key => Some(rules.as_slice()),
        _ => None,
    })
}

/// `appliesToUser`
fn applies_to_user(user: &Identity, subject: &RawSubject, namespace: &str) -> bool {
    match subject.kind.as_str() {
        "User" => user.username == subject.name,
        "Group" => user.groups.contains(&subject.name),
        "ServiceAccount" => {
            let mut sa_namespace = namespace;
            if !subject.namespace.is_empty() {
                sa_namespace = &subject.namespace;
            }
            if sa_namespace.is_empty() {
                return false;
            }
            matches_username(sa_namespace, &subject.name, &user.username)
        }
        _ => false,
    }
}

/// `MatchesUsername`
fn matches_username(namespace: &str, name: &str, username: &str) -> bool {
    username == format!("system:serviceaccount:{namespace}:{name}")
}

/// `RuleAllows`
pub(crate) fn rule_allows(request: &Request, rule: &PolicyRule) -> bool {
    match request {
        Request::Resource { verb, api_group, resource, subresource, name } => {
            let combined = if subresource.is_empty() {
                resource.clone()
            } else {
                format!("{resource}/{subresource}")
            };
            verb_matches(rule, verb)
                && api_group_matches(rule, api_group)
                && resource_matches(rule, &combined, subresource)
                && resource_name_matches(rule, name.as_deref().unwrap())
        }
        Request::Path { verb, path } => {
            verb_matches(rule, verb) && non_resource_url_matches(rule, path)
        }
    }
}

/// `VerbMatches`
fn verb_matches(rule: &PolicyRule, requested: &str) -> bool {
    rule.verbs.iter().any(|verb| verb == "*" || verb == requested)
}

/// `APIGroupMatches`
fn api_group_matches(rule: &PolicyRule, requested: &str) -> bool {
    rule.api_groups.iter().any(|group| group == "*" || group == requested)
}

/// `ResourceMatches`
fn resource_matches(rule: &PolicyRule, combined: &str, subresource: &str) -> bool {
    for resource in &rule.resources {
        if resource == "*" || resource == combined {
            return true;
        }
        if subresource.is_empty() {
            continue;
        }
        if resource.len() == subresource.len() + 2
            && resource.starts_with("*/")
            && resource.ends_with(subresource)
        {
            return true;
        }
    }
    false
}

/// `ResourceNameMatches`
fn resource_name_matches(rule: &PolicyRule, requested: &str) -> bool {
    rule.resource_names.is_empty() || rule.resource_names.iter().any(|name| name == requested)
}

/// `NonResourceURLMatches`
fn non_resource_url_matches(rule: &PolicyRule, requested: &str) -> bool {
    for url in &rule.non_resource_urls {
        if url == "*" || url == requested {
            return true;
        }
        let mut prefix = url.as_str();
        while let Some(shorter) = prefix.strip_suffix('*') {
            prefix = shorter;
        }
        if url.ends_with('*') && requested.starts_with(prefix) {
            return true;
        }
    }
    false
}
