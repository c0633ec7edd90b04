//! `hanse edit`: a document in an editor, until it is valid, unchanged or given up.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hanse_domain::document::{Document, DocumentRef};
use hanse_domain::fleet::Edit;

use crate::app::Session;
use crate::change::{self, CommitArgs, Confirm, Order};
use crate::failure::{Exit, Failure, Outcome};
use crate::files::{self, Source};
use crate::text::escape;
use crate::{fleet, kinds, output, settle};

/// Lines of ours in the file; they are taken out again.
const NOTE: &str = "#! ";

#[derive(Debug, clap::Args)]
#[command(after_help = "The editor is that of KUBE_EDITOR or EDITOR, vi by default.")]
pub(crate) struct Args {
    /// KIND NAME or KIND/NAME
    #[arg(value_name = "KIND NAME", required = true)]
    what: Vec<String>,

    #[command(flatten)]
    commit: CommitArgs,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let mut references = kinds::references(&self.what)?;
        let (Some(reference), true) = (references.pop(), references.is_empty()) else {
            return Err(Failure::usage("one document is edited at a time"));
        };
        let hub = session.hub().await?;
        let base = fleet::fetch(&hub).await?;
        let held = base.documents().get(&reference).ok_or_else(|| {
            Failure::new("not-found", format!("{reference} does not exist"))
                .hint(fleet::near(&base, &reference))
        })?;
        let Some(document) = in_editor(Arc::clone(&held.document)).await? else {
            output::note("nothing was changed");
            return Ok(Exit::OK);
        };
        let kept = Kept::new(&document.bytes)?;
        let before = held.document.digest;
        let order = Order::new(&self.commit, Confirm::Risks);
        let outcome = change::make(&hub, &order, |fleet| {
            // Somebody else's change of the same document must not be written over unseen.
            match fleet.documents().get(&reference) {
                Some(now) if now.document.digest == before => {
                    Ok(vec![Edit::Put(document.clone().into())])
                }
                _ => Err(Failure::new(
                    "stale",
                    format!("somebody else changed {reference} while you edited it"),
                )
                .hint(format!("hanse edit {reference}"))),
            }
        })
        .await;
        if outcome.as_ref().err().is_none_or(|failure| failure.code() == settle::NOT_APPLIED) {
            kept.discard();
        }
        outcome
    }
}

/// What a person wrote, in a file until it is committed. Whatever keeps that from happening, also
/// Ctrl-C, says where it is.
#[derive(Debug)]
struct Kept(Option<PathBuf>);

impl Kept {
    fn new(text: &[u8]) -> Outcome<Self> {
        let failed = |e: &std::io::Error| Failure::io("the text cannot be kept in a file", e);
        let mut file = new_file().map_err(|e| failed(&e))?;
        file.write_all(text).map_err(|e| failed(&e))?;
        let (_, path) = file.keep().map_err(|e| failed(&e.error))?;
        Ok(Self(Some(path)))
    }

    fn discard(mut self) {
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
fn new_file() -> std::io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix("hanse-edit-").suffix(".yaml").tempfile()
}

/// An editor has the terminal.
static EDITING: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C is meant for an editor and not for us.
pub(crate) fn is_editing() -> bool {
    EDITING.load(Ordering::Relaxed)
}

async fn in_editor(held: Arc<Document>) -> Outcome<Option<Document>> {
    EDITING.store(true, Ordering::Relaxed);
    let keep = |text: &str| Kept::new(text.as_bytes()).map(drop);
    let edited = tokio::task::spawn_blocking(move || edited(&held, run_editor, keep)).await;
    EDITING.store(false, Ordering::Relaxed);
    edited.map_err(|e| Failure::new("editor", "the editor ended badly").why(e.to_string()))?
}

/// Opens the editor until what it leaves is valid. `None` when nothing was changed. A text that is
/// given up because of its errors goes to `given_up`.
fn edited(
    held: &Document,
    editor: impl Fn(&Path) -> Outcome<()>,
    given_up: impl FnOnce(&str) -> Outcome<()>,
) -> Outcome<Option<Document>> {
    let failed = |e: std::io::Error| Failure::io("the file for the editor cannot be used", &e);
    let file = new_file().map_err(failed)?;
    let original = String::from_utf8_lossy(&held.bytes).into_owned();
    let (mut text, mut notes): (String, Vec<String>) = (original.clone(), Vec::new());
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
        match read(&held.reference, &text) {
            Ok(document) => return Ok(Some(document)),
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

fn read(reference: &DocumentRef, text: &str) -> Outcome<Document> {
    let source = Source { name: "edited".to_owned(), bytes: text.as_bytes().to_vec() };
    let mut documents = files::parse(&[source])?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) if document.reference == *reference => Ok(document),
        _ => Err(Failure::new(
            "other-document",
            format!("the file must have {reference}, and only that"),
        )),
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

    use std::cell::RefCell;

    use super::*;

    const ROLE: &str = "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {name: reader}\nspec:\n  \
        placement: {clusterSelector: {}}\n  rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n";

    fn document() -> Document {
        read(&"FederatedRole/reader".parse().unwrap(), ROLE).unwrap()
    }

    /// An editor that makes one replacement each time it is opened, and what it was shown.
    fn edit_with(steps: &[(&str, &str)]) -> (Outcome<Option<Document>>, Vec<String>) {
        let (outcome, seen, _) = edit_and_keep(steps);
        (outcome, seen)
    }

    /// The same, with the text that was given up.
    fn edit_and_keep(
        steps: &[(&str, &str)],
    ) -> (Outcome<Option<Document>>, Vec<String>, Option<String>) {
        let (seen, mut kept) = (RefCell::new(Vec::new()), None);
        let editor = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap();
            let (from, to) = steps.get(seen.borrow().len()).copied().unwrap_or(("", ""));
            let replaced = if from.is_empty() { text.clone() } else { text.replace(from, to) };
            std::fs::write(path, replaced).unwrap();
            seen.borrow_mut().push(text);
            Ok(())
        };
        let outcome = edited(&document(), editor, |text| {
            kept = Some(text.to_owned());
            Ok(())
        });
        (outcome, seen.into_inner(), kept)
    }

    #[test]
    fn what_is_left_unchanged_is_not_committed() {
        let (outcome, _, kept) = edit_and_keep(&[]);
        assert!(outcome.unwrap().is_none() && kept.is_none());
        let (outcome, _, _) = edit_and_keep(&[(ROLE, "")]);
        assert_eq!(outcome.unwrap_err().code(), "cancelled");
    }

    #[test]
    fn errors_are_shown_at_the_top_and_do_not_stay() {
        let (outcome, seen) = edit_with(&[("verbs", "verb"), ("verb:", "verbs:")]);
        assert!(outcome.unwrap().is_none(), "the second text is the original again");
        let again = seen.get(1).unwrap();
        assert!(again.starts_with("#! edited:"), "{again}");
        let (outcome, _) = edit_with(&[("verbs", "verb"), ("verb: [get]", "verbs: [list]")]);
        let bytes = outcome.unwrap().unwrap().bytes;
        assert_eq!(String::from_utf8_lossy(&bytes), ROLE.replace("[get]", "[list]"));
    }

    #[test]
    fn giving_up_on_errors_ends_it() {
        let (outcome, seen, kept) = edit_and_keep(&[("verbs", "verb")]);
        assert_eq!(outcome.unwrap_err().code(), "cancelled");
        assert_eq!(seen.len(), 2);
        assert_eq!(kept, Some(ROLE.replace("verbs", "verb")));
    }

    #[test]
    fn a_text_is_kept_until_it_is_committed() {
        let kept = Kept::new(b"mine").unwrap();
        let path = kept.0.clone().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        assert!(!crate::config::is_exposed(&path));
        drop(kept);
        assert!(path.exists(), "nothing was committed");
        std::fs::remove_file(&path).unwrap();
        let kept = Kept::new(b"mine").unwrap();
        let path = kept.0.clone().unwrap();
        kept.discard();
        assert!(!path.exists());
    }

    #[test]
    fn the_name_stays() {
        let (outcome, _) = edit_with(&[("name: reader", "name: other")]);
        assert_eq!(outcome.unwrap_err().code(), "cancelled");
    }
}
