//! A plan in a file: `plan -o FILE` writes it, `apply FILE` carries out exactly that, or nothing when
//! the fleet has moved on.

use std::io::Write as _;
use std::path::Path;

use hanse_domain::change::{Change, ChangeError};
use hanse_domain::fleet::Fleet;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome};

const VERSION: u32 = 2;

/// What is in the file: the exact text that would be committed. It is signed when it is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlanFile {
    version: u32,
    /// The revision that it was planned on.
    pub(crate) base: u64,
    statement: String,
    #[serde(default)]
    changes: String,
    contents: Vec<String>,
}

fn invalid(why: impl Into<String>) -> Failure {
    Failure::new("plan-file", "this is not a plan that can be applied")
        .why(why)
        .hint("make one with `hanse plan -f FILE -o PLANFILE`")
}

impl PlanFile {
    pub(crate) fn of(base: &Fleet, change: &Change) -> Outcome<Self> {
        let text = |bytes: &[u8]| {
            std::str::from_utf8(bytes).map(str::to_owned).map_err(|e| invalid(e.to_string()))
        };
        Ok(Self {
            version: VERSION,
            base: base.number.0,
            statement: text(&change.bytes)?,
            changes: text(&change.changes.encode())?,
            contents: change.contents.iter().map(|c| text(c)).collect::<Outcome<_>>()?,
        })
    }

    /// Writes it with mode 0600, as a whole or not at all.
    pub(crate) fn store(&self, path: &Path) -> Outcome<()> {
        let failed =
            |e: &std::io::Error| Failure::io(format!("{} cannot be written", path.display()), e);
        let directory =
            path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let json = serde_json::to_string_pretty(self).map_err(|e| invalid(e.to_string()))?;
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|e| failed(&e))?;
        writeln!(file, "{json}").map_err(|e| failed(&e))?;
        file.persist(path).map_err(|e| failed(&e.error))?;
        Ok(())
    }

    pub(crate) fn load(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::io(format!("{} cannot be read", path.display()), &e))?;
        Self::parse(&text)
    }

    /// Whether a text is a plan, of any version.
    pub(crate) fn is_one(bytes: &[u8]) -> bool {
        bytes.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<Self>(bytes).is_ok()
    }

    fn parse(text: &str) -> Outcome<Self> {
        let file: Self = serde_json::from_str(text).map_err(|e| invalid(e.to_string()))?;
        if file.version != VERSION {
            return Err(invalid(format!("its version is {}, not {VERSION}", file.version)));
        }
        Ok(file)
    }

    /// The change on the fleet as it is now. Refused unless the fleet is still the one that it was
    /// planned on.
    pub(crate) fn open(&self, fleet: &Fleet) -> Outcome<Change> {
        let contents: Vec<Vec<u8>> = self.contents.iter().map(|c| c.clone().into_bytes()).collect();
        let (statement, changes) = (self.statement.as_bytes(), self.changes.as_bytes());
        Change::check(fleet, statement, changes, &contents).map_err(|error| {
            if matches!(error, ChangeError::Stale { .. }) {
                return Failure::new(
                    "stale",
                    format!(
                        "the fleet has moved on since this was planned: it is at revision {}",
                        fleet.number
                    ),
                )
                .why(format!("the plan is on revision {}", self.base))
                .hint("plan again: hanse plan -f FILE -o PLANFILE");
            }
            invalid(error.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Arc;

    use hanse_domain::fleet::Edit;
    use hanse_domain::parse::parse_files;
    use jiff::Timestamp;

    use super::*;
    use crate::fleet::example;

    const ROLE: &str = "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {name: reader}\n\
        spec: {placement: {clusterSelector: {}}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}\n";

    fn plan_file(base: &Fleet) -> PlanFile {
        let documents = parse_files([("x", ROLE.as_bytes())]).unwrap();
        let mut edits: Vec<Edit> = documents.into_iter().map(|d| Edit::Put(Arc::new(d))).collect();
        let member = base.member_named("cluster-1").unwrap();
        edits.push(Edit::RemoveCluster(member.entry.id));
        let change = Change::propose(base, edits, "why", Timestamp::UNIX_EPOCH).unwrap();
        PlanFile::of(base, &change).unwrap()
    }

    #[test]
    fn what_is_written_is_what_is_applied() {
        let base = example("");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.json");
        let written = plan_file(&base);
        written.store(&path).unwrap();
        assert!(!crate::config::is_exposed(&path));
        let read = PlanFile::load(&path).unwrap();
        assert_eq!(read, written);
        let change = read.open(&base).unwrap();
        assert_eq!(change.bytes, written.statement.as_bytes());
        assert_eq!(change.edits.len(), 2);
    }

    #[test]
    fn a_moved_base_and_a_changed_file_are_refused() {
        let base = example("");
        let file = plan_file(&base);
        let mut later = base.clone();
        later.number.0 += 1;
        assert_eq!(file.open(&later).unwrap_err().code(), "stale");
        let mut forged = file.clone();
        forged.contents = vec![ROLE.replace("get", "delete")];
        assert_eq!(forged.open(&base).unwrap_err().code(), "plan-file");
        assert!(
            PlanFile::parse(
                "{\"version\":3,\"base\":1,\"statement\":\"\",\"changes\":\"\",\"contents\":[]}"
            )
            .is_err()
        );
    }
}
