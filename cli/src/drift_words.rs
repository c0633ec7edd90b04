//! What a drift is, in a few words: "+ User mallory" says more than two JSON lists.

use hanse_proto::admin::drift::Class;
use hanse_proto::admin::{Drift, FieldDifference};
use serde_json::Value;

use crate::text::shorten;

const MAX_VALUE_CHARACTERS: usize = 40;
const MAX_ITEMS: usize = 3;

/// One line for a table; not escaped yet.
pub(crate) fn what(drift: &Drift) -> String {
    let text = match drift.class() {
        Class::Missing => "it is not there".to_owned(),
        Class::Unmanaged => unmanaged(&drift.fields),
        Class::Modified | Class::Conflicting | Class::Unspecified => differences(&drift.fields),
    };
    if drift.message.is_empty() {
        text
    } else {
        format!("{text}; {}", shorten(&drift.message, 2 * MAX_VALUE_CHARACTERS))
    }
}

/// What access that nobody declared gives.
fn unmanaged(fields: &[FieldDifference]) -> String {
    let live = |path: &str| {
        let field = fields.iter().find(|field| field.path == path)?;
        serde_json::from_str::<Value>(&field.live).ok()
    };
    if let Some(role) = live("roleRef") {
        let subjects = live("subjects").and_then(|list| list.as_array().map(|l| names(l)));
        let subjects = subjects.filter(|text| !text.is_empty()).unwrap_or_else(|| "nobody".into());
        return format!("binds {subjects} to {}/{}", text(&role, "kind"), text(&role, "name"));
    }
    match live("rules") {
        Some(Value::Array(rules)) if !rules.is_empty() => format!("grants {}", names(&rules)),
        _ => "nobody declared it".to_owned(),
    }
}

fn differences(fields: &[FieldDifference]) -> String {
    let Some(first) = fields.first() else {
        return "the values are as declared".to_owned();
    };
    let more = match fields.len() {
        1 => String::new(),
        n => format!(" (+{})", n - 1),
    };
    format!("{}{more}", difference(first))
}

/// A list by what came and what went, anything else by both values.
fn difference(field: &FieldDifference) -> String {
    let list = |json: &str| serde_json::from_str::<Vec<Value>>(json).ok();
    if let (Some(declared), Some(live)) = (list(&field.declared), list(&field.live)) {
        let came: Vec<Value> = live.iter().filter(|v| !declared.contains(v)).cloned().collect();
        let went: Vec<Value> = declared.iter().filter(|v| !live.contains(v)).cloned().collect();
        let mut parts = Vec::new();
        if !came.is_empty() {
            parts.push(format!("+ {}", names(&came)));
        }
        if !went.is_empty() {
            parts.push(format!("- {}", names(&went)));
        }
        if parts.is_empty() {
            parts.push("another order".to_owned());
        }
        return format!("{}: {}", field.path, parts.join(" "));
    }
    let cut = |value: &str| {
        if value.is_empty() { "nothing".to_owned() } else { shorten(value, MAX_VALUE_CHARACTERS) }
    };
    format!("{}: {} → {}", field.path, cut(&field.declared), cut(&field.live))
}

/// Subjects by kind and name, rules by verbs and resources.
fn names(items: &[Value]) -> String {
    let mut names: Vec<String> = items.iter().take(MAX_ITEMS).map(name).collect();
    if items.len() > MAX_ITEMS {
        names.push(format!("{} more", items.len() - MAX_ITEMS));
    }
    names.join(", ")
}

fn name(item: &Value) -> String {
    let joined = |key: &str| {
        let list = item.get(key).and_then(Value::as_array);
        let words: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
        words.join(",")
    };
    if item.get("verbs").is_some() {
        let on = [joined("resources"), joined("nonResourceURLs")].concat();
        return shorten(&format!("{} on {on}", joined("verbs")), MAX_VALUE_CHARACTERS);
    }
    match (text(item, "kind"), text(item, "name")) {
        ("" | "?", _) | (_, "" | "?") => shorten(&item.to_string(), MAX_VALUE_CHARACTERS),
        (kind, name) => match item.get("namespace").and_then(Value::as_str) {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        },
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(class: Class, fields: &[(&str, &str, &str)]) -> Drift {
        let field = |(path, declared, live): &(&str, &str, &str)| FieldDifference {
            path: (*path).to_owned(),
            declared: (*declared).to_owned(),
            live: (*live).to_owned(),
        };
        Drift {
            class: class.into(),
            fields: fields.iter().map(field).collect(),
            ..Drift::default()
        }
    }

    #[test]
    fn lists_are_told_by_what_came_and_went() {
        let declared = r#"[{"kind":"Group","name":"oidc:payments"}]"#;
        let live = r#"[{"kind":"Group","name":"oidc:payments"},{"kind":"User","name":"mallory"}]"#;
        let one = drift(Class::Modified, &[("subjects", declared, live)]);
        assert_eq!(what(&one), "subjects: + User mallory");
        let rules = r#"[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]"#;
        let wider = r#"[{"apiGroups":[""],"resources":["secrets"],"verbs":["get","list"]}]"#;
        let two = drift(Class::Modified, &[("rules", rules, wider), ("metadata", "1", "2")]);
        assert_eq!(what(&two), "rules: + get,list on secrets - get on pods (+1)");
    }

    #[test]
    fn unmanaged_access_is_told_by_what_it_gives() {
        let role = r#"{"apiGroup":"x","kind":"ClusterRole","name":"cluster-admin"}"#;
        let subjects = r#"[{"kind":"ServiceAccount","namespace":"ci","name":"bot"}]"#;
        let one = drift(Class::Unmanaged, &[("roleRef", "", role), ("subjects", "", subjects)]);
        assert_eq!(what(&one), "binds ServiceAccount ci/bot to ClusterRole/cluster-admin");
    }

    #[test]
    fn values_that_were_cut_are_shown_as_they_are() {
        let one = drift(Class::Modified, &[("spec.x", "[1,2…", "")]);
        assert_eq!(what(&one), "spec.x: [1,2… → nothing");
    }
}
