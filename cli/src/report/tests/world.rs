//! A fleet in memory: an author who signs statements, agents that sign for what is in their clusters,
//! and what the hub would show of it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hanse_domain::access::checkpoint::{self, Checkpoint};
use hanse_domain::access::object::{
    AccessContent, AccessKey, AccessKind, Origin, RawSubject, RoleReference,
};
use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::roster::{ClusterEntry, Labels};
use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::kinds::role::PolicyRule;
use hanse_domain::parse::parse_files;
use hanse_domain::trust::root::TrustRoot;
use hanse_proto::admin::CommittedStatement;
use hanse_signing::{Key, KeyFile, make_key_file};
use jiff::Timestamp;

use crate::report::answer::Answer;
use crate::report::bundle::{Builder, Manifest};
use crate::report::evidence::{Evidence, HubSays, Objects, Signed, Version};
use crate::report::groups::{self, Group};
use crate::report::past::{Past, Replayed};
use crate::report::question::{Place, Question, When};
use crate::report::sheets::{Composer, Sheets};
use crate::report::summary::Head;

/// Ann's key: one for all tests, since making one takes time.
pub(crate) static ANN: LazyLock<Key> = LazyLock::new(key);

pub(crate) fn key() -> Key {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    make_key_file(&path, "ann", None).unwrap();
    KeyFile::read(&path).unwrap().open(None).unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    format!("2026-03-{text}Z").parse().unwrap()
}

/// Who signs statements, and all of them.
pub(crate) struct World {
    pub(crate) root: Vec<u8>,
    pub(crate) statements: Vec<CommittedStatement>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) groups: Vec<Group>,
}

/// One cluster: what is in it, and what its agent has signed.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) id: ClusterId,
    pub(crate) secret: [u8; 32],
    pub(crate) fleet: Digest,
    pub(crate) versions: Vec<Version>,
    pub(crate) checkpoints: Vec<Signed>,
    pub(crate) since: Timestamp,
}

pub(crate) fn recipient(secret: &[u8; 32]) -> String {
    let hrp = bech32::Hrp::parse("age-secret-key-").unwrap();
    let identity = bech32::encode_upper::<bech32::Bech32>(hrp, secret).unwrap();
    hanse_sealing::Identity::parse(&identity).unwrap().recipient().to_string()
}

impl World {
    /// The clusters prod-1 and prod-2, which joined on 1 March 2026.
    pub(crate) fn new() -> Self {
        let root = TrustRoot::single([7; 32], "ann".parse().unwrap(), ANN.public_key().clone());
        let (fleet, root) = (root.digest(), root.encode());
        let mut world =
            Self { root, statements: Vec::new(), agents: Vec::new(), groups: Vec::new() };
        let agents = [1, 2].map(|number| Agent::new(number, fleet));
        let entries = agents.iter().map(|agent| Edit::PutCluster(agent.entry())).collect();
        world.agents.extend(agents);
        world.commit("01T00:00:00", entries);
        world
    }

    pub(crate) fn replayed(&self) -> (Fleet, Past) {
        let mut replayed = Replayed::begin(&self.root).unwrap();
        for statement in &self.statements {
            replayed.take(statement).unwrap();
        }
        replayed.end()
    }

    pub(crate) fn commit(&mut self, time: &str, edits: Vec<Edit>) {
        let (fleet, _) = self.replayed();
        self.statements.push(statement(&fleet, time, edits, &ANN));
    }

    /// Documents, as an author writes them.
    pub(crate) fn declare(&mut self, time: &str, yaml: &str) {
        let documents = parse_files([("test.yaml", yaml.as_bytes())]).unwrap();
        self.commit(time, documents.into_iter().map(|one| Edit::Put(one.into())).collect());
    }

    pub(crate) fn head(&self) -> Head {
        let (fleet, _) = self.replayed();
        Head {
            fleet: fleet.id(),
            revision: fleet.number.0,
            history: fleet.history,
            made_at: at("31T12:00:00"),
        }
    }

    /// The report and its bundle; `forge` may change what is known of each cluster first.
    pub(crate) fn report(
        &self,
        question: &Question,
        mut forge: impl FnMut(&str, &mut Evidence),
    ) -> (Sheets, Vec<u8>) {
        let ((fleet, past), head) = (self.replayed(), self.head());
        let entries = past.selected(question).unwrap();
        let manifest = Manifest::new(question, &head, &entries);
        let directory = groups::directory(&self.groups).unwrap();
        let mut bundle = Builder::begin(Vec::new(), &self.root).unwrap();
        for one in &self.statements {
            bundle.statement(one).unwrap();
        }
        bundle.manifest(&manifest, &self.groups).unwrap();
        let mut composer = Composer::new(question, &head, &self.groups).unwrap();
        for (entry, listed) in entries.into_iter().zip(&manifest.clusters) {
            let agent = self.agents.iter().find(|agent| agent.id == entry.id);
            let mut evidence = agent.map(|agent| agent.evidence(question.when)).unwrap_or_default();
            forge(&entry.name, &mut evidence);
            bundle.cluster(&listed.folder, &evidence.files().unwrap()).unwrap();
            let answer =
                Answer::of(question, entry, evidence, &past, fleet.id(), &directory).unwrap();
            composer.cluster(&answer).unwrap();
        }
        let mut sheets = composer.end().unwrap();
        let bytes = bundle.end(&mut sheets).unwrap();
        (sheets, bytes)
    }

    pub(crate) fn bundle(&self, question: &Question) -> Vec<u8> {
        self.report(question, |_, _| {}).1
    }
}

pub(crate) fn statement(
    fleet: &Fleet,
    time: &str,
    edits: Vec<Edit>,
    key: &Key,
) -> CommittedStatement {
    let change = Change::propose(fleet, edits, "a change", at(time)).unwrap();
    CommittedStatement {
        signatures: key.sign(&change.bytes).unwrap().into(),
        changes: change.changes.encode().into(),
        contents: change.contents.into_iter().map(Into::into).collect(),
        statement: change.bytes.into(),
        newest: 0,
    }
}

impl Agent {
    pub(crate) fn new(number: u8, fleet: Digest) -> Self {
        Self {
            name: format!("prod-{number}"),
            id: ClusterId(uuid::Uuid::from_u128(u128::from(number))),
            secret: Digest::of(&[number]).0,
            fleet,
            versions: Vec::new(),
            checkpoints: Vec::new(),
            since: at("01T01:00:00"),
        }
    }

    pub(crate) fn entry(&self) -> ClusterEntry {
        let labels: Labels = [("env".to_owned(), "prod".to_owned())].into();
        ClusterEntry {
            recipient: Some(recipient(&self.secret)),
            ..ClusterEntry::new(self.id, self.name.clone(), labels)
        }
    }

    /// Something changed: signs for the state before, up to then.
    pub(crate) fn change(&mut self, time: &str, changes: Vec<(AccessKey, Option<AccessContent>)>) {
        let time = at(time);
        if !self.versions.is_empty() {
            self.sign(time);
        }
        for (key, content) in changes {
            let origin = content.as_ref().map(|_| origin(&key, time));
            self.versions.push(Version { at: time, key, content, origin });
        }
        self.since = time;
    }

    /// Signs for what has been since the last change.
    pub(crate) fn sign(&mut self, until: Timestamp) {
        self.checkpoints.push(self.signed(self.since, until));
    }

    pub(crate) fn signed(&self, from: Timestamp, until: Timestamp) -> Signed {
        let mut objects = Objects::default();
        for version in &self.versions {
            objects.apply(version);
        }
        let checkpoint = Checkpoint {
            fleet: self.fleet,
            cluster: self.id,
            root: objects.root(),
            objects: u32::try_from(objects.len()).unwrap(),
            from,
            until,
            unseen: BTreeMap::new(),
            skipped: 0,
        };
        signed(&self.secret, &checkpoint)
    }

    /// What the hub shows of its cluster.
    pub(crate) fn evidence(&self, when: When) -> Evidence {
        let hub = HubSays { shown: true, covered: true, ..HubSays::default() };
        let time = (when.start(), when.end());
        Evidence::arranged(self.versions.clone(), self.kept(when), hub, time)
    }

    fn kept(&self, when: When) -> Vec<Signed> {
        let read = |signed: &Signed| Checkpoint::decode(&signed.checkpoint).unwrap();
        let all = self.checkpoints.iter().map(|signed| (read(signed), signed.clone()));
        crate::report::standing::needed(all.collect(), when)
    }
}

pub(crate) fn signed(secret: &[u8; 32], checkpoint: &Checkpoint) -> Signed {
    let checkpoint = checkpoint.encode();
    let signature = checkpoint::sign(secret, &checkpoint).to_vec();
    Signed { checkpoint, signature }
}

fn origin(key: &AccessKey, time: Timestamp) -> Origin {
    Origin {
        uid: format!("uid-of-{}", key.name),
        created_at: Some(time),
        changed_at: Some(time),
        manager: "kubectl-create".to_owned(),
        source: String::new(),
        revision: None,
    }
}

/// A cluster role that lets one do things with resources of the core group.
pub(crate) fn role(
    name: &str,
    verbs: &[&str],
    resources: &[&str],
) -> (AccessKey, Option<AccessContent>) {
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rule = PolicyRule {
        api_groups: if resources == ["*"] { owned(&["*"]) } else { owned(&[""]) },
        resources: owned(resources),
        verbs: owned(verbs),
        ..PolicyRule::default()
    };
    let content =
        AccessContent::Role { rules: vec![rule], labels: Labels::new(), aggregates: None };
    (AccessKey::cluster(AccessKind::ClusterRole, name), Some(content))
}

/// A role binding in a namespace, or of the whole cluster.
pub(crate) fn binding(
    namespace: &str,
    name: &str,
    role: &str,
    subjects: &[(&str, &str)],
) -> (AccessKey, Option<AccessContent>) {
    let subjects = subjects
        .iter()
        .map(|(kind, name)| RawSubject {
            kind: (*kind).to_owned(),
            namespace: String::new(),
            name: (*name).to_owned(),
        })
        .collect();
    let role = RoleReference { kind: "ClusterRole".to_owned(), name: role.to_owned() };
    let key = if namespace.is_empty() {
        AccessKey::cluster(AccessKind::ClusterRoleBinding, name)
    } else {
        AccessKey::namespaced(AccessKind::RoleBinding, namespace, name)
    };
    (key, Some(AccessContent::Binding { role, subjects }))
}

pub(crate) fn question(when: When) -> Question {
    Question {
        clusters: Vec::new(),
        cluster_selector: String::new(),
        place: Place::Everywhere,
        request: None,
        when,
    }
}

/// Two clusters with their changes: prod-1 signs all the time, prod-2 not from 10 to 12 March.
pub(crate) fn example() -> World {
    let mut world = World::new();
    world.declare("02T00:00:00", DECLARED);
    let (fleet, _) = world.replayed();
    let [one, two] = &mut world.agents[..] else { panic!("two clusters") };
    let roles =
        || vec![role("view", &["get", "list"], &["secrets"]), role("admin", &["*"], &["*"])];
    one.change("03T00:00:00", roles());
    one.change("04T00:00:00", vec![binding("shop", "devs", "view", &[("Group", "devs")])]);
    one.versions.extend(declared(&fleet, one.id, "05T00:00:00"));
    one.checkpoints.push(one.clone().before(one.versions.len() - 2, "04T00:00:00", "05T00:00:00"));
    one.since = at("05T00:00:00");
    one.change("10T00:00:00", vec![binding("", "oops", "admin", &[("User", "eve")])]);
    one.change("11T00:00:00", vec![(binding("", "oops", "", &[]).0, None)]);
    one.sign(at("20T00:00:00"));
    two.change("03T00:00:00", roles());
    two.sign(at("10T00:00:00"));
    two.versions.push(Version {
        at: at("11T00:00:00"),
        origin: Some(origin(&binding("", "ops", "", &[]).0, at("11T00:00:00"))),
        key: binding("", "ops", "", &[]).0,
        content: binding("", "ops", "admin", &[("ServiceAccount", "x"), ("User", "bob")]).1,
    });
    two.since = at("12T00:00:00");
    two.sign(at("20T00:00:00"));
    world
}

impl Agent {
    /// What it signed when it had fewer versions.
    fn before(mut self, versions: usize, from: &str, until: &str) -> Signed {
        self.versions.truncate(versions);
        self.signed(at(from), at(until))
    }
}

const DECLARED: &str = "\
apiVersion: hanse.dev/v1alpha1
kind: FederatedRole
metadata: {name: reader}
spec: {placement: {clusterNames: [prod-1]}, rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]}
---
apiVersion: hanse.dev/v1alpha1
kind: FederatedRoleBinding
metadata: {name: readers}
spec:
  placement: {clusterNames: [prod-1]}
  roleRef: {kind: FederatedRole, name: reader}
  subjects: [{kind: User, name: anna}]
  namespaces: [shop]
";

/// The objects that an agent has made of what is declared.
fn declared(fleet: &Fleet, cluster: ClusterId, time: &str) -> Vec<Version> {
    let member = fleet.member(cluster).unwrap();
    let rendering =
        hanse_domain::render::render(fleet.placed_on(member), &member.entry.labels, at(time));
    let objects = rendering.objects.values();
    objects
        .map(|rendered| {
            let kind = AccessKind::from_name(rendered.object.reference.kind.name()).unwrap();
            let read = hanse_domain::access::read::read(kind, &rendered.object.body);
            let object = read.unwrap().unwrap();
            let origin = Origin { uid: "declared".to_owned(), ..object.origin };
            Version {
                at: at(time),
                key: object.key,
                content: Some(object.content),
                origin: Some(origin),
            }
        })
        .collect()
}
