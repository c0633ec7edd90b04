//! A text in an editor, until it is valid, unchanged or given up.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::text::escape;

/// Lines of ours in the file; they are taken out again.
const NOTE: &str = "#! ";

/// Opens the editor on a text until `read` takes what it leaves. `None` when nothing was changed.
/// `suffix`: of the file, for the editor's colours.
pub(crate) async fn edit<T: Send + 'static>(
    text: String,
    suffix: &'static str,
    read: impl Fn(&str) -> Outcome<T> + Send + 'static,
) -> Outcome<Option<T>> {
    EDITING.store(true, Ordering::Relaxed);
    let keep = move |text: &str| Kept::new(text.as_bytes(), suffix).map(drop);
    let edited =
        tokio::task::spawn_blocking(move || edited(&text, suffix, read, run_editor, keep)).await;
    EDITING.store(false, Ordering::Relaxed);
    edited.map_err(|e| Failure::new("editor", "the editor ended badly").why(e.to_string()))?
}

/// Opens the editor on a file of the caller's, once.
pub(crate) async fn open(path: &Path) -> Outcome<()> {
    let path = path.to_owned();
    EDITING.store(true, Ordering::Relaxed);
    let ended = tokio::task::spawn_blocking(move || run_editor(&path)).await;
    EDITING.store(false, Ordering::Relaxed);
    ended.map_err(|e| Failure::new("editor", "the editor ended badly").why(e.to_string()))?
}

/// An editor has the terminal.
static EDITING: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C is meant for an editor and not for us.
pub(crate) fn is_editing() -> bool {
    EDITING.load(Ordering::Relaxed)
}

/// What a person wrote, in a file until it is committed. Whatever keeps that from happening, also
/// Ctrl-C, says where it is.
#[derive(Debug)]
pub(crate) struct Kept(Option<PathBuf>);

impl Kept {
    pub(crate) fn new(text: &[u8], suffix: &str) -> Outcome<Self> {
        let failed = |e: &std::io::Error| Failure::io("the text cannot be kept in a file", e);
        let mut file = new_file(suffix).map_err(|e| failed(&e))?;
        file.write_all(text).map_err(|e| failed(&e))?;
        let (_, path) = file.keep().map_err(|e| failed(&e.error))?;
        Ok(Self(Some(path)))
    }

    pub(crate) fn discard(mut self) {
        if let Some(path) = self.0.take() {
            // What is left over is in a directory for that.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            output::note(&format!("your text is kept in {}", escape(&path.display().to_string())));
        }
    }
}

/// A file that only its owner reads.
fn new_file(suffix: &str) -> std::io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix("hanse-edit-").suffix(suffix).tempfile()
}

/// The loop. A text that is given up because of its errors goes to `given_up`.
pub(crate) fn edited<T>(
    original: &str,
    suffix: &str,
    read: impl Fn(&str) -> Outcome<T>,
    editor: impl Fn(&Path) -> Outcome<()>,
    given_up: impl FnOnce(&str) -> Outcome<()>,
) -> Outcome<Option<T>> {
    let failed = |e: std::io::Error| Failure::io("the file for the editor cannot be used", &e);
    let file = new_file(suffix).map_err(failed)?;
    let (mut text, mut notes): (String, Vec<String>) = (original.to_owned(), Vec::new());
    loop {
        let top = notes.iter().fold(String::new(), |top, note| {
            top + NOTE
                + note
                + "
"
        });
        std::fs::write(file.path(), format!("{top}{text}")).map_err(failed)?;
        editor(file.path())?;
        let left = std::fs::read_to_string(file.path()).map_err(failed)?;
        let left: String =
            left.split_inclusive('\n').filter(|line| !line.starts_with(NOTE)).collect();
        if left == text && !notes.is_empty() {
            given_up(&left)?;
            return Err(Failure::cancelled());
        }
        if left == original {
            return Ok(None);
        }
        if left.trim().is_empty() {
            return Err(Failure::cancelled());
        }
        text = left;
        match read(&text) {
            Ok(value) => return Ok(Some(value)),
            Err(failure) => {
                let plain = |line: &String| line.replace('\n', " ");
                notes = failure.detail_lines().iter().map(plain).collect();
                notes.push(format!(
                    "{}; correct it, or leave the file as it is to give up",
                    failure.summary()
                ));
                output::note(&failure.to_string());
            }
        }
    }
}

fn run_editor(path: &Path) -> Outcome<()> {
    let named = ["KUBE_EDITOR", "EDITOR"].iter().find_map(|name| std::env::var(name).ok());
    let editor =
        named.filter(|editor| !editor.trim().is_empty()).unwrap_or_else(|| "vi".to_owned());
    // Through a shell, as kubectl does: editors are set with options and quotes.
    let status = Command::new("sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(path)
        .status()
        .map_err(|e| Failure::io(format!("the editor `{editor}` cannot be run"), &e))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new("editor", format!("the editor `{editor}` failed")).why(status.to_string()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_text_is_kept_until_it_is_committed() {
        let kept = Kept::new(b"mine", ".txt").unwrap();
        let path = kept.0.clone().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        assert!(!crate::config::is_exposed(&path));
        drop(kept);
        assert!(path.exists(), "nothing was committed");
        std::fs::remove_file(&path).unwrap();
        let kept = Kept::new(b"mine", ".txt").unwrap();
        let path = kept.0.clone().unwrap();
        kept.discard();
        assert!(!path.exists());
    }
}
