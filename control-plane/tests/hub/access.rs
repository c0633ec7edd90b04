//! Effective access: what scripted agents report is stored, asked and verified.

use std::collections::BTreeMap;

use hanse_domain::access::checkpoint::{Checkpoint, sign};
use hanse_domain::access::inventory::{BUCKETS, Inventory, bucket_of};
use hanse_domain::access::object::{
    AccessContent, AccessKey, AccessKind, AccessObject, Origin, RawSubject, RoleReference,
};
use hanse_domain::fleet::Edit;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::Digest;
use hanse_domain::kinds::role::PolicyRule;
use hanse_proto::admin::access_service_client::AccessServiceClient;
use hanse_proto::agent::session_request::Message as Say;
use hanse_proto::agent::session_response::Message as Hear;
use hanse_proto::{admin, agent};
use jiff::Timestamp;
use tonic::transport::Channel;

use crate::agent::{Cluster, Talk, accepted, join};
use crate::author::{commit, entry};
use crate::clients::connect;
use crate::hub::Hub;

/// A cluster's access as its agent has it.
pub(crate) struct Eyes {
    pub(crate) cluster: Cluster,
    pub(crate) objects: BTreeMap<AccessKey, (AccessContent, Origin)>,
    pub(crate) inventory: Inventory,
    pub(crate) sequence: u64,
    /// Since when it is so.
    pub(crate) from: Timestamp,
    pub(crate) secret: [u8; 32],
    pub(crate) unseen: BTreeMap<AccessKind, String>,
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap()
}

pub(crate) fn rule(verbs: &[&str], resources: &[&str]) -> PolicyRule {
    let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    PolicyRule {
        api_groups: vec![String::new()],
        resources: all(resources),
        verbs: all(verbs),
        ..PolicyRule::default()
    }
}

pub(crate) fn role(name: &str, rules: Vec<PolicyRule>) -> (AccessKey, AccessContent) {
    let content = AccessContent::Role { rules, labels: BTreeMap::new(), aggregates: None };
    (AccessKey::cluster(AccessKind::ClusterRole, name), content)
}

pub(crate) fn binding(
    namespace: &str,
    name: &str,
    role: &str,
    subjects: &[(&str, &str)],
) -> (AccessKey, AccessContent) {
    let key = match namespace {
        "" => AccessKey::cluster(AccessKind::ClusterRoleBinding, name),
        _ => AccessKey::namespaced(AccessKind::RoleBinding, namespace, name),
    };
    let subjects = subjects.iter().map(|(kind, name)| RawSubject {
        kind: (*kind).to_owned(),
        namespace: String::new(),
        name: (*name).to_owned(),
    });
    let role = RoleReference { kind: "ClusterRole".to_owned(), name: role.to_owned() };
    (key, AccessContent::Binding { role, subjects: subjects.collect() })
}

pub(crate) fn origin(n: u32) -> Origin {
    Origin {
        uid: format!("uid-{n}"),
        created_at: None,
        changed_at: None,
        manager: "kubectl".to_owned(),
        source: String::new(),
        revision: None,
    }
}

impl Eyes {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            objects: BTreeMap::new(),
            inventory: Inventory::default(),
            sequence: 0,
            from: now(),
            secret: Digest::of(cluster.name.as_bytes()).0,
            unseen: BTreeMap::new(),
        }
    }

    pub(crate) fn set(
        &mut self,
        key: AccessKey,
        content: Option<(AccessContent, Origin)>,
        at: Timestamp,
    ) -> admin::InventoryChange {
        let msg = change(&key, content.as_ref(), at);
        match content {
            None => {
                self.inventory.set(&key, None);
                self.objects.remove(&key);
            }
            Some((content, origin)) => {
                let object = AccessObject { key: key.clone(), content, origin };
                self.inventory.set(&key, Some(object.leaf()));
                self.objects.insert(key, (object.content, object.origin));
            }
        }
        self.from = at;
        msg
    }

    pub(crate) fn put(&mut self, object: (AccessKey, AccessContent)) -> admin::InventoryChange {
        self.set(object.0, Some((object.1, origin(1))), now())
    }

    pub(crate) fn checkpoint(&self, until: Timestamp) -> Checkpoint {
        Checkpoint {
            fleet: self.cluster.fleet,
            cluster: self.cluster.id,
            root: self.inventory.root(),
            objects: u32::try_from(self.inventory.len()).unwrap(),
            from: self.from,
            until,
            unseen: self.unseen.clone(),
            skipped: 0,
        }
    }

    pub(crate) fn signed(&self, checkpoint: &Checkpoint) -> admin::SignedCheckpoint {
        let checkpoint = checkpoint.encode();
        let signature = sign(&self.secret, &checkpoint).to_vec().into();
        admin::SignedCheckpoint { checkpoint: checkpoint.into(), signature }
    }

    /// A whole report of these changes.
    pub(crate) fn report(
        &mut self,
        changes: Vec<admin::InventoryChange>,
        closed: Option<Checkpoint>,
    ) -> agent::InventoryReport {
        self.sequence += 1;
        agent::InventoryReport {
            sequence: self.sequence,
            changes,
            buckets: Vec::new(),
            last: true,
            closed: closed.map(|closed| self.signed(&closed)),
            current: Some(self.signed(&self.checkpoint(now()))),
        }
    }

    /// All objects of the buckets that differ.
    pub(crate) fn missing(&mut self, buckets: &[u8]) -> agent::InventoryReport {
        assert_eq!(buckets.len(), BUCKETS * 32);
        let ours = self.inventory.buckets();
        let differs = |bucket: usize| buckets[bucket * 32..][..32] != ours[bucket].0;
        let all = (0..BUCKETS).filter(|bucket| differs(*bucket));
        let all: Vec<u32> = all.map(|bucket| u32::try_from(bucket).unwrap()).collect();
        let at = self.from;
        let changes =
            self.objects.iter().filter(|(key, _)| all.contains(&u32::from(bucket_of(&key.hash()))));
        let changes = changes.map(|(key, state)| change(key, Some(state), at)).collect();
        agent::InventoryReport { buckets: all, ..self.report(changes, None) }
    }

    /// Says the root, and sends what the hub lacks. Returns how many changes that were.
    pub(crate) async fn sync(&mut self, talk: &mut Talk) -> usize {
        let report = self.report(Vec::new(), None);
        talk.say(Say::Inventory(report)).await;
        match answer(talk).await {
            Hear::InventoryAck(ack) => {
                assert_eq!(ack.sequence, self.sequence);
                0
            }
            Hear::InventoryWanted(wanted) => {
                let report = self.missing(&wanted.buckets);
                let count = report.changes.len();
                self.tell(talk, report).await;
                count
            }
            other => panic!("{other:?}"),
        }
    }

    /// Says something that is acknowledged.
    pub(crate) async fn tell(&mut self, talk: &mut Talk, report: agent::InventoryReport) {
        let sequence = report.sequence;
        talk.say(Say::Inventory(report)).await;
        let ack = agent::InventoryAck { sequence };
        assert_eq!(answer(talk).await, Hear::InventoryAck(ack));
    }

    /// Reports changes after what was there, without a gap.
    pub(crate) async fn change(
        &mut self,
        talk: &mut Talk,
        changes: Vec<(AccessKey, Option<AccessContent>)>,
    ) -> Timestamp {
        let at = now();
        let closed = self.checkpoint(at);
        let changes = changes
            .into_iter()
            .map(|(key, content)| self.set(key, content.map(|content| (content, origin(2))), at));
        let changes = changes.collect();
        let report = self.report(changes, Some(closed));
        self.tell(talk, report).await;
        at
    }
}

fn change(
    key: &AccessKey,
    state: Option<&(AccessContent, Origin)>,
    at: Timestamp,
) -> admin::InventoryChange {
    let (content, origin) = match state {
        Some((content, origin)) => (content.encode(), origin.encode()),
        None => (Vec::new(), Vec::new()),
    };
    admin::InventoryChange {
        kind: key.kind.name().to_owned(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        content: content.into(),
        origin: origin.into(),
        at: Some(proto_time(at)),
    }
}

pub(crate) fn proto_time(at: Timestamp) -> pbjson_types::Timestamp {
    pbjson_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// The next word about the inventory, whatever comes in between.
pub(crate) async fn answer(talk: &mut Talk) -> Hear {
    loop {
        let heard = talk.hear().await.unwrap().unwrap();
        if matches!(&heard, Hear::InventoryAck(_) | Hear::InventoryWanted(_)) {
            return heard;
        }
    }
}

/// The age recipient of the secret with which an agent signs.
pub(crate) fn recipient(secret: &[u8; 32]) -> String {
    let public: [u8; 32] = sign(secret, b"any").first_chunk().copied().unwrap();
    let key = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
    let age = bech32::Hrp::parse("age").unwrap();
    bech32::encode::<bech32::Bech32>(age, key.to_montgomery().as_bytes()).unwrap()
}

/// A cluster whose recipient is in the roster, and its agent's eyes.
pub(crate) async fn sealed(hub: &Hub, name: &str) -> (Cluster, Eyes) {
    let cluster = join(hub, name).await;
    let eyes = Eyes::new(&cluster);
    let Edit::PutCluster(entry) = entry(cluster.id, name, &[("env", "prod")]) else { panic!() };
    let recipient = Some(recipient(&eyes.secret));
    commit(hub, vec![Edit::PutCluster(ClusterEntry { recipient, ..entry })]).await.unwrap();
    (cluster, eyes)
}

pub(crate) async fn administrator(hub: &Hub) -> AccessServiceClient<Channel> {
    AccessServiceClient::new(connect(hub, &hub.people(), Some(&hub.admin())).await.unwrap())
}

pub(crate) async fn client(hub: &Hub) -> AccessServiceClient<Channel> {
    let channel = connect(hub, &hub.people(), Some(&hub.viewer())).await.unwrap();
    AccessServiceClient::new(channel)
}

pub(crate) fn get_secrets() -> admin::AccessRequest {
    admin::AccessRequest {
        verb: "get".to_owned(),
        resource: "secrets".to_owned(),
        ..Default::default()
    }
}

/// Everybody who can get secrets, as "cluster namespace subject", and what each cluster's end says.
pub(crate) async fn who(
    hub: &Hub,
    scope: admin::AccessScope,
) -> (Vec<String>, Vec<admin::ClusterView>) {
    let request = admin::ListWhoCanRequest {
        scope: Some(scope),
        request: Some(get_secrets()),
        direct: false,
    };
    let mut stream = client(hub).await.list_who_can(request).await.unwrap().into_inner();
    let (mut grants, mut views) = (Vec::new(), Vec::new());
    while let Some(message) = stream.message().await.unwrap() {
        match message.part.unwrap() {
            admin::grant_response::Part::Grant(grant) => {
                let subject = grant.subject.unwrap();
                grants.push(format!("{} {:?} {}", grant.cluster, grant.namespace, subject.name));
            }
            admin::grant_response::Part::View(view) => views.push(view),
        }
    }
    (grants, views)
}

pub(crate) fn everywhere() -> admin::AccessScope {
    admin::AccessScope { all_namespaces: true, ..Default::default() }
}

/// Two roles and two bindings.
pub(crate) fn first(eyes: &mut Eyes) {
    eyes.put(role("secrets", vec![rule(&["get", "list"], &["secrets"])]));
    eyes.put(role("pods", vec![rule(&["get"], &["pods"])]));
    eyes.put(binding("payments", "readers", "secrets", &[("User", "anna"), ("Group", "sre")]));
    eyes.put(binding("", "pods", "pods", &[("User", "ben")]));
}

pub(crate) async fn a_snapshot_is_sent_once_and_asked(hub: &Hub) {
    let [prod, test] = accepted(hub, ["prod", "test"]).await;
    let (mut talk, _) = prod.connect(hub).await;
    let mut eyes = Eyes::new(&prod);
    first(&mut eyes);
    assert_eq!(eyes.sync(&mut talk).await, 4);
    let expected = ["prod \"\" system:masters", "prod \"payments\" anna", "prod \"payments\" sre"];
    let (mut grants, views) = who(hub, everywhere()).await;
    grants.sort();
    let masters = "test \"\" system:masters".to_owned();
    assert_eq!(grants, [&expected.map(str::to_owned)[..], &[masters]].concat());
    assert_eq!(views[0].cluster, "prod");
    assert_eq!((views[0].covered, views[0].count), (true, 3));
    assert!(!views[1].covered && views[1].caveats.iter().any(|c| c.contains("nothing is known")));
    drop(talk);
    // Resumed by the root alone.
    let (mut talk, _) = prod.connect(hub).await;
    assert_eq!(eyes.sync(&mut talk).await, 0);
    drop(test);
    // What the store has is indexed again.
    drop(talk);
    hub.terminate().await;
    hub.serve(&[]).await;
    let (mut again, views) = who(hub, everywhere()).await;
    again.sort();
    assert_eq!(again, grants);
    assert!(!views[0].covered && views[0].seen_until.is_some());
}
