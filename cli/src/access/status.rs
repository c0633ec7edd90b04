//! How each cluster's inventory stands, as rows.

use hanse_proto::admin::{Coverage, InventoryStatus};
use jiff::Timestamp;
use serde_json::Value;

use super::sheet::Row;
use super::words::{minute, second};
use crate::failure::Outcome;
use crate::output;
use crate::text::{age_of, or_dash, time};

/// The newest span without a gap.
fn newest(status: &InventoryStatus) -> Option<&Coverage> {
    status.coverage.iter().max_by_key(|span| span.until.as_ref().map(|at| (at.seconds, at.nanos)))
}

fn state(status: &InventoryStatus) -> &'static str {
    if status.live {
        "Live"
    } else if status.coverage.is_empty() && status.objects == 0 {
        "Never seen"
    } else {
        "Not live"
    }
}

fn root(status: &InventoryStatus) -> String {
    status.root.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Row for InventoryStatus {
    const LIST: &'static str = "inventories";
    const HEADINGS: &'static [&'static str] = &[
        "CLUSTER",
        "STATE",
        "OBJECTS",
        "SEEN",
        "WITHOUT A GAP SINCE",
        "GAPS",
        "SKIPPED",
        "NOT SEEN",
    ];
    const WIDE: &'static [&'static str] = &["HISTORY FROM", "ROOT"];

    fn columns() -> Vec<&'static str> {
        vec![
            "cluster",
            "state",
            "objects",
            "seen_until",
            "covered_since",
            "gaps",
            "skipped",
            "unseen",
            "history_from",
            "root",
        ]
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let span = newest(self);
        let seen = match span.and_then(|span| span.until.as_ref()) {
            _ if self.live => "now".to_owned(),
            Some(until) => format!("{} ago", age_of(now, Some(until))),
            None => "-".to_owned(),
        };
        vec![
            self.cluster.clone(),
            state(self).to_owned(),
            self.objects.to_string(),
            seen,
            or_dash(span.and_then(|span| minute(span.from.as_ref())).unwrap_or_default()),
            self.coverage.len().saturating_sub(1).to_string(),
            self.skipped.to_string(),
            or_dash(self.unseen.join("; ")),
        ]
    }

    fn wide(&self) -> Vec<String> {
        vec![
            or_dash(second(self.history_from.as_ref()).unwrap_or_default()),
            or_dash(root(self).get(..16).unwrap_or_default()),
        ]
    }

    fn records(&self) -> Vec<Vec<String>> {
        let at = |at: Option<&pbjson_types::Timestamp>| {
            time(at).map(|at| at.to_string()).unwrap_or_default()
        };
        let span = newest(self);
        vec![vec![
            self.cluster.clone(),
            state(self).to_lowercase(),
            self.objects.to_string(),
            at(span.and_then(|span| span.until.as_ref())),
            at(span.and_then(|span| span.from.as_ref())),
            self.coverage.len().saturating_sub(1).to_string(),
            self.skipped.to_string(),
            self.unseen.join("; "),
            at(self.history_from.as_ref()),
            root(self),
        ]]
    }

    fn json(&self) -> Outcome<Value> {
        output::value(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::grants::tests::written;
    use super::super::sheet::Format;
    use super::super::words::tests::at;
    use super::*;

    #[test]
    fn inventories_in_columns() {
        let span = |from, until| Coverage { from: at(from), until: at(until) };
        let live = InventoryStatus {
            cluster: "prod-1".into(),
            objects: 120,
            root: vec![0xab; 32].into(),
            live: true,
            coverage: vec![
                span("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"),
                span("2026-03-03T10:30:00Z", "2026-03-10T11:59:30Z"),
            ],
            history_from: at("2026-03-01T00:00:00Z"),
            ..InventoryStatus::default()
        };
        let away = InventoryStatus {
            cluster: "prod-2".into(),
            live: false,
            coverage: vec![span("2026-03-01T00:00:00Z", "2026-03-10T09:00:00Z")],
            unseen: vec!["Pod: pods is forbidden\u{1b}".into()],
            skipped: 2,
            ..live.clone()
        };
        let never = InventoryStatus { cluster: "prod-3".into(), ..InventoryStatus::default() };
        let rows = [live, away, never];
        insta::assert_snapshot!(written(Format::Wide, &rows));
        insta::assert_snapshot!(written(Format::Csv, &rows));
    }
}
