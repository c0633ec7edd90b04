//! What a live object has in the places where something is declared. Maps are compared key by key,
//! since others may own keys beside ours; lists are compared whole, since a rule or a subject that
//! somebody adds to our list is exactly what must be seen.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{FieldDifference, MAX_VALUE_BYTES, strays};
use crate::ids::Digest;

/// A step of a path into an object.
pub(super) type Step = String;

/// A place where declared and live differ.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) steps: Vec<Step>,
    declared: Value,
    live: Option<Value>,
}

impl From<Difference> for FieldDifference {
    fn from(difference: Difference) -> Self {
        let mut path = String::new();
        for step in &difference.steps {
            if step.contains(['.', '/']) {
                let _ = write!(path, "[{step}]");
            } else {
                let dot = if path.is_empty() { "" } else { "." };
                let _ = write!(path, "{dot}{step}");
            }
        }
        Self {
            path,
            declared: (!difference.declared.is_null()).then(|| shorten(&difference.declared)),
            live: difference.live.as_ref().map(shorten),
        }
    }
}

/// JSON, cut at a character boundary.
pub(super) fn shorten(value: &Value) -> String {
    let mut text = value.to_string();
    if text.len() > MAX_VALUE_BYTES {
        let mut end = MAX_VALUE_BYTES - '…'.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The live object, restricted to the fields that are declared.
pub fn project(declared: &Value, live: &Value) -> Value {
    let (Value::Object(declared), Value::Object(live)) = (declared, live) else {
        return live.clone();
    };
    let mut out = Map::new();
    for (key, value) in declared {
        if let Some(live) = live.get(key) {
            out.insert(key.clone(), project(value, live));
        }
    }
    Value::Object(out)
}

/// A digest of a projection, for remembering what the API server makes of what we apply.
pub fn projection_digest(declared: &Value, live: &Value) -> Digest {
    Digest::of(project(declared, live).to_string().as_bytes())
}

/// Every place where they differ, in the order of the declared object.
pub(super) fn differences(declared: &Value, live: &Value) -> Vec<Difference> {
    let mut out = Vec::new();
    walk(declared, Some(live), &mut Vec::new(), &mut out);
    out.extend(strays::paths(declared, live).into_iter().map(|steps| {
        let found = steps.iter().try_fold(live, |value, step| value.get(step));
        Difference { live: found.cloned(), declared: Value::Null, steps }
    }));
    out
}

fn walk(declared: &Value, live: Option<&Value>, at: &mut Vec<Step>, out: &mut Vec<Difference>) {
    match (declared, live) {
        (Value::Object(fields), Some(Value::Object(live))) => {
            for (key, value) in fields {
                at.push(key.clone());
                walk(value, live.get(key), at, out);
                at.pop();
            }
        }
        // An empty map or list is left out by the API server.
        (declared, None) if is_empty(declared) => {}
        (declared, Some(live)) if declared == live => {}
        (declared, live) => out.push(Difference {
            steps: at.clone(),
            declared: declared.clone(),
            live: live.cloned(),
        }),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(list) => list.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
