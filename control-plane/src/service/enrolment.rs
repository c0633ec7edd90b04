//! How a cluster gets certificates: the first for a join token, later ones for the one it has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::names;
use hanse_domain::trust::recipient::check_recipient;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use super::ServiceError;
use super::rate::Bucket;
use super::sessions::Sessions;
use crate::address::host;
use crate::auth::ca::AGENT_LIFETIME;
use crate::auth::csr::ProvenKey;
use crate::auth::{CertificateAuthority, IssuedCertificate, JoinToken};
use crate::store::{EnrolmentRow, Store, StoreError};

/// How long a token is good when nothing is said.
const TOKEN_LIFETIME: Duration = Duration::from_hours(1);
/// And at the most.
const TOKEN_LIFETIME_MAX: Duration = Duration::from_hours(7 * 24);
/// Failed attempts that one address has at once, and how long one takes to come back.
const FAILURES: (u32, Duration) = (20, Duration::from_secs(3));
/// Addresses that are remembered at once.
const ADDRESSES: usize = 4_096;
/// Longest text that an agent may say about itself.
const MAX_TEXT_BYTES: usize = 128;

/// Of HMAC-SHA256.
const VOUCH_BYTES: usize = 32;

/// One answer for whatever is wrong with a token.
const BAD_TOKEN: &str = "the join token is not valid for this cluster: it is wrong, expired, used, \
                         or was made for another name";

/// Gives certificates to clusters. Clones share everything.
#[derive(Clone)]
pub struct Enrolment(Arc<Inner>);

struct Inner {
    store: Store,
    ca: Arc<CertificateAuthority>,
    sessions: Sessions,
    lifetime: SignedDuration,
    failures: Mutex<HashMap<IpAddr, Bucket>>,
}

/// What a cluster says when it joins.
#[derive(Clone, Debug)]
pub struct Joining {
    /// As text, to be read here.
    pub token: String,
    /// The name that the token must be for.
    pub name: String,
    /// PKCS #10, DER.
    pub csr: Vec<u8>,
    /// UID of its namespace `kube-system`.
    pub cluster_uid: String,
    /// The agent's version.
    pub agent_version: String,
    /// The API server's version.
    pub kubernetes_version: String,
    /// The age recipient that its agent has made; may be empty.
    pub recipient: String,
    /// What the join command's own key says of it; may be empty.
    pub recipient_vouch: Vec<u8>,
}

/// An invitation, with the only copy of its token.
#[derive(Debug)]
pub struct Invitation {
    /// The id that the cluster will have.
    pub cluster: ClusterId,
    /// The token.
    pub token: JoinToken,
    /// The token is good before this.
    pub expires_at: Timestamp,
}

impl Enrolment {
    /// Certificates from `ca`; `lifetime` of those for agents, a day when `None`.
    pub fn new(
        store: Store,
        ca: Arc<CertificateAuthority>,
        sessions: Sessions,
        lifetime: Option<SignedDuration>,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            ca,
            sessions,
            lifetime: lifetime.unwrap_or(AGENT_LIFETIME),
            failures: Mutex::default(),
        }))
    }

    /// Makes a token with which a cluster of this name may join.
    pub async fn invite(
        &self,
        by: &str,
        name: &str,
        ttl_seconds: u64,
        now: Timestamp,
    ) -> Result<Invitation, ServiceError> {
        names::check_dns_label(name).map_err(ServiceError::invalid)?;
        let ttl = match ttl_seconds {
            0 => TOKEN_LIFETIME,
            seconds if seconds <= TOKEN_LIFETIME_MAX.as_secs() => Duration::from_secs(seconds),
            _ => {
                let most = TOKEN_LIFETIME_MAX.as_secs();
                let why = format!("a join token is good for {most} seconds (a week) at the most");
                return Err(ServiceError::invalid(why));
            }
        };
        let expires_at = now.checked_add(ttl).map_err(ServiceError::invalid)?;
        let token = JoinToken::make(&mut rand::rng());
        let (hash, id) = (token.hash(), ClusterId(Uuid::now_v7()));
        let invited = self.0.store.invite(name, &hash, id, by, now, expires_at).await;
        let row = match invited {
            Ok(row) => row,
            Err(StoreError::Conflict { what }) => {
                let why = format!("there is {what}; revoke it first, or choose another name");
                return Err(ServiceError::AlreadyExists(why));
            }
            Err(error) => return Err(error.into()),
        };
        self.0.sessions.changed(row.id);
        Ok(Invitation { cluster: row.id, token, expires_at })
    }

    /// Uses up a token: look, make the certificate, then consume the token in one transaction.
    pub async fn join(
        &self,
        remote: IpAddr,
        joining: Joining,
        now: Timestamp,
    ) -> Result<(ClusterId, IssuedCertificate), ServiceError> {
        let inner = &self.0;
        inner.attempt(remote)?;
        let joined = inner.join(&joining, now).await;
        if joined.is_ok() {
            inner.succeeded(remote);
        }
        joined
    }

    /// Another certificate for the same cluster. `used` is the one that it shows now.
    pub async fn renew(
        &self,
        cluster: ClusterId,
        used: &Digest,
        csr: &[u8],
        now: Timestamp,
    ) -> Result<IssuedCertificate, ServiceError> {
        let inner = &self.0;
        let key = ProvenKey::from_csr(csr).map_err(ServiceError::invalid)?;
        let issued = inner.issue(cluster, &key, now)?;
        let recorded = inner
            .store
            .replace_certificate(cluster, used, &issued.fingerprint, issued.not_after)
            .await?;
        if !recorded {
            let why = "this cluster may not renew its certificate: it was revoked, or the \
                       certificate was replaced";
            return Err(ServiceError::Denied(why.to_owned()));
        }
        tracing::info!(
            cluster.id = %cluster,
            serial = issued.serial,
            "cluster {cluster} renewed its certificate until {}", issued.not_after
        );
        Ok(issued)
    }
}

impl Inner {
    async fn join(
        &self,
        joining: &Joining,
        now: Timestamp,
    ) -> Result<(ClusterId, IssuedCertificate), ServiceError> {
        let denied = || ServiceError::Denied(BAD_TOKEN.to_owned());
        let hash = JoinToken::parse(&joining.token).map_err(|_| denied())?.hash();
        let name = &joining.name;
        let cluster = self.store.token_cluster(&hash, name, now).await?;
        let cluster = cluster.ok_or_else(denied)?;
        let key = ProvenKey::from_csr(&joining.csr).map_err(ServiceError::invalid)?;
        if joining.cluster_uid.is_empty() {
            let why = "the cluster's UID is missing: it is that of the namespace kube-system";
            return Err(ServiceError::invalid(why));
        }
        if !joining.recipient.is_empty() {
            check_recipient(&joining.recipient).map_err(ServiceError::invalid)?;
        }
        if !matches!(joining.recipient_vouch.len(), 0 | VOUCH_BYTES) {
            let why = format!("the vouch for the recipient does not have {VOUCH_BYTES} bytes");
            return Err(ServiceError::invalid(why));
        }
        let issued = self.issue(cluster, &key, now)?;
        let row = EnrolmentRow {
            cluster_uid: text(&joining.cluster_uid)?,
            agent_version: text(&joining.agent_version)?,
            kubernetes_version: text(&joining.kubernetes_version)?,
            certificate_fingerprint: issued.fingerprint,
            certificate_expires_at: issued.not_after,
            recipient: joining.recipient.clone(),
            recipient_vouch: joining.recipient_vouch.clone(),
        };
        let joined = self.store.enrol(&hash, name, &row, now).await?;
        let joined = joined.ok_or_else(denied)?;
        tracing::info!(cluster.id = %joined.id, "cluster {name} joined as {}", joined.id);
        self.sessions.changed(joined.id);
        Ok((joined.id, issued))
    }

    fn issue(
        &self,
        cluster: ClusterId,
        key: &ProvenKey,
        now: Timestamp,
    ) -> Result<IssuedCertificate, ServiceError> {
        self.ca
            .issue_agent(cluster, key, now, self.lifetime)
            .map_err(|error| ServiceError::Internal(format!("cannot issue a certificate: {error}")))
    }

    fn attempt(&self, remote: IpAddr) -> Result<(), ServiceError> {
        let (capacity, refill) = FAILURES;
        let now = Instant::now();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES {
            failures.retain(|_, bucket| !bucket.is_full(now));
        }
        let room = failures.len() < ADDRESSES;
        let taken = match failures.entry(host(remote)) {
            Entry::Occupied(mut known) => known.get_mut().take(now),
            Entry::Vacant(new) if room => new.insert(Bucket::new(capacity, refill, now)).take(now),
            Entry::Vacant(_) => false,
        };
        if taken {
            return Ok(());
        }
        let why = "too many failed attempts to join from this address: try again in a minute";
        Err(ServiceError::Exhausted(why.to_owned()))
    }

    fn succeeded(&self, remote: IpAddr) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = failures.get_mut(&host(remote)) {
            bucket.give_back();
        }
    }
}

/// Text of an agent that is stored and shown.
fn text(text: &str) -> Result<String, ServiceError> {
    if text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control) {
        let why =
            format!("a UID or version of more than {MAX_TEXT_BYTES} bytes, or not plain text");
        return Err(ServiceError::invalid(why));
    }
    Ok(text.to_owned())
}
