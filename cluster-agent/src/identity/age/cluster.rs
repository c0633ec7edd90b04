//! The identities of an agent in the cluster: the Secret `hanse-agent-age`, mounted as `age.key` beside
//! the other files of the identity.
//!
//! `join` makes it, with an administrator's rights. The agent may update this one by name and can read
//! it from the mount alone.

use std::collections::BTreeMap;

use hanse_domain::object::{Object, ObjectKind, ObjectRef};
use hanse_sealing::SecretData;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
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
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    if let Some(found) = within(secrets.get_opt(AGE_SECRET)).await? {
        let mut data: BTreeMap<_, _> = found.data.unwrap_or_default();
        let content = data.remove(AGE_KEY_FILE).map(|value| Zeroizing::new(value.0));
        let content = content.as_ref().map_or(&[][..], |content| content.as_slice());
        return AgeIdentities::parse(content).map_err(AgeSecretError::Content);
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

/// Replaces the Secret's content, with the agent's own rights. The mount shows it a minute later.
pub async fn save(client: &Client, identities: &AgeIdentities) -> Result<(), AgeSecretError> {
    let writer = SecretWriter::new(client.clone());
    writer.replace(&object(), &data(identities)?).await.map_err(cannot_write)
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
