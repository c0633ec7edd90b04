//! Certificates and keys: what is read of them, and requests for new ones.

use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use secrecy::SecretString;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Why a certificate is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// No certificate, or no key.
    #[error("there is no certificate with its key")]
    Missing,
    /// Not X.509 or not PEM.
    #[error("it cannot be parsed: {0}")]
    Malformed(String),
    /// Of another key pair.
    #[error("the certificate is of another key")]
    OtherKey,
    /// Of somebody else.
    #[error("the certificate has another name than the cluster's")]
    OtherName,
    /// The CA did not sign it, or it is not valid now.
    #[error("the certificate does not verify with the hub's CA: {0}")]
    Unverified(String),
    /// The cryptographic library.
    #[error("the key cannot be made")]
    Key(#[from] rcgen::Error),
}

/// What is read of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The first second at which it is valid.
    pub not_before: Timestamp,
    /// The last one.
    pub not_after: Timestamp,
    /// Its one URI name; nothing when it has none or several.
    pub uri: Option<String>,
    /// `SubjectPublicKeyInfo`, DER.
    pub public_key: Vec<u8>,
    /// Whether it may sign others.
    pub is_ca: bool,
}

impl Certificate {
    /// Reads DER.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        let malformed =
            |error: &dyn std::fmt::Display| CertificateError::Malformed(error.to_string());
        let (_, parsed) = X509Certificate::from_der(der).map_err(|e| malformed(&e))?;
        let time = |seconds| Timestamp::from_second(seconds).map_err(|e| malformed(&e));
        let names = parsed.subject_alternative_name().map_err(|e| malformed(&e))?;
        let mut uris = names.iter().flat_map(|names| &names.value.general_names).filter_map(|n| {
            if let GeneralName::URI(uri) = n { Some((*uri).to_owned()) } else { None }
        });
        let uri = uris.next();
        Ok(Self {
            not_before: time(parsed.validity().not_before.timestamp())?,
            not_after: time(parsed.validity().not_after.timestamp())?,
            uri: if uris.next().is_some() { None } else { uri },
            public_key: parsed.public_key().raw.to_vec(),
            is_ca: parsed.is_ca(),
        })
    }
}

/// A new key pair and the request for a certificate over it. The request names nobody: the hub takes
/// the public key from it and nothing else.
#[derive(Debug)]
pub struct Request {
    /// PKCS #10, DER.
    pub csr: Vec<u8>,
    /// PKCS #8, PEM.
    pub key_pem: SecretString,
    /// `SubjectPublicKeyInfo`, DER.
    pub public_key: Vec<u8>,
}

impl Request {
    /// Makes a P-256 key.
    pub fn make() -> Result<Self, CertificateError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let csr = params.serialize_request(&key)?.der().to_vec();
        let public_key = key.subject_public_key_info();
        Ok(Self { csr, key_pem: key.serialize_pem().into(), public_key })
    }
}

/// The public key of a private one.
pub(super) fn public_key_of(key_pem: &str) -> Result<Vec<u8>, CertificateError> {
    Ok(KeyPair::from_pem(key_pem)?.subject_public_key_info())
}

/// The certificates in a PEM text, DER.
pub fn chain_from_pem(pem: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|der| der.map(|der| der.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| CertificateError::Malformed(format!("{error:?}")))
}

/// Checks that a chain's leaf is a client's, signed by the CA and valid now.
pub fn verify_chain(chain: &[Vec<u8>], ca: &[u8], now: Timestamp) -> Result<(), CertificateError> {
    let unverified = |error: webpki::Error| CertificateError::Unverified(error.to_string());
    let leaf = CertificateDer::from(chain.first().ok_or(CertificateError::Missing)?.as_slice());
    let ca = CertificateDer::from(ca);
    let anchor = anchor_from_trusted_cert(&ca).map_err(unverified)?;
    let leaf = EndEntityCert::try_from(&leaf).map_err(unverified)?;
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    leaf.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &[anchor],
        &[],
        now,
        KeyUsage::client_auth(),
        None,
        None,
    )
    .map(|_| ())
    .map_err(unverified)
}
