//! What the controller of aggregated cluster roles will make of them, to know when it has.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::server::Listing;

/// An aggregated role that has not the rules of the roles that it selects, and those.
pub(crate) fn unsettled(roles: &Listing) -> Option<(&Value, BTreeSet<String>)> {
    roles.values().find_map(|role| {
        let selectors = role.pointer("/aggregationRule/clusterRoleSelectors")?;
        let name = role.pointer("/metadata/name");
        let gathered: BTreeSet<String> = roles
            .values()
            .filter(|other| other.pointer("/metadata/name") != name)
            .filter(|other| elements(selectors).any(|selector| selects(selector, other)))
            .flat_map(rules)
            .collect();
        let settled = rules(role).collect::<BTreeSet<String>>() == gathered;
        (!settled).then_some((role, gathered))
    })
}

fn rules(role: &Value) -> impl Iterator<Item = String> {
    role.get("rules").into_iter().flat_map(elements).map(Value::to_string)
}

fn elements(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn selects(selector: &Value, role: &Value) -> bool {
    let label = |key: &str| role.get("metadata")?.get("labels")?.get(key);
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let all = labels.into_iter().flatten().all(|(key, value)| label(key) == Some(value));
    let expressions = selector.get("matchExpressions").into_iter().flat_map(elements);
    all && expressions.into_iter().all(|expression| {
        let text = |field| expression.get(field).and_then(Value::as_str).unwrap_or_default();
        let value = label(text("key"));
        match text("operator") {
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => {
                let mut values = expression.get("values").into_iter().flat_map(elements);
                value.is_some_and(|value| values.any(|one| one == value))
            }
        }
    })
}
