//! Private keys in files as `ssh-keygen` writes them.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hanse_domain::trust::signature::{BadKey, NAMESPACE, PublicKey};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey};

use crate::checked;

/// How long a key file may be, in bytes.
pub const MAX_KEY_FILE: u64 = 64 * 1024;

const PRIVATE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Others than the owner may read or write it.
    #[error("{path} has the mode {mode:04o}: others may read it; chmod 600 {path}")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no key file of OpenSSH.
    #[error(
        "{path} is not an OpenSSH key file; one in another format is converted by `ssh-keygen -p -f {path}`"
    )]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
    /// Its key may not sign.
    #[error("{path}: {why}")]
    UnsupportedKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong with the key.
        why: BadKey,
    },
    /// The passphrase does not open it.
    #[error("the passphrase does not open {path}")]
    WrongPassphrase {
        /// Which file.
        path: PathBuf,
    },
    /// The key was read and yet does not sign.
    #[error("{path}: the key did not make a signature that verifies")]
    Faulty {
        /// Which file.
        path: PathBuf,
    },
}

/// A key file that was read, though maybe not opened.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    public: PublicKey,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The private key is elsewhere: in the agent, or on a token.
    Public,
    Private(Box<PrivateKey>),
}

impl KeyFile {
    /// Reads a private key's file, or a public key's (`.pub`), which says which key of the agent is
    /// meant. A private key that others may read is refused, as ssh does.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |error| KeyFileError::Io { path: path.to_owned(), error };
        let malformed = || KeyFileError::Malformed { path: path.to_owned() };
        let unsupported = |why| KeyFileError::UnsupportedKey { path: path.to_owned(), why };
        let file = fs::File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        let mut text = String::new();
        let read = file.take(MAX_KEY_FILE + 1).read_to_string(&mut text);
        match read {
            Ok(len) if len as u64 <= MAX_KEY_FILE => {}
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(failed(error)),
            _ => return Err(malformed()),
        }
        if !text.contains("PRIVATE KEY") {
            let public = PublicKey::from_line(&text).map_err(|why| {
                if why == BadKey::Malformed { malformed() } else { unsupported(why) }
            })?;
            return Ok(Self { path: path.to_owned(), public, content: Content::Public });
        }
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
        }
        if !text.starts_with(PRIVATE) {
            return Err(malformed());
        }
        let private = PrivateKey::from_openssh(&text).map_err(|_| malformed())?;
        let public = PublicKey::from_key_data(private.public_key().key_data().clone())
            .map_err(unsupported)?;
        let content = if public.kind().is_hardware() {
            Content::Public
        } else {
            Content::Private(Box::new(private))
        };
        Ok(Self { path: path.to_owned(), public, content })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The public key, which no passphrase protects.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Whether the private key is not in the file: it is a `.pub` file, or of a hardware token's key.
    pub fn is_public(&self) -> bool {
        matches!(self.content, Content::Public)
    }

    /// Whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        matches!(&self.content, Content::Private(key) if key.is_encrypted())
    }

    /// The private key; the passphrase counts only for a file that has one.
    pub fn open(&self, passphrase: Option<&str>) -> Result<Key, KeyFileError> {
        let path = self.path.clone();
        let Content::Private(private) = &self.content else {
            return Err(KeyFileError::Malformed { path });
        };
        let private = if private.is_encrypted() {
            let opened = private.decrypt(passphrase.unwrap_or_default());
            opened.map_err(|_| KeyFileError::WrongPassphrase { path: path.clone() })?
        } else {
            PrivateKey::clone(private)
        };
        Ok(Key { path, public: self.public.clone(), private })
    }
}

/// A private key that is ready to sign. It has no way to a terminal or a log.
pub struct Key {
    path: PathBuf,
    public: PublicKey,
    private: PrivateKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?})", self.public)
    }
}

impl Key {
    /// Its public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The PEM block of a signature over the message.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyFileError> {
        self.private
            .sign(NAMESPACE, HashAlg::Sha512, message)
            .ok()
            .and_then(|sshsig| checked(&self.public, message, sshsig.signature()))
            .ok_or_else(|| KeyFileError::Faulty { path: self.path.clone() })
    }
}

/// Makes an Ed25519 key: the file with mode 0600, encrypted if there is a passphrase, and beside it
/// the `.pub` file. A file that is there already stays.
pub fn make_key_file(
    path: &Path,
    comment: &str,
    passphrase: Option<&str>,
) -> Result<PublicKey, KeyFileError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    let beside = Path::new(&beside);
    if let Some(path) = [path, beside].into_iter().find(|path| path.exists()) {
        let error = io::ErrorKind::AlreadyExists.into();
        return Err(KeyFileError::Io { path: path.to_owned(), error });
    }
    let mut random = OsRng;
    let faulty = |_| KeyFileError::Faulty { path: path.to_owned() };
    let mut private = PrivateKey::random(&mut random, Algorithm::Ed25519).map_err(faulty)?;
    private.set_comment(comment);
    let public = private.public_key().to_openssh().map_err(faulty)?;
    if let Some(passphrase) = passphrase {
        private = private.encrypt(&mut random, passphrase).map_err(faulty)?;
    }
    let text = private.to_openssh(LineEnding::LF).map_err(faulty)?;
    write_new(path, text.as_bytes(), 0o600)?;
    write_new(beside, format!("{public}\n").as_bytes(), 0o644)?;
    PublicKey::from_key_data(private.public_key().key_data().clone())
        .map_err(|why| KeyFileError::UnsupportedKey { path: path.to_owned(), why })
}

/// Writes a file that must not be there, as a whole or not at all.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyFileError> {
    let failed = |error| KeyFileError::Io { path: path.to_owned(), error };
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(path).map_err(|e| failed(e.error))?;
    Ok(())
}
