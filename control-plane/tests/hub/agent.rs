//! A scripted agent: joins, opens its stream, says what a test wants and checks what it gets as a
//! real one does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hanse_domain::bundle::{Held, Offer, VerifiedBundle, verify};
use hanse_domain::history::log::LogHead;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::walk::{self, RootStep};
use hanse_proto::agent::session_request::Message as Say;
use hanse_proto::agent::session_response::Message as Hear;
use hanse_proto::{admin, agent, enroll};
use rcgen::{CertificateParams, KeyPair};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::author::{commit, entry};
use crate::clients::Credentials;
use crate::decode::{offer, root_step};
use crate::hub::{Hub, PATIENCE};

pub(crate) const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/// A cluster that has joined.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) id: ClusterId,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) fleet: Digest,
    pub(crate) credentials: Credentials,
}

pub(crate) fn csr(key: &KeyPair) -> bytes::Bytes {
    CertificateParams::default().serialize_request(key).unwrap().der().to_vec().into()
}

/// DER certificates as PEM.
pub(crate) fn pem(chain: &[bytes::Bytes]) -> String {
    use base64::Engine as _;
    chain
        .iter()
        .map(|der| {
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
        })
        .collect()
}

pub(crate) async fn token(hub: &Hub, name: &str) -> admin::CreateJoinTokenResponse {
    let request = admin::CreateJoinTokenRequest { cluster_name: name.to_owned(), ttl_seconds: 0 };
    hub.clusters().await.create_join_token(request).await.unwrap().into_inner()
}

pub(crate) fn enrolment(token: &str, name: &str, key: &KeyPair) -> enroll::EnrollRequest {
    enroll::EnrollRequest {
        token: token.to_owned(),
        cluster_name: name.to_owned(),
        csr: csr(key),
        cluster_uid: format!("uid-of-{name}"),
        agent_version: "0.1.0".to_owned(),
        kubernetes_version: "v1.36.3".to_owned(),
        recipient: RECIPIENT.to_owned(),
        recipient_vouch: vec![7; 32].into(),
    }
}

/// Invites a cluster and joins as it.
pub(crate) async fn join(hub: &Hub, name: &str) -> Cluster {
    let token = token(hub, name).await;
    let key = KeyPair::generate().unwrap();
    let request = enrolment(&token.token, name, &key);
    let uid = request.cluster_uid.clone();
    let answer = hub.enrol().await.enroll(request).await.unwrap().into_inner();
    assert_eq!(answer.cluster_id, token.cluster_id);
    assert_eq!(answer.agent_address, hub.agents());
    Cluster {
        id: answer.cluster_id.parse().unwrap(),
        name: name.to_owned(),
        uid,
        fleet: Digest::try_from(answer.fleet_id.as_ref()).unwrap(),
        credentials: Credentials { chain: pem(&answer.chain), key: key.serialize_pem() },
    }
}

/// Joins as several clusters and accepts them all.
pub(crate) async fn accepted<const N: usize>(hub: &Hub, names: [&str; N]) -> [Cluster; N] {
    let mut clusters = Vec::new();
    for name in names {
        clusters.push(join(hub, name).await);
    }
    let entries = clusters.iter().map(|c| entry(c.id, &c.name, &[("env", "test")])).collect();
    commit(hub, entries).await.unwrap();
    clusters.try_into().unwrap()
}

/// What an agent believes.
#[derive(Default)]
pub(crate) struct Belief {
    pub(crate) trust: Option<RootChain>,
    pub(crate) head: LogHead,
    pub(crate) bundle: Option<VerifiedBundle>,
    pub(crate) contents: BTreeMap<Digest, Arc<[u8]>>,
}

impl Belief {
    /// Walks to the newest trust root; each step is checked.
    pub(crate) fn walk(&mut self, pinned: Digest, first: &[u8], steps: &[RootStep]) {
        if !first.is_empty() {
            assert!(self.trust.is_none(), "the first trust root again");
            self.trust = Some(walk::begin(pinned, first).unwrap());
        }
        for step in steps {
            let chain = self.trust.as_ref().unwrap();
            let (chain, head) = walk::step(chain, self.head, step).unwrap();
            (self.trust, self.head) = (Some(chain), head);
        }
    }

    /// Checks all five conditions.
    pub(crate) fn accept(&mut self, cluster: ClusterId, offer: &Offer) -> VerifiedBundle {
        let held = Held {
            trust: self.trust.as_ref().unwrap(),
            head: self.head,
            bundle: self.bundle.as_ref(),
            contents: Some(&self.contents),
        };
        let verified = verify(cluster, &held, offer).unwrap().unwrap();
        self.head = verified.head;
        self.bundle = Some(verified.clone());
        for content in &offer.contents {
            self.contents.insert(Digest::of(content), content.as_slice().into());
        }
        verified
    }
}

/// An open stream, and what the agent holds.
pub(crate) struct Talk {
    pub(crate) cluster: Cluster,
    say: mpsc::Sender<agent::SessionRequest>,
    hear: Streaming<agent::SessionResponse>,
    pub(crate) belief: Belief,
}

impl Cluster {
    pub(crate) fn hello(&self) -> agent::Hello {
        agent::Hello {
            agent_version: "0.1.1".to_owned(),
            kubernetes_version: "v1.36.4".to_owned(),
            cluster_uid: self.uid.clone(),
            generation: 0,
            digest: bytes::Bytes::new(),
            drift_digest: Digest::of(&[]).0.to_vec().into(),
            root_version: 0,
            log_size: 0,
            recipient: RECIPIENT.to_owned(),
        }
    }

    /// Opens a stream and says nothing yet.
    pub(crate) async fn stream(&self, hub: &Hub) -> Result<Talk, Status> {
        let (say, said) = mpsc::channel(300);
        let mut client = hub.agent(&self.credentials).await;
        let hear = client.session(ReceiverStream::new(said)).await?.into_inner();
        let cluster = self.clone();
        Ok(Talk { cluster, say, hear, belief: Belief::default() })
    }

    /// Opens a stream and is welcomed.
    pub(crate) async fn connect(&self, hub: &Hub) -> (Talk, agent::Welcome) {
        let mut talk = self.stream(hub).await.unwrap();
        talk.say(Say::Hello(self.hello())).await;
        let welcome = talk.welcome().await;
        (talk, welcome)
    }
}

impl Talk {
    pub(crate) async fn say(&self, message: Say) {
        self.say.send(agent::SessionRequest { message: Some(message) }).await.unwrap();
    }

    /// Whether the stream still took it.
    pub(crate) async fn try_say(&self, message: Say) -> bool {
        self.say.send(agent::SessionRequest { message: Some(message) }).await.is_ok()
    }

    /// The next message, or how the stream ended.
    pub(crate) async fn hear(&mut self) -> Result<Option<Hear>, Status> {
        let message = timeout(PATIENCE, self.hear.message()).await.unwrap()?;
        Ok(message.map(|message| message.message.unwrap()))
    }

    /// The status with which the stream ends, whatever comes before.
    pub(crate) async fn end(&mut self) -> Status {
        loop {
            match self.hear().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended well"),
                Err(status) => return status,
            }
        }
    }

    /// Nothing comes for a while.
    pub(crate) async fn quiet(&mut self) {
        let heard = timeout(Duration::from_millis(400), self.hear.message()).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    pub(crate) async fn welcome(&mut self) -> agent::Welcome {
        match self.hear().await.unwrap().unwrap() {
            Hear::Welcome(welcome) => welcome,
            other => panic!("{other:?}"),
        }
    }

    /// The next bundle, after the trust roots that come before it.
    pub(crate) async fn offered(&mut self) -> agent::Bundle {
        loop {
            match self.hear().await.unwrap().unwrap() {
                Hear::TrustRoots(roots) => self.walk(&roots),
                Hear::Bundle(bundle) => return bundle,
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn roots(&mut self) -> u64 {
        match self.hear().await.unwrap().unwrap() {
            Hear::TrustRoots(roots) => self.walk(&roots),
            other => panic!("{other:?}"),
        }
        self.hello().root_version
    }

    fn walk(&mut self, roots: &agent::TrustRoots) {
        let steps: Vec<RootStep> = roots.steps.iter().map(root_step).collect();
        self.belief.walk(self.cluster.fleet, &roots.first, &steps);
    }

    pub(crate) async fn ack(&mut self) -> u64 {
        match self.hear().await.unwrap().unwrap() {
            Hear::DriftAck(ack) => ack.sequence,
            other => panic!("{other:?}"),
        }
    }

    /// The next bundle, checked as an agent does and then held, which the hub is told.
    pub(crate) async fn bundle(&mut self) -> VerifiedBundle {
        let verified = self.silently().await;
        self.answer().await;
        verified
    }

    /// The same, and the hub is not told.
    pub(crate) async fn silently(&mut self) -> VerifiedBundle {
        let bundle = self.offered().await;
        self.accept(&bundle)
    }

    pub(crate) fn accept(&mut self, bundle: &agent::Bundle) -> VerifiedBundle {
        self.belief.accept(self.cluster.id, &offer(bundle))
    }

    /// Tells the hub what is held.
    pub(crate) async fn answer(&self) {
        let agent::Hello { generation, digest, .. } = self.hello();
        let phase = agent::applied::Phase::Applying.into();
        self.say(Say::Applied(agent::Applied { generation, digest, phase, ..Default::default() }))
            .await;
    }

    /// A Hello that says what is held.
    pub(crate) fn hello(&self) -> agent::Hello {
        let held = self.belief.bundle.as_ref();
        let trust = self.belief.trust.as_ref();
        agent::Hello {
            generation: held.map_or(0, |bundle| bundle.generation.0),
            digest: held.map_or_else(Vec::new, |bundle| bundle.digest.0.to_vec()).into(),
            root_version: trust.map_or(0, |chain| chain.current().root.version),
            log_size: self.belief.head.size,
            ..self.cluster.hello()
        }
    }

    /// Another stream of the same agent, which still holds what this one did.
    pub(crate) async fn again(self, hub: &Hub) -> Self {
        let hello = self.hello();
        let new = self.cluster.stream(hub).await.unwrap();
        let mut new = Self { belief: self.belief, ..new };
        new.say(Say::Hello(hello)).await;
        new.welcome().await;
        new
    }
}
