//! The files of `-f`: files, directories (with `-R` their subdirectories), and `-` for stdin.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use hanse_domain::document::{Document, Kind};
use hanse_domain::parse::{self, MAX_FILE_BYTES, ParseError};

use crate::failure::{Failure, Outcome};
use crate::plan_file::PlanFile;
use crate::text::count;

/// Which files to read.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Files {
    /// File, directory, or - for stdin; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub(crate) filename: Vec<PathBuf>,

    /// Read the subdirectories of a directory as well
    #[arg(short = 'R', long, requires = "filename")]
    pub(crate) recursive: bool,
}

/// A file's name, as errors show it, and its bytes.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Files {
    /// Reads and parses everything, or reports every error in it.
    pub(crate) fn documents(&self) -> Outcome<Vec<Document>> {
        if self.filename.is_empty() {
            return Err(Failure::usage("no files were named").hint("-f FILE, -f DIRECTORY or -f -"));
        }
        let sources = self.read()?;
        if let Some(plan) = sources.iter().find(|source| PlanFile::is_one(&source.bytes)) {
            let name = &plan.name;
            let path = if name == "stdin" { "PLANFILE" } else { name };
            return Err(Failure::usage(format!("{name} is no document but a plan"))
                .hint(format!("this is a plan: hanse apply {path}")));
        }
        let documents = parse(&sources)?;
        if documents.is_empty() {
            return Err(Failure::new("no-documents", "there is no document in these files"));
        }
        Ok(documents)
    }

    /// All files, each directory's in the order of their names.
    pub(crate) fn read(&self) -> Outcome<Vec<Source>> {
        let mut sources = Vec::new();
        for path in &self.filename {
            if path.as_os_str() == "-" {
                sources.push(Source {
                    name: "stdin".to_owned(),
                    bytes: limited("stdin", std::io::stdin().lock())?,
                });
            } else if path.is_dir() {
                let before = sources.len();
                self.directory(path, &mut sources)?;
                if sources.len() == before {
                    let what = format!("{} has no .yaml, .yml or .json file", path.display());
                    return Err(Failure::new("no-documents", what).hint("-R reads subdirectories"));
                }
            } else {
                sources.push(file(path)?);
            }
        }
        Ok(sources)
    }

    fn directory(&self, path: &Path, sources: &mut Vec<Source>) -> Outcome<()> {
        let failed =
            |e: &std::io::Error| Failure::io(format!("{} cannot be read", path.display()), e);
        let mut entries = Vec::new();
        for entry in fs::read_dir(path).map_err(|e| failed(&e))? {
            entries.push(entry.map_err(|e| failed(&e))?.path());
        }
        entries.sort();
        for entry in entries {
            // A link to a directory could lead around in circles.
            if entry.is_dir() {
                if self.recursive && !entry.is_symlink() {
                    self.directory(&entry, sources)?;
                }
            } else if entry.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
                sources.push(file(&entry)?);
            }
        }
        Ok(())
    }
}

fn file(path: &Path) -> Outcome<Source> {
    let name = path.display().to_string();
    let opened =
        fs::File::open(path).map_err(|e| Failure::io(format!("{name} cannot be read"), &e))?;
    Ok(Source { bytes: limited(&name, opened)?, name })
}

/// One byte more than a file may have, so that the parser says that it is too large.
fn limited(name: &str, reader: impl std::io::Read) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::io(format!("{name} cannot be read"), &e))?;
    Ok(bytes)
}

/// Parses files; all errors at once.
pub(crate) fn parse(sources: &[Source]) -> Outcome<Vec<Document>> {
    parse::parse_files(sources.iter().map(|source| (source.name.as_str(), source.bytes.as_slice())))
        .map_err(|errors| invalid(sources, &errors))
}

fn invalid(sources: &[Source], errors: &[ParseError]) -> Failure {
    let failure = Failure::new("invalid-document", count(errors.len(), "error"))
        .details(errors.iter().map(ToString::to_string));
    let Some(first) = errors.iter().find(|error| is_of_a_field(error)) else {
        return failure;
    };
    let source = sources.iter().find(|source| source.name == first.file);
    let kind = source.and_then(|source| kind_at(&source.bytes, first.line));
    failure.hint(match kind {
        Some(kind) if first.path.starts_with("spec") => {
            format!("hanse explain {}.spec explains the fields", kind.name())
        }
        Some(kind) => format!("hanse explain {} explains the fields", kind.name()),
        None => "hanse explain KIND.spec explains the fields".to_owned(),
    })
}

/// Whether the explanation of a field could help: not when the text cannot be read, is too large, or
/// has something twice.
fn is_of_a_field(error: &ParseError) -> bool {
    let twice = error.message == "this key is here twice"
        || (error.path == "metadata.name" && error.message.contains(" is declared at "));
    !error.path.is_empty() && !twice
}

/// The kind of the document around a line, if it says one at the beginning of a line.
fn kind_at(bytes: &[u8], line: usize) -> Option<Kind> {
    let text = std::str::from_utf8(bytes).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let separates = |line: &&str| line.trim_end() == "---" || line.starts_with("--- ");
    let (before, after) = lines.split_at_checked(line.saturating_sub(1))?;
    let before = before.iter().rev().take_while(|line| !separates(line));
    let mut around = before.chain(after.iter().take_while(|line| !separates(line)));
    around.find_map(|line| {
        let (key, value) = line.split_once(':')?;
        // In JSON, keys are indented; "kind" of a subject is none of ours.
        if !(key == "kind" || key.trim() == "\"kind\"") {
            return None;
        }
        let value = value.split('#').next().unwrap_or_default();
        let value = value.trim_matches(|c: char| c.is_whitespace() || "\"',".contains(c));
        Kind::ALL.into_iter().find(|kind| kind.name() == value)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const ROLE: &str = "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {name: NAME}\n\
        spec: {placement: {clusterSelector: {}}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}\n";

    #[test]
    fn directories_are_read_in_order_and_deep_only_when_asked() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("b.yaml", &ROLE.replace("NAME", "b"));
        write("a.yml", &ROLE.replace("NAME", "a"));
        write("README.md", "# no document");
        write("deep/c.yaml", &ROLE.replace("NAME", "c"));
        let names = |recursive| {
            let files = Files { filename: vec![directory.path().to_owned()], recursive };
            let documents = files.documents().unwrap();
            documents.into_iter().map(|d| d.reference.name).collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["a", "b"]);
        assert_eq!(names(true), ["a", "b", "c"]);
    }

    #[test]
    fn every_error_is_shown_with_its_place_and_then_their_number() {
        let sources =
            [Source { name: "x.yaml".into(), bytes: b"kind: Federated\nspec: {}\n".to_vec() }];
        let failure = parse(&sources).unwrap_err();
        let lines = failure.detail_lines();
        assert!(
            lines.len() > 1 && lines.iter().all(|line| line.starts_with("x.yaml:")),
            "{lines:?}"
        );
        assert_eq!(failure.summary(), format!("{} errors", lines.len()));
    }

    #[test]
    fn the_hint_names_the_kind_of_the_first_document_with_an_error() {
        let hint = |text: &str| {
            let source = Source { name: "x".into(), bytes: text.as_bytes().to_vec() };
            parse(&[source]).unwrap_err().hint_text().map(str::to_owned)
        };
        let role = ROLE.replace("NAME", "a");
        let bad = role.replace("verbs", "verb");
        let explain = |what: &str| Some(format!("hanse explain {what} explains the fields"));
        assert_eq!(hint(&bad), explain("FederatedRole.spec"));
        let namespace = "apiVersion: hanse.dev/v1alpha1\nkind: \"FederatedNamespace\" # x\n\
            metadata: {name: x}\nspec: {placment: {}}\n";
        assert_eq!(hint(&format!("{role}---\n{namespace}")), explain("FederatedNamespace.spec"));
        assert_eq!(hint(&format!("{namespace}---\n{role}")), explain("FederatedNamespace.spec"));
        assert_eq!(hint(&ROLE.replace("NAME", "N_")), explain("FederatedRole"));
        assert_eq!(hint(&bad.replace("FederatedRole", "Fed")), explain("KIND.spec"));
        let json = "{\n  \"apiVersion\": \"hanse.dev/v1alpha1\",\n  \"kind\": \"FederatedRole\",\n  \
            \"metadata\": {\"name\": \"x\"},\n  \"spec\": {\"x\": 1}\n}\n";
        assert_eq!(hint(json), explain("FederatedRole.spec"));
        for none in ["a: [", &format!("{role}---\n{role}")] {
            assert_eq!(hint(none), None, "{none}");
        }
    }

    #[test]
    fn a_plan_is_no_document() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.json");
        let plan = r#"{"version":1,"base":1,"statement":"x","contents":[]}"#;
        fs::write(&path, plan).unwrap();
        let files = Files { filename: vec![path.clone()], recursive: false };
        let failure = files.documents().unwrap_err();
        let expected = format!("this is a plan: hanse apply {}", path.display());
        assert_eq!(failure.hint_text(), Some(expected.as_str()));
    }

    #[test]
    fn an_empty_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files { filename: vec![directory.path().to_owned()], recursive: false };
        assert_eq!(files.documents().unwrap_err().code(), "no-documents");
    }

    #[test]
    fn the_examples_are_valid_and_can_be_planned() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let files = Files { filename: vec![path], recursive: true };
        let documents = files.documents().unwrap();
        let kinds: std::collections::BTreeSet<_> =
            documents.iter().map(|document| document.reference.kind).collect();
        // A sealed secret is only of use to those whom it is sealed to.
        assert_eq!(kinds.len(), hanse_domain::document::Kind::ALL.len() - 1);
        let edits =
            documents.into_iter().map(|document| hanse_domain::fleet::Edit::Put(document.into()));
        let plan = crate::change::planned(&crate::fleet::example(""), edits.collect()).unwrap();
        assert!(plan.hazards.is_empty(), "{:?}", plan.hazards);
        assert!(plan.clusters.contains_key("cluster-1"), "{:?}", plan.warnings);
    }
}
