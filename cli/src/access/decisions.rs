//! Yes and no, a cluster and namespace each.

use hanse_proto::admin::{ClusterView, Decision, Grant};
use jiff::Timestamp;
use serde_json::Value;

use super::grants;
use super::sheet::Row;
use super::views;
use super::words::{self, path};
use crate::failure::{Exit, Failure, Outcome};
use crate::output;
use crate::text::count;

/// An answer, and whether anything is known of its cluster: a no of which nothing is known is none.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) decision: Decision,
    pub(crate) known: bool,
}

impl Row for Answered {
    const LIST: &'static str = "decisions";
    const HEADINGS: &'static [&'static str] = &["CLUSTER", "NAMESPACE", "ANSWER", "WHY"];
    const WIDE: &'static [&'static str] = &["RULE", "DECLARED BY"];

    fn columns() -> Vec<&'static str> {
        [&["cluster", "namespace", "allowed"][..], &grants::CSV].concat()
    }

    fn cells(&self, _: Timestamp) -> Vec<String> {
        let decision = &self.decision;
        let (answer, why) = match (decision.allowed, self.known) {
            (true, _) => ("yes", why(decision)),
            (false, true) => ("no", why(decision)),
            (false, false) => ("unknown", "nothing is known of this cluster".to_owned()),
        };
        let namespace = if decision.namespace.is_empty() { "all" } else { &decision.namespace };
        vec![decision.cluster.clone(), namespace.to_owned(), answer.to_owned(), why]
    }

    fn wide(&self) -> Vec<String> {
        let grant = self.decision.grants.first();
        let rule = grant.and_then(|grant| grant.rule.as_ref()).map(words::rule);
        vec![
            rule.unwrap_or_else(|| "-".to_owned()),
            words::declared(grant.and_then(|grant| grant.provenance.as_ref())),
        ]
    }

    /// A line for each path, and one for a no.
    fn records(&self) -> Vec<Vec<String>> {
        let decision = &self.decision;
        let known = self.known || decision.allowed;
        let allowed = if known { decision.allowed.to_string() } else { "unknown".to_owned() };
        let head = [decision.cluster.clone(), decision.namespace.clone(), allowed];
        let none = [Grant::default()];
        let grants: &[Grant] = if decision.grants.is_empty() { &none } else { &decision.grants };
        let line = |grant: &Grant| [head.to_vec(), grants::record(grant)].concat();
        grants.iter().map(line).collect()
    }

    fn json(&self) -> Outcome<Value> {
        output::value(&self.decision)
    }
}

fn why(decision: &Decision) -> String {
    match (decision.grants.as_slice(), decision.nearest.len()) {
        ([first], _) => path(first),
        ([first, rest @ ..], _) => {
            format!("{} (and {})", path(first), count(rest.len(), "more path"))
        }
        ([], _) if decision.allowed => "-".to_owned(),
        ([], _) => match telling(decision).first() {
            None => "no binding there gives it more than everybody has".to_owned(),
            Some(first) => format!("nearest: {}, which does not allow it", path(first)),
        },
    }
}

/// What is near without what everybody has, which tells nothing.
pub(crate) fn telling(decision: &Decision) -> Vec<&Grant> {
    let bootstrap = |grant: &Grant| grant.provenance.as_ref().is_some_and(|from| from.bootstrap);
    decision.nearest.iter().filter(|grant| !bootstrap(grant)).collect()
}

/// The decisions of one cluster, until its view tells what they are worth.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending(Vec<Decision>);

impl Pending {
    pub(crate) fn push(&mut self, decision: Decision) {
        self.0.push(decision);
    }

    /// The cluster ends.
    pub(crate) fn end(&mut self, view: &ClusterView) -> Vec<Answered> {
        let known = !views::is_unknown(view);
        let decisions = std::mem::take(&mut self.0).into_iter();
        decisions.map(|decision| Answered { decision, known }).collect()
    }
}

/// What many yeses and noes come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    no: usize,
    /// Clusters of which there is no answer.
    unanswered: Vec<String>,
    asked: usize,
}

impl Tally {
    /// All that a cluster says.
    pub(crate) fn cluster(&mut self, name: &str, answers: &[Answered]) {
        self.asked += 1;
        self.no += answers.iter().filter(|one| one.known && !one.decision.allowed).count();
        if !answers.iter().any(|one| one.known || one.decision.allowed) {
            self.unanswered.push(name.to_owned());
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
        let known = |decision| Answered { decision, known: true };
        let silent = Decision { cluster: "prod-4".into(), ..nothing.clone() };
        let silent = Answered { decision: silent, known: false };
        let rows = [known(yes()), known(no()), known(nothing), silent];
        insta::assert_snapshot!(written(Format::Table, &rows));
        let csv = written(Format::Csv, &rows);
        assert_eq!(csv.lines().count(), 6, "{csv}");
        assert!(csv.contains("\nprod-2,payments,false,,,"), "{csv}");
        assert!(csv.contains("\nprod-4,,unknown,,,"), "{csv}");
    }

    #[test]
    fn any_no_is_a_no_and_silence_is_no_yes() {
        let end = |decisions: &[(bool, bool)]| {
            let mut tally = Tally::default();
            for (allowed, covered) in decisions {
                let mut pending = Pending::default();
                pending.push(Decision { allowed: *allowed, ..Decision::default() });
                let view = ClusterView { covered: *covered, ..ClusterView::default() };
                tally.cluster("a", &pending.end(&view));
            }
            tally.outcome().map_err(|failure| failure.code())
        };
        assert_eq!(end(&[(true, true), (true, true)]), Ok(Exit::OK));
        assert_eq!(end(&[(true, true), (false, true)]), Ok(Exit::FAILED));
        assert_eq!(end(&[(false, true), (false, false)]), Ok(Exit::FAILED));
        assert_eq!(end(&[(true, true), (false, false)]), Err("not-answered"));
    }
}
