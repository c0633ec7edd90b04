//! Violations of invariants, as rows, and one a line as they begin and end.

use hanse_proto::admin::Violation;
use jiff::Timestamp;
use serde_json::Value;

use super::moment::whole;
use super::sheet::Row;
use super::{escalations, grants, subject, words};
use crate::failure::Outcome;
use crate::output;
use crate::text::{age_of, escape, time};

/// By what it is so.
fn by(violation: &Violation) -> String {
    match (&violation.grant, &violation.escalation) {
        (Some(grant), _) => words::path(grant),
        (None, Some(path)) => {
            let steps = escalations::steps(path);
            let first = path.steps.first().and_then(|step| step.grant.as_ref()).map(words::path);
            first.map_or_else(|| steps.clone(), |first| format!("{steps}, by {first}"))
        }
        (None, None) => "-".to_owned(),
    }
}

fn stands(violation: &Violation) -> bool {
    violation.resolved_at.is_none()
}

impl Row for Violation {
    const LIST: &'static str = "violations";
    const HEADINGS: &'static [&'static str] =
        &["CLUSTER", "INVARIANT", "SUBJECT", "WHAT", "SINCE", "STATE"];
    const WIDE: &'static [&'static str] = &["BY", "DECLARED BY", "DETECTED", "RESOLVED"];

    fn columns() -> Vec<&'static str> {
        let own = ["id", "invariant", "what", "by", "state", "since", "detected_at", "resolved_at"];
        [&own[..], &grants::CSV].concat()
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let since = self.since.as_ref().or(self.detected_at.as_ref());
        vec![
            self.cluster.clone(),
            self.invariant.clone(),
            subject::shown(self.subject.as_ref()),
            self.what.clone(),
            age_of(now, since),
            if stands(self) { "Stands" } else { "Ended" }.to_owned(),
        ]
    }

    fn wide(&self) -> Vec<String> {
        let at = |at| words::second(at).unwrap_or_else(|| "-".to_owned());
        let from = self.grant.as_ref().and_then(|grant| grant.provenance.as_ref());
        vec![
            by(self),
            words::declared(from),
            at(self.detected_at.as_ref()),
            at(self.resolved_at.as_ref()),
        ]
    }

    fn records(&self) -> Vec<Vec<String>> {
        let at = |at| time(at).map(|at| at.to_string()).unwrap_or_default();
        let mut grant = self.grant.clone().unwrap_or_default();
        grant.cluster.clone_from(&self.cluster);
        grant.subject.clone_from(&self.subject);
        let own = vec![
            self.id.clone(),
            self.invariant.clone(),
            self.what.clone(),
            by(self),
            if stands(self) { "stands" } else { "ended" }.to_owned(),
            at(self.since.as_ref()),
            at(self.detected_at.as_ref()),
            at(self.resolved_at.as_ref()),
        ];
        vec![[own, grants::record(&grant)].concat()]
    }

    fn json(&self) -> Outcome<Value> {
        output::value(self)
    }
}

/// One that begins or ends, in one line.
pub(crate) fn one_line(violation: &Violation) -> String {
    let begun = violation.since.as_ref().or(violation.detected_at.as_ref());
    let at = time(violation.resolved_at.as_ref().or(begun));
    let at = at.map_or_else(|| "-".to_owned(), |at| whole(at).to_string());
    let state = if stands(violation) { "Stands" } else { "Ended" };
    let line = format!(
        "{at} {} {state} {}: {}: {} (by {})",
        violation.cluster,
        violation.invariant,
        subject::shown(violation.subject.as_ref()),
        violation.what,
        by(violation)
    );
    escape(&line).into_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::escalations::tests::by_workload;
    use super::super::grants::tests::written;
    use super::super::sheet::Format;
    use super::super::words::tests::{at, by_group};
    use super::*;

    pub(crate) fn violation() -> Violation {
        Violation {
            id: "v1".into(),
            cluster: "prod-1".into(),
            invariant: "only-sre-reads-prod-secrets".into(),
            subject: subject::parse("anna").ok(),
            what: "can get secrets in namespace payments\u{1b}".into(),
            grant: Some(by_group()),
            escalation: None,
            since: at("2026-03-10T09:00:00.5Z"),
            detected_at: at("2026-03-10T09:00:01Z"),
            resolved_at: None,
        }
    }

    fn ended() -> Violation {
        Violation {
            grant: None,
            escalation: Some(by_workload()),
            what: "reaches cluster-admin".into(),
            resolved_at: at("2026-03-10T10:00:00Z"),
            ..violation()
        }
    }

    #[test]
    fn violations_in_columns() {
        let rows = [violation(), ended()];
        insta::assert_snapshot!(written(Format::Table, &rows));
        insta::assert_snapshot!(written(Format::Wide, &rows));
        insta::assert_snapshot!(written(Format::Csv, &rows));
    }

    #[test]
    fn one_that_begins_or_ends() {
        insta::assert_snapshot!(one_line(&violation()), @r"2026-03-10T09:00:00Z prod-1 Stands only-sre-reads-prod-secrets: user anna: can get secrets in namespace payments\u{1b} (by group sre → RoleBinding payments/hanse:ns:payments-sre → ClusterRole hanse:ns:reader)");
        insta::assert_snapshot!(one_line(&ended()), @r"2026-03-10T10:00:00Z prod-1 Ended only-sre-reads-prod-secrets: user anna: reaches cluster-admin (by creates a pod that runs as service account ci/deployer; then binds itself to cluster-admin\u{1b}[2J, by group sre → RoleBinding payments/hanse:ns:payments-sre → ClusterRole hanse:ns:reader)");
    }
}
