//! Pieces that several kinds have: labels, selectors, placement, overrides.

use std::collections::BTreeSet;

use super::cursor::{Cursor, Report};
use super::node::Content;
use super::{is_empty_map, own_spec, placed_from_json};
use crate::document::Kind;
use crate::history::roster::Labels;
use crate::kinds::placement::{Override, Placement};
use crate::names;
use crate::selector::{LabelSelector, Operator, Requirement};

/// Label keys and values.
pub(super) fn labels(report: &mut Report, cursor: &Cursor<'_>) -> Option<Labels> {
    cursor.map(report, names::check_label_key, |report, value| {
        value.checked(report, names::check_label_value)
    })
}

/// `metav1.LabelSelector`.
pub(super) fn selector(report: &mut Report, cursor: &Cursor<'_>) -> Option<LabelSelector> {
    cursor.fields(report, |report, fields| {
        let match_labels = fields
            .optional("matchLabels")
            .map_or_else(|| Some(Labels::new()), |cursor| labels(report, &cursor));
        let match_expressions = fields.optional("matchExpressions").map_or_else(
            || Some(Vec::new()),
            |cursor| cursor.list(report, |report, item| requirement(report, &item)),
        );
        Some(LabelSelector { match_labels: match_labels?, match_expressions: match_expressions? })
    })
}

fn requirement(report: &mut Report, cursor: &Cursor<'_>) -> Option<Requirement> {
    cursor.fields(report, |report, fields| {
        let key = fields
            .required(report, "key")
            .and_then(|key| key.checked(report, names::check_label_key));
        let operator = fields.required(report, "operator").and_then(|operator| {
            operator.one_of(
                report,
                &[
                    ("In", Operator::In),
                    ("NotIn", Operator::NotIn),
                    ("Exists", Operator::Exists),
                    ("DoesNotExist", Operator::DoesNotExist),
                ],
            )
        });
        let values = fields.optional("values").map_or_else(
            || Some(Vec::new()),
            |values| {
                values.list(report, |report, value| value.checked(report, names::check_label_value))
            },
        );
        let (key, operator, values) = (key?, operator?, values?);
        match (operator, values.is_empty()) {
            (Operator::In | Operator::NotIn, true) => {
                fields.error(report, "`In` and `NotIn` need `values`");
                None
            }
            (Operator::Exists | Operator::DoesNotExist, false) => {
                fields.error(report, "`Exists` and `DoesNotExist` take no `values`");
                None
            }
            _ => Some(Requirement { key, operator, values }),
        }
    })
}

/// `spec.placement`.
pub(super) fn placement(report: &mut Report, cursor: &Cursor<'_>) -> Option<Placement> {
    cursor.fields(report, |report, fields| {
        let cluster_names = fields.optional("clusterNames").map_or_else(
            || Some(Vec::new()),
            |cursor| {
                cursor.list(report, |report, name| name.checked(report, names::check_dns_label))
            },
        );
        let cluster_selector = match fields.optional("clusterSelector") {
            None => None,
            Some(cursor) => Some(selector(report, &cursor)?),
        };
        let cluster_names: BTreeSet<String> = cluster_names?.into_iter().collect();
        if cluster_names.is_empty() && cluster_selector.is_none() {
            fields.error(
                report,
                "name clusters in `clusterNames` or match their labels with `clusterSelector` \
                 (`clusterSelector: {}` is every cluster)",
            );
            return None;
        }
        Some(Placement { cluster_names, cluster_selector })
    })
}

/// Most overrides of one document.
const MAX_OVERRIDES: usize = 32;
/// Most bytes that a document's overrides can make of its spec together.
const MAX_OVERRIDDEN_BYTES: usize = 4 * 1024 * 1024;

/// `spec.overrides`: each must make a valid spec by itself.
pub(super) fn overrides(
    report: &mut Report,
    cursor: &Cursor<'_>,
    kind: Kind,
    spec: &Cursor<'_>,
) -> Option<Vec<Override>> {
    if let Content::List(items) = &cursor.node.content
        && items.len() > MAX_OVERRIDES
    {
        let found = items.len();
        cursor.error(
            report,
            format!("{found} overrides, more than {MAX_OVERRIDES}: make several documents of it"),
        );
        return None;
    }
    let spec = own_spec(spec.node);
    let length = spec.to_string().len();
    let mut overridden = 0;
    cursor.list(report, |report, item| {
        item.fields(report, |report, fields| {
            let clusters = fields.required(report, "clusterSelector");
            let patch = fields.required(report, "patch");
            let selector = clusters.and_then(|cursor| selector(report, &cursor));
            let patch = patch?;
            if is_empty_map(patch.node) {
                patch.error(report, "this patch changes nothing");
                return None;
            }
            let value = patch.node.to_json();
            let Some(map) = value.as_object() else {
                patch.error(report, "expected a map: a JSON merge patch of the spec");
                return None;
            };
            for fixed in ["placement", "overrides"] {
                if map.contains_key(fixed) {
                    patch.error(report, format!("`{fixed}` cannot be overridden"));
                    return None;
                }
            }
            overridden += length + value.to_string().len();
            if overridden > MAX_OVERRIDDEN_BYTES {
                patch.error(
                    report,
                    format!(
                        "with their patches the overrides up to this one make more than \
                         {MAX_OVERRIDDEN_BYTES} bytes of the spec: make several documents of it"
                    ),
                );
                return None;
            }
            let mut patched = spec.clone();
            json_patch::merge(&mut patched, &value);
            match placed_from_json(kind, &patched) {
                Ok(alone) => Some(Override { selector: selector?, patch: value, alone }),
                Err(why) => {
                    patch.error(report, format!("with this patch the spec is not valid: {why}"));
                    None
                }
            }
        })
    })
}
