//! Aggregated cluster roles: which roles their rules come from, and the rules that their controller in
//! the cluster would gather. Source: `pkg/controller/clusterroleaggregation` in Kubernetes.
//!
//! Live answers use the rules that the API server has; only for what is not in a cluster yet are they
//! gathered here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::index::{Cluster, Index, NOWHERE, RoleContent};
use super::object::{self, AccessContent, AccessKey, AccessKind, LabelRequirement};
use super::query::Bound;
use crate::ids::ClusterId;
use crate::kinds::role::PolicyRule;
use crate::selector::{LabelSelector, Operator, Requirement};

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
    for written in held.get(name)?.aggregates.iter().flatten() {
        let selector = selector(written)?;
        let others = held.iter().filter(|(other, _)| *other != name).map(|(_, other)| other);
        for rule in others.filter(|other| selector.matches(&other.labels)).flat_map(|it| &it.rules)
        {
            if !rules.contains(rule) {
                rules.push(Arc::clone(rule));
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
    let Some(content) = aggregated.content.filter(|content| content.aggregates.is_some()) else {
        return Vec::new();
    };
    let selectors = selectors(content);
    let own = aggregated.key().name;
    let cluster_roles = held.roles().iter().take_while(|role| role.namespace == NOWHERE);
    let mut out: Vec<String> = cluster_roles
        .filter(|role| {
            index.symbols().role(role.content).is_some_and(|content| {
                content.rules.contains(rule)
                    && selectors.iter().any(|selector| selector.matches(&content.labels))
            })
        })
        .map(|role| index.symbols().text(role.name).to_owned())
        .filter(|name| *name != own)
        .collect();
    out.sort_unstable();
    out
}

/// By which labels a role gathers others, without the selectors that select nothing since they are
/// malformed.
pub(crate) fn selectors(aggregated: &RoleContent) -> Vec<LabelSelector> {
    aggregated.aggregates.iter().flatten().filter_map(selector).collect()
}

/// `None` when the controller would refuse it. Source: `LabelSelectorAsSelector` in
/// `k8s.io/apimachinery/pkg/apis/meta/v1`.
fn selector(written: &object::LabelSelector) -> Option<LabelSelector> {
    let match_labels = written.match_labels.clone();
    let match_expressions =
        written.match_expressions.iter().map(requirement).collect::<Option<_>>()?;
    Some(LabelSelector { match_labels, match_expressions })
}

fn requirement(written: &LabelRequirement) -> Option<Requirement> {
    let LabelRequirement { key, operator, values } = written;
    let (operator, takes_values) = match operator.as_str() {
        "In" => (Operator::In, true),
        "NotIn" => (Operator::NotIn, true),
        "Exists" => (Operator::Exists, false),
        "DoesNotExist" => (Operator::DoesNotExist, false),
        _ => return None,
    };
    (values.is_empty() != takes_values).then(|| Requirement {
        key: key.clone(),
        operator,
        values: values.clone(),
    })
}
