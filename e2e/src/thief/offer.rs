//! What an agent is shown of a history: everything that it may ask for, with every proof that there is.

use anyhow::{Context as _, Result};
use hanse_domain::bundle::{Evidence, Offer, Shown};
use hanse_domain::history::changes::Subject;
use hanse_domain::history::log::LogProof;
use hanse_domain::history::merkle::InclusionProof;
use hanse_domain::ids::{ClusterId, RevisionNumber};
use hanse_domain::trust::walk::RootStep;
use hanse_proto::agent::Hello;
use hanse_proto::agent::session_response::Message;

use super::past::{Past, Said, leaves};
use super::wire;

/// What an agent has, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Generation of its bundle.
    pub generation: u64,
    /// Version of its trust root.
    pub root_version: u64,
    /// How many statements it has accepted as the history.
    pub log_size: u64,
}

impl From<&Hello> for Known {
    fn from(hello: &Hello) -> Self {
        Self {
            generation: hello.generation,
            root_version: hello.root_version,
            log_size: hello.log_size,
        }
    }
}

impl Past {
    /// All that a cluster's agent must be shown to follow: the trust roots that it lacks, and the
    /// newest statement's bundle.
    pub fn messages(&self, cluster: ClusterId, known: Known) -> Result<Vec<Message>> {
        let (steps, log_size) = self.root_steps(known)?;
        let mut messages = Vec::new();
        if !steps.is_empty() {
            messages.push(wire::trust_roots(&steps));
        }
        let known = Known { log_size, ..known };
        messages.push(wire::bundle(&self.offer(cluster, known)?));
        Ok(messages)
    }

    /// A cluster's bundle of the newest statement.
    pub fn offer(&self, cluster: ClusterId, known: Known) -> Result<Offer> {
        let number = self.number();
        let said = self.at(number)?;
        let shown = said.shown(cluster)?;
        let manifest = said.manifests.get(&cluster).context("no such cluster")?;
        let digests = manifest.digests();
        let earlier = (1..number).map(|earlier| self.evidence(earlier, cluster));
        Ok(Offer {
            generation: RevisionNumber(number),
            statement: said.bytes.clone(),
            signatures: said.signatures.clone(),
            log: self.place(number, known.log_size),
            changes: said.changes.prove(said.changes.0.keys()),
            manifest: shown.manifest,
            inclusion: shown.inclusion,
            contents: digests.filter_map(|digest| self.contents.get(&digest).cloned()).collect(),
            evidence: earlier.collect::<Result<_>>()?,
        })
    }

    /// An earlier statement, as evidence for the newest.
    pub fn evidence(&self, number: u64, cluster: ClusterId) -> Result<Evidence> {
        let said = self.at(number)?;
        Ok(Evidence {
            statement: said.bytes.clone(),
            signatures: said.signatures.clone(),
            inclusion: self
                .log
                .inclusion(number - 1, self.number() - 1)
                .context("a statement that is not earlier")?,
            changes: said.changes.prove(said.changes.0.keys()),
            shown: said.shown(cluster).ok(),
        })
    }

    /// The steps to the newest trust root, and how much of the history is known after them.
    pub fn root_steps(&self, known: Known) -> Result<(Vec<RootStep>, u64)> {
        let mut log_size = known.log_size;
        let mut steps = Vec::new();
        let versions = self.fleet.trust.versions();
        for version in versions.filter(|v| v.root.version > known.root_version.max(1)) {
            let number = version.since.0;
            let said = self.at(number)?;
            let change = said.changes.prove([&Subject::TrustRoot]).pop();
            steps.push(RootStep {
                statement: said.bytes.clone(),
                signatures: said.signatures.clone(),
                log: self.place(number, log_size),
                change: change.context("a trust root that no statement brings")?,
                root: version.root.encode(),
            });
            log_size = log_size.max(number);
        }
        Ok((steps, log_size))
    }

    /// That a statement is in the history of which somebody knows so many statements; as good as it can
    /// be shown, which is not at all where they know more than there is.
    fn place(&self, number: u64, known: u64) -> LogProof {
        if number <= known
            && let Some(within) = self.log.inclusion(number - 1, known)
        {
            return LogProof::Within(within);
        }
        let consistency = self.log.consistency(known, number - 1).unwrap_or_default();
        LogProof::Ahead { peaks: self.log.peaks(number - 1), consistency }
    }
}

impl Said {
    fn shown(&self, cluster: ClusterId) -> Result<Shown> {
        Ok(Shown {
            manifest: self.manifests.get(&cluster).context("no such cluster")?.encode(),
            inclusion: self.inclusion(cluster)?,
        })
    }

    pub(super) fn inclusion(&self, cluster: ClusterId) -> Result<InclusionProof> {
        let place =
            self.manifests.keys().position(|id| *id == cluster).context("no such cluster")?;
        let tree = leaves(&self.manifests);
        tree.inclusion(place as u64, tree.len()).context("no such leaf")
    }
}
