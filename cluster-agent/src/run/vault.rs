//! Opens sealed secrets, right before they are written: nothing else in the agent ever has a value.

use std::sync::Arc;

use hanse_domain::ids::Digest;
use hanse_sealing::{SecretContext, SecretData};

use crate::core::io::{Failure, Sealed};
use crate::identity::age::AgeIdentities;

/// What the agent's age identities can open.
#[derive(Clone)]
pub(super) struct Vault {
    identities: Arc<AgeIdentities>,
    fleet: Digest,
}

impl Vault {
    pub(super) fn new(identities: AgeIdentities, fleet: Digest) -> Self {
        Self { identities: Arc::new(identities), fleet }
    }

    /// The recipient that the hub is told.
    pub(super) fn recipient(&self) -> String {
        self.identities.recipients().last().map(ToString::to_string).unwrap_or_default()
    }

    /// The values of a secret.
    pub(super) fn open(&self, sealed: &Sealed) -> Result<SecretData, Failure> {
        let name = &sealed.document.reference.name;
        let none = || Failure::Refused(format!("{name} is no sealed secret"));
        let secret = sealed.document.secret().ok_or_else(none)?;
        let context = SecretContext {
            fleet: self.fleet.0,
            name: name.clone(),
            namespaces: secret.namespaces.iter().cloned().collect(),
            secret_type: secret.secret_type.clone(),
            version: secret.version,
        };
        self.identities.open(&sealed.wrap.key, &secret.payload, &context).map_err(|error| {
            Failure::Refused(format!(
                "version {} cannot be opened here: {error}; an owner seals it anew with `hanse secret \
                 reseal {name}`",
                secret.version
            ))
        })
    }
}
