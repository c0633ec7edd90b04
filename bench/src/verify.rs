//! What an agent pays to believe one changed binding: bytes that it is sent, signatures that it
//! checks, and time over that of one bare Ed25519 verification. In this process, with the code that
//! the agent runs, in a fleet of 10,000 clusters whose history is one statement longer each time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ed25519_dalek::{Signer as _, SigningKey, Verifier as _};
use hanse_domain::authorise::authorise;
use hanse_domain::bundle::{self, Held, Offer, VerifiedBundle};
use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::Subject;
use hanse_domain::history::log::{LogHead, LogProof};
use hanse_domain::history::merkle::Tree;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::signature;
use hanse_signing::{Key, KeyFile, make_key_file};
use jiff::Timestamp;

use crate::output::{self, Progress};
use crate::report::{Figure, Report};
use crate::stats::Samples;
use crate::synthetic::{EVERYWHERE, GROUP, binding, cluster, document, of_group, role};

const CLUSTERS: usize = 10_000;
/// Roles and bindings that every cluster has, besides the binding that changes.
const SHARED: usize = 20;
/// The group of the cluster whose agent it is.
const OURS: usize = 17;
const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// An author, with everything that was ever said.
struct Author {
    key: Key,
    fleet: Fleet,
    log: Tree,
}

/// One agent.
struct Agent {
    cluster: ClusterId,
    trust: RootChain,
    head: LogHead,
    bundle: Option<VerifiedBundle>,
    contents: BTreeMap<Digest, Arc<[u8]>>,
}

/// What one acceptance took.
#[derive(Clone, Copy)]
struct Cost {
    time: Duration,
    bytes: usize,
    signatures: usize,
}

pub(crate) fn measure(repetitions: usize, report: &mut Report) -> Result<()> {
    output::say("putting a fleet of 10,000 clusters together, all of it in one signed statement");
    let mut author = Author::new()?;
    let mut agent = Agent::new(&author)?;
    let offer = author.say(first()?, &agent)?;
    agent.accept(&offer)?;

    let mut progress = Progress::new("an agent accepts a changed binding", repetitions);
    let mut floor = Floor::new();
    let (mut bare, mut taken) = (Samples::default(), Samples::default());
    let mut last = None;
    for repetition in 0..repetitions.max(1) {
        bare.push(floor.verify()?);
        let people = format!("people-{repetition}");
        let changed = binding("changed", &of_group(OURS), "shared-0", &people)?;
        let offer = author.say(vec![Edit::Put(changed.into())], &agent)?;
        let cost = agent.accept(&offer)?;
        taken.push(cost.time);
        last = Some(cost);
        progress.done(repetition);
    }
    let cost = last.context("nothing was measured")?;
    tell(report, cost, &taken, &bare);
    Ok(())
}

fn tell(report: &mut Report, cost: Cost, taken: &Samples, bare: &Samples) {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let what = "an agent accepts one changed binding";
    report.figures.extend([
        Figure::latency("", what, taken).over(bare).in_micros(),
        Figure::single("", "  what it is sent for that", "bytes", count(cost.bytes)),
        Figure::single("", "  signatures that it checks", "", count(cost.signatures)),
    ]);
    report.notes.push(format!(
        "verify: a fleet of {CLUSTERS} clusters, {} documents on this one, and as many statements as \
         repetitions. The bytes are those of the last one: statement, signatures, manifest, contents, \
         changes and 32 for each hash of a proof, without what encodes them. Floor: one Ed25519 \
         verification of a statement's length, without SSHSIG around it",
        2 * SHARED + 2
    ));
}

/// Everything that the fleet begins with.
fn first() -> Result<Vec<Edit>> {
    let mut documents = vec![
        document("FederatedNamespace", "shared-0", EVERYWHERE, "")?,
        binding("changed", &of_group(OURS), "shared-0", "people")?,
    ];
    for n in 0..SHARED {
        let name = format!("shared-{n}");
        documents.push(role(&name, EVERYWHERE, n)?);
        documents.push(binding(&name, EVERYWHERE, &name, &name)?);
    }
    let mut edits: Vec<Edit> = documents.into_iter().map(|d| Edit::Put(d.into())).collect();
    for n in 0..CLUSTERS {
        edits.push(Edit::PutCluster(cluster(n)?));
    }
    Ok(edits)
}

impl Author {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("key");
        let public = make_key_file(&path, "bench", None)?;
        let key = KeyFile::read(&path)?.open(None)?;
        let chain = RootChain::begin(TrustRoot::single([1; 32], "bench".parse()?, public))?;
        Ok(Self { key, fleet: Fleet::new(chain), log: Tree::default() })
    }

    /// Signs a change, and writes what the hub then sends to an agent that has everything before it.
    fn say(&mut self, edits: Vec<Edit>, agent: &Agent) -> Result<Offer> {
        let change = Change::propose(&self.fleet, edits, "a change of the benchmark", NOW)?;
        let signatures = self.key.sign(&change.bytes)?;
        authorise(&self.fleet, &change, &signatures)?;
        let before = self.log.len();
        let consistency = self.log.consistency(agent.head.size, before);
        let log = LogProof::Ahead {
            peaks: self.log.peaks(before),
            consistency: consistency.context("the agent is ahead")?,
        };
        let member = change.fleet.member(agent.cluster).context("the agent's cluster is gone")?;
        let pinned: BTreeSet<Subject> =
            member.manifest.pins().map(|(subject, _)| subject).collect();
        let ours = change.changes.0.keys().filter(|subject| pinned.contains(subject));
        let lacks: BTreeSet<Digest> =
            member.manifest.digests().filter(|d| !agent.contents.contains_key(d)).collect();
        let contents = change.contents.iter().filter(|c| lacks.contains(&Digest::of(c)));
        let offer = Offer {
            generation: change.statement.number,
            log,
            changes: change.changes.prove(ours),
            manifest: member.manifest.encode(),
            inclusion: change.fleet.inclusion(agent.cluster).context("no proof")?,
            contents: contents.cloned().collect(),
            evidence: Vec::new(),
            statement: change.bytes,
            signatures,
        };
        self.log.push(Statement::leaf_hash(&offer.statement));
        self.fleet = change.fleet;
        self.fleet.history = self.log.root();
        Ok(offer)
    }
}

impl Agent {
    fn new(author: &Author) -> Result<Self> {
        let trust = author.fleet.trust.clone();
        Ok(Self {
            cluster: cluster(OURS * GROUP)?.id,
            trust,
            head: LogHead::default(),
            bundle: None,
            contents: BTreeMap::new(),
        })
    }

    fn accept(&mut self, offer: &Offer) -> Result<Cost> {
        let held = Held {
            trust: &self.trust,
            head: self.head,
            bundle: self.bundle.as_ref(),
            contents: Some(&self.contents),
        };
        let started = Instant::now();
        let verified = bundle::verify(self.cluster, &held, offer)?;
        let time = started.elapsed();
        let Some(verified) = verified else { bail!("nothing changed for the agent") };
        self.head = verified.head;
        let contents = std::iter::once(verified.entry.encode())
            .chain(verified.documents.iter().map(|(document, _)| document.bytes.to_vec()));
        self.contents = contents.map(|c| (Digest::of(&c), c.into())).collect();
        self.bundle = Some(verified);
        let signatures = signature::split(&offer.signatures)?.len();
        Ok(Cost { time, bytes: bytes(offer), signatures })
    }
}

/// What travels of an offer without evidence.
fn bytes(offer: &Offer) -> usize {
    let log = match &offer.log {
        LogProof::Ahead { peaks, consistency } => peaks.len() + consistency.path.len(),
        LogProof::Within(inclusion) => inclusion.path.len(),
    };
    let changes = offer.changes.iter();
    let hashes = log
        + offer.inclusion.path.len()
        + changes.clone().map(|change| change.inclusion.path.len()).sum::<usize>();
    offer.statement.len()
        + offer.signatures.len()
        + offer.manifest.len()
        + offer.contents.iter().map(Vec::len).sum::<usize>()
        + changes.map(|change| change.line().len()).sum::<usize>()
        + hashes * Digest::of(b"").0.len()
}

/// One bare signature.
struct Floor {
    key: SigningKey,
    message: Vec<u8>,
}

impl Floor {
    fn new() -> Self {
        Self { key: SigningKey::from_bytes(&[7; 32]), message: vec![b'x'; 700] }
    }

    fn verify(&mut self) -> Result<Duration> {
        if let Some(first) = self.message.first_mut() {
            *first = first.wrapping_add(1);
        }
        let signature = self.key.sign(&self.message);
        let public = self.key.verifying_key();
        let started = Instant::now();
        public.verify(&self.message, &signature)?;
        Ok(started.elapsed())
    }
}
