//! Who has signed a statement, and whether they may say what it says.

use std::collections::BTreeSet;

use super::chain::{RootChain, Version};
use super::root::{KeyName, TrustRoot};
use super::signature::{self, BadSignature, PublicKey};
use crate::document::{Document, DocumentRef, Kind};
use crate::history::changes::Subject;
use crate::history::statement::Statement;
use crate::ids::{Digest, RevisionNumber};
use crate::plan;

const NO_AUTHOR: &str = "none of these keys is an author";

/// A statement whose signatures verify, with the keys of its trust root that made them.
#[derive(Clone, Debug)]
pub struct Signed<'c> {
    version: &'c Version,
    number: RevisionNumber,
    needed: usize,
    keys: BTreeSet<PublicKey>,
    names: BTreeSet<KeyName>,
}

/// Why a signature counts for nothing.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// Made for another fleet.
    #[error("the statement is of another fleet")]
    OtherFleet,
    /// It names a trust root that was not in force, or that is not known here.
    #[error(
        "statement {number} is signed by trust root {named}, and {in_force} was in force for it"
    )]
    OtherRoot {
        /// The statement's.
        number: RevisionNumber,
        /// Begin of the digest that it names.
        named: String,
        /// Begin of the digest that it should name.
        in_force: String,
    },
    /// There is no signature at all.
    #[error("the statement is not signed")]
    Unsigned,
    /// One that does not verify.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// None is by a key of the trust root.
    #[error(
        "no signature is by a key of the trust root in force (version {version}) that may sign: {keys}"
    )]
    UnknownKeys {
        /// Of the trust root.
        version: u64,
        /// Their fingerprints.
        keys: String,
    },
    /// Fewer have signed than the statement itself asks for: it is a proposal, and no history.
    #[error("statement {number} needs {needed} signatures and has {signed}")]
    Incomplete {
        /// The statement's.
        number: RevisionNumber,
        /// How many, as it says.
        needed: usize,
        /// How many keys of the trust root have signed.
        signed: usize,
    },
}

/// Why the signers may not say this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// No signer is an author with a scope that covers it.
    #[error("{signers} may not sign {document}: {why}")]
    OutOfScope {
        /// Who signed.
        signers: String,
        /// What.
        document: DocumentRef,
        /// Why not, for one of them.
        why: String,
    },
    /// It is hazardous, and too few keys have signed.
    #[error(
        "{document} needs the signatures of {threshold} of {names} since it {hazard}; {signers} signed"
    )]
    Hazardous {
        /// What.
        document: DocumentRef,
        /// How many.
        threshold: usize,
        /// Of whom.
        names: String,
        /// Its first hazard.
        hazard: String,
        /// Who signed.
        signers: String,
    },
    /// Too few keys of a role have signed.
    #[error("{what} needs the signatures of {threshold} of {names}; {signers} signed")]
    Quorum {
        /// What is to be changed.
        what: String,
        /// How many.
        threshold: usize,
        /// Of whom.
        names: String,
        /// Who signed.
        signers: String,
    },
}

impl NotAllowed {
    /// Whether more signatures, of other keys, can help: the change is worth proposing.
    pub const fn wants_more(&self) -> bool {
        matches!(self, Self::Hazardous { .. } | Self::Quorum { .. })
    }
}

impl<'c> Signed<'c> {
    /// Checks the signatures on a statement against the trust root that was in force for it.
    pub fn check(
        chain: &'c RootChain,
        statement: &Statement,
        bytes: &[u8],
        signatures: &[u8],
    ) -> Result<Self, Untrusted> {
        if statement.fleet != chain.fleet() {
            return Err(Untrusted::OtherFleet);
        }
        let version = chain.in_force(statement.number);
        if statement.root != version.digest {
            return Err(Untrusted::OtherRoot {
                number: statement.number,
                named: statement.root.short(),
                in_force: version.digest.short(),
            });
        }
        if signatures.is_empty() {
            return Err(Untrusted::Unsigned);
        }
        let keys = signature::signers(bytes, signatures)?;
        let names = version.root.names_of(&keys);
        let (number, needed) = (statement.number, statement.signers);
        Ok(Self { version, number, needed, keys, names })
    }

    /// The names of the keys that signed.
    pub const fn names(&self) -> &BTreeSet<KeyName> {
        &self.names
    }

    /// An error when it cannot be a part of the history: signed by nobody with a part of their own, or
    /// by fewer than it needs.
    pub fn known(self) -> Result<Self, Untrusted> {
        self.has_part()?;
        self.is_complete()?;
        Ok(self)
    }

    /// An error when no signature is by a key that has a part of its own: authors, and who keeps the
    /// roster or the trust root. A key that only helps others to sign must not move a history on.
    pub fn has_part(&self) -> Result<(), Untrusted> {
        let root = &self.version.root;
        let has_part = |name: &KeyName| {
            root.authors.contains_key(name)
                || root.roster.names.contains(name)
                || root.root.names.contains(name)
        };
        if self.names.iter().any(has_part) {
            return Ok(());
        }
        let keys: Vec<String> = self.keys.iter().map(PublicKey::fingerprint).collect();
        Err(Untrusted::UnknownKeys { version: root.version, keys: keys.join(", ") })
    }

    /// An error when fewer keys of the trust root have signed than the statement says that it needs.
    /// Whoever sees only a part of what it changes cannot know by other means that it lacks some.
    pub fn is_complete(&self) -> Result<(), Untrusted> {
        let (number, needed, signed) = (self.number, self.needed, self.names.len());
        if signed < needed {
            return Err(Untrusted::Incomplete { number, needed, signed });
        }
        Ok(())
    }

    /// Whether they may accept, change and remove clusters.
    pub fn may_change_roster(&self, subject: &Subject) -> Result<(), NotAllowed> {
        let roster = &self.version.root.roster;
        if roster.is_met(&self.names) {
            return Ok(());
        }
        Err(NotAllowed::Quorum {
            what: subject.to_string(),
            threshold: roster.threshold,
            names: list(&roster.names),
            signers: self.signers(),
        })
    }

    /// Whether they may put this trust root in place of the one in force: the old one's quorum and
    /// the new one's have signed.
    pub fn may_change_root(&self, next: &TrustRoot) -> Result<(), NotAllowed> {
        let next_names = next.names_of(&self.keys);
        for (quorum, names) in [(&self.version.root.root, &self.names), (&next.root, &next_names)] {
            if !quorum.is_met(names) {
                return Err(NotAllowed::Quorum {
                    what: format!("version {} of the trust root", next.version),
                    threshold: quorum.threshold,
                    names: list(&quorum.names),
                    signers: self.signers(),
                });
            }
        }
        Ok(())
    }

    /// Whether they may take this document away, or put another in its place.
    pub fn may_remove(&self, document: &Document) -> Result<(), NotAllowed> {
        self.authors_of(document).map(|_| ())
    }

    /// Whether they may put this document where its placement says.
    pub fn may_put(&self, document: &Document) -> Result<(), NotAllowed> {
        let may_be_hazardous = self.authors_of(document)?;
        let Some(hazard) = plan::hazards_of(document).into_iter().next() else {
            return Ok(());
        };
        if !may_be_hazardous {
            return Err(NotAllowed::OutOfScope {
                signers: self.signers(),
                document: document.reference.clone(),
                why: format!("{}, and its scope has `hazards=no`", hazard.text),
            });
        }
        let danger = &self.version.root.danger;
        if danger.is_met(&self.names) {
            return Ok(());
        }
        let subject = format!("{} ", document.reference);
        Err(NotAllowed::Hazardous {
            document: document.reference.clone(),
            threshold: danger.threshold,
            names: list(&danger.names),
            hazard: hazard.text.strip_prefix(&subject).unwrap_or(&hazard.text).to_owned(),
            signers: self.signers(),
        })
    }

    /// Whether one of them is an author, and so may bring a key of this secret to a cluster. Of which
    /// secrets is asked where the secret is known as it was then, in `authorise`.
    pub fn may_wrap(&self, secret: &str) -> Result<(), NotAllowed> {
        if self.names.iter().any(|name| self.version.root.authors.contains_key(name)) {
            return Ok(());
        }
        Err(NotAllowed::OutOfScope {
            signers: self.signers(),
            document: DocumentRef { kind: Kind::FederatedSecret, name: secret.to_owned() },
            why: NO_AUTHOR.to_owned(),
        })
    }

    /// Whether one of the signers that may sign a document may sign hazardous ones; an error when
    /// none may sign it at all.
    fn authors_of(&self, document: &Document) -> Result<bool, NotAllowed> {
        let mut why = NO_AUTHOR.to_owned();
        let mut found = None;
        for scope in self.names.iter().filter_map(|name| self.version.root.authors.get(name)) {
            match scope.excludes(document) {
                Some(reason) => why = reason,
                None => found = Some(found.unwrap_or(false) || scope.hazards),
            }
        }
        found.ok_or_else(|| NotAllowed::OutOfScope {
            signers: self.signers(),
            document: document.reference.clone(),
            why,
        })
    }

    fn signers(&self) -> String {
        if self.names.is_empty() {
            let keys: Vec<String> = self.keys.iter().map(PublicKey::fingerprint).collect();
            return keys.join(", ");
        }
        list(&self.names)
    }
}

/// The digest of the trust root that a statement of this number must name.
pub fn root_for(chain: &RootChain, number: RevisionNumber) -> Digest {
    chain.in_force(number).digest
}

fn list(names: &BTreeSet<KeyName>) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
