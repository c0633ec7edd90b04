//! The age identities that secrets for this cluster are sealed to. They are made here and never sent;
//! their public halves, the recipients, go into the signed roster.
//!
//! There may be several, the newest last: when one is rotated, the old one is kept until the roster
//! names the new one and nothing is sealed to the old one any more.
//!
//! They are kept in `age.key`, as `age-keygen` writes it: in the identity's directory (0600), or in a
//! Secret of its own that is mounted there (see [`cluster`]).

pub mod cluster;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use hanse_domain::access::checkpoint::{self, SIGNATURE_BYTES};
use hanse_domain::ids::Digest;
use hanse_sealing::{
    Identity, IdentityFile, IdentityFileError, MAX_IDENTITY_FILE_BYTES, OpenError, Recipient,
    Refusal, SecretContext, SecretData, open, unwrap,
};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::{make_directory, write_private};
use crate::kube::ledger::LedgerKeys;

/// The file with the identities.
pub const AGE_KEY_FILE: &str = "age.key";

/// Most identities at once.
pub const MAX_AGE_IDENTITIES: usize = 8;

/// At least one identity.
#[derive(Clone, Debug)]
pub struct AgeIdentities {
    older: Vec<Identity>,
    newest: Identity,
}

/// Why identities cannot be used or kept.
#[derive(Debug, thiserror::Error)]
pub enum AgeError {
    /// Nothing was made here yet.
    #[error("{} is not there", .0.display())]
    Missing(PathBuf),
    /// The file.
    #[error("{} cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file.
    #[error("{} cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// Its content.
    #[error("the agent's age identities cannot be used")]
    Content(#[from] IdentityFileError),
    /// Rotated again and again, and nothing was ever resealed.
    #[error(
        "there are {MAX_AGE_IDENTITIES} age identities already: accept the newest recipient into the roster and \
         reseal (hanse secret reseal) before another is made"
    )]
    TooMany,
}

impl AgeIdentities {
    /// One new identity.
    pub fn make() -> Self {
        Self { older: Vec::new(), newest: Identity::make_random() }
    }

    /// Reads a directory.
    pub fn load(directory: &Path) -> Result<Self, AgeError> {
        let path = directory.join(AGE_KEY_FILE);
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_IDENTITY_FILE_BYTES + 1));
        let read = std::fs::File::open(&path).and_then(|file| {
            let most = u64::try_from(MAX_IDENTITY_FILE_BYTES).unwrap_or(u64::MAX);
            file.take(most.saturating_add(1)).read_to_end(&mut content)
        });
        match read {
            Ok(_) => Self::parse(&content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(AgeError::Missing(path)),
            Err(error) => Err(AgeError::Read(path, error)),
        }
    }

    /// Reads a directory; one without identities gets one.
    pub fn make_if_absent(directory: &Path) -> Result<Self, AgeError> {
        match Self::load(directory) {
            Err(AgeError::Missing(path)) => {
                make_directory(directory).map_err(|error| AgeError::Write(path, error))?;
                let made = Self::make();
                made.save(directory)?;
                Ok(made)
            }
            other => other,
        }
    }

    /// Makes another identity in a directory, for the roster to name. The older ones stay.
    pub fn rotate(directory: &Path) -> Result<Recipient, AgeError> {
        let mut identities = Self::load(directory)?;
        let recipient = identities.add()?;
        identities.save(directory)?;
        Ok(recipient)
    }

    /// Makes another identity, in memory.
    pub fn add(&mut self) -> Result<Recipient, AgeError> {
        if self.older.len() + 1 >= MAX_AGE_IDENTITIES {
            return Err(AgeError::TooMany);
        }
        let old = std::mem::replace(&mut self.newest, Identity::make_random());
        self.older.push(old);
        Ok(self.newest.recipient())
    }

    /// Forgets what is of no use any more, in memory: identities from before the one that the roster
    /// names, to which nothing is sealed. Returns their recipients.
    pub fn retire(&mut self, named: &str, is_used: impl Fn(&Recipient) -> bool) -> Vec<Recipient> {
        let recipients = self.recipients();
        let Some(at) = recipients.iter().position(|recipient| recipient.as_str() == named) else {
            return Vec::new();
        };
        let gone: Vec<_> = recipients.into_iter().take(at).filter(|r| !is_used(r)).collect();
        self.older.retain(|identity| !gone.contains(&identity.recipient()));
        gone
    }

    /// Replaces the file.
    pub fn save(&self, directory: &Path) -> Result<(), AgeError> {
        write_private(directory, AGE_KEY_FILE, self.encode().as_bytes())
            .map_err(|error| AgeError::Write(directory.join(AGE_KEY_FILE), error))
    }

    /// The public halves, the newest last.
    pub fn recipients(&self) -> Vec<Recipient> {
        self.all().map(Identity::recipient).collect()
    }

    /// The recipient that the roster should name.
    pub fn newest(&self) -> Recipient {
        self.newest.recipient()
    }

    /// Opens a secret with whichever identity it was wrapped to.
    pub fn open(
        &self,
        wrap: &[u8],
        payload: &[u8],
        context: &SecretContext,
    ) -> Result<SecretData, OpenError> {
        let mut version = unwrap(wrap, context, &self.newest);
        for identity in self.older.iter().rev() {
            // Any other refusal is of a wrap that is ours.
            if !matches!(&version, Err(OpenError { refusal: Refusal::OtherRecipient, .. })) {
                break;
            }
            version = unwrap(wrap, context, identity);
        }
        open(context, payload, &version?)
    }

    /// What authenticates the ledger, for each identity: the newest first.
    pub fn ledger_keys(&self) -> LedgerKeys {
        let key = |identity: &Identity| {
            let secret = identity.expose();
            let parts = [b"hanse ledger key v1\n".as_slice(), secret.expose_secret().as_bytes()];
            Zeroizing::new(Digest::of_parts(&parts).0)
        };
        LedgerKeys::new(
            std::iter::once(&self.newest).chain(self.older.iter().rev()).map(key).collect(),
        )
    }

    /// Signs a checkpoint with the identity of the recipient that the roster names, or with the newest
    /// while it names none of these. Nothing for an identity that is none.
    pub fn sign_checkpoint(
        &self,
        named: Option<&str>,
        checkpoint: &[u8],
    ) -> Option<[u8; SIGNATURE_BYTES]> {
        let is_named = |identity: &&Identity| Some(identity.recipient().as_str()) == named;
        let text = self.all().find(is_named).unwrap_or(&self.newest).expose();
        let secret = Zeroizing::new(bech32::decode(text.expose_secret()).ok()?.1);
        Some(checkpoint::sign(secret.as_slice().try_into().ok()?, checkpoint))
    }

    fn all(&self) -> impl Iterator<Item = &Identity> {
        self.older.iter().chain([&self.newest])
    }

    fn parse(content: &[u8]) -> Result<Self, AgeError> {
        let file = IdentityFile::parse(content, || None)?;
        let mut older = file.identities().to_vec();
        let newest = older.pop().ok_or(IdentityFileError::Empty)?;
        if older.len() >= MAX_AGE_IDENTITIES {
            return Err(IdentityFileError::TooMany.into());
        }
        Ok(Self { older, newest })
    }

    fn encode(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(MAX_AGE_IDENTITIES * 256));
        for identity in self.all() {
            let key = identity.expose();
            for piece in
                ["# public key: ", identity.recipient().as_str(), "\n", key.expose_secret(), "\n"]
            {
                text.push_str(piece);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
