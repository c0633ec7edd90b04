//! What the fleet had agreed on at each moment: the verified history, kept so that it can be asked.

use std::collections::{BTreeMap, BTreeSet};

use hanse_domain::change::Change;
use hanse_domain::fleet::Fleet;
use hanse_domain::history::changes::Subject;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::{ClusterId, Digest, RevisionNumber};
use hanse_domain::trust::root::KeyName;
use hanse_proto::admin::CommittedStatement;
use jiff::Timestamp;

use super::question::Question;
use crate::failure::Outcome;
use crate::fleet::Replay;

/// One statement, with the fleet after it. Fleets share what is the same.
#[derive(Debug)]
struct Step {
    time: Timestamp,
    author: String,
    documents: BTreeSet<String>,
    fleet: Fleet,
}

/// The history from the first trust root on.
#[derive(Debug, Default)]
pub(crate) struct Past {
    steps: Vec<Step>,
    /// Of each cluster: whom its secrets were sealed to, and so who signed for it.
    recipients: BTreeMap<ClusterId, Vec<Recipient>>,
}

/// Who signs for a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipient {
    /// "age1…"
    pub(crate) key: String,
    /// The statement that put it into the roster.
    pub(crate) since: RevisionNumber,
    /// When the statement was signed that took it away, by its author's clock.
    pub(crate) until: Option<Timestamp>,
}

impl Past {
    /// Keeps a statement that is believed.
    pub(crate) fn push(&mut self, change: &Change, signers: &[KeyName]) {
        let (statement, fleet) = (&change.statement, change.fleet.clone());
        for subject in change.changes.0.keys() {
            if let Subject::Cluster(id) = subject {
                let entry = fleet.member(*id).and_then(|member| member.entry.recipient.clone());
                self.recipient(*id, entry, statement.number, statement.time);
            }
        }
        let names: Vec<String> = signers.iter().map(ToString::to_string).collect();
        let documents = change.changes.0.keys().filter_map(|subject| match subject {
            Subject::Document(reference) => Some(reference.to_string()),
            Subject::Cluster(_) | Subject::Wrap(_) | Subject::TrustRoot => None,
        });
        self.steps.push(Step {
            time: statement.time,
            author: names.join(", "),
            documents: documents.collect(),
            fleet,
        });
    }

    fn recipient(
        &mut self,
        cluster: ClusterId,
        now: Option<String>,
        since: RevisionNumber,
        time: Timestamp,
    ) {
        let known = self.recipients.entry(cluster).or_default();
        if let Some(last) = known.last_mut().filter(|last| last.until.is_none()) {
            if now.as_ref() == Some(&last.key) {
                return;
            }
            last.until = Some(time);
        }
        known.extend(now.map(|key| Recipient { key, since, until: None }));
    }

    /// All who ever signed for a cluster, in order.
    pub(crate) fn recipients(&self, cluster: ClusterId) -> &[Recipient] {
        self.recipients.get(&cluster).map_or(&[], Vec::as_slice)
    }

    /// The fleet as it was at a moment, by the authors' clocks.
    pub(crate) fn at(&self, moment: Timestamp) -> Option<&Fleet> {
        self.steps.iter().rev().find(|step| step.time <= moment).map(|step| &step.fleet)
    }

    /// The fleet after a statement.
    pub(crate) fn after(&self, number: RevisionNumber) -> Option<&Fleet> {
        self.step(number).map(|step| &step.fleet)
    }

    /// When a statement was signed and by whom, if it changed this document.
    pub(crate) fn changed(
        &self,
        number: RevisionNumber,
        document: &str,
    ) -> Option<(Timestamp, &str)> {
        let step = self.step(number).filter(|step| step.documents.contains(document))?;
        Some((step.time, &step.author))
    }

    fn step(&self, number: RevisionNumber) -> Option<&Step> {
        self.steps.get(usize::try_from(number.0).ok()?.checked_sub(1)?)
    }

    /// The clusters that a question is about, by name and id: each as it last was in the time asked.
    pub(crate) fn selected(&self, question: &Question) -> Outcome<Vec<ClusterEntry>> {
        let clusters = question.clusters()?;
        let (start, end) = (question.when.start(), question.when.end());
        let mut out = BTreeMap::new();
        let during = self.steps.iter().filter(|step| step.time > start && step.time <= end);
        for fleet in self.at(start).into_iter().chain(during.map(|step| &step.fleet)) {
            let entries = fleet.members().values().map(|member| &*member.entry);
            for entry in entries.filter(|entry| clusters.have(entry)) {
                out.insert((entry.name.clone(), entry.id), entry.clone());
            }
        }
        Ok(out.into_values().collect())
    }
}

/// Replays a history, statement by statement, and keeps it.
#[derive(Debug)]
pub(crate) struct Replayed {
    replay: Replay,
    past: Past,
}

impl Replayed {
    /// Begins with a first trust root, whose digest is the fleet's id.
    pub(crate) fn begin(root: &[u8]) -> Result<Self, String> {
        let replay = Replay::begin(Digest::of(root), root).map_err(|error| error.to_string())?;
        Ok(Self { replay, past: Past::default() })
    }

    /// Checks the next statement with its signatures.
    pub(crate) fn take(&mut self, next: &CommittedStatement) -> Result<(), String> {
        self.replay
            .take_seen(next, |_, change, signers| self.past.push(change, signers))
            .map_err(|error| error.to_string())
    }

    /// The fleet after the newest statement, and everything before.
    pub(crate) fn end(self) -> (Fleet, Past) {
        (self.replay.fleet, self.past)
    }
}
