//! Opens sealed secrets, right before they are written, and signs checkpoints: nothing else in a running
//! agent has its age identities, or a value.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use hanse_domain::ids::Digest;
use hanse_sealing::{OpenError, Refusal, SecretContext, SecretData};

use crate::core::io::{Failure, Sealed};
use crate::core::ledger::Ledger;
use crate::identity::age::AgeIdentities;

/// What the agent's age identities can open.
#[derive(Clone)]
pub(super) struct Vault {
    dir: PathBuf,
    identities: Arc<RwLock<AgeIdentities>>,
    fleet: Digest,
}

impl Vault {
    /// With the identities in a directory.
    pub(super) fn new(dir: PathBuf, identities: AgeIdentities, fleet: Digest) -> Self {
        Self { dir, identities: Arc::new(RwLock::new(identities)), fleet }
    }

    /// The recipient that the hub is told: the newest in the directory.
    pub(super) fn recipient(&self) -> String {
        self.refresh();
        self.now().newest().to_string()
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
        let open = || self.now().open(&sealed.wrap.key, &secret.payload, &context);
        let opened = match open() {
            // Somebody may have made another identity meanwhile.
            Err(OpenError { refusal: Refusal::OtherRecipient, .. }) => {
                self.refresh();
                open()
            }
            other => other,
        };
        opened.map_err(|error| {
            Failure::Refused(format!(
                "version {} cannot be opened here: {error}; an owner seals it anew with `hanse secret \
                 reseal {name}`",
                secret.version
            ))
        })
    }

    /// Signs what the agent has seen, for the recipient that the roster names.
    pub(super) fn sign(&self, named: Option<&str>, checkpoint: &[u8]) -> Option<Vec<u8>> {
        self.now().sign_checkpoint(named, checkpoint).map(Vec::from)
    }

    /// Reads the directory again; what cannot be read changes nothing.
    fn refresh(&self) {
        if let Ok(read) = AgeIdentities::load(&self.dir) {
            *self.identities.write().unwrap_or_else(PoisonError::into_inner) = read;
        }
    }

    fn now(&self) -> AgeIdentities {
        self.identities.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Forgets identities to which nothing is sealed, once the roster names a newer one. Whether there
/// were any.
pub(super) fn retire(identities: &mut AgeIdentities, ledger: &Ledger) -> bool {
    let Ok(Some(bundle)) = ledger.bundle() else {
        return false;
    };
    let Some(named) = &bundle.entry.recipient else {
        return false;
    };
    let used = |recipient: &hanse_sealing::Recipient| {
        bundle.wraps.values().any(|wrap| wrap.recipient == recipient.as_str())
    };
    !identities.retire(named, used).is_empty()
}
