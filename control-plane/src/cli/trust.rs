//! The fleet's first trust root: made elsewhere and handed to `init`, or made here with one new key in
//! every role.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hanse_domain::trust::root::{KeyName, MAX_ROOT_BYTES, TrustRoot};
use hanse_signing::make_key_file;

use super::failure::Failure;
use crate::auth::UserName;

/// The signing key that `init` makes, in the hub's folder.
pub(super) const KEY_FILE: &str = "admin.key";

/// Reads a first trust root that was made on an author's machine.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let refused = |why: String| {
        Failure::new(format!("cannot use the trust root in {shown}"))
            .why(why)
            .hint("`hanse init` on the author's machine makes a first trust root")
    };
    let length = fs::metadata(path).map_err(|error| refused(error.to_string()))?.len();
    if length > MAX_ROOT_BYTES as u64 {
        return Err(refused(format!("it has {length} bytes, more than {MAX_ROOT_BYTES}")));
    }
    let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    check(&text).map_err(refused)?;
    Ok(text)
}

/// Whether a text is a first trust root, in its one form.
pub(super) fn check(text: &str) -> Result<(), String> {
    let root = TrustRoot::decode(text.as_bytes()).map_err(|error| error.to_string())?;
    if root.version == 1 {
        Ok(())
    } else {
        Err(format!("it is version {}, and a fleet begins with version 1", root.version))
    }
}

/// Makes a key beside the administrator's file, and a trust root in which it may do everything.
pub(super) fn make(dir: &Path, admin: &UserName) -> Result<String, Failure> {
    let path = dir.join(KEY_FILE);
    // Of an attempt that did not come to its end: no trust root has these.
    for leftover in [path.clone(), path.with_added_extension("pub")] {
        match fs::remove_file(&leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(
                    Failure::new(format!("cannot remove {}", leftover.display())).why(error)
                );
            }
            Ok(()) | Err(_) => {}
        }
    }
    let key = make_key_file(&path, admin.as_str(), None)
        .map_err(|error| Failure::explained("cannot make the signing key", &error))?;
    let root = TrustRoot::single(rand::random(), key_name(admin)?, key);
    String::from_utf8(root.encode())
        .map_err(|error| Failure::new("cannot make the trust root").why(error))
}

/// Where the key is, if `init` made one.
pub(super) fn key_file(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(KEY_FILE)).filter(|path| path.exists())
}

/// A person's name as the name of a key, which is a DNS label.
fn key_name(admin: &UserName) -> Result<KeyName, Failure> {
    let name = admin.as_str().split('@').next().unwrap_or_default();
    let name: String = name.chars().map(|c| if matches!(c, '.' | '_') { '-' } else { c }).collect();
    let name: String = name.trim_matches('-').chars().take(63).collect();
    name.trim_end_matches('-')
        .parse()
        .or_else(|_| "admin".parse())
        .map_err(|error| Failure::explained("cannot name the signing key", &error))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn every_person_gives_a_key_name() {
        let longest = ["a"; 64].concat();
        for (person, key) in [
            ("admin", "admin"),
            ("ada.l_1@example.com", "ada-l-1"),
            ("...", "admin"),
            ("@", "admin"),
            (longest.as_str(), &longest[..63]),
        ] {
            assert_eq!(key_name(&person.parse().unwrap()).unwrap().to_string(), key, "{person}");
        }
    }
}
