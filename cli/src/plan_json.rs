//! A plan, for scripts.

use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::plan::{Action, ObjectChange, Plan};
use serde_json::{Value, json};

use crate::access::preview::Preview;
use crate::failure::Outcome;

/// The plan with its base, in camelCase like the API's messages.
pub(crate) fn show(base: &Fleet, plan: &Plan, access: &Preview) -> Outcome<Value> {
    let edits: Vec<Value> = plan.edits.iter().filter_map(|edit| self::edit(base, edit)).collect();
    let clusters: serde_json::Map<String, Value> = plan
        .clusters
        .iter()
        .map(|(cluster, changes)| (cluster.clone(), changes.iter().map(object).collect()))
        .collect();
    let hazards: Vec<Value> = plan
        .hazards
        .iter()
        .map(|hazard| json!({ "code": hazard.kind.code(), "text": hazard.text }))
        .collect();
    Ok(json!({
        "base": base.number.0,
        "edits": edits,
        "clusters": clusters,
        "hazards": hazards,
        "warnings": plan.warnings,
        "access": access.json()?,
    }))
}

fn edit(base: &Fleet, edit: &Edit) -> Option<Value> {
    let transition = base.transition(edit)?;
    let action = match (transition.before, transition.after) {
        (None, _) => "add",
        (Some(_), Some(_)) => "change",
        (Some(_), None) => "remove",
    };
    Some(json!({ "action": action, "subject": edit.subject().to_string() }))
}

fn object(change: &ObjectChange) -> Value {
    let action = match change.action() {
        Action::Add => "add",
        Action::Change => "change",
        Action::Remove => "remove",
        Action::Release => "release",
    };
    json!({
        "action": action,
        "object": {
            "apiVersion": change.object.kind.api_version(),
            "kind": change.object.kind.name(),
            "namespace": change.object.namespace.clone().unwrap_or_default(),
            "name": change.object.name,
        },
        "source": change.source.to_string(),
        "before": change.before,
        "after": change.after,
    })
}
