//! How a cluster gets its first certificate: the one moment at which nothing of the hub is known but
//! a hash that a person pasted.
//!
//! ```text
//! connect ──► the chain has a CA with that hash, and it signed the leaf ──► token + request ──► chain
//! ```

mod pin;
pub mod recipient;

use std::sync::Arc;
use std::time::Duration;

use hanse_domain::history::log::LogHead;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_proto::enroll::EnrollRequest;
use hanse_proto::enroll::enroll_service_client::EnrollServiceClient;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use crate::identity::{CertificateError, Credentials, Facts, Identity, Request, verify_chain};
use crate::kube::client::ClusterFacts;
use crate::kube::token::certificate_pem;

pub use pin::{CaHash, InvalidCaHash, PinError, PinVerifier};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of the answer: a chain of two small certificates and some names.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Why a cluster could not enrol.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// Not "host:port".
    #[error("{0:?} is not an address such as hub.example.com:8443")]
    Address(String),
    /// The hub does not answer.
    #[error("the hub cannot be reached: {0}")]
    Unreachable(String),
    /// Somebody answers who is not the hub.
    #[error(transparent)]
    Pin(PinError),
    /// The hub said no.
    #[error("the hub refuses: {}", .0.message())]
    Refused(Box<tonic::Status>),
    /// The hub is of another fleet than the join command.
    #[error("the hub is of the fleet {0}, and the join command of {1}")]
    OtherFleet(Digest, Digest),
    /// The hub's answer makes no sense.
    #[error("the hub's answer is not valid: {0}")]
    Answer(String),
    /// The certificate.
    #[error("the hub's certificate cannot be used")]
    Certificate(#[from] CertificateError),
}

/// A connection to a hub that has shown the right CA.
#[derive(Debug)]
pub struct Hub {
    channel: Channel,
    ca: Vec<u8>,
}

/// What the agent brings besides its token: whom it will believe, and to whom secrets are sealed.
#[derive(Clone, Debug)]
pub struct Pledge {
    /// Digest of the fleet's first trust root, from the join command: never from the hub.
    pub fleet: Digest,
    /// How far the history had come, from the join command; nothing when it does not say.
    pub history: Option<LogHead>,
    /// The age recipient that the agent has made.
    pub recipient: String,
    /// By the join command's own key; empty when it has none.
    pub vouch: Vec<u8>,
}

/// What enrolment brought.
#[derive(Debug)]
pub struct Enrolled {
    /// Who the agent is now.
    pub identity: Identity,
    /// False: a person must accept the cluster first.
    pub accepted: bool,
}

impl Hub {
    /// Connects, and goes on only with the hub that has this CA. Nothing has been sent by then.
    pub async fn connect(address: &str, hash: CaHash) -> Result<Self, EnrollError> {
        let bad = || EnrollError::Address(address.to_owned());
        let host = host_of(address).ok_or_else(bad)?;
        let verifier = Arc::new(PinVerifier::new(hash));
        let tls = ClientTlsConfig::new().domain_name(host).timeout(TIMEOUT);
        let endpoint = Endpoint::from_shared(format!("https://{address}"))
            .and_then(|endpoint| endpoint.tls_config_with_verifier(tls, verifier.clone()))
            .map_err(|_| bad())?
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT);
        let connected = endpoint.connect().await;
        // The verifier knows better than the transport what was wrong.
        if let Some(error) = verifier.refusal() {
            return Err(EnrollError::Pin(error));
        }
        let unreachable = |error| EnrollError::Unreachable(crate::terminal::chain(&error));
        let channel = connected.map_err(unreachable)?;
        let ca = verifier.pinned().ok_or(EnrollError::Pin(PinError::NoCa(hash)))?;
        Ok(Self { channel, ca })
    }

    /// Uses up the token.
    pub async fn enroll(
        &self,
        token: &SecretString,
        cluster_name: &str,
        cluster: &ClusterFacts,
        pledge: &Pledge,
    ) -> Result<Enrolled, EnrollError> {
        let request = Request::make()?;
        let message = EnrollRequest {
            token: token.expose_secret().to_owned(),
            cluster_name: cluster_name.to_owned(),
            csr: request.csr.clone().into(),
            cluster_uid: cluster.uid.clone(),
            agent_version: crate::VERSION.to_owned(),
            kubernetes_version: cluster.version.clone(),
            recipient: pledge.recipient.clone(),
            recipient_vouch: pledge.vouch.clone().into(),
        };
        let mut client = EnrollServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES);
        let answer = client.enroll(message).await.map_err(refused)?.into_inner();
        let bad = |what: &str| EnrollError::Answer(what.to_owned());
        let cluster_id: ClusterId = answer.cluster_id.parse().map_err(|_| bad("cluster_id"))?;
        let fleet = Digest::try_from(answer.fleet_id.as_ref()).map_err(|_| bad("fleet_id"))?;
        if fleet != pledge.fleet {
            return Err(EnrollError::OtherFleet(fleet, pledge.fleet));
        }
        host_of(&answer.agent_address).ok_or_else(|| bad("agent_address"))?;
        let facts = Facts {
            cluster_id,
            cluster_name: cluster_name.to_owned(),
            cluster_uid: cluster.uid.clone(),
            trust_domain: answer.trust_domain,
            fleet_id: pledge.fleet.to_string(),
            history: pledge.history.map(|head| format!("{}:{}", head.size, head.root)),
            agent_address: answer.agent_address,
        };
        let now = Timestamp::now();
        let chain: Vec<Vec<u8>> = answer.chain.iter().map(|der| der.to_vec()).collect();
        // The CA is the one that was pinned, whatever else the answer brings.
        verify_chain(&chain, &self.ca, now)?;
        let credentials = Credentials::new(&chain, &request, now)?;
        if credentials.certificate.uri.as_deref() != Some(facts.spiffe_id().as_str()) {
            return Err(CertificateError::OtherName.into());
        }
        let identity = Identity { facts, credentials, ca_pem: certificate_pem(&self.ca) };
        Ok(Enrolled { identity, accepted: answer.accepted })
    }
}

fn refused(status: tonic::Status) -> EnrollError {
    use tonic::Code::{Cancelled, DeadlineExceeded, Unavailable};
    if matches!(status.code(), Unavailable | DeadlineExceeded | Cancelled) {
        EnrollError::Unreachable(status.message().to_owned())
    } else {
        EnrollError::Refused(Box::new(status))
    }
}

/// The host of "host:port", without the brackets of an IPv6 address.
pub fn host_of(address: &str) -> Option<String> {
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok().filter(|port| *port != 0)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let valid = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '/', '@', '?', '#', ' ']),
    };
    valid.then(|| bare.unwrap_or(host).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        assert_eq!(host_of("hub.example:8443").as_deref(), Some("hub.example"));
        assert_eq!(host_of("127.0.0.1:1").as_deref(), Some("127.0.0.1"));
        assert_eq!(host_of("[::1]:8443").as_deref(), Some("::1"));
        for bad in
            ["hub", "hub:", "hub:0", ":8443", "::1:8443", "https://hub:8443", "a@b:1", "[x]:1"]
        {
            assert_eq!(host_of(bad), None, "{bad}");
        }
    }
}
