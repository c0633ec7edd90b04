//! Where signatures come from: a private key in an OpenSSH file, or one that stays in ssh-agent or
//! on a hardware token behind it. What they mean is for `hanse_domain::trust` to say.
//!
//! Whatever is signed here is verified at once, so that a faulty agent, token or memory is noticed
//! where it can still be mended.

mod agent;
mod key_file;

use std::collections::BTreeSet;

use hanse_domain::trust::signature::{PublicKey, block, signers};

pub use agent::{Agent, AgentError};
pub use key_file::{Key, KeyFile, KeyFileError, MAX_KEY_FILE, make_key_file};

/// The PEM block of a key's raw signature, if it verifies.
fn checked(key: &PublicKey, message: &[u8], raw: &ssh_key::Signature) -> Option<Vec<u8>> {
    let pem = block(key, raw);
    (signers(message, &pem) == Ok(BTreeSet::from([key.clone()]))).then_some(pem)
}
