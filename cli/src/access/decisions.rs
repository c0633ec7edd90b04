//! Yes and no, a cluster and namespace each.

use hanse_proto::admin::{Decision, Grant};
use jiff::Timestamp;
use serde_json::Value;

use super::grants;
use super::sheet::Row;
use super::words::{self, path};
use crate::failure::{Exit, Failure, Outcome};
use crate::output;
use crate::text::count;

impl Row for Decision {
    const LIST: &'static str = "decisions";
    const HEADINGS: &'static [&'static str] = &["CLUSTER", "NAMESPACE", "ANSWER", "WHY"];
    const WIDE: &'static [&'static str] = &["RULE", "DECLARED BY"];

    fn columns() -> Vec<&'static str> {
        [&["cluster", "namespace", "allowed"][..], &grants::CSV].concat()
    }

    fn cells(&self, _: Timestamp) -> Vec<String> {
        let answer = if self.allowed { "yes" } else { "no" };
        let namespace =
            if self.namespace.is_empty() { "all".to_owned() } else { self.namespace.clone() };
        vec![self.cluster.clone(), namespace, answer.to_owned(), why(self)]
    }

    fn wide(&self) -> Vec<String> {
        let grant = self.grants.first();
        let rule = grant.and_then(|grant| grant.rule.as_ref()).map(words::rule);
        vec![
            rule.unwrap_or_else(|| "-".to_owned()),
            words::declared(grant.and_then(|grant| grant.provenance.as_ref())),
        ]
    }

    /// A line for each path, and one for a no.
    fn records(&self) -> Vec<Vec<String>> {
        let head = [self.cluster.clone(), self.namespace.clone(), self.allowed.to_string()];
        let none = [Grant::default()];
        let grants: &[Grant] = if self.grants.is_empty() { &none } else { &self.grants };
        let line = |grant: &Grant| [head.to_vec(), grants::record(grant)].concat();
        grants.iter().map(line).collect()
    }

    fn json(&self) -> Outcome<Value> {
        output::value(self)
    }
}

fn why(decision: &Decision) -> String {
    match (decision.grants.as_slice(), decision.nearest.as_slice()) {
        ([first], _) => path(first),
        ([first, rest @ ..], _) => {
            format!("{} (and {})", path(first), count(rest.len(), "more path"))
        }
        ([], []) if decision.allowed => "-".to_owned(),
        ([], []) => "no binding reaches it".to_owned(),
        ([], [first, ..]) => format!("nearest: {}, which does not allow it", path(first)),
    }
}

/// What many yeses and noes come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    no: usize,
    /// Clusters of which there is no answer.
    unanswered: Vec<String>,
    asked: usize,
    current: usize,
}

impl Tally {
    pub(crate) fn decision(&mut self, decision: &Decision) {
        self.current += 1;
        self.no += usize::from(!decision.allowed);
    }

    /// A cluster ends.
    pub(crate) fn view(&mut self, cluster: &str) {
        self.asked += 1;
        if std::mem::take(&mut self.current) == 0 {
            self.unanswered.push(cluster.to_owned());
        }
    }

    /// A single no is a no; a yes of some and silence of others is neither.
    pub(crate) fn outcome(&self) -> Outcome {
        if self.no > 0 {
            return Ok(Exit::FAILED);
        }
        if self.unanswered.is_empty() {
            return Ok(Exit::OK);
        }
        let what = format!("{} of {} gave no answer", self.unanswered.len(), self.asked);
        Err(Failure::new("not-answered", format!("{what}: {}", self.unanswered.join(", ")))
            .why("nothing is known of its access at that moment")
            .hint("hanse access status"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::grants::tests::written;
    use super::super::sheet::Format;
    use super::super::words::tests::{by_group, by_hand};
    use super::*;

    pub(crate) fn yes() -> Decision {
        Decision {
            cluster: "prod-1".into(),
            namespace: "payments".into(),
            allowed: true,
            grants: vec![by_group(), Grant { cluster: "prod-1".into(), ..by_hand() }],
            nearest: Vec::new(),
        }
    }

    pub(crate) fn no() -> Decision {
        Decision {
            cluster: "prod-2".into(),
            namespace: "payments".into(),
            nearest: vec![Grant { cluster: "prod-2".into(), ..by_group() }],
            ..Decision::default()
        }
    }

    #[test]
    fn yes_and_no_by_cluster() {
        let nothing = Decision { cluster: "prod-3".into(), ..Decision::default() };
        let rows = [yes(), no(), nothing];
        insta::assert_snapshot!(written(Format::Table, &rows));
        let csv = written(Format::Csv, &rows);
        assert_eq!(csv.lines().count(), 5, "{csv}");
        assert!(csv.contains("\nprod-2,payments,false,,,"), "{csv}");
    }

    #[test]
    fn any_no_is_a_no_and_silence_is_no_yes() {
        let end = |decisions: &[(&str, Option<bool>)]| {
            let mut tally = Tally::default();
            for (cluster, allowed) in decisions {
                if let Some(allowed) = *allowed {
                    tally.decision(&Decision { allowed, ..Decision::default() });
                }
                tally.view(cluster);
            }
            tally.outcome().map_err(|failure| failure.code())
        };
        assert_eq!(end(&[("a", Some(true)), ("b", Some(true))]), Ok(Exit::OK));
        assert_eq!(end(&[("a", Some(true)), ("b", Some(false))]), Ok(Exit::FAILED));
        assert_eq!(end(&[("a", Some(false)), ("b", None)]), Ok(Exit::FAILED));
        assert_eq!(end(&[("a", Some(true)), ("b", None)]), Err("not-answered"));
    }
}
