//! `hanse edit`: a document in an editor, until it is valid, unchanged or given up.

use hanse_domain::document::{Document, DocumentRef};
use hanse_domain::fleet::Edit;

use crate::app::Session;
use crate::change::{self, CommitArgs, Confirm, Order};
use crate::editor::{self, Kept};
use crate::failure::{Exit, Failure, Outcome};
use crate::files::{self, Source};
use crate::{fleet, kinds, output, settle};

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
        let text = String::from_utf8_lossy(&held.document.bytes).into_owned();
        let edited = reference.clone();
        let read = move |text: &str| read(&edited, text);
        let Some(document) = editor::edit(text, ".yaml", read).await? else {
            output::note("nothing was changed");
            return Ok(Exit::OK);
        };
        let kept = Kept::new(&document.bytes, ".yaml")?;
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::cell::RefCell;
    use std::path::Path;

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
        let given_up = |text: &str| {
            kept = Some(text.to_owned());
            Ok(())
        };
        let held = document();
        let read = |text: &str| read(&held.reference, text);
        let outcome = editor::edited(ROLE, ".yaml", read, editor, given_up);
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
    fn the_name_stays() {
        let (outcome, _) = edit_with(&[("name: reader", "name: other")]);
        assert_eq!(outcome.unwrap_err().code(), "cancelled");
    }
}
