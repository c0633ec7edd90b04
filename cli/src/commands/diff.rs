//! `hanse diff`: how files differ from what the fleet has. Exit 0 for none, 1 for some.

use std::fs;
use std::path::Path;
use std::process::Command;

use hanse_domain::document::Document;
use hanse_domain::fleet::Fleet;
use similar::TextDiff;

use crate::app::Session;
use crate::failure::{Exit, Failure, Outcome};
use crate::files::Files;
use crate::secrets::view;
use crate::{fleet, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "KUBECTL_EXTERNAL_DIFF names another program than the diff built in; \
    it gets two directories.")]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
}

/// A document as the fleet has it and as the files have it.
#[derive(Debug)]
struct Pair {
    name: String,
    stored: String,
    given: String,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let documents = self.files.documents()?;
        let fleet = fleet::fetch(&session.hub().await?).await?;
        let pairs = pairs(&fleet, &documents);
        if pairs.is_empty() {
            return Ok(Exit::OK);
        }
        match std::env::var("KUBECTL_EXTERNAL_DIFF") {
            Ok(program) if !program.trim().is_empty() => external(&program, &pairs),
            _ => {
                let text: String = pairs.iter().map(unified).collect();
                output::exact(text.as_bytes())?;
                Ok(Exit::FAILED)
            }
        }
    }
}

fn pairs(fleet: &Fleet, documents: &[Document]) -> Vec<Pair> {
    let text = view::text;
    let pair = |document: &Document| {
        let stored = fleet.documents().get(&document.reference).map(|held| text(&held.document));
        Pair {
            name: document.reference.to_string(),
            stored: stored.unwrap_or_default(),
            given: text(document),
        }
    };
    documents.iter().map(pair).filter(|pair| pair.stored != pair.given).collect()
}

fn unified(pair: &Pair) -> String {
    let before = if pair.stored.is_empty() {
        "/dev/null".to_owned()
    } else {
        format!("fleet/{}", pair.name)
    };
    TextDiff::from_lines(&pair.stored, &pair.given)
        .unified_diff()
        .header(&before, &format!("files/{}", pair.name))
        .to_string()
}

/// Runs another program on two directories, as `kubectl diff` does.
fn external(program: &str, pairs: &[Pair]) -> Outcome {
    let failed = |e: std::io::Error| Failure::io("the files to compare cannot be written", &e);
    let fleet = tempfile::Builder::new().prefix("FLEET-").tempdir().map_err(failed)?;
    let files = tempfile::Builder::new().prefix("FILES-").tempdir().map_err(failed)?;
    let write = |directory: &Path, name: &str, text: &str| {
        fs::write(directory.join(name.replace('/', ".")), text).map_err(failed)
    };
    for pair in pairs {
        write(fleet.path(), &pair.name, &pair.stored)?;
        write(files.path(), &pair.name, &pair.given)?;
    }
    let mut words = program.split_whitespace();
    let status = Command::new(words.next().unwrap_or("diff"))
        .args(words)
        .args([fleet.path(), files.path()])
        .status()
        .map_err(|e| {
            Failure::io(format!("`{program}` (KUBECTL_EXTERNAL_DIFF) cannot be run"), &e)
        })?;
    match status.code() {
        Some(0) => Ok(Exit::OK),
        Some(1) => Ok(Exit::FAILED),
        _ => Err(Failure::new(
            "external-diff",
            format!("`{program}` (KUBECTL_EXTERNAL_DIFF) failed"),
        )
        .why(status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const ROLE: &str = "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {name: reader}\nspec:\n  \
        placement: {clusterSelector: {}}\n  rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n";

    fn compared(stored: &str, given: &str) -> Vec<Pair> {
        let documents = hanse_domain::parse::parse_files([("x", given.as_bytes())]).unwrap();
        pairs(&fleet::example(stored), &documents)
    }

    #[test]
    fn documents_are_compared_as_they_were_written() {
        assert!(compared(ROLE, ROLE).is_empty());
        let changed = compared(ROLE, &ROLE.replace("[get]", "[list]"));
        insta::assert_snapshot!(changed.iter().map(unified).collect::<String>(), @"
        --- fleet/FederatedRole/reader
        +++ files/FederatedRole/reader
        @@ -3,4 +3,4 @@
         metadata: {name: reader}
         spec:
           placement: {clusterSelector: {}}
        -  rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
        +  rules: [{apiGroups: [''], resources: [pods], verbs: [list]}]
        ");
        let new = compared("", ROLE);
        assert!(new.iter().map(unified).collect::<String>().starts_with("--- /dev/null\n"));
    }

    #[test]
    fn the_external_programs_exit_code_counts() {
        let pairs = compared("", ROLE);
        assert_eq!(external("true", &pairs).unwrap(), Exit::OK);
        assert_eq!(external("false", &pairs).unwrap(), Exit::FAILED);
        assert_eq!(external("diff -q", &pairs).unwrap(), Exit::FAILED);
        for broken in ["diff --no-such-option", "no-such-program"] {
            assert!(external(broken, &pairs).is_err(), "{broken}");
        }
    }
}
