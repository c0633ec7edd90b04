//! The hub's certificate authority: every certificate of the fleet is made here.
//!
//! What a certificate says is decided by the hub alone. From a request comes the public key
//! ([`super::csr::ProvenKey`]) and nothing else. Files: [`CertificateAuthority::save`] and
//! [`CertificateAuthority::load`].

use std::net::IpAddr;

use hanse_domain::ids::{ClusterId, Digest};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use time::OffsetDateTime;

use super::csr::ProvenKey;
use super::identity::Subject;
use super::names::{TrustDomain, UserName};
use super::pem;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const CA_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 3652);
/// How far back a certificate's validity begins, for clocks that are a little behind.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// How long a server certificate is valid.
pub const SERVER_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 90);
/// How long an agent's certificate is valid, when nothing else is configured.
pub const AGENT_LIFETIME: SignedDuration = DAY;
/// How long a person's certificate is valid, when nothing else is configured.
pub const USER_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365);

/// The fleet's root: an ECDSA P-256 key and its self-signed certificate.
pub struct CertificateAuthority {
    trust_domain: TrustDomain,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl CertificateAuthority {
    /// A new authority, valid for ten years, which may sign end-entity certificates only.
    ///
    /// The trust domain is the certificate's URI, as SPIFFE's X.509-SVID, section 4.1, wants it.
    pub fn make(trust_domain: &TrustDomain, now: Timestamp) -> Result<Self, IssueError> {
        let key = make_key()?;
        let mut params = params(now, CA_LIFETIME)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::OrganizationName, "Hanse");
        params.distinguished_name.push(DnType::CommonName, "Hanse CA");
        params.subject_alt_names = vec![uri(&format!("spiffe://{trust_domain}"))?];
        let certificate = params.self_signed(&key)?.into();
        let issuer = Issuer::new(params, key);
        Ok(Self { trust_domain: trust_domain.clone(), certificate, issuer })
    }

    pub(super) fn from_parts(
        trust_domain: TrustDomain,
        certificate: CertificateDer<'static>,
        key: KeyPair,
    ) -> Result<Self, IssueError> {
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { trust_domain, certificate, issuer })
    }

    /// The trust domain of every identity that this authority certifies.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The authority's own certificate, which peers pin.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's own certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        pem::encode(pem::CERTIFICATE, &self.certificate)
    }

    /// The last second at which the authority's certificate is valid.
    pub fn not_after(&self) -> Timestamp {
        let parsed = super::identity::parse(&self.certificate).ok();
        parsed
            .map(|certificate| certificate.validity().not_after.timestamp())
            .and_then(|second| Timestamp::from_second(second).ok())
            .unwrap_or_default()
    }

    /// `sha256:` and the hash of the CA's `SubjectPublicKeyInfo`, in hexadecimal, as kubeadm's
    /// `--discovery-token-ca-cert-hash` has it.
    pub fn spki_hash(&self) -> String {
        format!("sha256:{}", Digest::of(&self.key().subject_public_key_info()))
    }

    /// A certificate and key for the hub's own listeners, for DNS names and IP addresses.
    pub fn issue_server(&self, names: &[String], now: Timestamp) -> Result<Identity, IssueError> {
        if names.is_empty() {
            return Err(IssueError::NoNames);
        }
        let key = make_key()?;
        let names = names.iter().map(|name| server_name(name)).collect::<Result<_, _>>()?;
        let purpose = ExtendedKeyUsagePurpose::ServerAuth;
        let issued = self.issue(&key, names, purpose, now, SERVER_LIFETIME)?;
        Ok(Identity::new(issued, &key))
    }

    /// A certificate for the agent of one cluster, over the key that its request proved.
    pub fn issue_agent(
        &self,
        cluster: ClusterId,
        key: &ProvenKey,
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> Result<IssuedCertificate, IssueError> {
        self.issue_client(&Subject::Cluster(cluster), key.as_public_key(), now, lifetime)
    }

    /// A certificate and a new key for a person.
    pub fn issue_user(
        &self,
        name: &UserName,
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> Result<Identity, IssueError> {
        let key = make_key()?;
        let issued = self.issue_client(&Subject::User(name.clone()), &key, now, lifetime)?;
        Ok(Identity::new(issued, &key))
    }

    pub(super) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }

    fn issue_client(
        &self,
        subject: &Subject,
        key: &impl PublicKeyData,
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> Result<IssuedCertificate, IssueError> {
        let name = uri(&subject.to_uri(&self.trust_domain))?;
        self.issue(key, vec![name], ExtendedKeyUsagePurpose::ClientAuth, now, lifetime)
    }

    fn issue(
        &self,
        key: &impl PublicKeyData,
        names: Vec<SanType>,
        purpose: ExtendedKeyUsagePurpose,
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> Result<IssuedCertificate, IssueError> {
        let mut params = params(now, lifetime)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.subject_alt_names = names;
        params.use_authority_key_identifier_extension = true;
        let not_after = from_offset(params.not_after)?;
        let serial = params.serial_number.as_ref().map(SerialNumber::to_bytes).unwrap_or_default();
        let leaf: CertificateDer<'static> = params.signed_by(key, &self.issuer)?.into();
        Ok(IssuedCertificate {
            fingerprint: Digest::of(&leaf),
            chain: vec![leaf, self.certificate.clone()],
            not_after,
            serial: hex::encode(serial),
        })
    }
}

/// A certificate whose key is elsewhere.
#[derive(Clone, Debug)]
pub struct IssuedCertificate {
    /// DER, leaf first, CA last.
    pub chain: Vec<CertificateDer<'static>>,
    /// The last second at which it is valid.
    pub not_after: Timestamp,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 of the leaf's DER, as [`super::Peer`] shows it.
    pub fingerprint: Digest,
}

/// A certificate with its private key. `Debug` of the key shows nothing of it.
#[derive(Debug)]
pub struct Identity {
    /// The certificate and its chain.
    pub certificate: IssuedCertificate,
    /// PKCS #8, DER.
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    fn new(certificate: IssuedCertificate, key: &KeyPair) -> Self {
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Self { certificate, key }
    }

    /// The chain in PEM, leaf first.
    pub fn chain_pem(&self) -> String {
        self.certificate.chain.iter().map(|der| pem::encode(pem::CERTIFICATE, der)).collect()
    }

    /// The private key in PEM.
    pub fn key_pem(&self) -> secrecy::SecretString {
        pem::encode(pem::PRIVATE_KEY, self.key.secret_der()).into()
    }
}

/// Why a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A server certificate for nobody.
    #[error("a server certificate needs at least one DNS name or IP address")]
    NoNames,
    /// Not a name that a server can have.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    ServerName(String),
    /// A time that a certificate cannot state.
    #[error("the certificate's validity is out of range")]
    Validity,
    /// The cryptographic library refused.
    #[error("cannot make the certificate")]
    Crypto(#[from] rcgen::Error),
}

fn make_key() -> Result<KeyPair, IssueError> {
    Ok(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?)
}

/// What every certificate has in common: no subject, a random serial number, a validity.
fn params(now: Timestamp, lifetime: SignedDuration) -> Result<CertificateParams, IssueError> {
    if !lifetime.is_positive() {
        return Err(IssueError::Validity);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = to_offset(now.checked_sub(CLOCK_SKEW))?;
    params.not_after = to_offset(now.checked_add(lifetime))?;
    // 126 random bits; positive and always 16 bytes long (RFC 5280, section 4.1.2.2).
    let serial = (rand::random::<u128>() >> 2) | (1 << 126);
    params.serial_number = Some(SerialNumber::from_slice(&serial.to_be_bytes()));
    Ok(params)
}

fn uri(text: &str) -> Result<SanType, IssueError> {
    Ok(SanType::URI(text.try_into()?))
}

fn server_name(text: &str) -> Result<SanType, IssueError> {
    match ServerName::try_from(text) {
        Ok(ServerName::DnsName(name)) => Ok(SanType::DnsName(name.as_ref().try_into()?)),
        Ok(ServerName::IpAddress(ip)) => Ok(SanType::IpAddress(IpAddr::from(ip))),
        _ => Err(IssueError::ServerName(text.to_owned())),
    }
}

fn to_offset(at: Result<Timestamp, jiff::Error>) -> Result<OffsetDateTime, IssueError> {
    let seconds = at.map_err(|_| IssueError::Validity)?.as_second();
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| IssueError::Validity)
}

fn from_offset(at: OffsetDateTime) -> Result<Timestamp, IssueError> {
    Timestamp::from_second(at.unix_timestamp()).map_err(|_| IssueError::Validity)
}

#[cfg(test)]
#[path = "ca_tests.rs"]
mod tests;
