//! Trust in one CA, known by the hash of its public key alone (as kubeadm's
//! `--discovery-token-ca-cert-hash`): SHA-256 over the `SubjectPublicKeyInfo` in DER.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use hanse_domain::ids::Digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::identity::Certificate;

/// The hash of the hub's CA, as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaHash(Digest);

/// Not a hash of a CA.
#[derive(Debug, thiserror::Error)]
#[error("not sha256: and 64 hexadecimal digits in lower case")]
pub struct InvalidCaHash;

impl FromStr for CaHash {
    type Err = InvalidCaHash;

    fn from_str(text: &str) -> Result<Self, InvalidCaHash> {
        let digits = text.strip_prefix("sha256:").ok_or(InvalidCaHash)?;
        digits.parse().map(Self).map_err(|_| InvalidCaHash)
    }
}

impl fmt::Display for CaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// Why who answered is not the hub.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// No certificate in the chain has the hash.
    #[error("the server shows no CA certificate with the hash {0}")]
    NoCa(CaHash),
    /// The CA is there, but the server's certificate is not of it, for another host or expired.
    #[error("the server's certificate does not verify with the CA of that hash: {0}")]
    Leaf(String),
}

/// Accepts a server whose chain holds the CA with the hash, if that CA signed its certificate.
#[derive(Debug)]
pub struct PinVerifier {
    hash: CaHash,
    provider: Arc<CryptoProvider>,
    outcome: Mutex<Option<Result<Vec<u8>, PinError>>>,
}

impl PinVerifier {
    /// Trusts the CA with this hash.
    pub fn new(hash: CaHash) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        Self { hash, provider, outcome: Mutex::new(None) }
    }

    /// The CA's certificate, DER, once a server was accepted.
    pub fn pinned(&self) -> Option<Vec<u8>> {
        self.outcome.lock().ok()?.as_ref()?.as_ref().ok().cloned()
    }

    /// Why the last server was not accepted.
    pub fn refusal(&self) -> Option<PinError> {
        self.outcome.lock().ok()?.as_ref()?.as_ref().err().cloned()
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<Vec<u8>, PinError> {
        let is_pinned = |der: &CertificateDer<'_>| {
            let parsed = Certificate::parse(der).ok();
            parsed.is_some_and(|c| c.is_ca && Digest::of(&c.public_key) == self.hash.0)
        };
        let ca = others.iter().find(|der| is_pinned(der)).ok_or(PinError::NoCa(self.hash))?;
        let bad = |error: &dyn fmt::Display| PinError::Leaf(error.to_string());
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned()).map_err(|e| bad(&e))?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots.into(), self.provider.clone())
                .build()
                .map_err(|e| bad(&e))?;
        // The CA signs end entities itself, so no other certificate is let into the path.
        verifier.verify_server_cert(leaf, &[], name, &[], now).map_err(|e| bad(&e))?;
        Ok(ca.to_vec())
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let outcome = self.verify(end_entity, intermediates, server_name, now);
        let answer = match &outcome {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(error) => Err(Error::Other(OtherError(Arc::new(error.clone())))),
        };
        if let Ok(mut slot) = self.outcome.lock() {
            *slot = Some(outcome);
        }
        answer
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
