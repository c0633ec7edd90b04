//! The identities of an agent in the cluster: the Secret `hanse-agent-age`, mounted as `age.key` beside
//! the other files of the identity.
//!
//! `join` makes it and `recipient --rotate` replaces it, with an administrator's rights. The agent cannot
//! change it and reads it from the mount alone.

use hanse_domain::object::{Object, ObjectKind, ObjectRef};
use hanse_sealing::SecretData;
use k8s_openapi::api::core::v1::Secret;
use kube::api::GetParams;
use kube::core::Request;
use kube::{Client, Resource as _};
use serde_json::json;
use zeroize::Zeroizing;

use super::{AGE_KEY_FILE, AgeError, AgeIdentities};
use crate::core::io::Failure;
use crate::kube::secret::SecretWriter;
use crate::kube::{CallError, NAMESPACE, within};

/// The Secret's name.
pub const AGE_SECRET: &str = "hanse-agent-age";

/// Why the identities in the cluster cannot be used or kept.
#[derive(Debug, thiserror::Error)]
pub enum AgeSecretError {
    /// With an administrator's rights.
    #[error("the Secret {NAMESPACE}/{AGE_SECRET} cannot be read")]
    Read(#[from] CallError),
    /// An answer that is no Secret. What is wrong with it would quote it.
    #[error("the API server's answer about the Secret {NAMESPACE}/{AGE_SECRET} cannot be read")]
    Answer,
    /// Its content.
    #[error("the Secret {NAMESPACE}/{AGE_SECRET} cannot be used")]
    Content(#[source] AgeError),
    /// The API server.
    #[error("the Secret {NAMESPACE}/{AGE_SECRET} cannot be written: {0}")]
    Write(String),
}

/// Makes the Secret, or takes the identities of the one that is there, with an administrator's rights.
/// With `dry_run` nothing is written.
pub async fn make_if_absent(
    client: &Client,
    dry_run: bool,
) -> Result<AgeIdentities, AgeSecretError> {
    if let Some(content) = read(client).await? {
        return AgeIdentities::parse(&content).map_err(AgeSecretError::Content);
    }
    let made = AgeIdentities::make();
    let (object, data) = (object(), data(&made)?);
    let writer = SecretWriter::new(client.clone());
    if dry_run {
        writer.dry_run(&object, &data).await.map_err(cannot_write)?;
    } else {
        writer.write(&object, &data, None, false).await.map_err(cannot_write)?;
    }
    Ok(made)
}

/// Replaces the Secret's content, with an administrator's rights. The mount shows it a minute later.
pub async fn save(client: &Client, identities: &AgeIdentities) -> Result<(), AgeSecretError> {
    let writer = SecretWriter::new(client.clone());
    writer.replace(&object(), &data(identities)?).await.map_err(cannot_write)
}

/// The content of the Secret that is there. kube's own `get` logs an answer that it cannot read, with all
/// that is in it; the text is read here instead.
async fn read(client: &Client) -> Result<Option<Zeroizing<Vec<u8>>>, AgeSecretError> {
    let path = Secret::url_path(&(), Some(NAMESPACE));
    let request = Request::new(path).get(AGE_SECRET, &GetParams::default());
    let request = request.map_err(|e| CallError::Kube(kube::Error::BuildRequest(e)))?;
    let text = match within(client.request_text(request)).await {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let found: Secret = serde_json::from_str(&text).map_err(|_| AgeSecretError::Answer)?;
    let content = found.data.and_then(|mut data| data.remove(AGE_KEY_FILE));
    Ok(Some(Zeroizing::new(content.map(|value| value.0).unwrap_or_default())))
}

fn cannot_write(failure: Failure) -> AgeSecretError {
    let (Failure::Refused(why) | Failure::Unavailable(why) | Failure::Conflict(why)) = failure;
    AgeSecretError::Write(why)
}

fn object() -> Object {
    let body = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": AGE_SECRET,
            "namespace": NAMESPACE,
            "labels": {
                "app.kubernetes.io/name": "hanse-agent",
                "app.kubernetes.io/part-of": "hanse",
            },
        },
        "type": "Opaque",
    });
    Object { reference: ObjectRef::namespaced(ObjectKind::Secret, NAMESPACE, AGE_SECRET), body }
}

fn data(identities: &AgeIdentities) -> Result<SecretData, AgeSecretError> {
    let mut data = SecretData::default();
    data.insert(AGE_KEY_FILE, identities.encode().as_bytes())
        .map_err(|error| AgeSecretError::Write(error.to_string()))?;
    Ok(data)
}
