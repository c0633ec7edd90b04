//! Bytes that are secret, read into one buffer that is wiped.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::path::Path;

use hanse_sealing::MAX_SECRET_BYTES;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};
use crate::output;

/// Most bytes of a text from an editor: each byte of a value may be escaped in it.
const MAX_EDITOR_BYTES: usize = 8 * MAX_SECRET_BYTES;

/// A file with a secret. `-` is stdin, with the question for a person who sits there.
pub(crate) async fn read(path: &Path, question: &str) -> Outcome<Zeroizing<Vec<u8>>> {
    if path.as_os_str() == "-" { stdin(question).await } else { file(path) }
}

/// A file with a secret.
pub(crate) fn file(path: &Path) -> Outcome<Zeroizing<Vec<u8>>> {
    let shown = path.display().to_string();
    let failed = |e: &io::Error| Failure::io(format!("{shown} cannot be read"), e);
    let file = File::open(path).map_err(|e| failed(&e))?;
    let metadata = file.metadata().map_err(|e| failed(&e))?;
    if metadata.is_dir() {
        return Err(Failure::usage(format!("{shown} is a directory"))
            .hint("--from-file DIRECTORY takes each of its files for a key"));
    }
    // Files of the kernel have no length and yet something in them.
    let length = Some(metadata.len()).filter(|length| metadata.is_file() && *length > 0);
    limited(file, length, &shown)
}

/// What an editor left: a text may be longer than the values in it.
pub(crate) fn editor_text(path: &Path) -> Outcome<Zeroizing<Vec<u8>>> {
    let shown = path.display().to_string();
    let failed = |e: &io::Error| Failure::io(format!("{shown} cannot be read"), e);
    let file = File::open(path).map_err(|e| failed(&e))?;
    let length = file.metadata().map_err(|e| failed(&e))?.len();
    bounded(file, Some(length), MAX_EDITOR_BYTES, &shown)
}

/// Stdin: what a person types without seeing it, or all of a pipe.
async fn stdin(question: &str) -> Outcome<Zeroizing<Vec<u8>>> {
    if output::can_ask() {
        let typed = output::secret(question).await?;
        return Ok(Zeroizing::new(typed.expose_secret().as_bytes().to_vec()));
    }
    let failed = |e: &io::Error| Failure::io("stdin cannot be read", e);
    // The standard library's stdin has a buffer of its own, which nobody wipes.
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(|e| failed(&e))?;
    let read = tokio::task::spawn_blocking(move || limited(File::from(stdin), None, "stdin"));
    read.await.map_err(|e| failed(&e.into()))?
}

/// At most one byte more than a secret may have. The buffer is as long as it can become from the
/// beginning: one that grows would leave pieces behind.
fn limited(reader: impl Read, length: Option<u64>, shown: &str) -> Outcome<Zeroizing<Vec<u8>>> {
    bounded(reader, length, MAX_SECRET_BYTES, shown)
}

fn bounded(
    reader: impl Read,
    length: Option<u64>,
    most: usize,
    shown: &str,
) -> Outcome<Zeroizing<Vec<u8>>> {
    let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(most).min(most);
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 64));
    reader
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::io(format!("{shown} cannot be read"), &e))?;
    if bytes.len() > most {
        return Err(Failure::new(
            "secret-too-large",
            format!("{shown} is more than a secret holds"),
        )
        .why(format!(
            "Kubernetes takes {MAX_SECRET_BYTES} bytes (1 MiB) of keys and values in one secret"
        ))
        .hint("split it into several secrets, or keep it elsewhere and its key here"));
    }
    Ok(bytes)
}
