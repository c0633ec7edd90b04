//! `spec` of `FederatedRole`, with the rules that Kubernetes' own validation has
//! (`pkg/apis/rbac/validation`).

use super::super::cursor::{Cursor, Fields, Report};
use crate::kinds::role::{PolicyRule, RoleScope, RoleSpec};

/// Most rules in one role.
const MAX_RULES: usize = 1000;

pub(super) fn spec(report: &mut Report, fields: &mut Fields<'_>) -> Option<RoleSpec> {
    let scope = fields.optional("scope").map_or(Some(RoleScope::Namespace), |scope| {
        scope
            .one_of(report, &[("Namespace", RoleScope::Namespace), ("Cluster", RoleScope::Cluster)])
    });
    let rules = fields.required(report, "rules")?;
    let read = rules.list(report, |report, item| rule(report, &item, scope));
    let read = read?;
    if read.len() > MAX_RULES {
        rules.error(report, format!("{} rules, more than {MAX_RULES}", read.len()));
        return None;
    }
    Some(RoleSpec { scope: scope?, rules: read })
}

pub(super) fn rule(
    report: &mut Report,
    cursor: &Cursor<'_>,
    scope: Option<RoleScope>,
) -> Option<PolicyRule> {
    cursor.fields(report, |report, fields| {
        let mut list = |report: &mut Report, name| {
            fields.optional(name).map_or_else(|| Some(Vec::new()), |cursor| cursor.strings(report))
        };
        let api_groups = list(report, "apiGroups");
        let resources = list(report, "resources");
        let verbs = list(report, "verbs");
        let resource_names = list(report, "resourceNames");
        let non_resource_urls = list(report, "nonResourceURLs");
        let rule = PolicyRule {
            api_groups: api_groups?,
            resources: resources?,
            verbs: verbs?,
            resource_names: resource_names?,
            non_resource_urls: non_resource_urls?,
        };
        let mut ok = true;
        let mut check = |bad: bool, message: &str| {
            if bad {
                fields.error(report, message);
                ok = false;
            }
        };
        check(rule.verbs.is_empty(), "`verbs` must name at least one verb");
        if rule.non_resource_urls.is_empty() {
            check(
                rule.api_groups.is_empty(),
                "`apiGroups` must name at least one API group (\"\" is the core group)",
            );
            check(rule.resources.is_empty(), "`resources` must name at least one resource");
        } else {
            check(
                !rule.resources.is_empty() || !rule.api_groups.is_empty(),
                "a rule has `nonResourceURLs` or `resources`, not both",
            );
            check(scope == Some(RoleScope::Namespace), "`nonResourceURLs` need `scope: Cluster`");
        }
        ok.then_some(rule)
    })
}
