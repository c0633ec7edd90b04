//! What came and went between two moments, as rows.

use hanse_proto::admin::Difference;
use jiff::Timestamp;
use serde_json::Value;

use super::grants::{self, who_and_how};
use super::sheet::Row;
use super::words;
use crate::failure::Outcome;
use crate::output;
use crate::text::or_dash;

impl Row for Difference {
    const LIST: &'static str = "differences";
    const HEADINGS: &'static [&'static str] = &[
        "",
        "CLUSTER",
        "SUBJECT",
        "BY GROUP",
        "NAMESPACE",
        "BINDING",
        "ROLE",
        "DECLARED BY",
        "RULE",
    ];
    const WIDE: &'static [&'static str] = &["ONLY FOR", "AGGREGATED FROM", "CHANGED"];

    fn columns() -> Vec<&'static str> {
        [&["change"][..], &grants::CSV].concat()
    }

    fn cells(&self, _: Timestamp) -> Vec<String> {
        let grant = self.grant.clone().unwrap_or_default();
        let sign = if self.added { "+" } else { "-" };
        let mut cells = vec![sign.to_owned(), grant.cluster.clone()];
        cells.extend(who_and_how(&grant));
        cells.push(grant.rule.as_ref().map_or_else(|| "-".to_owned(), words::rule));
        cells
    }

    fn wide(&self) -> Vec<String> {
        let grant = self.grant.clone().unwrap_or_default();
        let from = grant.provenance.as_ref();
        let changed = from.and_then(|from| words::second(from.changed_at.as_ref()));
        vec![
            or_dash(grant.resource_names.join(", ")),
            or_dash(grant.aggregated_from.join(", ")),
            or_dash(changed.unwrap_or_default()),
        ]
    }

    fn records(&self) -> Vec<Vec<String>> {
        let change = if self.added { "added" } else { "removed" };
        let mut record = vec![change.to_owned()];
        record.extend(grants::record(&self.grant.clone().unwrap_or_default()));
        vec![record]
    }

    fn json(&self) -> Outcome<Value> {
        output::value(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::grants::tests::written;
    use super::super::sheet::Format;
    use super::super::words::tests::{by_group, by_hand};
    use super::*;

    #[test]
    fn what_came_and_went() {
        let rows = [
            Difference { added: true, grant: Some(by_group()) },
            Difference { added: false, grant: Some(by_hand()) },
        ];
        insta::assert_snapshot!(written(Format::Table, &rows));
        let csv = written(Format::Csv, &rows);
        assert!(csv.starts_with("change,cluster,subject_kind,"), "{csv}");
        assert!(csv.contains("\nadded,prod-1,User,,anna,sre,payments,"), "{csv}");
        assert!(csv.contains("\nremoved,prod-2,ServiceAccount,ci,deployer,,,"), "{csv}");
    }
}
