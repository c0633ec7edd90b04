//! What a report says as a whole: the numbers and names that come before the rows.

use std::collections::{BTreeMap, BTreeSet};

use hanse_domain::access::subject::Subject;
use hanse_domain::ids::Digest;
use hanse_domain::kinds::role::PolicyRule;
use jiff::Timestamp;
use serde::Serialize;

use super::answer::Answer;
use super::grants::Row;
use super::groups::Group;
use super::standing::{Proof, Span};
use super::trace::Source;

/// What the report is about beside its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Digest of the first trust root.
    pub(crate) fleet: Digest,
    /// The newest statement that was verified, and the Merkle tree hash over all up to it.
    pub(crate) revision: u64,
    pub(crate) history: Digest,
    pub(crate) made_at: Timestamp,
}

/// One cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) shown: bool,
    pub(crate) proof: Proof,
    pub(crate) objects: usize,
    pub(crate) rows: usize,
    pub(crate) subjects: usize,
    pub(crate) unmanaged: usize,
    /// What is not proven or was not seen, each for a person.
    pub(crate) notes: Vec<String>,
    pub(crate) contradicted: bool,
}

/// One subject over all clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) rows: usize,
    /// By a group, which ones.
    pub(crate) groups: BTreeSet<String>,
    /// Clusters in which it may do everything.
    pub(crate) everything: BTreeSet<String>,
    /// Rows that nobody declared and that are not Kubernetes' own.
    pub(crate) unmanaged: usize,
}

/// The whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) subjects: BTreeMap<Subject, About>,
    /// Rows that somebody declared, binding and role.
    pub(crate) declared: usize,
    /// Groups that rows name and whose members no directory says.
    pub(crate) unknown_groups: BTreeSet<String>,
}

/// The numbers for scripts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Totals {
    pub(crate) clusters: usize,
    pub(crate) proven: usize,
    pub(crate) partly: usize,
    pub(crate) claimed: usize,
    pub(crate) contradicted: usize,
    pub(crate) subjects: usize,
    pub(crate) grants: usize,
    pub(crate) unmanaged: usize,
}

impl Summary {
    /// Takes one cluster in.
    pub(crate) fn add(&mut self, answer: &Answer, groups: &[Group]) {
        let name = &answer.entry.name;
        let mut subjects = BTreeSet::new();
        let mut unmanaged = 0;
        for row in &answer.rows {
            subjects.insert(&row.grant.subject);
            let declared = [&row.binding, &row.role].map(|trace| trace.source == Source::Declared);
            self.declared += usize::from(declared == [true, true]);
            let undeclared = is_unmanaged(row);
            unmanaged += usize::from(undeclared);
            let about = self.subjects.entry(row.grant.subject.clone()).or_default();
            about.clusters.insert(name.clone());
            about.rows += 1;
            about.unmanaged += usize::from(undeclared);
            about.groups.extend(row.grant.via_group.clone());
            if row.grant.namespace.is_none() && is_everything(&row.grant.rule) {
                about.everything.insert(name.clone());
            }
            if let Subject::Group(group) = &row.grant.subject
                && !is_known(group, groups)
            {
                self.unknown_groups.insert(group.clone());
            }
        }
        self.clusters.push(Cluster {
            name: name.clone(),
            shown: answer.evidence.hub.shown,
            proof: answer.standing.whole(),
            objects: answer.standing.objects,
            rows: answer.rows.len(),
            subjects: subjects.len(),
            unmanaged,
            notes: notes(answer),
            contradicted: !answer.standing.contradictions.is_empty(),
        });
    }

    pub(crate) fn totals(&self) -> Totals {
        let of =
            |proof| self.clusters.iter().filter(|c| c.proof == proof && !c.contradicted).count();
        Totals {
            clusters: self.clusters.len(),
            proven: of(Proof::Proven),
            partly: of(Proof::Partly),
            claimed: of(Proof::Claimed),
            contradicted: self.clusters.iter().filter(|c| c.contradicted).count(),
            subjects: self.subjects.len(),
            grants: self.clusters.iter().map(|cluster| cluster.rows).sum(),
            unmanaged: self.clusters.iter().map(|cluster| cluster.unmanaged).sum(),
        }
    }
}

/// Whether nobody declared the binding or the role as it is: Kubernetes' own aside.
pub(crate) fn is_unmanaged(row: &Row) -> bool {
    [&row.binding, &row.role].into_iter().any(|trace| match trace.source {
        Source::Altered | Source::Claimed | Source::Observed => true,
        Source::Declared | Source::Bootstrap | Source::BuiltIn | Source::Missing => false,
    })
}

fn is_everything(rule: &PolicyRule) -> bool {
    let any = |words: &[String]| words.iter().any(|word| word == "*");
    any(&rule.verbs)
        && any(&rule.resources)
        && any(&rule.api_groups)
        && rule.resource_names.is_empty()
}

/// Whether one can know who is in a group. Those of Kubernetes are explained to whoever reads.
fn is_known(group: &str, groups: &[Group]) -> bool {
    group.starts_with("system:") || groups.iter().any(|known| known.name == group)
}

/// What is not proven or not seen of a cluster.
fn notes(answer: &Answer) -> Vec<String> {
    let (standing, hub) = (&answer.standing, &answer.evidence.hub);
    let mut out: Vec<String> =
        standing.contradictions.iter().map(|why| format!("CONTRADICTED: {why}")).collect();
    if !hub.shown {
        out.push("the hub has shown nothing of this cluster: nothing is known of it".to_owned());
    }
    if answer.entry.recipient.is_none() && answer.evidence.checkpoints.is_empty() {
        out.push("no author has accepted a key for it, so that nothing can be proven".to_owned());
    }
    for gap in standing.gaps.iter().filter(|_| hub.shown) {
        out.push(gap_in_words(*gap, standing.before));
    }
    for (kind, why) in &standing.unseen {
        out.push(format!("objects of kind {kind} could not be seen: {why}"));
    }
    if standing.skipped > 0 {
        let count = crate::text::count(usize::try_from(standing.skipped).unwrap_or(0), "object");
        out.push(format!("{count} left out by the agent: too large, too many or malformed"));
    }
    out.extend(standing.not_counted.iter().map(|why| format!("not counted: {why}")));
    for (number, what) in [
        (hub.unsigned, "without a signature"),
        (hub.foreign, "signed by a key that nobody accepted for this cluster"),
    ] {
        if number > 0 {
            let count = crate::text::count(number, "checkpoint");
            out.push(format!("not counted: {count} {what}"));
        }
    }
    if answer.rows.iter().any(Row::is_by_membership) {
        out.push(
            "who is in a group is what was imported by the moment asked, in a period by its end and for \
             all of it; nobody signs that"
                .to_owned(),
        );
    }
    if hub.shown && !hub.covered {
        let last = hub
            .seen_until
            .map_or_else(|| "it never had before".to_owned(), |at| format!("it last had at {at}"));
        out.push(format!(
            "the hub says that the agent did not see the cluster at the beginning; {last}"
        ));
    }
    out
}

fn gap_in_words((from, until): Span, before: Option<Timestamp>) -> String {
    match before {
        Some(before) if from == until => format!(
            "not proven for {from}: the agent signed for the same objects up to {before}, and only \
             the hub says that nothing changed since"
        ),
        Some(_) | None if from == until => {
            format!(
                "not proven for {from}: the agent signed for nothing there; only the hub says it"
            )
        }
        Some(_) | None => {
            format!("not proven from {from} to {until}: only the hub says what was there")
        }
    }
}
