//! Fields that nobody declared and that change what the declared ones mean. Server-side apply leaves
//! them alone, since they belong to somebody else; but an empty pod selector with one more label is no
//! selector of everything any more.
//!
//! | object | what must not be there |
//! |---|---|
//! | NetworkPolicy, ResourceQuota, LimitRange | anything in `spec` beside what is declared |
//! | ClusterRole | an aggregation rule, and labels that aggregate it into other roles |
//! | Namespace with a declared Pod Security level | other Pod Security labels, such as an older version |

use serde_json::{Map, Value};

use super::projection::Step;

const POD_SECURITY: &str = "pod-security.kubernetes.io/";
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// A JSON merge patch (RFC 7396) that takes the strays of a live object away; nothing when it has
/// none.
pub fn strays(declared: &Value, live: &Value) -> Option<Value> {
    let mut patch = Map::new();
    for path in paths(declared, live) {
        let mut at = &mut patch;
        let Some((last, above)) = path.split_last() else { continue };
        for step in above {
            let below = at.entry(step.clone()).or_insert_with(|| Value::Object(Map::new()));
            match below {
                Value::Object(map) => at = map,
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => return None,
            }
        }
        at.insert(last.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Where the strays are.
pub(super) fn paths(declared: &Value, live: &Value) -> Vec<Vec<Step>> {
    let mut paths = Vec::new();
    match declared.get("kind").and_then(Value::as_str) {
        Some("NetworkPolicy" | "ResourceQuota" | "LimitRange") => {
            let (declared, live) = (declared.get("spec"), live.get("spec"));
            beside(declared, live, &mut vec!["spec".to_owned()], &mut paths);
        }
        Some("ClusterRole") => {
            if live.get("aggregationRule").is_some_and(|rule| !rule.is_null()) {
                paths.push(vec!["aggregationRule".to_owned()]);
            }
            labels(declared, live, AGGREGATE, &mut paths);
        }
        Some("Namespace") => {
            let level = format!("{POD_SECURITY}enforce");
            if declared
                .pointer("/metadata/labels")
                .is_some_and(|labels| labels.get(&level).is_some())
            {
                labels(declared, live, POD_SECURITY, &mut paths);
            }
        }
        _ => {}
    }
    paths
}

/// Labels with a prefix that are not declared.
fn labels(declared: &Value, live: &Value, prefix: &str, paths: &mut Vec<Vec<Step>>) {
    let declared = declared.pointer("/metadata/labels");
    let live = live.pointer("/metadata/labels").and_then(Value::as_object);
    for key in live.into_iter().flat_map(Map::keys).filter(|key| key.starts_with(prefix)) {
        if declared.and_then(|labels| labels.get(key)).is_none() {
            paths.push(["metadata", "labels", key].map(str::to_owned).to_vec());
        }
    }
}

/// Keys that the live maps have beside the declared ones.
fn beside(
    declared: Option<&Value>,
    live: Option<&Value>,
    at: &mut Vec<Step>,
    paths: &mut Vec<Vec<Step>>,
) {
    let (Some(Value::Object(declared)), Some(Value::Object(live))) = (declared, live) else {
        return;
    };
    for (key, value) in live {
        at.push(key.clone());
        match declared.get(key) {
            None => paths.push(at.clone()),
            Some(below) => beside(Some(below), Some(value), at, paths),
        }
        at.pop();
    }
}
