//! A fleet with its authors, a hub that keeps what they said, and agents that believe it or not.
//!
//! ```text
//! World::commit(edits, signers) ─▶ statements, bundles of each cluster ─▶ World::offer(agent) ─▶ Agent::take
//! World::lie(…)                 ─▶ a statement that a hub and some keys make up together
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hanse_domain::authorise::{authorise, signers_needed};
use hanse_domain::bundle::{Evidence, Held, Offer, Refusal, Shown, VerifiedBundle, verify};
use hanse_domain::change::{Change, ChangeError};
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::{Changes, Subject, Transition};
use hanse_domain::history::log::{LogHead, LogProof};
use hanse_domain::history::manifest::{Manifest, fleet_leaf};
use hanse_domain::history::merkle::{InclusionProof, Tree};
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{ClusterId, Digest, RevisionNumber};
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::walk::{self, RootRefusal, RootStep};
use ssh_key::PrivateKey;

use crate::support::{NOW, cluster_id, sign};

/// A statement as a hub keeps it.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) statement: Vec<u8>,
    pub(crate) signatures: Vec<u8>,
    pub(crate) changes: Changes,
    /// The manifests of the clusters that it touched.
    pub(crate) shown: BTreeMap<ClusterId, Shown>,
}

/// What a hub holds. A copy of it can go another way.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) fleet: Fleet,
    pub(crate) log: Tree,
    pub(crate) said: Vec<Said>,
    /// Everything that ever came, by digest.
    pub(crate) contents: BTreeMap<Digest, Vec<u8>>,
}

/// What one cluster's agent holds.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) cluster: ClusterId,
    pub(crate) trust: RootChain,
    pub(crate) head: LogHead,
    pub(crate) bundle: Option<VerifiedBundle>,
    pub(crate) contents: BTreeMap<Digest, Arc<[u8]>>,
}

impl World {
    pub(crate) fn new(root: TrustRoot) -> Self {
        Self {
            fleet: Fleet::new(RootChain::begin(root).unwrap()),
            log: Tree::default(),
            said: Vec::new(),
            contents: BTreeMap::new(),
        }
    }

    /// A change for as many signatures as it needs.
    pub(crate) fn written(&self, edits: Vec<Edit>) -> Result<Change, ChangeError> {
        let change = Change::propose(&self.fleet, edits.clone(), "test", NOW)?;
        let signers = signers_needed(&self.fleet, &change);
        Change::propose_for(&self.fleet, edits, "test", NOW, signers)
    }

    /// A change by people who may make it.
    pub(crate) fn commit(&mut self, edits: Vec<Edit>, signers: &[&PrivateKey]) {
        let change = self.written(edits).unwrap();
        let signatures = sign(&change.bytes, signers);
        let checked =
            Change::check(&self.fleet, &change.bytes, &change.changes.encode(), &change.contents)
                .unwrap();
        authorise(&self.fleet, &checked, &signatures).unwrap();
        self.push(change, signatures);
    }

    /// The same without asking whether they may: what a stolen hub does with the keys that it has.
    pub(crate) fn force(&mut self, edits: Vec<Edit>, signers: &[&PrivateKey]) {
        let change = Change::propose(&self.fleet, edits, "test", NOW).unwrap();
        let signatures = sign(&change.bytes, signers);
        self.push(change, signatures);
    }

    pub(crate) fn push(&mut self, change: Change, signatures: Vec<u8>) {
        self.log.push(Statement::leaf_hash(&change.bytes));
        self.fleet = change.fleet;
        self.fleet.history = self.log.root();
        let contents = change.contents.into_iter();
        self.contents.extend(contents.map(|content| (Digest::of(&content), content)));
        let shown = change.touched.iter().map(|id| (*id, self.shown(*id))).collect();
        let (statement, changes) = (change.bytes, change.changes);
        self.said.push(Said { statement, signatures, changes, shown });
    }

    /// The manifest of a cluster as it is now.
    pub(crate) fn shown(&self, id: ClusterId) -> Shown {
        let manifest = self.fleet.member(id).unwrap().manifest.encode();
        Shown { manifest, inclusion: self.fleet.inclusion(id).unwrap() }
    }

    pub(crate) fn manifest(&self, n: u128) -> Manifest {
        Manifest::clone(&self.fleet.member(cluster_id(n)).unwrap().manifest)
    }

    /// A statement whose changes and whose manifest of a cluster are made up.
    pub(crate) fn lie(
        &mut self,
        manifest: &Manifest,
        changes: impl IntoIterator<Item = (Subject, Transition)>,
        signers: &[&PrivateKey],
        alter: impl FnOnce(&mut Statement),
    ) {
        let changes = Changes(changes.into_iter().collect());
        let leaf = fleet_leaf(manifest.cluster, manifest.digest());
        let mut statement = Statement {
            fleet: self.fleet.id(),
            root: self.fleet.trust.current().digest,
            number: self.fleet.number.next(),
            history: self.log.root(),
            time: NOW,
            message: String::new(),
            signers: 1,
            change_count: changes.0.len() as u64,
            changes: changes.root(),
            fleet_root: leaf,
        };
        alter(&mut statement);
        let bytes = statement.encode();
        let inclusion = InclusionProof::derive(&[leaf], 0).unwrap();
        let shown = Shown { manifest: manifest.encode(), inclusion };
        self.log.push(Statement::leaf_hash(&bytes));
        self.fleet.number = statement.number;
        self.fleet.history = self.log.root();
        self.said.push(Said {
            signatures: sign(&bytes, signers),
            statement: bytes,
            changes,
            shown: [(manifest.cluster, shown)].into(),
        });
    }

    fn number(index: usize) -> RevisionNumber {
        RevisionNumber(index as u64 + 1)
    }

    /// That a statement is in the history, for somebody who knows its first statements.
    pub(crate) fn log_proof(&self, number: u64, head: LogHead) -> LogProof {
        if number > head.size {
            let consistency = self.log.consistency(head.size, number - 1).unwrap();
            LogProof::Ahead { peaks: self.log.peaks(number - 1), consistency }
        } else {
            LogProof::Within(self.log.inclusion(number - 1, head.size).unwrap())
        }
    }

    /// The versions of the trust root that an agent lacks.
    pub(crate) fn steps(&self, agent: &Agent) -> Vec<RootStep> {
        let known = agent.trust.current().root.version;
        let newer = self.fleet.trust.versions().filter(|version| version.root.version > known);
        let mut head = agent.head;
        newer
            .map(|version| {
                let number = version.since.0;
                let said = &self.said[usize::try_from(number).unwrap() - 1];
                let log = self.log_proof(number, head);
                let statement = Statement::decode(&said.statement).unwrap();
                head = head.admit(&statement, &said.statement, &log).unwrap();
                RootStep {
                    statement: said.statement.clone(),
                    signatures: said.signatures.clone(),
                    log,
                    change: said.changes.prove([&Subject::TrustRoot]).pop().unwrap(),
                    root: version.root.encode(),
                }
            })
            .collect()
    }

    /// The newest bundle of the agent's cluster, with the evidence that it needs and no more.
    pub(crate) fn offer(&self, agent: &Agent) -> Offer {
        let number = self.newest(agent.cluster);
        self.offer_of(agent, number, &self.needs(agent, number))
    }

    /// The same with every statement as evidence, and every content that there ever was.
    pub(crate) fn offer_with_all(&self, agent: &Agent) -> Offer {
        let number = self.newest(agent.cluster);
        let all = (1..number.0).map(RevisionNumber).collect();
        let contents = self.contents.values().cloned().collect();
        Offer { contents, ..self.offer_of(agent, number, &all) }
    }

    /// The newest statement that touched a cluster.
    pub(crate) fn newest(&self, id: ClusterId) -> RevisionNumber {
        let said = self.said.iter().rposition(|said| said.shown.contains_key(&id));
        Self::number(said.unwrap())
    }

    /// The statements that show what is new to an agent, and what went.
    fn needs(&self, agent: &Agent, number: RevisionNumber) -> BTreeSet<RevisionNumber> {
        let said = &self.said[usize::try_from(number.0).unwrap() - 1];
        let manifest = Manifest::decode(&said.shown[&agent.cluster].manifest).unwrap();
        let held = agent.bundle.as_ref().map(|bundle| &bundle.manifest);
        let since = agent.bundle.as_ref().map_or(0, |bundle| bundle.generation.0);
        let listing = |subject: &Subject| {
            let said = self.said.iter().enumerate().skip(usize::try_from(since).unwrap());
            let listing = said.filter(|(_, said)| said.changes.0.contains_key(subject));
            listing.map(|(index, _)| Self::number(index)).collect::<Vec<_>>()
        };
        let own = Subject::Cluster(agent.cluster);
        let mut needs = BTreeSet::new();
        for (subject, pin) in manifest.pins() {
            let before = held.and_then(|held| held.pin(&subject));
            if before != Some(pin) {
                needs.insert(pin.number);
                if before.is_some() {
                    needs.extend(listing(&subject));
                }
            }
        }
        for (subject, _) in held.into_iter().flat_map(Manifest::pins) {
            if manifest.pin(&subject).is_none() {
                needs.extend(listing(&subject));
                needs.extend(listing(&own));
            }
        }
        needs.retain(|needed| *needed < number);
        needs
    }

    fn offer_of(
        &self,
        agent: &Agent,
        number: RevisionNumber,
        evidence: &BTreeSet<RevisionNumber>,
    ) -> Offer {
        let said = |number: RevisionNumber| &self.said[usize::try_from(number.0).unwrap() - 1];
        let newest = said(number);
        let shown = newest.shown[&agent.cluster].clone();
        let manifest = Manifest::decode(&shown.manifest).unwrap();
        let mut contents: BTreeSet<Digest> = manifest.digests().collect();
        let mut shown_statements = Vec::new();
        for number_of in evidence {
            let said = said(*number_of);
            let mine = |subject: &&Subject| Self::concerns(agent, subject);
            let subjects: Vec<&Subject> = said.changes.0.keys().filter(mine).collect();
            contents.extend(subjects.iter().filter_map(|subject| said.changes.0[subject].after));
            shown_statements.push(Evidence {
                statement: said.statement.clone(),
                signatures: said.signatures.clone(),
                inclusion: self.log.inclusion(number_of.0 - 1, number.0 - 1).unwrap(),
                changes: said.changes.prove(subjects),
                shown: said.shown.get(&agent.cluster).cloned(),
            });
        }
        contents.retain(|digest| !agent.contents.contains_key(digest));
        Offer {
            generation: number,
            statement: newest.statement.clone(),
            signatures: newest.signatures.clone(),
            log: self.log_proof(number.0, agent.head),
            changes: newest.changes.prove(newest.changes.0.keys()),
            manifest: shown.manifest,
            inclusion: shown.inclusion,
            contents: contents.iter().filter_map(|d| self.contents.get(d)).cloned().collect(),
            evidence: shown_statements,
        }
    }

    fn concerns(agent: &Agent, subject: &Subject) -> bool {
        match subject {
            Subject::Cluster(id) => *id == agent.cluster,
            Subject::Wrap(wrap) => wrap.cluster == agent.cluster,
            Subject::Document(_) => true,
            Subject::TrustRoot => false,
        }
    }
}

impl Agent {
    /// An agent that has joined and heard nothing yet.
    pub(crate) fn new(n: u128, world: &World) -> Self {
        let first = world.fleet.trust.versions().next().unwrap();
        Self {
            cluster: cluster_id(n),
            trust: RootChain::begin(TrustRoot::clone(&first.root)).unwrap(),
            head: LogHead::default(),
            bundle: None,
            contents: BTreeMap::new(),
        }
    }

    pub(crate) fn verify(&self, offer: &Offer) -> Result<Option<VerifiedBundle>, Refusal> {
        let held = Held {
            trust: &self.trust,
            head: self.head,
            bundle: self.bundle.as_ref(),
            contents: Some(&self.contents),
        };
        verify(self.cluster, &held, offer)
    }

    pub(crate) fn walk(&mut self, steps: &[RootStep]) -> Result<(), RootRefusal> {
        for step in steps {
            (self.trust, self.head) = walk::step(&self.trust, self.head, step)?;
        }
        Ok(())
    }

    /// Takes what it is offered, if it believes it.
    pub(crate) fn take(&mut self, offer: &Offer) -> Result<(), Refusal> {
        let Some(bundle) = self.verify(offer)? else { return Ok(()) };
        self.head = bundle.head;
        let mut contents = vec![bundle.entry.encode()];
        contents.extend(bundle.documents.iter().map(|(document, _)| document.bytes.to_vec()));
        contents.extend(bundle.wraps.values().map(|wrap| wrap.encode()));
        self.contents = contents.into_iter().map(|c| (Digest::of(&c), c.into())).collect();
        self.bundle = Some(bundle);
        Ok(())
    }

    /// Hears the newest of a hub that tells the truth.
    pub(crate) fn follow(&mut self, world: &World) {
        self.walk(&world.steps(self)).unwrap();
        let offer = world.offer(self);
        self.take(&offer).unwrap();
    }

    /// Why it does not believe the newest, which comes with everything that there is to show.
    pub(crate) fn refusal(&self, world: &World) -> Refusal {
        let mut agent = self.clone();
        agent.walk(&world.steps(&agent)).unwrap();
        let refused = agent.verify(&world.offer_with_all(&agent)).err();
        refused.unwrap_or_else(|| panic!("it was believed"))
    }
}
