//! Aggregated cluster roles: which roles their rules come from, and the rules that their controller in
//! the cluster would gather. Source: `pkg/controller/clusterroleaggregation` in Kubernetes.
//!
//! Live answers use the rules that the API server has; only for what is not in a cluster yet are they
//! gathered here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::index::{Cluster, Index, NOWHERE, RoleContent};
use super::object::{AccessContent, AccessKey, AccessKind, LabelRequirement, LabelSelector};
use super::query::Bound;
use crate::history::roster::Labels;
use crate::ids::ClusterId;
use crate::kinds::role::PolicyRule;

/// Gives each cluster role with an aggregation rule the rules of the roles that it selects, until
/// nothing changes. Roles that select each other in a circle are settled once for each of them.
pub fn aggregate(index: &mut Index, cluster: ClusterId) {
    let mut held: BTreeMap<String, RoleContent> = index
        .roles(cluster)
        .filter(|(key, _)| key.kind == AccessKind::ClusterRole)
        .map(|(key, content)| (key.name, content.clone()))
        .collect();
    let aggregated: Vec<String> = held
        .iter()
        .filter(|(_, content)| content.aggregates.is_some())
        .map(|(name, _)| name.clone())
        .collect();
    for _ in 0..=aggregated.len() {
        let mut changed = false;
        for name in &aggregated {
            let Some(rules) = gather(name, &held) else { continue };
            if let Some(content) = held.get_mut(name).filter(|content| content.rules != rules) {
                content.rules = rules;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let changes = aggregated.into_iter().filter_map(|name| {
        let RoleContent { rules, labels, aggregates } = held.remove(&name)?;
        let rules = rules.into_iter().map(Arc::unwrap_or_clone).collect();
        let content = AccessContent::Role { rules, labels, aggregates };
        Some((AccessKey::cluster(AccessKind::ClusterRole, name), Some(content)))
    });
    index.update(cluster, changes);
}

/// What the controller would write. `None` when it would refuse a selector, and leave the rules.
fn gather(name: &str, held: &BTreeMap<String, RoleContent>) -> Option<Vec<Arc<PolicyRule>>> {
    let mut rules: Vec<Arc<PolicyRule>> = Vec::new();
    for selector in held.get(name)?.aggregates.iter().flatten() {
        if !selector.match_expressions.iter().all(is_valid) {
            return None;
        }
        for (_, other) in held.iter().filter(|(other, _)| *other != name) {
            for rule in other.rules.iter().filter(|_| matches(selector, &other.labels)) {
                if !rules.contains(rule) {
                    rules.push(Arc::clone(rule));
                }
            }
        }
    }
    Some(rules)
}

/// The cluster roles that an aggregated one selects and that have a rule, in order.
pub(crate) fn sources(
    index: &Index,
    held: &Cluster,
    aggregated: &Bound<'_>,
    rule: &Arc<PolicyRule>,
) -> Vec<String> {
    let selectors = aggregated.content.and_then(|content| content.aggregates.as_deref());
    let Some(selectors) = selectors else { return Vec::new() };
    let own = aggregated.key().name;
    let cluster_roles = held.roles().iter().take_while(|role| role.namespace == NOWHERE);
    let mut out: Vec<String> = cluster_roles
        .filter(|role| {
            index.symbols().role(role.content).is_some_and(|content| {
                content.rules.contains(rule)
                    && selectors.iter().any(|selector| matches(selector, &content.labels))
            })
        })
        .map(|role| index.symbols().text(role.name).to_owned())
        .filter(|name| *name != own)
        .collect();
    out.sort_unstable();
    out
}

/// Source: `LabelSelectorAsSelector` in `k8s.io/apimachinery/pkg/apis/meta/v1`.
pub(crate) fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    let LabelSelector { match_labels, match_expressions } = selector;
    match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        && match_expressions.iter().all(|requirement| meets(requirement, labels))
}

fn meets(requirement: &LabelRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let listed = || value.is_some_and(|value| requirement.values.contains(value));
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

fn is_valid(requirement: &LabelRequirement) -> bool {
    match requirement.operator.as_str() {
        "In" | "NotIn" => !requirement.values.is_empty(),
        "Exists" | "DoesNotExist" => requirement.values.is_empty(),
        _ => false,
    }
}
