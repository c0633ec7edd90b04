//! Where a renewed certificate goes. In the cluster there are two Secrets: the agent may write the one
//! with its credentials, and not the one that says whom it believes, so that whoever has its token
//! cannot have it believe somebody else.

use std::path::PathBuf;

use hanse_domain::object::{Object, ObjectKind, ObjectRef};
use hanse_sealing::SecretData;
use kube::Client;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{CREDENTIALS_FILE, Identity, IdentityError, write_private};
use crate::core::io::Failure;
use crate::kube::secret::SecretWriter;
use crate::kube::{IDENTITY_SECRET, NAMESPACE, PINS_SECRET};

/// Where the identity is kept.
#[derive(Clone)]
pub enum IdentityStore {
    /// In a directory.
    Directory(PathBuf),
    /// In a Secret, which is mounted where it was read from; what it may not change is in another.
    Secret(Client),
}

/// An identity that could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// In the directory.
    #[error(transparent)]
    Directory(#[from] IdentityError),
    /// In a Secret.
    #[error("the Secret {NAMESPACE}/{name} cannot be written: {why}")]
    Secret {
        /// Which.
        name: &'static str,
        /// Without anything of its content.
        why: String,
    },
}

impl IdentityStore {
    /// Stores renewed credentials. The rest of the identity does not change.
    pub async fn save(&self, identity: &Identity) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => {
                let content = identity.credentials.encode();
                let name = CREDENTIALS_FILE;
                let write = write_private(directory, name, content.expose_secret().as_bytes());
                Ok(write.map_err(|error| IdentityError::Write(directory.join(name), error))?)
            }
            Self::Secret(client) => {
                // The agent may update this one Secret and read none, so it is written whole.
                let (object, data) = credentials(identity)?;
                let writer = SecretWriter::new(client.clone());
                writer.replace(&object, &data).await.map_err(cannot_write(IDENTITY_SECRET))
            }
        }
    }
}

/// Makes both Secrets, or overwrites those that are there, with an administrator's rights.
pub async fn create_secrets(
    client: &Client,
    identity: &Identity,
    dry_run: bool,
) -> Result<(), StoreError> {
    let writer = SecretWriter::new(client.clone());
    let both = [(IDENTITY_SECRET, credentials(identity)?), (PINS_SECRET, pins(identity)?)];
    for (name, (object, data)) in both {
        if dry_run {
            writer.dry_run(&object, &data).await.map_err(cannot_write(name))?;
        } else {
            // An administrator says so: what is there may be overwritten.
            writer.write(&object, &data, None, true).await.map_err(cannot_write(name))?;
        }
    }
    Ok(())
}

fn cannot_write(name: &'static str) -> impl Fn(Failure) -> StoreError {
    move |failure| {
        let (Failure::Refused(why) | Failure::Unavailable(why) | Failure::Conflict(why)) = failure;
        StoreError::Secret { name, why }
    }
}

fn credentials(identity: &Identity) -> Result<(Object, SecretData), StoreError> {
    with_files(IDENTITY_SECRET, identity, |name| name == CREDENTIALS_FILE)
}

/// Who the agent is, and whom it believes.
fn pins(identity: &Identity) -> Result<(Object, SecretData), StoreError> {
    with_files(PINS_SECRET, identity, |name| name != CREDENTIALS_FILE)
}

fn with_files(
    secret: &'static str,
    identity: &Identity,
    wanted: impl Fn(&str) -> bool,
) -> Result<(Object, SecretData), StoreError> {
    let mut data = SecretData::default();
    for (name, content) in identity.files()?.into_iter().filter(|(name, _)| wanted(name)) {
        data.insert(name, content.expose_secret().as_bytes())
            .map_err(|error| StoreError::Secret { name: secret, why: error.to_string() })?;
    }
    let body = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret,
            "namespace": NAMESPACE,
            "labels": {
                "app.kubernetes.io/name": "hanse-agent",
                "app.kubernetes.io/part-of": "hanse",
            },
        },
        "type": "Opaque",
    });
    let reference = ObjectRef::namespaced(ObjectKind::Secret, NAMESPACE, secret);
    Ok((Object { reference, body }, data))
}
