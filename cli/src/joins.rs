//! The keys of join commands that were made here: with one, an agent vouches for its age recipient,
//! and the hub, which never sees the key, cannot put another recipient in its place. One file a
//! cluster, `$XDG_STATE_HOME/hanse/joins/<cluster id>`, with the key in hexadecimal digits.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::trust::recipient::VouchKey;

use crate::failure::{Failure, Outcome};

/// Where this program keeps what it must not forget; nothing without a home.
pub(crate) fn state(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| env(name).filter(|path: &PathBuf| path.is_absolute());
    let state =
        absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("hanse"))
}

/// The folder of the keys, for this process; nothing without a home.
pub(crate) fn of_process() -> Option<PathBuf> {
    Some(state(|name| std::env::var_os(name).map(PathBuf::from))?.join("joins"))
}

/// Keeps a key, readable for its owner alone. A newer key takes the place of an older one.
pub(crate) fn keep(folder: &Path, cluster: ClusterId, key: &VouchKey) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", Digest(key.0))?;
    file.persist(folder.join(cluster.to_string())).map_err(|e| e.error)?;
    Ok(())
}

/// The key for a cluster, if its join command was made here.
pub(crate) fn find(folder: &Path, cluster: ClusterId) -> Outcome<Option<VouchKey>> {
    let path = folder.join(cluster.to_string());
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::io(format!("{} cannot be read", path.display()), &error));
        }
    };
    let key: Digest = text.trim().parse().map_err(|_| {
        Failure::new("file", format!("{} is not the key of a join command", path.display()))
            .hint("compare the recipient by eye, and give it: hanse cluster accept NAME --recipient age1…")
    })?;
    Ok(Some(VouchKey(key.0)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_key_is_kept_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("deep/joins");
        let id = ClusterId(uuid::Uuid::from_u128(1));
        assert_eq!(find(&folder, id).unwrap(), None);
        keep(&folder, id, &VouchKey([7; 32])).unwrap();
        keep(&folder, id, &VouchKey([8; 32])).unwrap();
        assert_eq!(find(&folder, id).unwrap(), Some(VouchKey([8; 32])));
        assert!(!crate::config::is_exposed(&folder.join(id.to_string())));
        assert!(!crate::config::is_exposed(&folder));
        fs::write(folder.join(id.to_string()), "torn").unwrap();
        assert_eq!(find(&folder, id).unwrap_err().code(), "file");
    }
}
