//! Secrets on their author's machine: read, sealed, opened by an owner, and never shown unasked.
//!
//! ```text
//! sources ─ SecretData ─┐
//! outline ──────────────┼─ draft ─ document + wrapped keys ─ change::make
//! owners ───────────────┘
//! identity ─ opener ─ SecretData, the key of a version
//! ```
//!
//! What is read is wiped when it is dropped, in so far as it is in buffers of ours. No value is in an
//! error, a plan, a diff, an argument or a file that stays.

pub(crate) mod buffer;
pub(crate) mod draft;
pub(crate) mod edited;
pub(crate) mod given;
pub(crate) mod history;
pub(crate) mod identity;
pub(crate) mod outline;
pub(crate) mod owners;
pub(crate) mod place;
pub(crate) mod private_file;
pub(crate) mod sources;
pub(crate) mod states;
pub(crate) mod view;

use hanse_domain::document::{Document, DocumentRef, Kind};
use hanse_domain::fleet::{Fleet, Held};
use hanse_domain::ids::Digest;
use hanse_domain::kinds::secret::SecretSpec;
use hanse_domain::names;
use hanse_sealing::SecretContext;

use crate::failure::{Failure, Outcome};
use crate::text;

/// A secret by its name.
pub(crate) fn reference(name: &str) -> DocumentRef {
    DocumentRef { kind: Kind::FederatedSecret, name: name.to_owned() }
}

/// Checks the name of a secret. Not in the parser of arguments, which would repeat it: it may be a value
/// that somebody typed in its place.
pub(crate) fn check_name(text: &str) -> Outcome<()> {
    if names::check_dns_subdomain(text).is_ok() {
        return Ok(());
    }
    Err(Failure::usage("what stands in the place of NAME is no name of a secret")
        .why("a name has a-z, 0-9, `-` and `.`; it is not repeated here, since it could be a value")
        .hint("the name comes first, and then KEY=@FILE or KEY=-"))
}

/// A secret of the fleet.
pub(crate) fn held<'f>(fleet: &'f Fleet, name: &str) -> Outcome<&'f Held> {
    let reference = reference(name);
    fleet.documents().get(&reference).ok_or_else(|| {
        let names = all(fleet).map(|(held, _)| &*held.document.reference.name);
        Failure::new("not-found", format!("{reference} does not exist")).hint(text::near(
            name,
            names,
            "hanse secret list",
        ))
    })
}

/// The secrets of the fleet, by name.
pub(crate) fn all(fleet: &Fleet) -> impl Iterator<Item = (&Held, &SecretSpec)> {
    fleet.documents().values().filter_map(|held| Some((held, held.document.secret()?)))
}

/// The sealed part of a document.
pub(crate) fn spec(document: &Document) -> Outcome<&SecretSpec> {
    document.secret().ok_or_else(|| {
        Failure::new("other-document", format!("{} is no secret", document.reference))
    })
}

/// What a secret's payload is bound to.
pub(crate) fn context(fleet: Digest, name: &str, secret: &SecretSpec) -> SecretContext {
    SecretContext {
        fleet: fleet.0,
        name: name.to_owned(),
        namespaces: secret.namespaces.iter().cloned().collect(),
        secret_type: secret.secret_type.clone(),
        version: secret.version,
    }
}

/// Somebody else changed a secret while this command was at it.
pub(crate) fn stale(name: &str, command: &str) -> Failure {
    Failure::new("stale", format!("somebody else changed secret {name} in the meantime"))
        .why("nothing was committed: this would have put an older value in its place")
        .hint(format!("look at it, then again: hanse secret {command}"))
}
