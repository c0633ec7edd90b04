#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hanse_domain::trust::signature::signers;
use hanse_signing::make_key_file;
use tempfile::TempDir;

use super::*;

const MESSAGE: &[u8] = b"what is signed";
const PASSPHRASE: &str = "correct horse";

/// A home, and a real ssh-agent if it was started.
struct Place {
    folder: TempDir,
    agent: Option<Child>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".ssh")).unwrap();
        Self { folder, agent: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn key(&self, name: &str, passphrase: Option<&str>) -> PublicKey {
        make_key_file(&self.path(name), "ada", passphrase).unwrap()
    }

    fn with_agent(mut self) -> Self {
        let socket = self.path("agent");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        self.agent = Some(command.spawn().unwrap());
        let until = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "ssh-agent does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        self
    }

    /// Puts a key without a passphrase into the agent.
    fn add(&self, name: &str) {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(self.path(name)).env("SSH_AUTH_SOCK", self.path("agent"));
        assert!(command.status().unwrap().success());
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            agent: self.agent.as_ref().map(|_| self.path("agent")),
            home: Some(self.folder.path().to_owned()),
            passphrase_file: None,
        }
    }

    async fn find(&self, wanted: &[&PublicKey], configured: Option<&str>) -> Outcome<Signer> {
        let wanted: Vec<PublicKey> = wanted.iter().copied().cloned().collect();
        Signer::find(&wanted, configured.map(|name| self.path(name)), self.surroundings()).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(agent) = &mut self.agent {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

async fn signs(mut signer: Signer, key: &PublicKey) {
    assert_eq!(signer.public_key(), key);
    for message in [MESSAGE, b"and another"] {
        let signature = signer.sign(message).await.unwrap();
        assert_eq!(signers(message, &signature), Ok(BTreeSet::from([key.clone()])));
    }
}

fn is_agent(signer: &Signer) -> bool {
    matches!(signer.source, Source::Agent(_))
}

/// Everything that a person would see.
fn shown(failure: &Failure) -> String {
    anstream::adapter::strip_str(&failure.to_string()).to_string()
}

#[tokio::test]
async fn the_configured_file_comes_first_then_the_agent_then_the_default_files() {
    let place = Place::new().with_agent();
    let (own, held, default) =
        (place.key("own", None), place.key("held", None), place.key(".ssh/id_ed25519", None));
    place.add("held");
    let wanted = [&default, &held, &own];
    signs(place.find(&wanted, Some("own")).await.unwrap(), &own).await;
    let signer = place.find(&wanted, None).await.unwrap();
    assert!(is_agent(&signer));
    signs(signer, &held).await;
    signs(place.find(&[&default, &own], None).await.unwrap(), &default).await;
}

#[tokio::test]
async fn the_second_default_file_is_tried_too() {
    let place = Place::new();
    place.key(".ssh/id_ed25519", None);
    let wanted = place.key(".ssh/id_ecdsa", None);
    signs(place.find(&[&wanted], None).await.unwrap(), &wanted).await;
}

#[tokio::test]
async fn the_agent_spares_the_passphrase_and_a_public_file_chooses_its_key() {
    let place = Place::new().with_agent();
    let (first, second) = (place.key("first", None), place.key("second", None));
    place.add("first");
    place.add("second");
    for key in ["first", "second"] {
        let mut change = Command::new("ssh-keygen");
        change.args(["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f"]).arg(place.path(key));
        assert!(change.stdout(Stdio::null()).status().unwrap().success());
    }
    let wanted = [&first, &second];
    for configured in ["second", "second.pub"] {
        let signer = place.find(&wanted, Some(configured)).await.unwrap();
        assert!(is_agent(&signer));
        signs(signer, &second).await;
    }
}

#[tokio::test]
async fn a_passphrase_comes_from_the_file_that_the_environment_names() {
    let place = Place::new();
    let key = place.key("own", Some(PASSPHRASE));
    let file = place.path("passphrase");
    fs::write(&file, format!("{PASSPHRASE}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let surroundings = Surroundings { passphrase_file: Some(file.clone()), ..place.surroundings() };
    let find =
        || Signer::find(std::slice::from_ref(&key), Some(place.path("own")), surroundings.clone());
    signs(find().await.unwrap(), &key).await;

    fs::write(&file, "battery staple").unwrap();
    let failure = find().await.unwrap().sign(MESSAGE).await.unwrap_err();
    let text = shown(&failure);
    assert!(text.contains("the passphrase does not open"), "{text}");
    assert!(text.contains(passphrase::VARIABLE) && !text.contains("battery"), "{text}");

    fs::remove_file(&file).unwrap();
    let text = shown(&find().await.unwrap().sign(MESSAGE).await.unwrap_err());
    assert!(text.contains("the passphrase cannot be read from"), "{text}");
}

/// Without asking: the test's stdin may be a terminal.
#[test]
fn where_nobody_can_be_asked_the_failure_says_what_to_do() {
    let place = Place::new();
    place.key("own", Some(PASSPHRASE));
    let file = KeyFile::read(&place.path("own")).unwrap();
    let text = shown(&passphrase::needed(&file));
    assert!(text.contains("ssh-add") && text.contains(passphrase::VARIABLE), "{text}");
}

#[tokio::test]
async fn a_configured_file_that_does_not_do_is_an_error_and_nothing_else_is_tried() {
    let place = Place::new().with_agent();
    let (own, default) = (place.key("own", None), place.key(".ssh/id_ed25519", None));
    let hardened = |mode| {
        fs::set_permissions(place.path("own"), fs::Permissions::from_mode(mode)).unwrap();
    };

    let text = shown(&place.find(&[&default], Some("own")).await.unwrap_err());
    assert!(text.contains(&own.fingerprint()) && text.contains(&default.fingerprint()), "{text}");

    let text = shown(&place.find(&[&own, &default], Some("own.pub")).await.unwrap_err());
    assert!(text.contains("ssh-agent does not have it"), "{text}");
    assert!(text.contains(&format!("ssh-add {}\n", place.path("own").display())), "{text}");

    hardened(0o644);
    let text = shown(&place.find(&[&own, &default], Some("own")).await.unwrap_err());
    assert!(text.contains("chmod 600"), "{text}");
    hardened(0o600);

    let text = shown(&place.find(&[&own, &default], Some("absent")).await.unwrap_err());
    assert!(text.contains("absent") && text.contains("signingKey"), "{text}");
}

#[tokio::test]
async fn when_there_is_no_key_everything_that_was_tried_is_named() {
    let elsewhere = Place::new();
    let wanted = elsewhere.key("wanted", None);
    let place = Place::new().with_agent();
    let other = place.key(".ssh/id_ed25519", None);
    place.add(".ssh/id_ed25519");
    let failure = place.find(&[&wanted], None).await.unwrap_err();
    assert_eq!(failure.code(), "no-signing-key");
    let home = place.folder.path().display();
    assert_eq!(
        failure.detail_lines(),
        [
            "tried ssh-agent: it has 1 key, none of them wanted".to_owned(),
            format!("tried {home}/.ssh/id_ed25519: {} is not wanted", other.fingerprint()),
            format!("tried {home}/.ssh/id_ecdsa: it does not exist"),
        ]
    );
    let text = shown(&failure);
    assert!(text.contains(&wanted.fingerprint()) && text.contains("ssh-add"), "{text}");

    let path: &Path = &place.path("nobody");
    let surroundings = Surroundings { agent: Some(path.to_owned()), ..place.surroundings() };
    let failure = Signer::find(&[wanted], None, surroundings).await.unwrap_err();
    assert!(shown(&failure).contains("no ssh-agent answers at"), "{failure}");
    let failure = Signer::find(&[], None, Surroundings::default()).await.unwrap_err();
    assert!(shown(&failure).contains("SSH_AUTH_SOCK is not set"), "{failure}");
    assert!(shown(&failure).contains("no key may"), "{failure}");
}
