//! A cluster that is a map, a hub that is a fleet, and the core between them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hanse_domain::bundle::{Evidence, Offer, Shown};
use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::{Changes, ProvenChange, Subject};
use hanse_domain::history::log::{LogHead, LogProof};
use hanse_domain::history::merkle::Tree;
use hanse_domain::history::roster::{ClusterEntry, Labels};
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{ClusterId, Generation};
use hanse_domain::object::{Object, ObjectKind, ObjectRef};
use hanse_domain::parse;
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::signature::PublicKey;
use hanse_domain::trust::walk::RootStep;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey};
use uuid::Uuid;

use crate::core::{
    Core, DriftRecord, Effect, Failure, Input, Ledger, Live, Notice, Pins, Probe, Progress, Report,
};

pub(super) const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(7));

pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) fleet: Fleet,
    /// Every statement so far, and what the hub needs to prove it.
    pub(super) history: Vec<Said>,
    log: Tree,
    key: PrivateKey,
    /// The hub commits, and offers nothing by itself.
    pub(super) silent: bool,
    /// What the join command said of the history.
    pub(super) joined: LogHead,
    pub(super) core: Core,
    pub(super) objects: BTreeMap<ObjectRef, Live>,
    /// The newest ledger that was written.
    pub(super) ledger: Ledger,
    version: u64,
    /// Effects that were not carried out yet.
    pub(super) queue: VecDeque<Effect>,
    /// What the hub was told.
    pub(super) progress: Vec<Progress>,
    pub(super) drift: Vec<DriftRecord>,
    pub(super) notices: Vec<Notice>,
    pub(super) requests: usize,
    wake: Option<Timestamp>,
    /// What the API server says to everything.
    pub(super) outage: Option<Failure>,
}

/// A statement as the hub keeps it.
#[derive(Clone)]
pub(super) struct Said {
    generation: Generation,
    statement: Vec<u8>,
    signatures: Vec<u8>,
    changes: Changes,
    /// The manifest of our cluster after it, if it touched that.
    shown: Option<Shown>,
    contents: Vec<Vec<u8>>,
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

fn sign(key: &PrivateKey, message: &[u8]) -> Vec<u8> {
    let signature = key.sign("hanse", HashAlg::Sha512, message).unwrap();
    signature.to_pem(LineEnding::LF).unwrap().into_bytes()
}

fn pins(fleet: &Fleet, head: LogHead) -> Pins {
    Pins { cluster: CLUSTER, name: "c".to_owned(), fleet: fleet.id(), head }
}

pub(super) fn document(text: &str) -> Edit {
    let mut documents = parse::parse_files([("test.yaml", text.as_bytes())]).unwrap();
    Edit::Put(Arc::new(documents.pop().unwrap()))
}

pub(super) fn namespace(name: &str) -> Edit {
    document(&format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedNamespace\nmetadata: {{name: {name}}}\n\
         spec: {{placement: {{clusterSelector: {{}}}}, labels: {{team: {name}}}}}\n"
    ))
}

pub(super) fn role(name: &str, verb: &str, drift: &str) -> Edit {
    document(&format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {{name: {name}}}\nspec:\n  \
         placement: {{clusterSelector: {{}}}}\n  drift: {drift}\n  \
         rules: [{{apiGroups: [\"\"], resources: [pods], verbs: [{verb}]}}]\n"
    ))
}

pub(super) fn binding(name: &str, role: &str, namespace: &str, extra: &str) -> Edit {
    document(&format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRoleBinding\nmetadata: {{name: {name}}}\n\
         spec:\n  placement: {{clusterSelector: {{}}}}\n  subjects: [{{kind: Group, name: g}}]\n  \
         roleRef: {{kind: FederatedRole, name: {role}}}\n  namespaces: [{namespace}]\n{extra}"
    ))
}

pub(super) fn cluster_role(name: &str) -> ObjectRef {
    ObjectRef::cluster(ObjectKind::ClusterRole, name)
}

impl Said {
    fn all_changes(&self) -> Vec<ProvenChange> {
        self.changes.prove(self.changes.0.keys())
    }
}

impl World {
    /// An agent that has looked at its empty cluster and is connected to a hub that accepted it.
    pub(super) fn new() -> Self {
        Self::in_fleet(1)
    }

    /// Of another fleet for another seed.
    pub(super) fn in_fleet(seed: u8) -> Self {
        let key = key(seed);
        let public = PublicKey::from_key_data(key.public_key().key_data().clone()).unwrap();
        let root = TrustRoot::single([seed; 32], "ada".parse().unwrap(), public);
        let fleet = Fleet::new(RootChain::begin(root).unwrap());
        let mut world = Self {
            now: "2026-11-24T10:00:00Z".parse().unwrap(),
            core: Core::new(pins(&fleet, LogHead::default()), Ledger::default()),
            fleet,
            history: Vec::new(),
            log: Tree::default(),
            key,
            silent: false,
            joined: LogHead::default(),
            objects: BTreeMap::new(),
            ledger: Ledger::default(),
            version: 100,
            queue: VecDeque::new(),
            progress: Vec::new(),
            drift: Vec::new(),
            notices: Vec::new(),
            requests: 0,
            wake: None,
            outage: None,
        };
        world.commit(vec![Edit::PutCluster(ClusterEntry::new(
            CLUSTER,
            "c".to_owned(),
            Labels::new(),
        ))]);
        world.start();
        world
    }

    /// First inputs of an agent's life.
    pub(super) fn start(&mut self) {
        self.input(Input::Fence(None));
        for kind in ObjectKind::watched() {
            let all = self.objects.values().filter(|live| live.reference.kind == kind);
            let all = all.cloned().collect();
            self.input(Input::Listed(kind, all));
        }
        self.connect();
    }

    pub(super) fn connect(&mut self) {
        self.input(Input::Connected);
        self.input(Input::Welcomed { drift_wanted: true });
        if !self.history.is_empty() {
            self.offer_newest();
        }
    }

    /// The process dies and starts again with what the ledger holds.
    pub(super) fn restart(&mut self) {
        self.queue.clear();
        self.wake = None;
        self.core = Core::new(pins(&self.fleet, self.joined), self.ledger.clone());
        self.start();
    }

    /// The hub commits a change and offers it.
    pub(super) fn commit(&mut self, edits: Vec<Edit>) {
        let change = Change::propose(&self.fleet, edits, "test", self.now).unwrap();
        self.log.push(Statement::leaf_hash(&change.bytes));
        let mut fleet = change.fleet;
        fleet.history = self.log.root();
        self.fleet = fleet;
        let member = self.fleet.member(CLUSTER).unwrap();
        let mut contents = vec![member.entry.encode()];
        contents.extend(self.fleet.placed_on(member).map(|(document, _)| document.bytes.to_vec()));
        contents.extend(member.wraps().values().map(|held| held.wrap.encode()));
        let shown = change.touched.contains(&CLUSTER).then(|| Shown {
            manifest: member.manifest.encode(),
            inclusion: self.fleet.inclusion(CLUSTER).unwrap(),
        });
        self.history.push(Said {
            generation: change.statement.number,
            signatures: sign(&self.key, &change.bytes),
            statement: change.bytes,
            changes: change.changes,
            shown,
            contents,
        });
        self.offer_newest();
    }

    fn offer_newest(&mut self) {
        if self.silent {
            return;
        }
        let roots = self.fleet.trust.versions().next().unwrap().root.encode();
        self.input(Input::TrustRoots { first: roots, steps: self.root_steps() });
        self.input(Input::Offered(self.offer()));
    }

    /// The steps to the newest trust root that the agent lacks.
    fn root_steps(&self) -> Vec<RootStep> {
        let known = self.core.trust.version();
        let mut head = self.core.trust.head.size;
        let missing =
            self.fleet.trust.versions().filter(|version| version.root.version > known.max(1));
        let mut steps = Vec::new();
        for version in missing {
            let (number, root) = (version.since.0, version.root.encode());
            let said = &self.history[usize::try_from(number).unwrap() - 1];
            steps.push(RootStep {
                statement: said.statement.clone(),
                signatures: said.signatures.clone(),
                log: self.place(number, head),
                change: said.changes.prove([&Subject::TrustRoot]).pop().unwrap(),
                root,
            });
            head = head.max(number);
        }
        steps
    }

    /// That a statement is in the history of which the agent knows so many statements.
    fn place(&self, number: u64, known: u64) -> LogProof {
        if number > known {
            let consistency = self.log.consistency(known, number - 1).unwrap();
            LogProof::Ahead { peaks: self.log.peaks(number - 1), consistency }
        } else {
            LogProof::Within(self.log.inclusion(number - 1, known).unwrap())
        }
    }

    /// The newest bundle of our cluster, with everything that the agent may lack.
    pub(super) fn offer(&self) -> Offer {
        let newest = self.history.iter().rfind(|said| said.shown.is_some()).unwrap();
        let (number, shown) = (newest.generation.0, newest.shown.clone().unwrap());
        let log = self.place(number, self.core.trust.head.size);
        let earlier = self.history.iter().filter(|said| said.generation.0 < number);
        Offer {
            generation: newest.generation,
            statement: newest.statement.clone(),
            signatures: newest.signatures.clone(),
            log,
            changes: newest.all_changes(),
            manifest: shown.manifest,
            inclusion: shown.inclusion,
            contents: newest.contents.clone(),
            evidence: earlier
                .map(|said| Evidence {
                    statement: said.statement.clone(),
                    signatures: said.signatures.clone(),
                    inclusion: self.log.inclusion(said.generation.0 - 1, number - 1).unwrap(),
                    changes: said.all_changes(),
                    shown: said.shown.clone(),
                })
                .collect(),
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        self.queue.extend(self.core.handle(input, self.now));
    }

    /// Carries out effects until there are none, and lets due moments come.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            if let Some(effect) = self.queue.pop_front() {
                self.carry_out(effect);
            } else {
                return;
            }
        }
        panic!("the core never comes to rest: {:?}", self.queue);
    }

    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Apply { object, .. } => {
                self.requests += 1;
                let reference = object.reference.clone();
                let result = self.outage.clone().map_or_else(|| Ok(self.write(&object)), Err);
                let seen = result.clone().ok();
                self.input(Input::Applied(reference, result));
                // The watch tells of our own write as well.
                self.input_seen(seen);
            }
            Effect::Remove { object, uid } => {
                self.requests += 1;
                let result = match (&self.outage, self.objects.get(&object)) {
                    (Some(failure), _) => Err(failure.clone()),
                    (None, Some(live)) if live.uid != uid => Err(Failure::Conflict("uid".into())),
                    (None, _) => Ok(()),
                };
                let gone = result.is_ok() && self.objects.remove(&object).is_some();
                self.input(Input::Removed(object.clone(), result));
                if gone && object.kind.is_watched() {
                    self.input(Input::Gone(object));
                }
            }
            Effect::WriteLedger(ledger) => {
                self.requests += 1;
                let result = self.outage.clone().map_or(Ok(()), Err);
                if result.is_ok() {
                    self.ledger = ledger;
                }
                self.input(Input::LedgerWritten(result));
            }
            Effect::Send(Report::Drift { sequence, items, .. }) => {
                self.drift.extend(items);
                self.input(Input::DriftStored(sequence));
            }
            Effect::Send(Report::Applied(progress)) => self.progress.push(progress),
            Effect::Wake(at) => self.wake = Some(at),
            Effect::Notice(notice) => self.notices.push(notice),
            Effect::WriteSecret { object, .. } => {
                self.requests += 1;
                let reference = object.reference.clone();
                let result = self.outage.clone().map_or_else(|| Ok(self.write(&object)), Err);
                self.input(Input::Applied(reference, result));
            }
            Effect::ProbeSecret { object, record, .. } => {
                self.requests += 1;
                let probe = match self.objects.get(&object.reference) {
                    None => Probe::Gone,
                    Some(live) if live.resource_version == record.resource_version => {
                        Probe::Unchanged
                    }
                    Some(_) => Probe::Changed,
                };
                let result = self.outage.clone().map_or(Ok(probe), Err);
                self.input(Input::Probed(object.reference, result));
            }
            Effect::Send(Report::Hello { .. }) | Effect::DryRun { .. } => {}
        }
    }

    fn input_seen(&mut self, live: Option<Live>) {
        if let Some(live) = live {
            self.input(Input::Seen(live));
        }
    }

    /// Time passes, and the core is woken whenever it asked to be.
    pub(super) fn pass(&mut self, time: SignedDuration) {
        let end = self.now + time;
        while let Some(wake) = self.wake.filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            self.wake = None;
            self.input(Input::Tick);
            self.settle();
        }
        self.now = end;
    }

    /// What server-side apply by force does to an object of the map.
    fn write(&mut self, object: &Object) -> Live {
        let uid = self.objects.get(&object.reference).map(|live| live.uid.clone());
        let manager = object.reference.kind.concern().field_manager();
        self.put(&object.reference, object.body.clone(), manager, uid)
    }

    fn put(&mut self, r: &ObjectRef, mut body: Value, manager: &str, uid: Option<String>) -> Live {
        let managers = json!({
            "manager": manager,
            "operation": if manager.starts_with("hanse") { "Apply" } else { "Update" },
            "time": self.now.to_string(),
            "fieldsV1": {"f:rules": {}, "f:subjects": {}, "f:metadata": {"f:labels": {"f:team": {}}}},
        });
        // An edit leaves our manager its other fields; an apply by force takes all of them back.
        let ours = self.objects.get(r).filter(|_| !manager.starts_with("hanse")).and_then(|live| {
            let entries = live.body["metadata"]["managedFields"].as_array()?;
            let entry = entries.iter().find(|e| e["operation"] == "Apply")?;
            Some(json!({"manager": entry["manager"], "operation": "Apply", "fieldsV1": {}}))
        });
        let managers: Vec<Value> = ours.into_iter().chain([managers]).collect();
        body["metadata"]["managedFields"] = managers.into();
        let unchanged = self.objects.get(r).filter(|live| {
            let mut old = live.body.clone();
            old["metadata"]["managedFields"] = body["metadata"]["managedFields"].clone();
            old == body && uid.as_ref() == Some(&live.uid)
        });
        if let Some(live) = unchanged {
            return live.clone();
        }
        self.version += 1;
        let live = Live {
            reference: r.clone(),
            uid: uid.unwrap_or_else(|| format!("uid-{}", self.version)),
            resource_version: self.version.to_string(),
            body,
        };
        self.objects.insert(r.clone(), live.clone());
        live
    }

    /// Somebody changes an object behind the hub's back.
    pub(super) fn edit(&mut self, reference: &ObjectRef, change: impl FnOnce(&mut Value)) {
        let live = self.objects.get(reference).unwrap().clone();
        let mut body = live.body;
        change(&mut body);
        let live = self.put(reference, body, "kubectl-edit", Some(live.uid));
        // Nobody tells the agent of a Secret.
        if reference.kind.is_watched() {
            self.input(Input::Seen(live));
        }
    }

    /// Somebody makes an object of their own.
    pub(super) fn create(&mut self, reference: &ObjectRef, body: Value) {
        let live = self.put(reference, body, "kubectl-create", None);
        self.input(Input::Seen(live));
    }

    /// Somebody deletes an object.
    pub(super) fn delete(&mut self, reference: &ObjectRef) {
        self.objects.remove(reference).unwrap();
        self.input(Input::Gone(reference.clone()));
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.objects.keys().map(ToString::to_string).collect()
    }

    pub(super) fn last_progress(&self) -> &Progress {
        self.progress.last().unwrap()
    }
}
