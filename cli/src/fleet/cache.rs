//! What was verified, kept in a file, so that nothing is verified twice:
//! `$XDG_CACHE_HOME/hanse/fleets/<fleet id>/verified`.
//!
//! ```text
//! "hanse fleet v1\n"
//! number  newest statement  peaks  trust roots  roster  documents  wrapped keys
//! SHA-256 of all of this
//! ```
//!
//! Numbers are 8 bytes, big-endian; bytes and lists have their length before them. The file is the
//! person's own: whoever can change it can change the program, too. Its digest is against damage.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hanse_domain::fleet::{Everything, Fleet};
use hanse_domain::history::merkle::Frontier;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::statement::Statement;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::{ClusterId, Digest, RevisionNumber};
use hanse_domain::parse::parse_document;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::walk;

use super::replay::Replay;
use crate::output;

const HEADER: &[u8] = b"hanse fleet v1\n";
/// Most bytes that the file may have.
const MAX_BYTES: u64 = 1 << 30;

/// Where one fleet is kept. Only one process at a time has it.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
}

/// The folder for the files of all fleets; nothing without a home.
pub(super) fn base(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| env(name).filter(|path: &PathBuf| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("hanse").join("fleets"))
}

impl Store {
    /// Opens the place of a fleet, and waits while another process has it.
    pub(super) async fn open(base: &Path, fleet: Digest) -> std::io::Result<Self> {
        let folder = base.join(fleet.to_string());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let lock = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join("lock"))?;
        if lock.try_lock().is_ok() {
            return Ok(Self { folder, _lock: lock });
        }
        output::note("waiting for another hanse, which is verifying this fleet…");
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
        Ok(Self { folder, _lock: lock })
    }

    /// The file.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join("verified")
    }

    /// What was verified before. Errors: the file is damaged, or cannot be read.
    pub(super) fn load(&self, fleet: Digest) -> Result<Option<Replay>, String> {
        let path = self.file();
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
            Ok(metadata) if metadata.len() > MAX_BYTES => return Err("it is too long".to_owned()),
            Ok(_) => {}
        }
        let bytes = fs::read(&path).map_err(|error| error.to_string())?;
        decode(fleet, &bytes).map(Some)
    }

    /// Writes the file as a whole, or not at all.
    pub(super) fn store(&self, replay: &Replay) -> std::io::Result<()> {
        // A temporary file is made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&encode(replay))?;
        file.as_file().sync_all()?;
        file.persist(self.file()).map_err(|e| e.error)?;
        Ok(())
    }
}

fn encode(replay: &Replay) -> Vec<u8> {
    let mut out = HEADER.to_vec();
    let fleet = &replay.fleet;
    number(&mut out, replay.number());
    bytes(&mut out, &replay.newest);
    number(&mut out, replay.log.peaks().len() as u64);
    for peak in replay.log.peaks() {
        out.extend(peak.0);
    }
    let versions: Vec<_> = fleet.trust.versions().collect();
    number(&mut out, versions.len() as u64);
    for version in versions {
        number(&mut out, version.since.0);
        bytes(&mut out, &version.root.encode());
    }
    number(&mut out, fleet.members().len() as u64);
    for member in fleet.members().values() {
        number(&mut out, member.manifest.entry.number.0);
        number(&mut out, member.generation.0);
        bytes(&mut out, &member.entry.encode());
    }
    number(&mut out, fleet.documents().len() as u64);
    for held in fleet.documents().values() {
        number(&mut out, held.number.0);
        bytes(&mut out, &held.document.bytes);
    }
    let wraps: Vec<_> =
        fleet.members().values().flat_map(|member| member.wraps().values()).collect();
    number(&mut out, wraps.len() as u64);
    for held in wraps {
        number(&mut out, held.number.0);
        bytes(&mut out, &held.wrap.encode());
    }
    let digest = Digest::of(&out);
    out.extend(digest.0);
    out
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_be_bytes());
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend(bytes);
}

fn decode(id: Digest, file: &[u8]) -> Result<Replay, String> {
    let damaged = || "it is damaged".to_owned();
    let (all, digest) = file.split_last_chunk::<32>().ok_or_else(damaged)?;
    if Digest::of(all).0 != *digest {
        return Err(damaged());
    }
    let rest = all.strip_prefix(HEADER).ok_or("it is of another version of this program")?;
    let replay = Reader(rest).replay(id).ok_or_else(damaged)?;
    let statement = Statement::decode(&replay.newest).map_err(|error| error.to_string())?;
    let fits = statement.fleet == id
        && statement.number == replay.fleet.number
        && statement.fleet_root == replay.fleet.root();
    if fits { Ok(replay) } else { Err(damaged()) }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn replay(mut self, id: Digest) -> Option<Replay> {
        let at = RevisionNumber(self.number()?);
        let newest = self.bytes()?.to_vec();
        let peaks = self.list(|reader| reader.chunk::<32>().map(Digest))?;
        let log = Frontier::from_peaks(at.0, peaks)?;
        let mut roots = self.list(Self::pinned)?.into_iter();
        let (_, first) = roots.next()?;
        let mut trust = walk::begin(id, first).ok()?;
        for (since, root) in roots {
            trust = trust.followed_by(TrustRoot::decode(root).ok()?.into(), since).ok()?;
        }
        let roster = self.list(|reader| {
            let (number, generation) = (reader.number()?, reader.number()?);
            let entry = ClusterEntry::decode(reader.bytes()?).ok()?;
            Some((entry, RevisionNumber(number), RevisionNumber(generation)))
        })?;
        let generations: Vec<(ClusterId, RevisionNumber)> =
            roster.iter().map(|(entry, _, generation)| (entry.id, *generation)).collect();
        let documents = self.list(|reader| {
            let (number, bytes) = reader.pinned()?;
            Some((parse_document(bytes).ok()?, number))
        })?;
        let wraps = self.list(|reader| {
            let (number, bytes) = reader.pinned()?;
            Some((Wrap::decode(bytes).ok()?, number))
        })?;
        let roster = roster.into_iter().map(|(entry, number, _)| (entry, number)).collect();
        let held = Everything { roster, documents, wraps };
        let mut fleet = Fleet::assemble(trust, at, log.root(), held);
        for (cluster, generation) in generations {
            fleet.set_generation(cluster, generation);
        }
        self.0.is_empty().then_some(Replay { fleet, log, newest })
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn number(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn pinned(&mut self) -> Option<(RevisionNumber, &'a [u8])> {
        Some((RevisionNumber(self.number()?), self.bytes()?))
    }

    /// As many items as the number before them says. Each has at least a byte, so that no number is
    /// believed further than the file goes.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }
}
