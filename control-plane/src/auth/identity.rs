//! Who a verified client certificate belongs to. The URI SAN is the whole identity: subject,
//! organisation and every other name in a certificate mean nothing here.
//!
//! ```text
//! spiffe://<trust domain>/cluster/<uuid>   an agent
//! spiffe://<trust domain>/user/<name>      a person
//! ```
//!
//! One identity has one spelling (SPIFFE-ID, section 2, narrowed): what is not exactly that is
//! refused, never normalised.

use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::names::{TrustDomain, UserName};

/// Who is at the other end of a connection, as far as the certificate says.
///
/// Whether it is revoked, and which role a person has, the store knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// No client certificate.
    Anonymous,
    /// The agent of one cluster.
    Agent {
        /// The cluster, which is the only one that the agent may hear of.
        cluster: ClusterId,
        /// When the certificate expires.
        not_after: Timestamp,
        /// SHA-256 of the certificate's DER.
        fingerprint: Digest,
    },
    /// A person.
    User {
        /// The person's name.
        name: UserName,
        /// When the certificate expires.
        not_after: Timestamp,
        /// SHA-256 of the certificate's DER.
        fingerprint: Digest,
    },
}

impl Peer {
    /// Reads the identity of a certificate whose signature, validity and purpose TLS has verified.
    pub fn identify(
        certificate: Option<&CertificateDer<'_>>,
        trust_domain: &TrustDomain,
    ) -> Result<Self, IdentityError> {
        let Some(der) = certificate else {
            return Ok(Self::Anonymous);
        };
        let certificate = parse(der)?;
        let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp())
            .map_err(|_| IdentityError::Malformed)?;
        let fingerprint = Digest::of(der);
        Ok(match Subject::parse(only_uri(&certificate)?, trust_domain)? {
            Subject::Cluster(cluster) => Self::Agent { cluster, not_after, fingerprint },
            Subject::User(name) => Self::User { name, not_after, fingerprint },
        })
    }

    /// Whether the certificate has not expired at `now`. A resumed session or a long stream may
    /// outlive the certificate that began it, which TLS does not notice.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        match self {
            Self::Anonymous => true,
            Self::Agent { not_after, .. } | Self::User { not_after, .. } => now <= *not_after,
        }
    }
}

/// What a SPIFFE ID of this fleet can name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Cluster(ClusterId),
    User(UserName),
}

impl Subject {
    pub(super) fn to_uri(&self, trust_domain: &TrustDomain) -> String {
        match self {
            Self::Cluster(id) => format!("spiffe://{trust_domain}/cluster/{id}"),
            Self::User(name) => format!("spiffe://{trust_domain}/user/{name}"),
        }
    }

    fn parse(uri: &str, trust_domain: &TrustDomain) -> Result<Self, IdentityError> {
        let foreign = || IdentityError::Foreign { trust_domain: trust_domain.clone() };
        let path = uri
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.strip_prefix(trust_domain.as_str()))
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(foreign)?;
        let subject = match path.split_once('/') {
            Some(("cluster", id)) => id.parse().ok().map(Self::Cluster),
            Some(("user", name)) => name.parse().ok().map(Self::User),
            _ => None,
        };
        subject.ok_or(IdentityError::Path)
    }
}

/// A certificate from our CA that names nobody: its connection is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not a certificate, or one with broken extensions.
    #[error("the certificate is not well-formed X.509")]
    Malformed,
    /// None, several, or another kind of name.
    #[error("the certificate must have exactly one subject alternative name, a URI")]
    Names,
    /// Of another fleet, or not a SPIFFE ID at all.
    #[error("the certificate's URI does not begin with spiffe://{trust_domain}/")]
    Foreign {
        /// The trust domain of this hub.
        trust_domain: TrustDomain,
    },
    /// Neither a cluster nor a user.
    #[error("the certificate's URI is neither /cluster/<uuid> nor /user/<name>")]
    Path,
}

/// Reads exactly one certificate, without anything after it.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, IdentityError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(IdentityError::Malformed),
    }
}

/// The URI of a certificate that has one URI as its subject alternative name and no other.
pub(super) fn only_uri<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, IdentityError> {
    let extension = certificate
        .subject_alternative_name()
        .map_err(|_| IdentityError::Malformed)?
        .ok_or(IdentityError::Names)?;
    match extension.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => Ok(uri),
        _ => Err(IdentityError::Names),
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
