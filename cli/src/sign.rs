//! The author's signature over a statement: the one step between what was shown and what is sent.

use hanse_domain::change::Change;

use crate::failure::Outcome;

/// The SSHSIG over `change.bytes`; empty while the fleet's trust root has no keys.
#[expect(
    clippy::unnecessary_wraps,
    reason = "a key may be locked, absent or not allowed to sign this"
)]
pub(crate) fn sign(_change: &Change) -> Outcome<Vec<u8>> {
    Ok(Vec::new())
}
