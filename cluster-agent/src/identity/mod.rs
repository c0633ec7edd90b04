//! Who the agent is, in a directory of its own:
//!
//! | file | |
//! |---|---|
//! | `identity.json` | what enrolment said: cluster, fleet, where the hub is |
//! | `agent.pem` | the certificate's chain and its key, in one file, so that they change together |
//! | `ca.crt` | the hub's CA, and no other |
//! | `age.key` | the age identities that secrets are sealed to, the newest last |
//! | `kubeconfig`, `token` | the agent's account in the cluster, when it runs outside of it |
//!
//! The directory is private (0700) and each file is replaced as a whole. `identity.json` is written
//! last: where it is missing, nothing has joined.

pub mod age;
mod certificate;
mod files;
pub mod store;

use std::path::{Path, PathBuf};

use hanse_domain::history::log::LogHead;
use hanse_domain::ids::{ClusterId, Digest, InvalidId};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

pub use certificate::{Certificate, CertificateError, Request, chain_from_pem, verify_chain};
pub use files::{is_private, make_directory, write_private};

/// What enrolment said.
pub const IDENTITY_FILE: &str = "identity.json";
/// Certificate and key.
pub const CREDENTIALS_FILE: &str = "agent.pem";
/// The hub's CA.
pub const CA_FILE: &str = "ca.crt";
/// For the agent's account in the cluster.
pub const KUBECONFIG_FILE: &str = "kubeconfig";

const OBTAINED: &str = "Obtained: ";

/// What enrolment said, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The cluster's id.
    pub cluster_id: ClusterId,
    /// The cluster's name, for people.
    pub cluster_name: String,
    /// UID of the namespace kube-system at enrolment.
    pub cluster_uid: String,
    /// Of every identity of the fleet.
    pub trust_domain: String,
    /// SHA-256 of the fleet's first trust root, in hexadecimal.
    pub fleet_id: String,
    /// How far the fleet's history had come when the cluster joined, as the join command said, as
    /// "number:Merkle tree hash": a past that does not lead there is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<String>,
    /// Where the agent connects, as "host:port".
    pub agent_address: String,
}

/// Reads "number:Merkle tree hash in hexadecimal".
pub fn parse_history(text: &str) -> Result<LogHead, String> {
    let (size, root) = text.split_once(':').ok_or("it is NUMBER:HASH")?;
    let size = size.parse().map_err(|_| "it begins with the number of a revision")?;
    let root = root.parse().map_err(|error: InvalidId| error.to_string())?;
    Ok(LogHead { size, root })
}

impl Facts {
    /// The fleet's id.
    pub fn fleet(&self) -> Result<Digest, IdentityError> {
        self.fleet_id.parse().map_err(|_| IdentityError::Content(IDENTITY_FILE, "fleetId".into()))
    }

    /// The history that every later one must extend; the beginning when nothing was said.
    pub fn head(&self) -> Result<LogHead, IdentityError> {
        let bad = |_| IdentityError::Content(IDENTITY_FILE, "history".into());
        self.history
            .as_deref()
            .map_or(Ok(LogHead::default()), |text| parse_history(text).map_err(bad))
    }

    /// The one name in the agent's certificate.
    pub fn spiffe_id(&self) -> String {
        format!("spiffe://{}/cluster/{}", self.trust_domain, self.cluster_id)
    }
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Leaf first, PEM.
    pub chain_pem: String,
    /// PKCS #8, PEM.
    pub key_pem: SecretString,
    /// The leaf.
    pub certificate: Certificate,
    /// When it was received. A certificate's validity begins earlier, for clocks that are behind.
    pub obtained_at: Timestamp,
}

impl Credentials {
    /// Joins a chain and the key that it was asked for with.
    pub fn new(
        chain: &[Vec<u8>],
        request: &Request,
        now: Timestamp,
    ) -> Result<Self, CertificateError> {
        let leaf = chain.first().ok_or(CertificateError::Missing)?;
        let certificate = Certificate::parse(leaf)?;
        if certificate.public_key != request.public_key {
            return Err(CertificateError::OtherKey);
        }
        Ok(Self {
            chain_pem: chain.iter().map(|der| crate::kube::token::certificate_pem(der)).collect(),
            key_pem: request.key_pem.clone(),
            certificate,
            obtained_at: now,
        })
    }

    /// The content of `agent.pem`. RFC 7468 allows text before the first block.
    pub fn encode(&self) -> SecretString {
        let key = self.key_pem.expose_secret();
        format!("{OBTAINED}{}\n{}{key}", self.obtained_at, self.chain_pem).into()
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(text: &str) -> Result<Self, CertificateError> {
        let at = text.find("-----BEGIN PRIVATE KEY-----").ok_or(CertificateError::Missing)?;
        let (head, key) = text.split_at(at);
        let chain = chain_from_pem(head)?;
        let certificate = Certificate::parse(chain.first().ok_or(CertificateError::Missing)?)?;
        if certificate.public_key != certificate::public_key_of(key)? {
            return Err(CertificateError::OtherKey);
        }
        let obtained = head.lines().find_map(|line| line.strip_prefix(OBTAINED));
        let obtained_at = obtained.and_then(|at| at.parse().ok()).unwrap_or(certificate.not_before);
        let blocks = head.find("-----BEGIN").map_or("", |at| head.get(at..).unwrap_or_default());
        Ok(Self {
            chain_pem: blocks.to_owned(),
            key_pem: key.to_owned().into(),
            certificate,
            obtained_at,
        })
    }

    /// How long it was valid when it was received.
    pub fn lifetime(&self) -> SignedDuration {
        self.certificate.not_after.duration_since(self.obtained_at)
    }

    /// How long it still is.
    pub fn left(&self, now: Timestamp) -> SignedDuration {
        self.certificate.not_after.duration_since(now)
    }
}

/// Everything that a connection to the hub takes.
#[derive(Clone, Debug)]
pub struct Identity {
    /// From enrolment.
    pub facts: Facts,
    /// The current certificate.
    pub credentials: Credentials,
    /// The hub's CA, PEM.
    pub ca_pem: String,
}

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Nobody joined here.
    #[error("{} is not there", .0.display())]
    NotJoined(PathBuf),
    /// A file.
    #[error("{} cannot be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// A file.
    #[error("{} cannot be written", .0.display())]
    Write(PathBuf, #[source] std::io::Error),
    /// A file's content.
    #[error("{0} is not valid: {1}")]
    Content(&'static str, String),
    /// The certificate.
    #[error("{CREDENTIALS_FILE} cannot be used")]
    Certificate(#[from] CertificateError),
}

impl Identity {
    /// Reads a directory.
    pub fn load(directory: &Path) -> Result<Self, IdentityError> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path).map_err(|error| {
                if error.kind() == std::io::ErrorKind::NotFound {
                    IdentityError::NotJoined(path)
                } else {
                    IdentityError::Read(path, error)
                }
            })
        };
        let facts: Facts = serde_json::from_str(&read(IDENTITY_FILE)?)
            .map_err(|error| IdentityError::Content(IDENTITY_FILE, error.to_string()))?;
        facts.fleet()?;
        facts.head()?;
        let credentials = Credentials::decode(&read(CREDENTIALS_FILE)?)?;
        if credentials.certificate.uri.as_deref() != Some(facts.spiffe_id().as_str()) {
            return Err(CertificateError::OtherName.into());
        }
        Ok(Self { facts, credentials, ca_pem: read(CA_FILE)? })
    }

    /// The files of an identity by name, `identity.json` last.
    pub fn files(&self) -> Result<[(&'static str, SecretString); 3], IdentityError> {
        let facts = serde_json::to_string_pretty(&self.facts)
            .map_err(|error| IdentityError::Content(IDENTITY_FILE, error.to_string()))?;
        Ok([
            (CA_FILE, self.ca_pem.clone().into()),
            (CREDENTIALS_FILE, self.credentials.encode()),
            (IDENTITY_FILE, format!("{facts}\n").into()),
        ])
    }

    /// Writes all files.
    pub fn save(&self, directory: &Path) -> Result<(), IdentityError> {
        for (name, content) in self.files()? {
            write_private(directory, name, content.expose_secret().as_bytes())
                .map_err(|error| IdentityError::Write(directory.join(name), error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
