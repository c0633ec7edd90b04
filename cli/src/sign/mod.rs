//! The author's signature over a statement: the one step between what was shown and what is sent.
//!
//! The key is the one that the context names, or one that ssh-agent has, or that of a default file
//! of ssh, whichever may sign; so that someone with one key never has to say which.

mod find;
mod passphrase;

use std::path::PathBuf;

use hanse_domain::trust::signature::PublicKey;
use hanse_signing::{Agent, Key, KeyFile, KeyFileError};

use crate::failure::{Failure, Outcome};
use crate::output;

/// What the environment says about keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// `SSH_AUTH_SOCK`
    agent: Option<PathBuf>,
    /// `HOME`
    home: Option<PathBuf>,
    /// `HANSE_SIGNING_PASSPHRASE_FILE`
    passphrase_file: Option<PathBuf>,
}

impl Surroundings {
    /// Of this process.
    pub(crate) fn of_process() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(Into::into);
        Self {
            agent: path("SSH_AUTH_SOCK"),
            home: path("HOME"),
            passphrase_file: path(passphrase::VARIABLE),
        }
    }
}

/// A key that signs.
#[derive(Debug)]
pub(crate) struct Signer {
    key: PublicKey,
    source: Source,
    surroundings: Surroundings,
}

#[derive(Debug)]
enum Source {
    Agent(Agent),
    /// A file that is opened when something is signed.
    File(Box<KeyFile>),
    Open(Box<Key>),
}

impl Signer {
    /// Finds a key that is wanted. Nobody is asked anything yet.
    pub(crate) async fn find(
        wanted: &[PublicKey],
        configured: Option<PathBuf>,
        surroundings: Surroundings,
    ) -> Outcome<Self> {
        let wanted = wanted.to_vec();
        // An agent may be slow to answer.
        let found = tokio::task::spawn_blocking(move || {
            let (key, source) = find::find(&wanted, configured.as_deref(), &surroundings)?;
            Ok(Self { key, source, surroundings })
        });
        found.await.map_err(|error| Failure::io("no key could be looked for", &error.into()))?
    }

    /// Whose signatures it makes.
    pub(crate) fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The PEM block of a signature over the bytes. A passphrase is asked for once.
    pub(crate) async fn sign(&mut self, bytes: &[u8]) -> Outcome<Vec<u8>> {
        if let Source::File(file) = &self.source {
            self.source = Source::Open(Box::new(self.open(file).await?));
        }
        match &self.source {
            Source::Open(key) => key.sign(bytes).map_err(|e| refused(&e)),
            Source::Agent(agent) => self.ask(agent.clone(), bytes.to_vec()).await,
            Source::File(file) => Err(passphrase::needed(file)),
        }
    }

    async fn open(&self, file: &KeyFile) -> Outcome<Key> {
        if file.is_encrypted() {
            passphrase::open(file, self.surroundings.passphrase_file.as_deref()).await
        } else {
            file.open(None).map_err(|e| refused(&e))
        }
    }

    async fn ask(&self, agent: Agent, bytes: Vec<u8>) -> Outcome<Vec<u8>> {
        let key = self.key.clone();
        if key.kind().is_hardware() {
            output::note(&format!("touch your security key to sign ({})", key.fingerprint()));
        }
        let signed = tokio::task::spawn_blocking(move || agent.sign(&key, &bytes));
        let signed =
            signed.await.map_err(|e| Failure::io("ssh-agent could not be asked", &e.into()))?;
        signed.map_err(|error| {
            Failure::new("not-signed", "ssh-agent did not sign; nothing was committed")
                .why(error.to_string())
                .hint("see what it has: ssh-add -l")
        })
    }
}

/// A key file that does not do.
pub(crate) fn refused(error: &KeyFileError) -> Failure {
    let failure =
        Failure::new("signing-key", "the signing key cannot be used").why(error.to_string());
    match error {
        KeyFileError::Exposed { path, .. } => failure.hint(format!("chmod 600 {}", path.display())),
        KeyFileError::Malformed { path } => {
            failure.hint(format!("see what it is: ssh-keygen -l -f {}", path.display()))
        }
        KeyFileError::UnsupportedKey { .. } => failure.hint("ssh-keygen -t ed25519"),
        KeyFileError::Io { .. } => failure.hint("`signingKey` of the context names the file"),
        KeyFileError::WrongPassphrase { .. } | KeyFileError::Faulty { .. } => failure,
    }
}

#[cfg(test)]
mod tests;
