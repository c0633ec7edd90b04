//! The authority's files: `ca.crt` for everybody, `ca.key` for the hub alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PublicKeyData as _};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::zeroize::Zeroizing;

use super::ca::CertificateAuthority;
use super::{identity, pem};

const CERTIFICATE_FILE: &str = "ca.crt";
const KEY_FILE: &str = "ca.key";
const MAX_FILE_BYTES: u64 = 64 * 1024;

impl CertificateAuthority {
    /// Writes `ca.key` (mode 0600) and `ca.crt` into a folder, which is made (mode 0700) if it is
    /// missing. Files that exist are never overwritten: the fleet pins what is in them.
    pub fn save(&self, dir: &Path) -> Result<(), CaFileError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CaFileError::Write { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir))?;
        let certificate = dir.join(CERTIFICATE_FILE);
        let key = dir.join(KEY_FILE);
        for path in [&certificate, &key] {
            if path.try_exists().map_err(failed(path))? {
                return Err(CaFileError::Exists { path: path.clone() });
            }
        }
        let key_pem = Zeroizing::new(self.key().serialize_pem());
        create(&key, 0o600, key_pem.as_bytes()).map_err(failed(&key))?;
        let certificate_pem = pem::encode(pem::CERTIFICATE, self.certificate());
        create(&certificate, 0o644, certificate_pem.as_bytes()).map_err(failed(&certificate))
    }

    /// Reads what [`Self::save`] wrote and checks that the two files belong together.
    pub fn load(dir: &Path) -> Result<Self, CaFileError> {
        let (certificate_path, key_path) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
        let (certificate_pem, _) = read(&certificate_path)?;
        let (key_pem, mode) = read(&key_path)?;
        if mode & 0o007 != 0 {
            return Err(CaFileError::Exposed { path: key_path });
        }
        let corrupt = |path: &Path, reason| CaFileError::Corrupt { path: path.to_owned(), reason };

        let certificate = CertificateDer::from_pem_slice(&certificate_pem)
            .map_err(|_| corrupt(&certificate_path, "it holds no certificate in PEM"))?;
        let parsed = identity::parse(&certificate)
            .map_err(|_| corrupt(&certificate_path, "its certificate is not well-formed"))?;
        if !parsed.is_ca() {
            return Err(corrupt(&certificate_path, "its certificate is not a CA's"));
        }
        let trust_domain = identity::only_uri(&parsed)
            .ok()
            .and_then(|uri| uri.strip_prefix("spiffe://")?.parse().ok())
            .ok_or_else(|| corrupt(&certificate_path, "its certificate names no trust domain"))?;

        let key = std::str::from_utf8(&key_pem)
            .ok()
            .and_then(|text| KeyPair::from_pem(text).ok())
            .ok_or_else(|| corrupt(&key_path, "it holds no private key in PEM"))?;
        if key.subject_public_key_info() != parsed.public_key().raw {
            return Err(corrupt(&key_path, "it is not the key of the certificate in ca.crt"));
        }
        Self::from_parts(trust_domain, certificate, key)
            .map_err(|_| corrupt(&certificate_path, "its certificate cannot be used to issue"))
    }
}

/// What is wrong with the authority's files.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// Not there.
    #[error(
        "{path} does not exist\nhint: make an authority with `hanse-control-plane init`, or restore the file from your backup"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// There, and must not be replaced.
    #[error(
        "{path} exists and is never overwritten: every cluster of the fleet trusts it\nhint: use it as it is with `hanse-control-plane serve`, or choose an empty folder"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Open to every user of the machine.
    #[error("{path} can be read by other users\nhint: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// Not what it should be.
    #[error("{path} cannot be used: {reason}\nhint: restore ca.crt and ca.key from one backup")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn create(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A small file's bytes and its permission bits.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), CaFileError> {
    let failed = |source: io::Error| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            CaFileError::Missing { path }
        } else {
            CaFileError::Read { path, source }
        }
    };
    let file = OpenOptions::new().read(true).open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes, mode))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;

    use jiff::Timestamp;
    use rcgen::CertificateParams;

    use super::*;

    fn authority() -> CertificateAuthority {
        let trust_domain = "fleet.example.com".parse().unwrap();
        CertificateAuthority::make(&trust_domain, Timestamp::now()).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_read_back_as_the_same_authority() {
        let dir = tempfile::tempdir().unwrap().path().join("new");
        let made = authority();
        made.save(&dir).unwrap();
        let read = CertificateAuthority::load(&dir).unwrap();
        assert_eq!(read.certificate(), made.certificate());
        assert_eq!(read.spki_hash(), made.spki_hash());
        assert_eq!(read.trust_domain(), made.trust_domain());
        assert_eq!((mode(&dir), mode(&dir.join(KEY_FILE))), (0o700, 0o600));
    }

    #[test]
    fn nothing_is_overwritten() {
        for present in [CERTIFICATE_FILE, KEY_FILE] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(present), "mine").unwrap();
            let error = authority().save(dir.path()).unwrap_err();
            assert!(matches!(&error, CaFileError::Exists { path } if path.ends_with(present)));
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
            assert_eq!(fs::read_to_string(dir.path().join(present)).unwrap(), "mine");
        }
    }

    #[test]
    fn unusable_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let load = || CertificateAuthority::load(dir.path()).err().unwrap();
        assert!(matches!(load(), CaFileError::Missing { path } if path.ends_with("ca.crt")));
        authority().save(dir.path()).unwrap();
        let key = dir.path().join(KEY_FILE);

        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load(), CaFileError::Exposed { .. }));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

        fs::write(&key, authority().key().serialize_pem()).unwrap();
        let error = load().to_string();
        assert!(error.contains("not the key of the certificate"), "{error}");
        fs::write(&key, "").unwrap();
        assert!(load().to_string().contains("ca.key cannot be used"));
        let certificate = dir.path().join(CERTIFICATE_FILE);
        let leaf = KeyPair::generate().unwrap();
        let leaf = CertificateParams::default().self_signed(&leaf).unwrap();
        fs::write(&certificate, leaf.pem()).unwrap();
        assert!(load().to_string().contains("is not a CA's"));
        fs::remove_file(&key).unwrap();
        assert!(matches!(load(), CaFileError::Missing { path } if path.ends_with("ca.key")));
    }
}
