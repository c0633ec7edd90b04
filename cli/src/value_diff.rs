//! What differs between two objects, field by field, as a person would point at it.

use hanse_domain::object::REVISION_ANNOTATION;
use serde_json::Value;

/// One field with its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldChange {
    /// "rules[0].verbs"
    pub(crate) path: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// All fields that differ. The annotation with the revision is left out: it follows every change of
/// a document and says nothing by itself.
pub(crate) fn fields(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare(String::new(), Some(before), Some(after), &mut changes);
    let revision = format!("metadata.annotations[{REVISION_ANNOTATION}]");
    changes.retain(|change| change.path != revision);
    changes
}

fn compare(
    path: String,
    before: Option<&Value>,
    after: Option<&Value>,
    out: &mut Vec<FieldChange>,
) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for (key, value) in old {
                compare(field(&path, key), Some(value), new.get(key), out);
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                compare(field(&path, key), None, Some(value), out);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new)))
            if old.len() == new.len() && old.iter().chain(new).all(Value::is_object) =>
        {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(format!("{path}[{index}]"), Some(old), Some(new), out);
            }
        }
        (before, after) => {
            out.push(FieldChange { path, before: before.cloned(), after: after.cloned() });
        }
    }
}

fn field(path: &str, key: &str) -> String {
    if key.contains(['.', '/']) {
        format!("{path}[{key}]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_named_and_the_revision_is_left_out() {
        let before = json!({
            "metadata": { "annotations": { "hanse.dev/revision": "3", "a.b/c": "1" } },
            "rules": [{ "verbs": ["get"], "resources": ["pods"] }],
            "gone": 1,
        });
        let after = json!({
            "metadata": { "annotations": { "hanse.dev/revision": "4", "a.b/c": "2" } },
            "rules": [{ "verbs": ["get", "list"], "resources": ["pods"] }],
            "new": { "x": true },
        });
        let shown: Vec<String> = fields(&before, &after)
            .into_iter()
            .map(|c| {
                format!(
                    "{} {:?} {:?}",
                    c.path,
                    c.before.map(|v| v.to_string()),
                    c.after.map(|v| v.to_string())
                )
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r##"
        metadata.annotations[a.b/c] Some("\"1\"") Some("\"2\"")
        rules[0].verbs Some("[\"get\"]") Some("[\"get\",\"list\"]")
        gone Some("1") None
        new None Some("{\"x\":true}")
        "##);
    }

    #[test]
    fn equal_objects_do_not_differ() {
        let value = json!({ "a": [1, { "b": null }] });
        assert_eq!(fields(&value, &value), []);
    }
}
