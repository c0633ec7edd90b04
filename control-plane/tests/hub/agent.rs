//! A scripted agent: joins, opens its stream, says what a test wants and checks what it gets as a
//! real one does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hanse_domain::bundle::{Held, Offer, VerifiedBundle, verify};
use hanse_domain::history::merkle::InclusionProof;
use hanse_domain::ids::{ClusterId, Digest, Generation, RevisionNumber};
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
use crate::hub::{Hub, PATIENCE};

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

/// An open stream, and what the agent holds.
pub(crate) struct Talk {
    pub(crate) cluster: Cluster,
    say: mpsc::Sender<agent::SessionRequest>,
    hear: Streaming<agent::SessionResponse>,
    accepted: Option<(Generation, Digest)>,
    contents: BTreeMap<Digest, Arc<[u8]>>,
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
        }
    }

    /// Opens a stream and says nothing yet.
    pub(crate) async fn stream(&self, hub: &Hub) -> Result<Talk, Status> {
        let (say, said) = mpsc::channel(300);
        let mut client = hub.agent(&self.credentials).await;
        let hear = client.session(ReceiverStream::new(said)).await?.into_inner();
        let cluster = self.clone();
        Ok(Talk { cluster, say, hear, accepted: None, contents: BTreeMap::new() })
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

    pub(crate) async fn offered(&mut self) -> agent::Bundle {
        match self.hear().await.unwrap().unwrap() {
            Hear::Bundle(bundle) => bundle,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn ack(&mut self) -> u64 {
        match self.hear().await.unwrap().unwrap() {
            Hear::DriftAck(ack) => ack.sequence,
            other => panic!("{other:?}"),
        }
    }

    /// The next bundle, checked as an agent does and then held.
    pub(crate) async fn bundle(&mut self) -> VerifiedBundle {
        let bundle = self.offered().await;
        self.accept(&bundle)
    }

    pub(crate) fn accept(&mut self, bundle: &agent::Bundle) -> VerifiedBundle {
        let held = Held {
            accepted: self.accepted,
            fleet: Some(self.cluster.fleet),
            contents: Some(&self.contents),
        };
        let verified = verify(self.cluster.id, &held, &offer(bundle)).unwrap().unwrap();
        self.accepted = Some((verified.generation, verified.digest));
        for content in &bundle.contents {
            self.contents.insert(Digest::of(content), content.as_ref().into());
        }
        verified
    }

    /// A Hello that says what is held.
    pub(crate) fn hello(&self) -> agent::Hello {
        let (generation, digest) = self.accepted.unwrap();
        agent::Hello {
            generation: generation.0,
            digest: digest.0.to_vec().into(),
            ..self.cluster.hello()
        }
    }

    /// Another stream of the same agent, which still holds what this one did.
    pub(crate) async fn again(self, hub: &Hub) -> Self {
        let hello = self.hello();
        let new = self.cluster.stream(hub).await.unwrap();
        let mut new = Self { accepted: self.accepted, contents: self.contents, ..new };
        new.say(Say::Hello(hello)).await;
        new.welcome().await;
        new
    }
}

pub(crate) fn offer(bundle: &agent::Bundle) -> Offer {
    let inclusion = bundle.inclusion.as_ref().unwrap();
    Offer {
        generation: RevisionNumber(bundle.generation),
        statement: bundle.statement.to_vec(),
        manifest: bundle.manifest.to_vec(),
        inclusion: InclusionProof {
            leaf_index: inclusion.leaf_index,
            tree_size: inclusion.tree_size,
            path: inclusion.path.iter().map(|h| Digest::try_from(h.as_ref()).unwrap()).collect(),
        },
        contents: bundle.contents.iter().map(|content| content.to_vec()).collect(),
    }
}
