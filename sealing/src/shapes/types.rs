//! What Kubernetes asks of a Secret of each type it knows (`ValidateSecret` in
//! `k8s.io/kubernetes/pkg/apis/core/validation`), so that no cluster refuses what was sealed.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroize;

use super::ShapeError;
use crate::data::{SecretBytes, SecretData};

/// Any keys.
pub const OPAQUE: &str = "Opaque";
/// `tls.crt` and `tls.key`.
pub const TLS: &str = "kubernetes.io/tls";
/// `.dockerconfigjson`
pub const DOCKER_CONFIG_JSON: &str = "kubernetes.io/dockerconfigjson";
/// `.dockercfg`, the older form.
pub const DOCKER_CONFIG: &str = "kubernetes.io/dockercfg";
/// `username`, `password` or both.
pub const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
/// `ssh-privatekey`
pub const SSH_AUTH: &str = "kubernetes.io/ssh-auth";

const SERVICE_ACCOUNT_TOKEN: &str = "kubernetes.io/service-account-token";
const BOOTSTRAP_TOKEN: &str = "bootstrap.kubernetes.io/token";

/// Whether a cluster would take this data for this type. Types that Kubernetes does not know may
/// hold anything.
pub fn check_type(secret_type: &str, data: &SecretData) -> Result<(), ShapeError> {
    let need = |key: &str, secret_type, needs| {
        data.get(key).ok_or(ShapeError::Missing { secret_type, needs })
    };
    match secret_type {
        SERVICE_ACCOUNT_TOKEN => Err(ShapeError::Refused {
            secret_type: SERVICE_ACCOUNT_TOKEN,
            why: "each cluster makes its own, and one of them is a login to it",
        }),
        BOOTSTRAP_TOKEN => Err(ShapeError::Refused {
            secret_type: BOOTSTRAP_TOKEN,
            why: "one lets a new node join the cluster",
        }),
        TLS => {
            let needs = "`tls.crt` and `tls.key`";
            check_certificates(need("tls.crt", TLS, needs)?)?;
            check_private_key(need("tls.key", TLS, needs)?)
        }
        DOCKER_CONFIG_JSON => {
            let key = ".dockerconfigjson";
            check_json(key, need(key, DOCKER_CONFIG_JSON, "`.dockerconfigjson`")?)
        }
        DOCKER_CONFIG => {
            let key = ".dockercfg";
            check_json(key, need(key, DOCKER_CONFIG, "`.dockercfg`")?)
        }
        BASIC_AUTH if data.get("username").is_none() => {
            need("password", BASIC_AUTH, "`username` or `password`").map(drop)
        }
        SSH_AUTH => {
            let needs = "`ssh-privatekey`, not empty";
            let key = need("ssh-privatekey", SSH_AUTH, needs)?;
            if key.expose().is_empty() {
                return Err(ShapeError::Missing { secret_type: SSH_AUTH, needs });
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn check_certificates(value: &SecretBytes) -> Result<(), ShapeError> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(value.expose()) {
        if certificate.is_err() {
            count = 0;
            break;
        }
        count += 1;
    }
    if count == 0 {
        let problem = "is not a chain of certificates in PEM (`-----BEGIN CERTIFICATE-----`)";
        return Err(ShapeError::Value { key: "tls.crt", problem });
    }
    Ok(())
}

fn check_private_key(value: &SecretBytes) -> Result<(), ShapeError> {
    match PrivateKeyDer::from_pem_slice(value.expose()) {
        Ok(mut key) => {
            key.zeroize();
            Ok(())
        }
        Err(_) => Err(ShapeError::Value {
            key: "tls.key",
            problem: "is not a private key in PEM (one without passphrase: `-----BEGIN PRIVATE KEY-----`)",
        }),
    }
}

/// An object, as the API server asks for; nothing of it is kept.
fn check_json(key: &'static str, value: &SecretBytes) -> Result<(), ShapeError> {
    let json = value.expose();
    let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(json);
    if parsed.is_err() || !json.trim_ascii_start().starts_with(b"{") {
        return Err(ShapeError::Value { key, problem: "is not a JSON object" });
    }
    Ok(())
}
