//! Random histories, delivered to agents that miss some of it: whatever happened meanwhile, each can
//! verify what it gets, and is told nothing of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hanse_control_plane::service::ServiceError;
use hanse_control_plane::service::delivery::{Bundle, Delivery, DeliveryService, Has};
use hanse_control_plane::service::fleet::{Committed, FleetService, Submission};
use hanse_control_plane::service::sessions::Sessions;
use hanse_control_plane::store::{FleetRow, Store};
use hanse_domain::authorise::authorise;
use hanse_domain::bundle::Offer;
use hanse_domain::change::{Change, ChangeError};
use hanse_domain::document::DocumentRef;
use hanse_domain::fleet::{Edit, Member, secret_version};
use hanse_domain::history::changes::{Subject, WrapRef};
use hanse_domain::history::log::LogProof;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::trust::root::TrustRoot;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use crate::agent::{Belief, RECIPIENT};
use crate::author::{ADA, BOB, EVE, LEA, document, next_root, placed_role};

const CLUSTERS: [&str; 3] = ["a", "b", "c"];
const AGE: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==";

/// Ada may do everything, the others what stays in one namespace.
fn scoped_root() -> TrustRoot {
    let text = format!(
        "hanse trust-root v1\nversion 1\nnonce {}\nkey ada {}\nkey bob {}\nkey lea {}\n\
         root 1 ada\nroster 1 ada\ndanger 1 ada\n\
         author ada kinds=* namespaces=* clusters=* hazards=yes\n\
         author bob kinds=* namespaces=billing clusters=* hazards=no\n\
         author lea kinds=* namespaces=shop clusters=* hazards=no\n",
        Digest::of(b"nonce"),
        ADA.public(),
        BOB.public(),
        LEA.public()
    );
    TrustRoot::decode(text.as_bytes()).unwrap()
}

fn id(n: usize) -> ClusterId {
    ClusterId(uuid::Uuid::from_u128(n as u128 + 1))
}

/// A hub without a network.
struct Hub {
    store: Store,
    fleet: FleetService,
    delivery: DeliveryService,
    _temp: TempDir,
}

impl Hub {
    async fn make() -> Self {
        let temp = TempDir::new().unwrap();
        let store = Store::open(temp.path().join("db").to_str().unwrap()).await.unwrap();
        let root = scoped_root();
        let row = FleetRow {
            id: root.digest(),
            trust_domain: "test".to_owned(),
            trust_root: root.encode().into(),
            created_at: Timestamp::now(),
        };
        store.initialise(&row).await.unwrap();
        for (n, name) in CLUSTERS.into_iter().enumerate() {
            let token = Digest::of(name.as_bytes());
            let now = Timestamp::now();
            store.invite(name, &token, id(n), "ada", now, now).await.unwrap();
        }
        let (fleet, delivery) = Self::load(&store).await;
        Self { store, fleet, delivery, _temp: temp }
    }

    async fn load(store: &Store) -> (FleetService, DeliveryService) {
        let tracker = TaskTracker::new();
        let fleet = FleetService::load(store.clone(), Sessions::default(), tracker).await.unwrap();
        let delivery = DeliveryService::new(store.clone(), fleet.clone());
        (fleet, delivery)
    }

    async fn restart(&mut self) {
        (self.fleet, self.delivery) = Self::load(&self.store).await;
    }

    async fn commit(&self, edits: Vec<Edit>) -> bool {
        let base = self.fleet.current();
        let change = match Change::propose(&base.fleet, edits, "a test", Timestamp::now()) {
            Ok(change) => change,
            Err(ChangeError::Empty) => return false,
            Err(error) => panic!("{error}"),
        };
        // By who may do the least of those who may.
        let signatures = [LEA, BOB, ADA].map(|key| key.sign(&change.bytes));
        let may = |signed: &Vec<u8>| authorise(&base.fleet, &change, signed).is_ok();
        let submission = Submission {
            signatures: signatures.into_iter().find(may).unwrap().into(),
            statement: change.bytes.into(),
            changes: change.changes.encode().into(),
            contents: change.contents,
        };
        match self.fleet.commit("ada", submission, false, Timestamp::now()).await {
            Ok(done) => matches!(done, Committed::Revision(_)),
            // A key for nothing.
            Err(ServiceError::Invalid(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }
}

/// An agent, what it was told in its session, and what its cluster ever held.
#[derive(Default)]
struct Agent {
    belief: Belief,
    session: Option<Has>,
    held: BTreeSet<Subject>,
    contents: BTreeSet<Digest>,
}

impl Agent {
    /// What its cluster has to hold from now on.
    fn must_hold(&mut self, member: &Member) {
        self.held.extend(member.manifest.pins().map(|(subject, _)| subject));
        self.contents.extend(member.manifest.digests());
    }

    fn has(&self) -> Has {
        Has {
            bundle: self.belief.bundle.as_ref().map(|b| (b.generation, b.digest)),
            root_version: self.belief.trust.as_ref().map_or(0, |c| c.current().root.version),
            log_size: self.belief.head.size,
            ..Has::default()
        }
    }

    async fn hear(
        &mut self,
        hub: &Hub,
        cluster: ClusterId,
        random: &mut StdRng,
        seen: &mut BTreeMap<&'static str, usize>,
    ) {
        let mut count = |what, often: usize| *seen.entry(what).or_default() += often;
        let mut has = self.session.take().unwrap_or_else(|| self.has());
        match random.random_range(0..10) {
            // It lost all that it had.
            0 => {
                self.belief = Belief::default();
                has = Has::default();
            }
            // It asks for everything: with what it has, and without.
            1 => has.whole = true,
            2 => {
                has.at_least = has.bundle.take();
                has.whole = true;
            }
            _ => {}
        }
        let current = hub.fleet.current();
        let member = current.fleet.member(cluster);
        let Delivery { roots, bundle, ahead, has, .. } =
            hub.delivery.for_agent(cluster, &has).await.unwrap();
        assert_eq!(ahead, None);
        if let Some(roots) = roots {
            count("steps", roots.steps.len());
            let first = roots.first.unwrap_or_default();
            self.belief.walk(current.fleet.id(), &first, &roots.steps);
        }
        if let Some(member) = member {
            self.must_hold(member);
        }
        let before = self.has().bundle;
        match bundle {
            Some(bundle) => {
                count("bundles", 1);
                count("evidence", bundle.evidence.len());
                count("shown", bundle.evidence.iter().filter(|e| e.shown.is_some()).count());
                count("within", usize::from(matches!(bundle.log, LogProof::Within(_))));
                self.only_its_own(&bundle);
                if before != Some((bundle.generation, bundle.digest)) {
                    self.belief.accept(cluster, &offer(&bundle));
                }
            }
            None => assert!(member.is_none_or(|m| before == Some((m.generation, m.digest)))),
        }
        if let Some(member) = member {
            let held = self.belief.bundle.as_ref().unwrap();
            assert_eq!((held.generation, &held.manifest), (member.generation, &*member.manifest));
            count("wraps", held.wraps.len());
        }
        if self.has().bundle == has.bundle {
            // A bundle that it has already moves nothing, and its session begins anew.
            self.session = Some(has).filter(|has| *has == self.has());
        }
    }

    /// Nothing of other clusters is in the proofs, and no bytes that were not placed here.
    fn only_its_own(&self, bundle: &Bundle) {
        let evidence = bundle.evidence.iter().flat_map(|evidence| &evidence.changes);
        for change in bundle.changes.iter().chain(evidence) {
            assert!(self.held.contains(&change.subject), "{} crossed", change.subject);
        }
        for content in &bundle.contents {
            let ours = self.contents.contains(&Digest::of(content));
            assert!(ours, "crossed: {}", String::from_utf8_lossy(content));
        }
    }
}

fn offer(bundle: &Bundle) -> Offer {
    Offer {
        generation: bundle.generation,
        statement: bundle.statement.to_vec(),
        signatures: bundle.signatures.to_vec(),
        log: bundle.log.clone(),
        changes: bundle.changes.clone(),
        manifest: bundle.manifest.to_vec(),
        inclusion: bundle.inclusion.clone(),
        contents: bundle.contents.iter().map(|content| content.to_vec()).collect(),
        evidence: bundle.evidence.clone(),
    }
}

fn some_edit(hub: &Hub, random: &mut StdRng) -> Edit {
    let n = random.random_range(0..CLUSTERS.len());
    let current = hub.fleet.current();
    let fleet = &current.fleet;
    let env = if random.random_bool(0.5) { "prod" } else { "dev" };
    let name = format!("r{}", random.random_range(0..5));
    let secret = format!("s{}", random.random_range(0..2));
    let namespace = if random.random_bool(0.5) { "shop" } else { "billing" };
    match random.random_range(0..24) {
        0..4 => {
            let labels = [("env".to_owned(), env.to_owned())].into();
            let entry = ClusterEntry::new(id(n), CLUSTERS[n].to_owned(), labels);
            Edit::PutCluster(ClusterEntry { recipient: Some(RECIPIENT.to_owned()), ..entry })
        }
        4 => Edit::RemoveCluster(id(n)),
        5..11 => {
            let verb = format!("verb{}", random.random_range(0..4));
            let placement = match random.random_range(0..3) {
                0 => format!("{{clusterNames: [{}]}}", CLUSTERS[n]),
                1 => format!("{{clusterSelector: {{matchLabels: {{env: {env}}}}}}}"),
                _ => "{clusterSelector: {}}".to_owned(),
            };
            placed_role(&name, &placement, &verb)
        }
        11..13 => Edit::Remove(format!("FederatedRole/{name}").parse().unwrap()),
        13..15 => {
            let version = random.random_range(1..4);
            document(&format!(
                "apiVersion: hanse.dev/v1alpha1\nkind: FederatedSecret\nmetadata: {{name: {secret}}}\n\
                 spec: {{placement: {{clusterNames: [{}]}}, namespaces: [{namespace}], \
                 version: {version}, keys: [k], payload: {AGE}}}\n",
                CLUSTERS[n]
            ))
        }
        15 => Edit::Remove(format!("FederatedSecret/{secret}").parse().unwrap()),
        16..18 => {
            let reference: DocumentRef = format!("FederatedSecret/{secret}").parse().unwrap();
            let sealed = fleet.documents().get(&reference);
            Edit::PutWrap(Arc::new(Wrap {
                reference: WrapRef { secret, cluster: id(n) },
                version: sealed.and_then(|held| secret_version(&held.document)).unwrap_or(1),
                recipient: RECIPIENT.to_owned(),
                key: vec![random.random()],
            }))
        }
        19..22 => document(&format!(
            "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRoleBinding\nmetadata: {{name: {name}}}\n\
             spec: {{placement: {{clusterNames: [{}, a]}}, namespaces: [{namespace}], \
             subjects: [{{kind: User, name: u}}], roleRef: {{kind: ClusterRole, name: {}}}}}\n",
            CLUSTERS[n],
            ["view", "edit"][random.random_range(0..2)]
        )),
        22 => Edit::Remove(format!("FederatedRoleBinding/{name}").parse().unwrap()),
        18 => Edit::RemoveWrap(WrapRef { secret, cluster: id(n) }),
        _ => next_root(fleet, |root| {
            let eve = "eve".parse().unwrap();
            if root.keys.remove(&eve).is_none() {
                root.keys.insert(eve, EVE.public());
            }
        }),
    }
}

async fn random_history(seed: u64) -> BTreeMap<&'static str, usize> {
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut hub = Hub::make().await;
    let mut agents: Vec<Agent> = CLUSTERS.iter().map(|_| Agent::default()).collect();
    let mut seen = BTreeMap::new();
    for _ in 0..40 {
        let count = random.random_range(1..4);
        let edits = (0..count).map(|_| some_edit(&hub, &mut random)).collect();
        if hub.commit(edits).await {
            *seen.entry("statements").or_default() += 1;
        }
        let current = hub.fleet.current();
        for (n, agent) in agents.iter_mut().enumerate() {
            if let Some(member) = current.fleet.member(id(n)) {
                agent.must_hold(member);
            }
            match random.random_range(0..10) {
                0..3 => agent.hear(&hub, id(n), &mut random, &mut seen).await,
                // Its stream ends.
                3..5 => agent.session = None,
                _ => {}
            }
        }
        if random.random_bool(0.1) {
            hub.restart().await;
        }
    }
    for (n, agent) in agents.iter_mut().enumerate() {
        agent.hear(&hub, id(n), &mut random, &mut seen).await;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_missed_is_proven() {
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in [1, 2, 3, 4, 5, 6, rand::random()] {
        for (what, often) in random_history(seed).await {
            *all.entry(what).or_default() += often;
        }
    }
    for what in ["statements", "bundles", "evidence", "shown", "steps", "wraps", "within"] {
        assert!(all[what] > 5, "{what}: {all:?}");
    }
}

/// A role in one namespace, which its author may sign.
fn scoped(namespace: &str, clusters: &str, verb: &str) -> Edit {
    document(&format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRoleBinding\nmetadata: {{name: x}}\n\
         spec: {{placement: {{clusterNames: [{clusters}]}}, namespaces: [{namespace}], \
         subjects: [{{kind: User, name: {verb}}}], roleRef: {{kind: ClusterRole, name: view}}}}\n"
    ))
}

fn labelled(n: usize, env: &str) -> Edit {
    let labels = [("env".to_owned(), env.to_owned())].into();
    Edit::PutCluster(ClusterEntry::new(id(n), CLUSTERS[n].to_owned(), labels))
}

/// What was placed on B only while A was away stays with B, and A can verify what came after it.
async fn away(meanwhile: Vec<Vec<Edit>>) {
    let hub = Hub::make().await;
    assert!(hub.commit(vec![labelled(0, "dev"), labelled(1, "dev")]).await);
    assert!(hub.commit(vec![scoped("shop", "a", "first")]).await);
    let mut agent = Agent::default();
    let mut random = StdRng::seed_from_u64(1);
    let mut all = meanwhile;
    all.push(vec![scoped("billing", "a, b", "third")]);
    for edits in std::iter::once(Vec::new()).chain(all) {
        if !edits.is_empty() {
            assert!(hub.commit(edits).await);
        }
        if let Some(member) = hub.fleet.current().fleet.member(id(0)) {
            agent.must_hold(member);
        }
        if agent.belief.bundle.is_none() {
            // Until it has heard once; it may begin by having lost what it had.
            agent.hear(&hub, id(0), &mut random, &mut BTreeMap::new()).await;
            agent.session = None;
        }
    }
    let mut has = agent.has();
    for whole in [false, true] {
        has.whole = whole;
        let delivery = hub.delivery.for_agent(id(0), &has).await.unwrap();
        let bundle = delivery.bundle.unwrap();
        agent.only_its_own(&bundle);
        if !whole {
            agent.belief.accept(id(0), &offer(&bundle));
        }
    }
}

#[tokio::test]
async fn bytes_that_were_placed_elsewhere_stay_there() {
    let on_b = |verb| scoped("billing", "b", verb);
    away(vec![vec![on_b("second")]]).await;
    away(vec![vec![on_b("second")], vec![on_b("again")]]).await;
    away(vec![vec![scoped("billing", "a", "here")], vec![on_b("second")]]).await;
    away(vec![vec![on_b("second")], vec![scoped("billing", "a", "here")]]).await;
    // It was out of the roster meanwhile.
    let out = vec![Edit::RemoveCluster(id(0))];
    away(vec![out, vec![on_b("second")], vec![labelled(0, "dev")]]).await;
}
