//! Verifies a bundle from the trust root alone: replays the history, takes from it who signs for each
//! cluster, compares what was signed with the objects, and works the report out once more. Nothing of
//! the bundle is believed before it is checked, and nothing is unpacked or run.

use std::io::{self, Read};

use hanse_domain::history::changes::MAX_CHANGES_BYTES;
use hanse_domain::history::statement::MAX_STATEMENT_BYTES;
use hanse_domain::ids::Digest;
use hanse_domain::parse::MAX_SECRET_DOCUMENT_BYTES;
use hanse_domain::trust::root::MAX_ROOT_BYTES;
use hanse_domain::trust::signature::MAX_SIGNATURES_LEN;
use hanse_proto::admin::CommittedStatement;

use super::answer::Answer;
use super::archive::{ArchiveError, Reader};
use super::bundle::{FORMAT, Manifest, README, program, statement_folder};
use super::evidence::{Evidence, Files, MAX_CHECKPOINTS_BYTES, MAX_HUB_BYTES, MAX_OBJECTS_BYTES};
use super::groups::{self, Group, MAX_GROUPS_BYTES};
use super::past::{Past, Replayed};
use super::sheets::{Composer, Sheet};
use super::summary::{Head, Summary};
use crate::failure::{Failure, Outcome};

/// Of every failure of a bundle that is not what it says.
pub(crate) const CODE: &str = "evidence";
const MAX_MANIFEST_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of the contents of one statement: no hub takes more in a message.
const MAX_CONTENTS_BYTES: usize = 64 * 1024 * 1024;
const MAX_REPORT_BYTES: u64 = 1 << 33;

/// What a bundle proves.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) head: Head,
    pub(crate) manifest: Manifest,
    pub(crate) summary: Summary,
}

/// Which fleet a bundle may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    /// The one that was named on the command line.
    Given(Digest),
    /// The one of the current context.
    Context(Digest),
    /// Any: whoever reads the answer compares the digest.
    Unknown,
}

/// Reads a bundle from its first byte to its last. `trusted` is told the first trust root's digest before
/// anything follows from it, `seen` each cluster.
pub(crate) fn verify(
    from: impl Read,
    pin: Pin,
    trusted: impl FnOnce(Digest),
    mut seen: impl FnMut(&Answer),
) -> Outcome<Verified> {
    let mut reader = Reader::open(from).map_err(broken)?;
    if reader.file("README.md", README.len()).map_err(broken)? != README.as_bytes() {
        return Err(mismatch("README.md is not that of a bundle"));
    }
    let root = reader.file("history/trust-root", MAX_ROOT_BYTES).map_err(broken)?;
    let fleet = Digest::of(&root);
    pin.check(fleet)?;
    trusted(fleet);
    let (newest, past) = history(&mut reader, &root)?;
    let bytes = reader.file("manifest.json", MAX_MANIFEST_BYTES).map_err(broken)?;
    let manifest = Manifest::decode(&bytes)
        .map_err(|why| mismatch("manifest.json cannot be read").why(why))?;
    if manifest.format != FORMAT {
        return Err(mismatch("this bundle is of a format that this program does not know")
            .why(format!("it is `{}`, written by {}", manifest.format, manifest.program)));
    }
    let bytes = reader.file("groups.jsonl", MAX_GROUPS_BYTES).map_err(broken)?;
    let groups =
        groups::decode(&bytes).map_err(|why| mismatch("groups.jsonl is broken").why(why))?;
    let head = Head { made_at: manifest.made_at, ..newest };
    let summary = report(&mut reader, &manifest, &head, &past, &groups, &mut seen)?;
    reader.end().map_err(broken)?;
    Ok(Verified { head, manifest, summary })
}

impl Pin {
    fn check(self, found: Digest) -> Outcome<()> {
        let (expected, whose) = match self {
            Self::Given(digest) => (digest, "--trust-root says"),
            Self::Context(digest) => (digest, "the current context is of"),
            Self::Unknown => return Ok(()),
        };
        if expected == found {
            return Ok(());
        }
        let failure = mismatch("this bundle is of another fleet")
            .why(format!("its first trust root has the digest {found}; {whose} {expected}"));
        Err(match self {
            Self::Context(_) => failure.hint(
                "if you know from somebody whom you believe that this fleet is meant: --trust-root DIGEST",
            ),
            Self::Given(_) | Self::Unknown => failure,
        })
    }
}

/// Every statement, each checked with its signatures on the fleet before it.
fn history<R: Read>(reader: &mut Reader<R>, root: &[u8]) -> Outcome<(Head, Past)> {
    let unsigned = |number: u64, why: String| {
        mismatch(format!("statement {number} of the history is not to be believed")).why(why)
    };
    let mut replayed = Replayed::begin(root).map_err(|why| unsigned(0, why))?;
    for number in 1.. {
        let folder = statement_folder(number);
        if !reader.peek().is_some_and(|path| path.starts_with("history/")) {
            break;
        }
        let mut file =
            |name: &str, most| reader.file(&format!("{folder}/{name}"), most).map_err(broken);
        let statement = file("statement", MAX_STATEMENT_BYTES)?;
        let signatures = file("signatures", MAX_SIGNATURES_LEN)?;
        let changes = file("changes", MAX_CHANGES_BYTES)?;
        let mut contents = Vec::new();
        let mut left = MAX_CONTENTS_BYTES;
        let inner = format!("{folder}/contents/");
        while reader.peek().is_some_and(|path| path.starts_with(&inner)) {
            let path = format!("{inner}{:05}", contents.len() + 1);
            let most = MAX_SECRET_DOCUMENT_BYTES.min(left);
            let content = reader.file(&path, most).map_err(broken)?;
            left = left.saturating_sub(content.len());
            contents.push(content.into());
        }
        let next = CommittedStatement {
            statement: statement.into(),
            signatures: signatures.into(),
            changes: changes.into(),
            contents,
            newest: 0,
        };
        replayed.take(&next).map_err(|why| unsigned(number, why))?;
    }
    let (fleet, past) = replayed.end();
    let head = Head {
        fleet: fleet.id(),
        revision: fleet.number.0,
        history: fleet.history,
        made_at: jiff::Timestamp::UNIX_EPOCH,
    };
    Ok((head, past))
}

fn report<R: Read>(
    reader: &mut Reader<R>,
    manifest: &Manifest,
    head: &Head,
    past: &Past,
    groups: &[Group],
    seen: &mut impl FnMut(&Answer),
) -> Outcome<Summary> {
    let question = &manifest.question;
    let entries = past.selected(question)?;
    let expected =
        Manifest { program: manifest.program.clone(), ..Manifest::new(question, head, &entries) };
    if *manifest != expected {
        return Err(differs(manifest, &expected));
    }
    let directory = groups::directory(groups).map_err(|why| mismatch("groups.jsonl").why(why))?;
    let mut composer = Composer::new(question, head, groups)?;
    let mut contradicted = Vec::new();
    let time = (question.when.start(), question.when.end());
    for (entry, listed) in entries.into_iter().zip(&manifest.clusters) {
        let mut file = |name: &str, most| {
            reader.file(&format!("clusters/{}/{name}", listed.folder), most).map_err(broken)
        };
        let files = Files {
            objects: file("objects.jsonl", MAX_OBJECTS_BYTES)?,
            checkpoints: file("checkpoints.jsonl", MAX_CHECKPOINTS_BYTES)?,
            hub: file("hub.json", MAX_HUB_BYTES)?,
        };
        let evidence = Evidence::read(&files, time).map_err(|why| {
            mismatch(format!("cluster {}: its evidence is broken", entry.name)).why(why)
        })?;
        let answer = Answer::of(question, entry, evidence, past, head.fleet, &directory)?;
        let contradictions = &answer.standing.contradictions;
        contradicted.extend(
            contradictions.iter().map(|why| format!("cluster {}: {why}", answer.entry.name)),
        );
        seen(&answer);
        composer.cluster(&answer)?;
    }
    if !contradicted.is_empty() {
        return Err(mismatch("the objects are not those that the clusters' agents signed for")
            .details(contradicted)
            .why("something was added, altered, left out or swapped, in the hub or since"));
    }
    let mut sheets = composer.end()?;
    same(reader, "report.csv", &mut sheets.csv, manifest)?;
    same(reader, "report.json", &mut sheets.json, manifest)?;
    same(reader, "report.html", &mut sheets.html, manifest)?;
    Ok(sheets.summary)
}

/// Why a manifest is not what the history makes of it.
fn differs(found: &Manifest, expected: &Manifest) -> Failure {
    let failure = mismatch("manifest.json does not fit the history");
    if found.fleet != expected.fleet {
        return failure.why("it names another fleet");
    }
    if found.revision != expected.revision || found.history != expected.history {
        return failure.why(format!(
            "it names statement {} and the history ends with {}",
            found.revision, expected.revision
        ));
    }
    let missing = expected.clusters.iter().find(|listed| !found.clusters.contains(listed));
    match missing {
        Some(listed) => failure.why(format!(
            "cluster {} was in the fleet and is asked about, and the bundle leaves it out",
            listed.name
        )),
        None => failure.why("it lists clusters that are not asked about, or in another order"),
    }
}

/// Compares a file of a bundle with what the report must be.
fn same<R: Read>(
    reader: &mut Reader<R>,
    name: &str,
    expected: &mut Sheet,
    manifest: &Manifest,
) -> Outcome<()> {
    let unreadable = |e: io::Error| Failure::io("the report cannot be compared", &e);
    let mut expected = expected.read().map_err(unreadable)?;
    let equal = reader
        .stream(name, MAX_REPORT_BYTES, |found| is_same(found, &mut expected))
        .map_err(broken)?;
    if equal {
        return Ok(());
    }
    let failure = mismatch(format!("{name} is not the report that follows from the evidence"));
    Err(if manifest.program == program() {
        failure.why("it was altered, or made from something else")
    } else {
        failure
            .why(format!("it was altered, or {} words reports in another way", manifest.program))
            .hint(format!("verify it with {}", manifest.program))
    })
}

/// Whether two readers give the same.
fn is_same(one: &mut dyn Read, other: &mut dyn Read) -> io::Result<bool> {
    let (mut a, mut b) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let read = full(one, &mut a)?;
        if read != full(other, &mut b)? || a.get(..read) != b.get(..read) {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

/// Fills a buffer as far as there is something.
fn full(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match from.read(rest)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

fn mismatch(what: impl Into<String>) -> Failure {
    Failure::new(CODE, what)
}

fn broken(error: ArchiveError) -> Failure {
    match error {
        ArchiveError::Io(error) => Failure::io("the bundle cannot be read", &error),
        ArchiveError::Truncated(_) | ArchiveError::Form(_) => {
            mismatch("the bundle is not whole, or was altered").why(error.to_string())
        }
    }
}
