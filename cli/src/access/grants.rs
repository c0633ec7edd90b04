//! Grants as rows: subject → group → binding → role → rule, and who declared it.

use hanse_proto::admin::Grant;
use jiff::Timestamp;
use serde_json::Value;

use super::sheet::Row;
use super::words::group_name;
use super::{subject, words};
use crate::failure::Outcome;
use crate::output;
use crate::text::{or_dash, time};

/// Columns of a grant in CSV.
pub(crate) const CSV: [&str; 28] = [
    "cluster",
    "subject_kind",
    "subject_namespace",
    "subject",
    "via_group",
    "namespace",
    "binding_kind",
    "binding_namespace",
    "binding",
    "role_kind",
    "role_namespace",
    "role",
    "verbs",
    "api_groups",
    "resources",
    "resource_names",
    "non_resource_urls",
    "limited_to",
    "aggregated_from",
    "declared_by",
    "revision",
    "proven",
    "author",
    "comes_with_kubernetes",
    "created_at",
    "changed_at",
    "manager",
    "learned_at",
];

impl Row for Grant {
    const LIST: &'static str = "grants";
    const HEADINGS: &'static [&'static str] =
        &["CLUSTER", "SUBJECT", "BY GROUP", "NAMESPACE", "BINDING", "ROLE", "DECLARED BY"];
    const WIDE: &'static [&'static str] = &["RULE", "ONLY FOR", "AGGREGATED FROM", "CHANGED"];

    fn columns() -> Vec<&'static str> {
        CSV.to_vec()
    }

    fn cells(&self, _: Timestamp) -> Vec<String> {
        let mut cells = vec![self.cluster.clone()];
        cells.extend(who_and_how(self));
        cells
    }

    fn wide(&self) -> Vec<String> {
        let from = self.provenance.as_ref();
        let changed = from.and_then(|from| words::second(from.changed_at.as_ref()));
        vec![
            self.rule.as_ref().map_or_else(|| "-".to_owned(), words::rule),
            or_dash(self.resource_names.join(", ")),
            or_dash(self.aggregated_from.join(", ")),
            or_dash(changed.unwrap_or_default()),
        ]
    }

    fn records(&self) -> Vec<Vec<String>> {
        vec![record(self)]
    }

    fn json(&self) -> Outcome<Value> {
        output::value(self)
    }
}

/// Columns of a grant after the cluster's. What is limited to names is marked in any format.
pub(crate) fn who_and_how(grant: &Grant) -> [String; 6] {
    let limit = if grant.resource_names.is_empty() { "" } else { " (some names only)" };
    let binding = grant.binding.as_ref().map(words::object);
    let role = grant.role.as_ref().map(words::object);
    [
        subject::shown(grant.subject.as_ref()),
        or_dash(grant.via_group.clone()),
        if grant.namespace.is_empty() { "all".to_owned() } else { grant.namespace.clone() },
        binding.unwrap_or_else(|| "none: the API server itself".to_owned()),
        role.map_or_else(|| "-".to_owned(), |role| role + limit),
        words::declared(grant.provenance.as_ref()),
    ]
}

/// A line of CSV.
pub(crate) fn record(grant: &Grant) -> Vec<String> {
    let subject = grant.subject.clone().unwrap_or_default();
    let binding = grant.binding.clone().unwrap_or_default();
    let role = grant.role.clone().unwrap_or_default();
    let allowed = grant.rule.clone().unwrap_or_default();
    let from = grant.provenance.clone().unwrap_or_default();
    let at = |at: Option<&pbjson_types::Timestamp>| {
        time(at).map(|at| at.to_string()).unwrap_or_default()
    };
    let declared = !from.document.is_empty();
    let list = |words: &[String]| words.join(" ");
    let groups: Vec<&str> = allowed.api_groups.iter().map(|group| group_name(group)).collect();
    vec![
        grant.cluster.clone(),
        subject::kind(subject.kind()).to_owned(),
        subject.namespace,
        subject.name,
        grant.via_group.clone(),
        grant.namespace.clone(),
        binding.kind,
        binding.namespace,
        binding.name,
        role.kind,
        role.namespace,
        role.name,
        list(&allowed.verbs),
        groups.join(" "),
        list(&allowed.resources),
        list(&allowed.resource_names),
        list(&allowed.non_resource_urls),
        list(&grant.resource_names),
        list(&grant.aggregated_from),
        from.document,
        if declared { from.revision.to_string() } else { String::new() },
        if declared { from.verified.to_string() } else { String::new() },
        from.author,
        if from.bootstrap { "true".to_owned() } else { String::new() },
        at(from.created_at.as_ref()),
        at(from.changed_at.as_ref()),
        from.manager,
        at(from.learned_at.as_ref()),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::super::sheet::{Format, Row, Sheet};
    use super::super::words::tests::{by_group, by_hand, by_masters};
    use super::*;

    /// Rows in a format, as they would be written.
    pub(crate) fn written<R: Row>(format: Format, rows: &[R]) -> String {
        let now: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
        let question = json!({ "scope": { "at": now.to_string() } });
        let mut sheet = Sheet::new(format, now, &question).unwrap();
        for row in rows {
            sheet.push(row).unwrap();
        }
        sheet.end(&json!([])).unwrap().replace('\r', "")
    }

    #[test]
    fn grants_in_columns() {
        let masters = Grant { via_group: "system:masters".into(), ..by_masters() };
        let rows = [by_group(), by_hand(), masters];
        insta::assert_snapshot!(written(Format::Table, &rows));
        insta::assert_snapshot!(written(Format::Wide, &rows));
    }

    #[test]
    fn grants_for_spreadsheets() {
        let csv = written(Format::Csv, &[by_group(), by_hand(), by_masters()]);
        let rows = super::super::csv::read(&csv).unwrap();
        assert!(rows.iter().all(|(_, record)| record.len() == CSV.len()), "{csv}");
        insta::assert_snapshot!(csv);
    }

    #[test]
    fn grants_for_scripts() {
        insta::assert_snapshot!(written(Format::Json, &[by_group()]));
    }
}
