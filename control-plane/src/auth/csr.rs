//! Certificate requests (PKCS #10, RFC 2986): the public key, and proof that the sender holds the
//! private one. Subject, names, extensions and attributes of a request are not even returned.

use rcgen::{PublicKeyData, SubjectPublicKeyInfo};
use rustls_pki_types::SignatureVerificationAlgorithm;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ED25519, Oid,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AlgorithmIdentifier;

/// The largest request that is looked at. One with a P-256 key and no extras has about 250 bytes.
pub const MAX_BYTES: usize = 16 * 1024;

/// A public key whose private key the sender of the request has shown to hold.
#[derive(Debug)]
pub struct ProvenKey(SubjectPublicKeyInfo);

impl ProvenKey {
    /// Takes the key out of a DER request after checking the request's signature with that key.
    pub fn from_csr(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > MAX_BYTES {
            return Err(CsrError::TooLarge);
        }
        let ([], csr) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?
        else {
            return Err(CsrError::Malformed);
        };
        let info = &csr.certification_request_info;
        let key = &info.subject_pki;
        let scheme = Scheme::of_key(&key.algorithm).ok_or(CsrError::KeyKind)?;
        let whole_bytes =
            key.subject_public_key.unused_bits == 0 && csr.signature_value.unused_bits == 0;
        if !whole_bytes || !scheme.signs_as(&csr.signature_algorithm) {
            return Err(CsrError::Signature);
        }
        scheme
            .verifier()
            .verify_signature(&key.subject_public_key.data, info.raw, &csr.signature_value.data)
            .map_err(|_| CsrError::Signature)?;
        SubjectPublicKeyInfo::from_der(key.raw).map(Self).map_err(|_| CsrError::KeyKind)
    }

    /// The key's `SubjectPublicKeyInfo`, DER.
    pub fn spki(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    pub(super) fn as_public_key(&self) -> &SubjectPublicKeyInfo {
        &self.0
    }
}

/// Why a certificate request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Larger than [`MAX_BYTES`].
    #[error("the certificate request is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not DER, not PKCS #10, cut off, or with bytes after its end.
    #[error("the certificate request is not well-formed PKCS #10 in DER")]
    Malformed,
    /// RSA, another curve, or compressed points.
    #[error("the certificate request's key must be ECDSA P-256 or Ed25519")]
    KeyKind,
    /// The signature does not belong to the key.
    #[error("the certificate request is not signed with its own key")]
    Signature,
}

#[derive(Clone, Copy)]
enum Scheme {
    EcdsaP256,
    Ed25519,
}

impl Scheme {
    fn of_key(algorithm: &AlgorithmIdentifier<'_>) -> Option<Self> {
        let parameters = algorithm.parameters.as_ref();
        if algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve: Oid<'_> = parameters?.as_oid().ok()?;
            (curve == OID_EC_P256).then_some(Self::EcdsaP256)
        } else {
            let plain = algorithm.algorithm == OID_SIG_ED25519 && parameters.is_none();
            plain.then_some(Self::Ed25519)
        }
    }

    fn signs_as(self, algorithm: &AlgorithmIdentifier<'_>) -> bool {
        let expected = match self {
            Self::EcdsaP256 => OID_SIG_ECDSA_WITH_SHA256,
            Self::Ed25519 => OID_SIG_ED25519,
        };
        algorithm.algorithm == expected && algorithm.parameters.is_none()
    }

    fn verifier(self) -> &'static dyn SignatureVerificationAlgorithm {
        match self {
            Self::EcdsaP256 => webpki::aws_lc_rs::ECDSA_P256_SHA256,
            Self::Ed25519 => webpki::aws_lc_rs::ED25519,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn csr(key: &KeyPair) -> Vec<u8> {
        CertificateParams::default().serialize_request(key).unwrap().der().to_vec()
    }

    #[test]
    fn key_comes_out_as_it_went_in() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let proven = ProvenKey::from_csr(&csr(&key)).unwrap();
            assert_eq!(proven.spki(), key.subject_public_key_info());
        }
    }

    #[test]
    fn other_kinds_of_keys_are_refused() {
        for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_RSA_SHA256] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            assert_eq!(ProvenKey::from_csr(&csr(&key)).unwrap_err(), CsrError::KeyKind);
        }
    }

    #[test]
    fn another_keys_signature_is_refused() {
        let (mine, yours) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut swapped = csr(&mine);
        let (old, new) = (mine.public_key_raw(), yours.public_key_raw());
        let at = swapped.windows(old.len()).position(|window| window == old).unwrap();
        swapped[at..at + new.len()].copy_from_slice(new);
        assert_eq!(ProvenKey::from_csr(&swapped).unwrap_err(), CsrError::Signature);
    }

    #[test]
    fn no_changed_byte_gives_another_key() {
        let key = KeyPair::generate().unwrap();
        let good = csr(&key);
        let mut refused = 0;
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x01;
            match ProvenKey::from_csr(&bad) {
                // How the signature's algorithm is encoded is not itself signed.
                Ok(proven) => assert_eq!(proven.spki(), key.subject_public_key_info(), "{at}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused >= good.len() - 1);
    }

    #[test]
    fn garbage_and_wrong_sizes_are_refused() {
        let good = csr(&KeyPair::generate().unwrap());
        for len in 0..good.len() {
            assert!(ProvenKey::from_csr(&good[..len]).is_err(), "cut to {len}");
        }
        let longer = [good.as_slice(), &[0]].concat();
        assert_eq!(ProvenKey::from_csr(&longer).unwrap_err(), CsrError::Malformed);
        assert_eq!(ProvenKey::from_csr(b"not DER").unwrap_err(), CsrError::Malformed);
        let oversized = [good.as_slice(), &[0; MAX_BYTES]].concat();
        assert_eq!(ProvenKey::from_csr(&oversized).unwrap_err(), CsrError::TooLarge);
    }
}
