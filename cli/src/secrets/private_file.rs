//! A file for an editor that is never on a disk: in a folder of its own, in memory, that nobody else
//! reads. It is written over and removed whatever happens, and so is what the editor puts beside it. What
//! nothing could be done about (SIGKILL, a crash), the next one sweeps away.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::buffer;
use crate::failure::{Failure, Outcome};

/// Where files are in memory, when `XDG_RUNTIME_DIR` does not say.
const SHARED_MEMORY: &str = "/dev/shm";
const PREFIX: &str = "hanse-secret-";

/// The file. It goes when this is dropped.
#[derive(Debug)]
pub(crate) struct PrivateFile {
    folder: tempfile::TempDir,
    path: PathBuf,
    /// Of the folder: as long as it is held, somebody edits there.
    _lock: File,
}

/// Returns when the terminal goes or somebody ends the program: then the file must go, too.
pub(crate) async fn ended() -> Failure {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut hangup)) = signals else {
        return Failure::new("no-signals", "signals cannot be received")
            .why("a secret in a file would be left over when the program is ended");
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Failure::interrupted()
}

impl PrivateFile {
    /// Makes the folder. The file is there once it is written.
    pub(crate) fn new(name: &str, runtime: Option<PathBuf>) -> Outcome<Self> {
        let places = [runtime.filter(|path| path.is_absolute()), Some(SHARED_MEMORY.into())];
        let places: Vec<PathBuf> =
            places.into_iter().flatten().filter(|path| path.is_dir()).collect();
        let base = places.first().ok_or_else(|| {
            Failure::new("no-private-place", "there is no folder in memory for the editor's file")
                .why("on a disk, what was in a file can be found again long after")
                .hint("name one in XDG_RUNTIME_DIR; or without an editor: hanse secret set --merge")
        })?;
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(base)
            .map_err(|e| failed(base, &e))?;
        let lock = locked(folder.path()).map_err(|e| failed(folder.path(), &e))?;
        let owner = lock.metadata().map_err(|e| failed(folder.path(), &e))?.uid();
        for place in &places {
            sweep(place, owner);
        }
        let path = folder.path().join(name);
        Ok(Self { folder, path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a text into it.
    pub(crate) fn write(&self, text: &[u8]) -> Outcome<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&self.path).and_then(|mut file| file.write_all(text));
        written.map_err(|e| failed(&self.path, &e))
    }

    /// What is in it now.
    pub(crate) fn read(&self) -> Outcome<Zeroizing<Vec<u8>>> {
        buffer::editor_text(&self.path)
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        wipe_all(self.folder.path());
    }
}

fn locked(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    folder.try_lock()?;
    Ok(folder)
}

/// Removes folders of this user's that nobody holds any more.
fn sweep(place: &Path, owner: u32) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        // Of the entry itself: somebody else's link leads where they want.
        let own = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == owner);
        if !own || !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let folder = entry.path();
        if let Ok(_lock) = locked(&folder) {
            wipe_all(&folder);
            // The next edit tries again.
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

fn wipe_all(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let _ = wipe(&entry.path());
    }
}

/// Writes zeros over a file. A link is none, and what it leads to is not ours.
fn wipe(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    let mut file = File::options().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    let zeros = [0; 4096];
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
        file.write_all(zeros.get(..length).unwrap_or_default())?;
        left -= length as u64;
    }
    Ok(())
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::io(format!("{} cannot be used for the editor", path.display()), error)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn it_goes_with_all_that_is_beside_it_and_is_written_over() {
        let base = tempfile::tempdir().unwrap();
        let private = PrivateFile::new("db.yaml", Some(base.path().to_owned())).unwrap();
        private.write(b"canary").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = private.path().parent().unwrap().to_owned();
        assert_eq!((mode(private.path()), mode(&folder)), (0o600, 0o700));
        assert_eq!(&**private.read().unwrap(), b"canary");
        // What somebody still has open shows what is left of it.
        fs::write(folder.join(".db.yaml.swp"), b"canary too").unwrap();
        let opened = [private.path().to_owned(), folder.join(".db.yaml.swp")];
        let mut opened = opened.map(|path| File::open(path).unwrap());
        drop(private);
        assert!(!folder.exists() && base.path().exists());
        for file in &mut opened {
            let mut left = Vec::new();
            io::Read::read_to_end(file, &mut left).unwrap();
            assert!(!left.is_empty() && left.iter().all(|byte| *byte == 0), "{left:?}");
        }
    }

    #[test]
    fn what_was_left_over_goes_and_what_is_in_use_stays() {
        let base = tempfile::tempdir().unwrap();
        let left_over = base.path().join("hanse-secret-old");
        let foreign = base.path().join("other");
        for folder in [&left_over, &foreign] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("db.yaml"), b"canary").unwrap();
        }
        std::os::unix::fs::symlink(&foreign, base.path().join("hanse-secret-link")).unwrap();
        let mut opened = File::open(left_over.join("db.yaml")).unwrap();
        let new = || PrivateFile::new("db.yaml", Some(base.path().to_owned())).unwrap();
        let (one, other) = (new(), new());
        assert!(!left_over.exists() && foreign.join("db.yaml").exists());
        let mut left = Vec::new();
        io::Read::read_to_end(&mut opened, &mut left).unwrap();
        assert_eq!(left, [0; 6]);
        for file in [one, other] {
            assert!(file.path().parent().unwrap().exists());
        }
    }
}
