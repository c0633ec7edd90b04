//! The statement that this machine has signed last for a fleet. A signature that has left it cannot be
//! taken back: whoever holds the hub may still use it, also after an answer that was lost, or that
//! said that somebody else was faster. One file a fleet, `$XDG_STATE_HOME/hanse/signed/<fleet id>`,
//! with the statement's number and its digest.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use hanse_domain::change::Change;
use hanse_domain::ids::{Digest, RevisionNumber};

use crate::failure::{Failure, Outcome};
use crate::{joins, output};

/// A statement that was signed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    number: RevisionNumber,
    digest: Digest,
}

impl Signed {
    pub(super) fn of(change: &Change) -> Self {
        Self { number: change.statement.number, digest: Digest::of(&change.bytes) }
    }

    /// Writes it down before it is sent, and says when another of its number was sent before.
    pub(super) fn remember(self, fleet: Digest) {
        let state = joins::state(|name| std::env::var_os(name).map(PathBuf::from));
        let Some(folder) = state.map(|state| state.join("signed")) else { return };
        if let Some(before) = load(&folder, fleet).filter(|before| self.replaces(*before)) {
            output::warn(&format!(
                "this machine signed another statement {} before, {}; whoever holds the hub may use \
                 either",
                before.number,
                before.digest.short()
            ));
        }
        if let Err(error) = self.store(&folder, fleet) {
            output::note(&format!("what was signed cannot be written down: {error}"));
        }
    }

    /// Whether both cannot be in one history.
    fn replaces(self, before: Self) -> bool {
        before.number == self.number && before.digest != self.digest
    }

    fn store(self, folder: &Path, fleet: Digest) -> std::io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // A temporary file is made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{} {}", self.number, self.digest)?;
        file.persist(folder.join(fleet.to_string())).map_err(|e| e.error)?;
        Ok(())
    }
}

/// A file that cannot be read says nothing: it is there for a warning.
fn load(folder: &Path, fleet: Digest) -> Option<Signed> {
    let text = fs::read_to_string(folder.join(fleet.to_string())).ok()?;
    let (number, digest) = text.trim_end().split_once(' ')?;
    Some(Signed { number: RevisionNumber(number.parse().ok()?), digest: digest.parse().ok()? })
}

/// A failure after a signature has left this machine, if one has, and nothing came of it that is known.
pub(super) fn at_large<T>(outcome: Outcome<T>, left: Option<Signed>) -> Outcome<T> {
    outcome.map_err(|failure| {
        let Some(Signed { number, digest }) = left else { return failure };
        let failure = if failure.code() == "cancelled" {
            Failure::new("cancelled", "cancelled").exit(failure.exit_code())
        } else {
            failure
        };
        failure.details([format!(
            "statement {number} ({}) is signed and has left this machine: whoever holds the hub may \
             still use it; what became of it: hanse revisions",
            digest.short()
        )])
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn two_statements_of_one_number_are_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("deep/signed");
        let fleet = Digest::of(b"fleet");
        let signed = |number, text: &[u8]| Signed {
            number: RevisionNumber(number),
            digest: Digest::of(text),
        };
        let one = signed(7, b"one");
        assert_eq!(load(&folder, fleet), None);
        one.store(&folder, fleet).unwrap();
        assert_eq!(load(&folder, fleet), Some(one));
        assert_eq!(load(&folder, Digest::of(b"other")), None);
        assert!(signed(7, b"two").replaces(one));
        assert!(!one.replaces(one) && !signed(8, b"two").replaces(one));
        assert!(!crate::config::is_exposed(&folder));
        fs::write(folder.join(fleet.to_string()), "torn").unwrap();
        assert_eq!(load(&folder, fleet), None);
    }

    #[test]
    fn a_failure_after_a_signature_says_that_it_is_out() {
        let one = Signed { number: RevisionNumber(7), digest: Digest::of(b"one") };
        let said = |left| {
            let failure = at_large::<()>(Err(Failure::cancelled()), left).unwrap_err();
            anstream::adapter::strip_str(&failure.to_string()).to_string()
        };
        assert!(said(None).contains("nothing was changed"));
        let text = said(Some(one));
        assert!(text.contains("statement 7 (7692c3ad3540)") && !text.contains("nothing"), "{text}");
    }
}
