//! The passphrase of a key file: from a file that the environment names, or from a person. Never
//! from an argument, which everybody on the machine could read.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use hanse_signing::{Key, KeyFile, KeyFileError};
use secrecy::{ExposeSecret as _, SecretString};

use super::refused;
use crate::failure::{Failure, Outcome};
use crate::{config, output};

/// Names the file with the passphrase.
pub(super) const VARIABLE: &str = "HANSE_SIGNING_PASSPHRASE_FILE";

/// How often a person may mistype, as in ssh.
const ATTEMPTS: usize = 3;

/// How long a passphrase may be, in bytes.
const MAX: u64 = 4096;

/// Opens a file that is encrypted.
pub(super) async fn open(file: &KeyFile, passphrase_file: Option<&Path>) -> Outcome<Key> {
    if let Some(path) = passphrase_file {
        let passphrase = read(path)?;
        return file.open(Some(passphrase.expose_secret())).map_err(|error| {
            refused(&error).hint(format!("{VARIABLE} is {}: is it of this key?", path.display()))
        });
    }
    if !output::can_ask() {
        return Err(needed(file));
    }
    let question = format!("Passphrase of {}", file.path().display());
    for _ in 1..ATTEMPTS {
        let passphrase = output::secret(&question).await?;
        match file.open(Some(passphrase.expose_secret())) {
            Err(error @ KeyFileError::WrongPassphrase { .. }) => output::warn(&error.to_string()),
            opened => return opened.map_err(|e| refused(&e)),
        }
    }
    let passphrase = output::secret(&question).await?;
    file.open(Some(passphrase.expose_secret())).map_err(|e| refused(&e))
}

/// Nobody can be asked.
pub(super) fn needed(file: &KeyFile) -> Failure {
    let path = file.path().display();
    Failure::new("passphrase", format!("{path} has a passphrase, and nobody can be asked here"))
        .why("stdin and stderr are not a terminal, and ssh-agent does not have the key")
        .hint(format!("ssh-add {path}, or name a file with the passphrase in {VARIABLE}"))
}

fn read(path: &Path) -> Outcome<SecretString> {
    let failed = |e: &std::io::Error| {
        Failure::io(format!("the passphrase cannot be read from {}", path.display()), e)
            .hint(format!("{VARIABLE} names the file"))
    };
    if config::is_exposed(path) {
        output::warn(&format!("others can read the passphrase: chmod 600 {}", path.display()));
    }
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|e| failed(&e))?;
    file.take(MAX).read_to_string(&mut text).map_err(|e| failed(&e))?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}
