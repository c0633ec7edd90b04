//! Whose signatures a change needs, and ours: made on this machine and checked on this machine before
//! anything is sent, so that whoever may not sign hears it from their own program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hanse_domain::authorise::{Refused, authorise};
use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::trust::authority::NotAllowed;
use hanse_domain::trust::root::{KeyName, TrustRoot};
use hanse_domain::trust::signature::{self, PublicKey};
use hanse_signing::KeyFile;

use crate::config;
use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::sign::{Signer, Surroundings};

/// The name of the key that `hanse init` makes, beside the configuration.
pub(crate) const OWN_KEY: &str = "signing-key";

/// What this machine has signed.
#[derive(Clone, Debug)]
pub(super) struct Signatures {
    /// SSHSIG blocks, without those that were there before.
    pub(super) ours: Vec<u8>,
    /// What is still missing; nothing when the change can be committed.
    pub(super) missing: Option<Missing>,
}

/// What a change still needs.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    /// For a person.
    pub(crate) why: String,
    /// Who could sign next.
    pub(crate) others: BTreeSet<KeyName>,
}

/// Signs a change. `before`: what others have signed. `also`: files of further keys of ours, for a
/// trust root that needs the old key and the new one.
pub(super) async fn sign(
    hub: &Hub,
    base: &Fleet,
    change: &Change,
    before: &[u8],
    also: &[PathBuf],
) -> Outcome<Signatures> {
    let wanted = wanted(&base.trust.current().root, &change.edits);
    let mut signers = if before.is_empty() {
        BTreeSet::new()
    } else {
        signature::signers(&change.bytes, before).map_err(|error| {
            Failure::new("untrusted-proposal", "the hub shows a signature that does not verify")
                .why(error.to_string())
                .hint("nothing was signed; take the proposal back and make the change anew")
        })?
    };
    let left: Vec<PublicKey> = wanted.difference(&signers).cloned().collect();
    let mut signer = find(hub, &left).await.map_err(|failure| {
        if signers.is_empty() {
            return failure;
        }
        let names = names(&base.trust.current().root.names_of(&signers));
        failure.hint(format!("{names} signed it already; somebody else has to, too"))
    })?;
    let mut ours = signer.sign(&change.bytes).await?;
    signers.insert(signer.public_key().clone());
    let mut also = also.iter();
    loop {
        let all = signature::append(before, &ours);
        let Err(refused) = authorise(base, change, &all) else {
            return Ok(Signatures { ours, missing: None });
        };
        if !refused.wants_more() {
            return Err(not_allowed(&base.trust.current().root, &signers, &refused));
        }
        let more = also.by_ref().find_map(|path| {
            let key = KeyFile::read(path).ok()?.public_key().clone();
            (wanted.contains(&key) && !signers.contains(&key)).then(|| (path.clone(), key))
        });
        let Some((path, key)) = more else {
            let others = others(&base.trust.current().root, &change.edits, &signers);
            let missing = Missing { why: refused.to_string(), others };
            return Ok(Signatures { ours, missing: Some(missing) });
        };
        let signer =
            Signer::find(std::slice::from_ref(&key), Some(path), Surroundings::of_process()).await;
        if let Ok(mut signer) = signer {
            ours = signature::append(&ours, &signer.sign(&change.bytes).await?);
            signers.insert(key);
        }
    }
}

/// The key at hand that is wanted: the context's, the one that `hanse init` made, or another.
pub(crate) async fn find(hub: &Hub, wanted: &[PublicKey]) -> Outcome<Signer> {
    Signer::find(wanted, key_file(hub, wanted), Surroundings::of_process()).await
}

/// The file of the key that is looked at first.
pub(crate) fn key_file(hub: &Hub, wanted: &[PublicKey]) -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    hub.context().signing_key_file(home.as_deref()).or_else(|| own_key(hub, wanted))
}

/// The key that `hanse init` made, if it may sign.
fn own_key(hub: &Hub, wanted: &[PublicKey]) -> Option<PathBuf> {
    let usual = config::default_path(|name| std::env::var_os(name).map(PathBuf::from));
    let configurations = [hub.config_path(), &usual];
    let mut keys = configurations.map(|path| path.with_file_name(OWN_KEY)).into_iter();
    keys.find(|path| is_wanted(path, wanted))
}

fn is_wanted(path: &Path, wanted: &[PublicKey]) -> bool {
    path.exists() && KeyFile::read(path).is_ok_and(|file| wanted.contains(file.public_key()))
}

/// The keys whose signatures can count for something in these edits.
pub(crate) fn wanted(root: &TrustRoot, edits: &[Edit]) -> BTreeSet<PublicKey> {
    let mut keys = BTreeSet::new();
    for edit in edits {
        keys.extend(roles(root, edit).into_iter().filter_map(|name| root.keys.get(&name).cloned()));
        if let Edit::PutRoot(next) = edit {
            keys.extend(next.root.names.iter().filter_map(|name| next.keys.get(name).cloned()));
        }
    }
    keys
}

/// Names of keys of the trust root in force that may have to sign an edit.
fn roles(root: &TrustRoot, edit: &Edit) -> BTreeSet<KeyName> {
    let authors = || root.authors.keys().chain(&root.danger.names).cloned();
    match edit {
        Edit::Put(_) | Edit::Remove(_) => authors().collect(),
        Edit::PutCluster(_) | Edit::RemoveCluster(_) => root.roster.names.clone(),
        Edit::PutWrap(_) | Edit::RemoveWrap(_) => {
            authors().chain(root.roster.names.iter().cloned()).collect()
        }
        Edit::PutRoot(_) => root.root.names.clone(),
    }
}

/// Who has not signed yet, of those who could be missing.
fn others(root: &TrustRoot, edits: &[Edit], signers: &BTreeSet<PublicKey>) -> BTreeSet<KeyName> {
    let mut names = BTreeSet::new();
    let mut not_yet = |keys: &TrustRoot, wanted: &BTreeSet<KeyName>| {
        let signed = keys.names_of(signers);
        names.extend(wanted.difference(&signed).cloned());
    };
    for edit in edits {
        match edit {
            Edit::Put(_) | Edit::Remove(_) => not_yet(root, &root.danger.names),
            Edit::PutCluster(_)
            | Edit::RemoveCluster(_)
            | Edit::PutWrap(_)
            | Edit::RemoveWrap(_) => not_yet(root, &root.roster.names),
            Edit::PutRoot(next) => {
                not_yet(root, &root.root.names);
                not_yet(next, &next.root.names);
            }
        }
    }
    names
}

fn names(names: &BTreeSet<KeyName>) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn not_allowed(root: &TrustRoot, signers: &BTreeSet<PublicKey>, refused: &Refused) -> Failure {
    let ours = root.names_of(signers);
    match refused {
        Refused::Untrusted(error) => {
            Failure::new("no-signing-key", "the signatures count for nothing here")
                .why(error.to_string())
                .hint("hanse trust show")
        }
        Refused::Signers { .. } => {
            Failure::new("refused", "the change would count as signed before it is")
                .why(refused.to_string())
                .hint("nothing was committed; make the change again with this version of hanse")
        }
        Refused::NotAllowed(reasons) => {
            let scope_of = |name| Some(format!("the scope of {name}: {}", root.authors.get(name)?));
            let scopes: Vec<String> = ours.iter().filter_map(scope_of).collect();
            let failure = Failure::new(
                "out-of-scope",
                format!("{} may not sign this; nothing was committed", names(&ours)),
            )
            .details(reasons.iter().map(NotAllowed::to_string))
            .hint("let an author sign whose scope covers it: hanse trust show");
            if scopes.is_empty() { failure } else { failure.why(scopes.join("; ")) }
        }
    }
}

impl Missing {
    /// "next, by one of bob, carol: hanse sign 0123456789ab".
    pub(super) fn next(&self, digest: &str) -> String {
        let who = match self.others.len() {
            0 => "by somebody else".to_owned(),
            1 => format!("by {}", names(&self.others)),
            _ => format!("by one of {}", names(&self.others)),
        };
        format!("next, {who}: hanse sign {digest}")
    }
}

#[cfg(test)]
#[path = "signing_tests.rs"]
mod tests;
