//! Documents in columns.

use std::collections::BTreeSet;

use hanse_domain::document::{Document, DriftPolicy, Kind};
use hanse_domain::fleet::{Fleet, Held};
use hanse_domain::history::roster::Labels;
use hanse_domain::kinds::Spec;
use hanse_domain::kinds::binding::{BindingScope, RoleBindingSpec};
use hanse_domain::kinds::invariant::{Denied, InvariantSpec, NamespaceSet};
use hanse_domain::kinds::namespace::NamespaceSpec;
use hanse_domain::kinds::placement::Placement;
use hanse_domain::kinds::role::{PolicyRule, RoleScope, RoleSpec};
use hanse_domain::kinds::secret::SecretSpec;
use hanse_domain::plan::show_labels;
use hanse_domain::selector::{LabelSelector, Operator};
use jiff::Timestamp;

use crate::access::words::group_name;
use crate::table::Table;
use crate::text::{count, labels, or_dash, until};

/// The table of one kind.
pub(crate) fn of_kind(
    fleet: &Fleet,
    kind: Kind,
    held: &[&Held],
    wide: bool,
    now: Timestamp,
) -> Table {
    let own: &[&str] = match kind {
        Kind::FederatedNamespace => &["POD SECURITY", "GUARD RAILS"],
        Kind::FederatedRole => &["SCOPE", "RULES"],
        Kind::FederatedRoleBinding => &["ROLE", "SUBJECTS", "WHERE", "EXPIRES"],
        Kind::FederatedSecret => &["TYPE", "KEYS", "WHERE", "VERSION"],
        Kind::AccessInvariant => &["DENIES", "WHERE", "EXCEPT"],
    };
    let more: &[&str] = if wide { &["PLACEMENT", "LABELS", "REASON"] } else { &[] };
    let columns = ["NAME"].iter().chain(own).chain(&["CLUSTERS", "REVISION", "DRIFT"]).chain(more);
    let mut table = Table::new(columns.copied());
    for held in held {
        let document = &*held.document;
        let mut row = vec![document.reference.name.clone()];
        // Overrides of a base that parsed are valid one by one; without labels hardly any matches.
        let placed = document.placed(&Labels::new()).ok();
        match placed.as_ref().map(|placed| &placed.spec) {
            Some(Spec::Namespace(spec)) => row.extend(namespace(spec)),
            Some(Spec::Role(spec)) => row.extend(role(spec)),
            Some(Spec::RoleBinding(spec)) => row.extend(binding(spec, now)),
            Some(Spec::Secret(spec)) => row.extend(secret(spec)),
            Some(Spec::Invariant(spec)) => row.extend(invariant(spec)),
            None => row.extend(own.iter().map(|_| "?".to_owned())),
        }
        row.push(clusters(fleet, document).to_string());
        row.push(held.number.to_string());
        row.push(placed.as_ref().map_or_else(String::new, |placed| drift(placed.drift).to_owned()));
        if wide {
            row.push(placement(&document.placement));
            row.push(labels(&document.labels));
            row.push(or_dash(match placed.map(|placed| placed.spec) {
                Some(Spec::RoleBinding(spec)) => spec.reason.unwrap_or_default(),
                Some(Spec::Invariant(spec)) => spec.reason.unwrap_or_default(),
                Some(Spec::Namespace(_) | Spec::Role(_) | Spec::Secret(_)) | None => String::new(),
            }));
        }
        table.row(row);
    }
    table
}

fn namespace(spec: &NamespaceSpec) -> Vec<String> {
    let rails = [
        (spec.resource_quota.is_some(), "quota"),
        (!spec.limits.is_empty(), "limits"),
        (spec.network_policy.is_some(), "network"),
    ];
    let rails: Vec<&str> =
        rails.iter().filter(|(there, _)| *there).map(|(_, name)| *name).collect();
    let level = spec.pod_security.map_or("-", |level| level.label_value());
    vec![level.to_owned(), or_dash(rails.join(","))]
}

fn role(spec: &RoleSpec) -> Vec<String> {
    let scope = match spec.scope {
        RoleScope::Namespace => "Namespace",
        RoleScope::Cluster => "Cluster",
    };
    vec![scope.to_owned(), spec.rules.len().to_string()]
}

fn binding(spec: &RoleBindingSpec, now: Timestamp) -> Vec<String> {
    let first = spec.subjects.first().map_or_else(String::new, ToString::to_string);
    let subjects = match spec.subjects.len() {
        0 | 1 => first,
        n => format!("{first} +{}", n - 1),
    };
    vec![
        spec.role.to_string(),
        subjects,
        scope(&spec.scope),
        spec.expires_at.map_or_else(|| "never".to_owned(), |at| until(now, at)),
    ]
}

fn secret(spec: &SecretSpec) -> Vec<String> {
    vec![
        spec.secret_type.clone(),
        or_dash(joined(&spec.keys)),
        joined(&spec.namespaces),
        spec.version.to_string(),
    ]
}

fn invariant(spec: &InvariantSpec) -> Vec<String> {
    let denies = match &spec.deny {
        Denied::Access(rules) => {
            let rules: Vec<String> = rules.iter().map(rule).collect();
            rules.join("; ")
        }
        Denied::Reach(goals) => {
            let goals: Vec<&str> = goals.iter().map(|goal| goal.name()).collect();
            format!("reach {}", goals.join(","))
        }
    };
    let namespaces = match &spec.namespaces {
        NamespaceSet::All => "everywhere".to_owned(),
        NamespaceSet::Names(names) => joined(names),
        NamespaceSet::Selector(selector) => format!("namespaces: {}", self::selector(selector)),
    };
    let except = &spec.except;
    let mut excepted: Vec<String> = Vec::new();
    excepted.extend(except.users.iter().map(|name| format!("User {name}")));
    excepted.extend(except.groups.iter().map(|name| format!("Group {name}")));
    let accounts = except.service_accounts.iter();
    excepted.extend(accounts.map(|(space, name)| format!("ServiceAccount {space}/{name}")));
    let spaces = except.namespaces.iter();
    excepted.extend(spaces.map(|space| format!("ServiceAccount {space}/*")));
    vec![denies, namespaces, or_dash(excepted.join(", "))]
}

/// A rule in a line, as "get,list on secrets (core)".
fn rule(rule: &PolicyRule) -> String {
    let on = if rule.resources.is_empty() {
        rule.non_resource_urls.join(",")
    } else {
        let groups = rule.api_groups.iter().map(|group| group_name(group));
        format!("{} ({})", rule.resources.join(","), groups.collect::<Vec<_>>().join(","))
    };
    let names = if rule.resource_names.is_empty() {
        String::new()
    } else {
        format!(" named {}", rule.resource_names.join(","))
    };
    format!("{} on {on}{names}", rule.verbs.join(","))
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

/// Where in a cluster a binding holds.
pub(crate) fn scope(scope: &BindingScope) -> String {
    match scope {
        BindingScope::Namespaces(names) => joined(names),
        BindingScope::Selector(selector) => format!("namespaces: {}", self::selector(selector)),
        BindingScope::ClusterWide => "cluster-wide".to_owned(),
    }
}

/// What is done about drift.
pub(crate) const fn drift(policy: DriftPolicy) -> &'static str {
    match policy {
        DriftPolicy::Enforce => "Enforce",
        DriftPolicy::Report => "Report",
    }
}

/// How many clusters a document is placed on.
pub(crate) fn clusters(fleet: &Fleet, document: &Document) -> usize {
    fleet.members().values().filter(|member| document.selects(&member.entry)).count()
}

/// A placement in the notation of `-l`.
pub(crate) fn placement(placement: &Placement) -> String {
    let mut parts = Vec::new();
    if !placement.cluster_names.is_empty() {
        let names: Vec<&str> = placement.cluster_names.iter().map(String::as_str).collect();
        parts.push(names.join(","));
    }
    if let Some(selector) = &placement.cluster_selector {
        parts.push(self::selector(selector));
    }
    parts.join(" or ")
}

fn selector(selector: &LabelSelector) -> String {
    let mut parts = Vec::new();
    if !selector.match_labels.is_empty() {
        parts.push(show_labels(&selector.match_labels));
    }
    for requirement in &selector.match_expressions {
        let (key, values) = (&requirement.key, requirement.values.join(","));
        parts.push(match requirement.operator {
            Operator::In => format!("{key} in ({values})"),
            Operator::NotIn => format!("{key} notin ({values})"),
            Operator::Exists => key.clone(),
            Operator::DoesNotExist => format!("!{key}"),
        });
    }
    if parts.is_empty() { "all".to_owned() } else { parts.join(",") }
}

/// A line for each rule of a role, in the manner of `kubectl describe role`.
pub(crate) fn summary(spec: &Spec, now: Timestamp) -> Vec<(String, String)> {
    let pair = |key: &str, value: String| (key.to_owned(), value);
    match spec {
        Spec::Namespace(spec) => {
            let mut cells = namespace(spec).into_iter();
            vec![
                pair("Pod security", cells.next().unwrap_or_default()),
                pair("Guard rails", cells.next().unwrap_or_default()),
                pair("Namespace labels", labels(&spec.labels)),
            ]
        }
        Spec::Role(spec) => {
            let mut pairs = vec![pair("Scope", role(spec).into_iter().next().unwrap_or_default())];
            pairs.push(pair("Rules", count(spec.rules.len(), "rule")));
            pairs.extend(spec.rules.iter().map(|rule| pair("", self::rule(rule))));
            pairs
        }
        Spec::RoleBinding(spec) => {
            let subjects: Vec<String> = spec.subjects.iter().map(ToString::to_string).collect();
            vec![
                pair("Role", spec.role.to_string()),
                pair("Subjects", subjects.join(", ")),
                pair("Where", scope(&spec.scope)),
                pair(
                    "Expires",
                    spec.expires_at.map_or_else(
                        || "never".to_owned(),
                        |at| format!("{at} ({})", until(now, at)),
                    ),
                ),
                pair("Reason", or_dash(spec.reason.clone().unwrap_or_default())),
            ]
        }
        Spec::Secret(spec) => {
            let owners: Vec<&str> = spec.owners.iter().map(|owner| owner.name.as_str()).collect();
            vec![
                pair("Type", spec.secret_type.clone()),
                pair("Keys", or_dash(joined(&spec.keys))),
                pair("Where", joined(&spec.namespaces)),
                pair("Version", spec.version.to_string()),
                pair("Owners", or_dash(owners.join(", "))),
            ]
        }
        Spec::Invariant(spec) => {
            let names = ["Denies", "Where", "Except"];
            let mut pairs: Vec<(String, String)> =
                names.iter().zip(invariant(spec)).map(|(name, cell)| pair(name, cell)).collect();
            let system = if spec.includes_system { "Include" } else { "Exempt" };
            pairs.push(pair("System", system.to_owned()));
            pairs.push(pair("Reason", or_dash(spec.reason.clone().unwrap_or_default())));
            pairs
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::example;

    const ALL: &str = "
apiVersion: hanse.dev/v1alpha1
kind: FederatedNamespace
metadata: {name: payments, labels: {team: pay}}
spec: {placement: {clusterNames: [cluster-3]}, podSecurity: restricted, networkPolicy: {}}
---
apiVersion: hanse.dev/v1alpha1
kind: FederatedRole
metadata: {name: reader}
spec: {placement: {clusterSelector: {}}, drift: Report, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}
---
apiVersion: hanse.dev/v1alpha1
kind: FederatedRoleBinding
metadata: {name: readers}
spec:
  placement: {clusterSelector: {matchExpressions: [{key: env, operator: In, values: [prod]}]}}
  subjects: [{kind: Group, name: oidc:pay}, {kind: User, name: ann}]
  roleRef: {kind: FederatedRole, name: reader}
  namespaces: [payments]
  expiresAt: 1970-01-02T00:00:00Z
  reason: on call
---
apiVersion: hanse.dev/v1alpha1
kind: AccessInvariant
metadata: {name: secrets}
spec:
  placement: {clusterSelector: {}}
  deny:
    access: [{apiGroups: [''], resources: [secrets], verbs: [get, list]}]
    namespaces: {selector: {matchLabels: {env: prod}}}
  except: {groups: [sre], serviceAccounts: [{namespace: ci, name: bot}], namespaces: [kube-system]}
  reason: they are secret
---
apiVersion: hanse.dev/v1alpha1
kind: AccessInvariant
metadata: {name: up}
spec:
  placement: {clusterSelector: {}}
  deny: {reach: [node, cluster-admin]}
";

    fn table(kind: Kind, wide: bool) -> String {
        let fleet = example(ALL);
        let held: Vec<&Held> =
            fleet.documents().values().filter(|h| h.document.reference.kind == kind).collect();
        of_kind(&fleet, kind, &held, wide, Timestamp::UNIX_EPOCH).to_string()
    }

    #[test]
    fn each_kind_has_its_columns() {
        insta::assert_snapshot!(table(Kind::FederatedNamespace, true), @"
        NAME       POD SECURITY   GUARD RAILS   CLUSTERS   REVISION   DRIFT     PLACEMENT   LABELS     REASON
        payments   restricted     network       1          3          Enforce   cluster-3   team=pay   -
        ");
        insta::assert_snapshot!(table(Kind::FederatedRole, false), @"
        NAME     SCOPE       RULES   CLUSTERS   REVISION   DRIFT
        reader   Namespace   1       3          3          Report
        ");
        insta::assert_snapshot!(table(Kind::FederatedRoleBinding, true), @"
        NAME      ROLE                   SUBJECTS            WHERE      EXPIRES   CLUSTERS   REVISION   DRIFT     PLACEMENT       LABELS   REASON
        readers   FederatedRole/reader   Group oidc:pay +1   payments   in 24h    2          3          Enforce   env in (prod)   -        on call
        ");
        insta::assert_snapshot!(table(Kind::AccessInvariant, true), @"
        NAME      DENIES                       WHERE                  EXCEPT                                                           CLUSTERS   REVISION   DRIFT    PLACEMENT   LABELS   REASON
        secrets   get,list on secrets (core)   namespaces: env=prod   Group sre, ServiceAccount ci/bot, ServiceAccount kube-system/*   3          3          Report   all         -        they are secret
        up        reach cluster-admin,node     everywhere             -                                                                3          3          Report   all         -        -
        ");
    }
}
