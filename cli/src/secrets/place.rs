//! Where a secret goes, as it is said on the command line: `-n`, `--cluster`, `-l`, `--all-clusters`.

use std::collections::BTreeSet;

use hanse_domain::names;
use hanse_domain::selector::{LabelSelector, Operator, Requirement};
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Outcome};
use crate::selector;

/// Namespaces and clusters.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Place {
    /// Namespace of each cluster; several with commas
    #[arg(short, long, value_name = "NAMESPACE", value_delimiter = ',', value_parser = namespace)]
    pub(crate) namespace: Vec<String>,

    /// Cluster that gets it; several with commas, or given several times
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = cluster)]
    cluster: Vec<String>,

    /// Clusters with these labels get it, also those that join later
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,

    /// Every cluster gets it, also those that join later
    #[arg(long, conflicts_with_all = ["cluster", "selector"])]
    all_clusters: bool,
}

fn namespace(text: &str) -> Result<String, String> {
    names::check_dns_label(text).map_err(|e| e.to_string())?;
    Ok(text.to_owned())
}

fn cluster(text: &str) -> Result<String, String> {
    names::check_dns_label(text).map_err(|e| e.to_string())?;
    Ok(text.to_owned())
}

impl Place {
    /// `spec.namespaces`; nothing when none was given.
    pub(crate) fn namespaces(&self) -> Option<BTreeSet<String>> {
        (!self.namespace.is_empty()).then(|| self.namespace.iter().cloned().collect())
    }

    /// `spec.placement`; nothing when none was given.
    pub(crate) fn placement(&self) -> Outcome<Option<Value>> {
        let mut placement = Map::new();
        if !self.cluster.is_empty() {
            let names: BTreeSet<&String> = self.cluster.iter().collect();
            placement.insert("clusterNames".to_owned(), json!(names));
        }
        if self.all_clusters {
            placement.insert("clusterSelector".to_owned(), json!({}));
        }
        if let Some(text) = &self.selector {
            let parsed = selector::parse(text)?;
            if parsed == LabelSelector::default() {
                return Err(Failure::usage("`-l` says no label").hint("--all-clusters is for all"));
            }
            placement.insert("clusterSelector".to_owned(), written(&parsed));
        }
        Ok((!placement.is_empty()).then_some(Value::Object(placement)))
    }
}

/// A selector as documents have it; `a=b` in the form that people write by hand.
fn written(selector: &LabelSelector) -> Value {
    let mut labels = Map::new();
    let mut expressions = Vec::new();
    for Requirement { key, operator, values } in &selector.match_expressions {
        let operator = match (operator, values.as_slice()) {
            (Operator::In, [value]) if !labels.contains_key(key) => {
                labels.insert(key.clone(), json!(value));
                continue;
            }
            (Operator::In, _) => "In",
            (Operator::NotIn, _) => "NotIn",
            (Operator::Exists, _) => "Exists",
            (Operator::DoesNotExist, _) => "DoesNotExist",
        };
        let mut expression = json!({ "key": key, "operator": operator });
        if let (Some(fields), false) = (expression.as_object_mut(), values.is_empty()) {
            fields.insert("values".to_owned(), json!(values));
        }
        expressions.push(expression);
    }
    let mut written = Map::new();
    if !labels.is_empty() {
        written.insert("matchLabels".to_owned(), Value::Object(labels));
    }
    if !expressions.is_empty() {
        written.insert("matchExpressions".to_owned(), Value::Array(expressions));
    }
    Value::Object(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(place: &Place) -> Option<String> {
        place.placement().ok().flatten().map(|value| value.to_string())
    }

    #[test]
    fn where_it_goes_is_written_as_people_would() {
        assert_eq!(placement(&Place::default()), None);
        let all = Place { all_clusters: true, ..Place::default() };
        assert_eq!(placement(&all).as_deref(), Some(r#"{"clusterSelector":{}}"#));
        let three = ["b", "a", "b"].map(str::to_owned).to_vec();
        let named = Place { cluster: three, ..Place::default() };
        assert_eq!(placement(&named).as_deref(), Some(r#"{"clusterNames":["a","b"]}"#));
        let selector = Some("env=prod,region in (eu,us),!old,env=test".to_owned());
        let selected = Place { selector, ..Place::default() };
        insta::assert_snapshot!(placement(&selected).unwrap_or_default(), @r#"{"clusterSelector":{"matchLabels":{"env":"prod"},"matchExpressions":[{"key":"region","operator":"In","values":["eu","us"]},{"key":"old","operator":"DoesNotExist"},{"key":"env","operator":"In","values":["test"]}]}}"#);
        let nothing = Place { selector: Some(" ,".to_owned()), ..Place::default() };
        assert!(nothing.placement().is_err());
    }
}
