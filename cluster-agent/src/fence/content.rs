//! Policies and bindings against what was shipped, and the Ceiling.

use hanse_domain::ceiling::{Ceiling, MAX_CEILING_BYTES};
use hanse_domain::ids::Digest;
use kube::Client;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use super::report::{Aspect, FenceReport, Level};
use super::{CeilingReport, grants, read};
use crate::kube::writers::Model;
use crate::kube::{CallError, install};

/// It prints the Ceiling that the cluster has: the shipped files would put theirs in its place.
const APPLY: &str = "hanse-agent join … --fence print | kubectl apply -f -";

pub(super) async fn check(client: &Client, report: &mut FenceReport) -> Result<(), CallError> {
    let shipped = match install::policies() {
        Ok(shipped) => shipped,
        Err(error) => {
            report.bad(Aspect::Content, "the shipped policies", error.to_string(), "reinstall");
            return Ok(());
        }
    };
    for expected in &shipped {
        let check = format!("{} is as it was shipped", install::label(expected));
        let absent = Absent { level: Level::Bad, why: "it is not there", hint: APPLY };
        let Some(live) = find(client, expected, &check, &absent, report).await? else { continue };
        if live.metadata.deletion_timestamp.is_some() {
            report.bad(Aspect::Content, check, "it is being deleted", APPLY);
        } else if let Some(place) = differs(&expected.data, &live.data) {
            report.bad(Aspect::Content, check, format!("{place} differs"), APPLY);
        } else {
            report.good(Aspect::Content, check);
        }
    }
    ceiling(client, report).await
}

/// What it means that an object is not there.
struct Absent {
    level: Level,
    why: &'static str,
    hint: &'static str,
}

/// One of the objects, or a finding that says why there is none.
async fn find(
    client: &Client,
    object: &DynamicObject,
    check: &str,
    absent: &Absent,
    report: &mut FenceReport,
) -> Result<Option<DynamicObject>, CallError> {
    let (why, hint) = match read(client, object).await? {
        Ok(Some(live)) => return Ok(Some(live)),
        Ok(None) => (absent.why.to_owned(), absent.hint),
        Err(why) => (why, "the agent's rights are not those that were shipped: join again"),
    };
    report.push(Aspect::Content, absent.level, check.to_owned(), Some((why, hint.to_owned())));
    Ok(None)
}

async fn ceiling(client: &Client, report: &mut FenceReport) -> Result<(), CallError> {
    let check = "the Ceiling is there";
    let absent = Absent {
        level: Level::Bad,
        why: "without it every write is denied",
        hint: "kubectl create -f deploy/agent/fence/ceiling.yaml",
    };
    let default = match install::default_ceiling() {
        Ok(default) => default,
        Err(error) => {
            report.bad(Aspect::Content, check, error.to_string(), absent.hint);
            return Ok(());
        }
    };
    let Some(live) = find(client, &default, check, &absent, report).await? else {
        return Ok(());
    };
    let ceiling = ceiling_report(&live);
    if ceiling.spec.len() > MAX_CEILING_BYTES {
        let why = format!("it has more than {MAX_CEILING_BYTES} bytes");
        report.bad(Aspect::Content, check, why, "kubectl edit ceiling hanse");
        return Ok(());
    }
    report.good(
        Aspect::Content,
        format!("{check}: generation {}, {}", ceiling.generation, ceiling.digest.short()),
    );
    match Ceiling::parse(&ceiling.spec) {
        Ok(read) if report.model == Model::Impersonate => held(client, &read, report).await?,
        Ok(_) => {}
        Err(error) => report.warning(
            Aspect::Content,
            "the Ceiling can be put into words",
            error.to_string(),
            "kubectl explain ceiling.spec",
        ),
    }
    report.ceiling = Some(ceiling);
    Ok(())
}

/// The ceiling user's own rights: more than the Ceiling makes the second wall weaker, less makes the
/// API server refuse what the Ceiling allows. The first wall stands in either case.
async fn held(
    client: &Client,
    ceiling: &Ceiling,
    report: &mut FenceReport,
) -> Result<(), CallError> {
    let check = "the ClusterRole hanse-ceiling holds what the Ceiling allows";
    let hint = "hanse-agent join … --fence print has it for the Ceiling as it is, to kubectl apply";
    let expected = match install::ceiling_role(ceiling) {
        Ok(expected) => expected,
        Err(error) => {
            report.warning(Aspect::Content, check, error.to_string(), hint);
            return Ok(());
        }
    };
    let absent = Absent { level: Level::Warning, why: "it is not there", hint };
    let Some(live) = find(client, &expected, check, &absent, report).await? else {
        return Ok(());
    };
    let (expected, live) = (grants(&expected.data), grants(&live.data));
    let lacks = expected.difference(&live).count();
    let more: Vec<&String> = live.difference(&expected).take(3).collect();
    if lacks > 0 {
        let why = format!("it lacks {lacks} of {} rights", expected.len());
        report.warning(Aspect::Content, check, why, hint);
    } else if more.is_empty() {
        report.good(Aspect::Content, check);
    } else {
        let more: Vec<&str> = more.into_iter().map(String::as_str).collect();
        let why = format!("it holds more, such as {}", more.join(", "));
        report.warning(Aspect::Content, check, why, hint);
    }
    Ok(())
}

fn ceiling_report(live: &DynamicObject) -> CeilingReport {
    let spec = canonical(live.data.get("spec").unwrap_or(&Value::Null));
    CeilingReport {
        uid: live.metadata.uid.clone().unwrap_or_default(),
        generation: live.metadata.generation.unwrap_or_default(),
        digest: Digest::of(spec.as_bytes()),
        spec,
    }
}

/// JSON with the keys in order and without spaces.
fn canonical(value: &Value) -> String {
    sorted(value).to_string()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Where the `spec` of a policy or a binding differs from what was shipped; nothing where it does not.
/// What the API server fills in by default counts as equal; a field that nobody shipped does not.
fn differs(shipped: &Value, live: &Value) -> Option<String> {
    let spec = |object: &Value| with_defaults(object.get("spec").unwrap_or(&Value::Null));
    first_difference("spec", &spec(shipped), &spec(live))
}

/// Source: `k8s.io/kubernetes/pkg/apis/admissionregistration/v1/defaults.go`.
fn with_defaults(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let Some(fields) = spec.as_object_mut() else { return spec };
    if fields.contains_key("validations") {
        default(fields, "failurePolicy", json!("Fail"));
    }
    for resources in ["matchConstraints", "matchResources"] {
        let Some(constraints) = fields.get_mut(resources).and_then(Value::as_object_mut) else {
            continue;
        };
        default(constraints, "matchPolicy", json!("Equivalent"));
        default(constraints, "namespaceSelector", json!({}));
        default(constraints, "objectSelector", json!({}));
        for rules in ["resourceRules", "excludeResourceRules"] {
            let rules = constraints.get_mut(rules).and_then(Value::as_array_mut);
            for rule in rules.into_iter().flatten().filter_map(Value::as_object_mut) {
                default(rule, "scope", json!("*"));
            }
        }
    }
    spec
}

fn default(fields: &mut Map<String, Value>, field: &str, value: Value) {
    fields.entry(field).or_insert(value);
}

fn first_difference(path: &str, shipped: &Value, live: &Value) -> Option<String> {
    match (shipped, live) {
        (Value::Object(shipped), Value::Object(live)) => {
            let keys = shipped.keys().chain(live.keys().filter(|key| !shipped.contains_key(*key)));
            let field = |map: &Map<String, Value>, key: &String| map.get(key).cloned();
            keys.into_iter().find_map(|key| match (field(shipped, key), field(live, key)) {
                (Some(shipped), Some(live)) => {
                    first_difference(&format!("{path}.{key}"), &shipped, &live)
                }
                _ => Some(format!("{path}.{key}")),
            })
        }
        (Value::Array(shipped), Value::Array(live)) if shipped.len() == live.len() => {
            let pairs = shipped.iter().zip(live).enumerate();
            pairs.into_iter().find_map(|(index, (shipped, live))| {
                first_difference(&format!("{path}[{index}]"), shipped, live)
            })
        }
        _ => (shipped != live).then(|| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Value {
        json!({ "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": { "resourceRules": [{ "resources": ["*/*"] }] },
            "validations": [{ "expression": "true" }, { "expression": "1 == 1" }],
        }})
    }

    #[test]
    fn defaults_are_no_difference() {
        let live = json!({ "spec": {
            "validations": [{ "expression": "true" }, { "expression": "1 == 1" }],
            "matchConstraints": {
                "matchPolicy": "Equivalent", "objectSelector": {}, "namespaceSelector": {},
                "resourceRules": [{ "resources": ["*/*"], "scope": "*" }],
            },
            "failurePolicy": "Fail",
        }, "status": { "observedGeneration": 1 } });
        assert_eq!(differs(&policy(), &live), None);
    }

    #[test]
    fn whatever_narrows_it_is_a_difference() {
        let edits = [
            ("/spec/failurePolicy", json!("Ignore"), "spec.failurePolicy"),
            (
                "/spec/matchConstraints",
                json!({ "resourceRules": [{ "resources": ["*/*"], "scope": "Namespaced" }] }),
                "spec.matchConstraints.resourceRules[0].scope",
            ),
            (
                "/spec/matchConstraints",
                json!({
                    "resourceRules": [{ "resources": ["*/*"] }],
                    "namespaceSelector": { "matchLabels": { "a": "b" } },
                }),
                "spec.matchConstraints.namespaceSelector.matchLabels",
            ),
            (
                "/spec/matchConstraints",
                json!({
                    "resourceRules": [{ "resources": ["*/*"] }],
                    "excludeResourceRules": [{ "resources": ["secrets"] }],
                }),
                "spec.matchConstraints.excludeResourceRules",
            ),
            ("/spec/validations/1/expression", json!("true"), "spec.validations[1].expression"),
            ("/spec/validations", json!([{ "expression": "true" }]), "spec.validations"),
        ];
        for (pointer, value, expected) in edits {
            let mut live = policy();
            if let Some(place) = live.pointer_mut(pointer) {
                *place = value;
            }
            assert_eq!(differs(&policy(), &live).as_deref(), Some(expected));
        }
        let narrowed = json!({ "spec": { "policyName": "a", "matchResources": {} } });
        let whole = json!({ "spec": { "policyName": "a" } });
        assert_eq!(differs(&whole, &narrowed).as_deref(), Some("spec.matchResources"));
        assert_eq!(differs(&whole, &json!({})).as_deref(), Some("spec"));
    }

    #[test]
    fn canonical_json_does_not_depend_on_order() {
        let one = json!({ "b": [1, { "d": 1, "c": 2 }], "a": "x" });
        assert_eq!(canonical(&one), r#"{"a":"x","b":[1,{"c":2,"d":1}]}"#);
    }
}
