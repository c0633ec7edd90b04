//! Keys that ssh-keygen made sign, from their files and through a real ssh-agent; and what cannot
//! be used is refused with words that help.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hanse_domain::trust::signature::{KeyKind, PublicKey, signers};
use hanse_signing::{Agent, AgentError, KeyFile, KeyFileError, MAX_KEY_FILE, make_key_file};
use tempfile::TempDir;

const MESSAGE: &[u8] = b"what is signed";

fn ssh_keygen(args: &[&str], path: &Path) {
    let status = Command::new("ssh-keygen").arg("-q").args(args).arg("-f").arg(path).status();
    assert!(status.unwrap().success(), "ssh-keygen {args:?}");
}

/// A key file of a type, with a passphrase or an empty one.
fn key_file(folder: &TempDir, kind: &[&str], passphrase: &str) -> PathBuf {
    let path = folder.path().join("key");
    ssh_keygen(&[&["-C", "ada", "-N", passphrase, "-t"], kind].concat(), &path);
    path
}

fn pub_file(path: &Path) -> PathBuf {
    path.with_extension("pub")
}

/// A real ssh-agent, stopped when it is dropped.
struct RealAgent {
    process: Child,
    socket: PathBuf,
    _folder: TempDir,
}

impl RealAgent {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let process = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "ssh-agent does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { process, socket, _folder: folder }
    }

    fn add(&self, key: &Path) {
        let added =
            Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).status();
        assert!(added.unwrap().success());
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn keys_of_ssh_keygen_sign_from_their_files() {
    for (kind, is) in
        [(&["ed25519"][..], KeyKind::Ed25519), (&["ecdsa", "-b", "256"], KeyKind::EcdsaP256)]
    {
        for passphrase in ["", "correct horse"] {
            let folder = tempfile::tempdir().unwrap();
            let file = KeyFile::read(&key_file(&folder, kind, passphrase)).unwrap();
            assert_eq!(file.public_key().kind(), is);
            assert_eq!((file.is_encrypted(), file.is_public()), (!passphrase.is_empty(), false));
            let key = file.open(Some(passphrase)).unwrap();
            let signature = key.sign(MESSAGE).unwrap();
            let keys = BTreeSet::from([file.public_key().clone()]);
            assert_eq!(signers(MESSAGE, &signature), Ok(keys));
            assert_eq!(format!("{key:?}"), format!("Key({})", file.public_key()));
        }
    }
}

#[test]
fn a_wrong_passphrase_or_none_does_not_open_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::read(&key_file(&folder, &["ed25519"], "correct horse")).unwrap();
    for wrong in [None, Some(""), Some("correct horse "), Some("battery")] {
        let error = file.open(wrong).unwrap_err();
        assert!(matches!(error, KeyFileError::WrongPassphrase { .. }), "{error}");
        assert!(!error.to_string().contains("battery"));
    }
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = key_file(&folder, &["ed25519"], "");
    for mode in [0o640, 0o604, 0o660, 0o610, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyFile::read(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Exposed { mode: of, .. } if of == mode), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    for mode in [0o400, 0o600] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(KeyFile::read(&path).is_ok());
    }
}

#[test]
fn a_public_key_file_names_a_key_and_holds_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = key_file(&folder, &["ed25519"], "");
    let public = KeyFile::read(&pub_file(&path)).unwrap();
    assert!(public.is_public() && !public.is_encrypted());
    assert_eq!(public.public_key(), KeyFile::read(&path).unwrap().public_key());
    assert!(public.open(None).is_err());
}

#[test]
fn other_keys_and_other_files_are_refused() {
    for kind in [&["rsa", "-b", "2048"][..], &["ecdsa", "-b", "384"]] {
        let folder = tempfile::tempdir().unwrap();
        let path = key_file(&folder, kind, "");
        for path in [pub_file(&path), path] {
            let error = KeyFile::read(&path).unwrap_err();
            assert!(matches!(error, KeyFileError::UnsupportedKey { .. }), "{error}");
            assert!(error.to_string().contains("ssh-keygen -t ed25519"), "{error}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = key_file(&folder, &["ecdsa", "-b", "256"], "");
    ssh_keygen(&["-p", "-m", "PEM", "-P", "", "-N", ""], &path);
    let error = KeyFile::read(&path).unwrap_err();
    assert!(error.to_string().contains("ssh-keygen -p"), "{error}");

    let long = "-----BEGIN OPENSSH PRIVATE KEY-----\n".repeat(2000);
    assert!(long.len() as u64 > MAX_KEY_FILE);
    for text in [&b""[..], b"x", b"\xff\xfe", b"ssh-ed25519 AAAA", long.as_bytes()] {
        fs::write(&path, text).unwrap();
        let error = KeyFile::read(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Malformed { .. }), "{error}");
    }
    for path in [folder.path(), &folder.path().join("nothing")] {
        let error = KeyFile::read(path).unwrap_err();
        assert!(matches!(error, KeyFileError::Io { .. }), "{error}");
    }
}

#[test]
fn a_key_that_is_made_is_one_of_ssh_keygen_and_replaces_nothing() {
    for passphrase in [None, Some("correct horse")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing-key");
        let public = make_key_file(&path, "ada@example.org", passphrase).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let beside = pub_file(&path);
        assert_eq!((mode(&path), mode(&beside)), (0o600, 0o644));
        let line = format!("{public} ada@example.org\n");
        assert_eq!(fs::read_to_string(&beside).unwrap(), line);

        // ssh-keygen derives the public key from the private one, which it has to open for that.
        let derived = Command::new("ssh-keygen")
            .args(["-y", "-P", passphrase.unwrap_or_default(), "-f"])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(derived.stdout).unwrap(), line);

        let file = KeyFile::read(&path).unwrap();
        assert_eq!(file.is_encrypted(), passphrase.is_some());
        let signature = file.open(passphrase).unwrap().sign(MESSAGE).unwrap();
        assert_eq!(signers(MESSAGE, &signature), Ok(BTreeSet::from([public])));

        let before = fs::read(&path).unwrap();
        assert!(make_key_file(&path, "", None).is_err());
        fs::remove_file(&path).unwrap();
        assert!(make_key_file(&path, "", None).is_err(), "the .pub file is another's");
        assert!(!path.exists());
        fs::write(&path, before).unwrap();
        fs::remove_file(&beside).unwrap();
        assert!(make_key_file(&path, "", None).is_err());
        assert!(!beside.exists());
    }
}

#[test]
fn an_agent_signs_with_the_keys_that_may() {
    let agent = RealAgent::start();
    let client = Agent::at(&agent.socket);
    assert_eq!(client.keys().unwrap(), []);
    let kinds = [&["rsa", "-b", "2048"][..], &["ed25519"], &["ecdsa", "-b", "256"]];
    let folders: Vec<TempDir> = kinds.iter().map(|_| tempfile::tempdir().unwrap()).collect();
    for (folder, kind) in folders.iter().zip(kinds) {
        agent.add(&key_file(folder, kind, ""));
    }
    let keys = client.keys().unwrap();
    assert_eq!(
        keys.iter().map(PublicKey::kind).collect::<Vec<_>>(),
        [KeyKind::Ed25519, KeyKind::EcdsaP256]
    );
    for key in keys {
        let signature = client.sign(&key, MESSAGE).unwrap();
        assert_eq!(signers(MESSAGE, &signature), Ok(BTreeSet::from([key])));
    }
}

#[test]
fn an_agent_that_lacks_the_key_or_is_away_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_key_file(&folder.path().join("key"), "", None).unwrap();
    let agent = RealAgent::start();
    let socket = agent.socket.clone();
    let error = Agent::at(&socket).sign(&key, MESSAGE).unwrap_err();
    assert!(matches!(&error, AgentError::Refused { key: of } if **of == key), "{error}");
    drop(agent);
    let error = Agent::at(&socket).keys().unwrap_err();
    assert!(matches!(error, AgentError::Unreachable { .. }), "{error}");
}

/// What answers at the socket is not believed: neither nonsense nor another key's signature.
#[test]
fn a_lying_agent_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_key_file(&folder.path().join("key"), "", None).unwrap();
    let zeros = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 64], &[0; 64]].concat();
    let length = u32::try_from(zeros.len()).unwrap().to_be_bytes();
    let answers = [
        ([&[14][..], &length, &zeros].concat(), "Faulty"),
        (b"\xffwhat".to_vec(), "Confused"),
        (b"\x0e\0\0\0\x01x".to_vec(), "Confused"),
    ];
    for (answer, expected) in answers {
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let lies = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let mut request = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(&u32::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        });
        let error = format!("{:?}", Agent::at(&socket).sign(&key, MESSAGE).unwrap_err());
        assert!(error.starts_with(expected), "{error}");
        lies.join().unwrap();
        fs::remove_file(&socket).unwrap();
    }
}
