//! Where a renewed certificate goes. In the cluster there are two Secrets: the agent may write the one
//! with its credentials, and not the one that says whom it believes, so that whoever has its token
//! cannot have it believe somebody else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use secrecy::ExposeSecret as _;

use super::{CREDENTIALS_FILE, Identity, IdentityError, write_private};
use crate::kube::{CallError, IDENTITY_SECRET, NAMESPACE, PINS_SECRET, within};

const FIELD_MANAGER: &str = "hanse-agent/identity";

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
    /// In the Secret.
    #[error("the Secret {NAMESPACE}/{IDENTITY_SECRET} cannot be written")]
    Secret(#[from] CallError),
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
                let params = PostParams {
                    field_manager: Some(FIELD_MANAGER.to_owned()),
                    ..PostParams::default()
                };
                let secret = secret(identity)?;
                within(secrets(client).replace(IDENTITY_SECRET, &params, &secret)).await?;
                Ok(())
            }
        }
    }
}

/// Makes both Secrets, with an administrator's rights.
pub async fn create_secrets(
    client: &Client,
    identity: &Identity,
    dry_run: bool,
) -> Result<(), StoreError> {
    let params = PatchParams { dry_run, ..PatchParams::apply("hanse-agent/join").force() };
    for (name, secret) in [(IDENTITY_SECRET, secret(identity)?), (PINS_SECRET, pins(identity)?)] {
        within(secrets(client).patch(name, &params, &Patch::Apply(secret))).await?;
    }
    Ok(())
}

fn secrets(client: &Client) -> Api<Secret> {
    Api::namespaced(client.clone(), NAMESPACE)
}

/// The credentials.
fn secret(identity: &Identity) -> Result<Secret, IdentityError> {
    with_files(IDENTITY_SECRET, identity, |name| name == CREDENTIALS_FILE)
}

/// Who the agent is, and whom it believes.
fn pins(identity: &Identity) -> Result<Secret, IdentityError> {
    with_files(PINS_SECRET, identity, |name| name != CREDENTIALS_FILE)
}

fn with_files(
    secret: &str,
    identity: &Identity,
    wanted: impl Fn(&str) -> bool,
) -> Result<Secret, IdentityError> {
    let data: BTreeMap<String, ByteString> = identity
        .files()?
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, content)| (name.to_owned(), ByteString(content.expose_secret().into())))
        .collect();
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(secret.to_owned()),
            labels: Some(BTreeMap::from([
                label("app.kubernetes.io/name", "hanse-agent"),
                label("app.kubernetes.io/part-of", "hanse"),
            ])),
            ..ObjectMeta::default()
        },
        data: Some(data),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
}
