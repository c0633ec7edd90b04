//! `hanse init`: the first trust root of a new fleet, made where its author is and not on the hub.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use hanse_domain::trust::root::{KeyName, TrustRoot};
use hanse_domain::trust::signature::PublicKey;
use hanse_signing::{Agent, KeyFile, make_key_file};
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::Session;
use crate::change::signing::OWN_KEY;
use crate::failure::{Exit, Failure, Outcome};
use crate::text::escape;
use crate::{output, random, sign};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The trust root says whose signatures the fleet believes. The first one has one key in every role;
`hanse trust edit` gives others theirs.

Examples:
  hanse init                                  makes a key beside the configuration
  hanse init --key ~/.ssh/id_ed25519.pub      takes a key that is there
  hanse init --agent                          takes the key that ssh-agent has
  hanse-control-plane init --dir hub --trust-root trust-root")]
pub(crate) struct Args {
    /// Name of the author in the trust root: a DNS label; your user's by default
    #[arg(long, value_name = "NAME")]
    author: Option<KeyName>,

    /// OpenSSH key file to take, private or .pub
    #[arg(long, value_name = "FILE", conflicts_with = "agent")]
    key: Option<PathBuf>,

    /// Take a key of ssh-agent; where it has several, the one with this fingerprint
    #[arg(long, value_name = "SHA256:…", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    agent: Option<String>,

    /// Where to write the trust root
    #[arg(long, value_name = "FILE", default_value = "trust-root")]
    out: PathBuf,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        if self.out.exists() {
            let out = self.out.display();
            return Err(Failure::new("file", format!("{out} exists already"))
                .why("a trust root that clusters have pinned must not get lost")
                .hint("name another file: hanse init --out FILE"));
        }
        let author = match &self.author {
            Some(author) => author.clone(),
            None => named_after(std::env::var("USER").ok().as_deref())?,
        };
        let key = match (&self.key, &self.agent) {
            (Some(path), _) => read(path)?,
            (None, Some(fingerprint)) => of_agent(fingerprint)?,
            (None, None) => own(&session.config_path.with_file_name(OWN_KEY), &author).await?,
        };
        let root = TrustRoot::single(random::bytes()?, author.clone(), key.clone());
        write(&self.out, &root.encode())?;
        let out = escape(&self.out.display().to_string()).into_owned();
        output::note(&format!("{author} signs with {}", key.fingerprint()));
        output::note(&format!(
            "the trust root is in {out}; the fleet's id is sha256:{}",
            root.digest()
        ));
        output::note("next, where the hub is:");
        output::line(&format!("hanse-control-plane init --dir hub --trust-root {out}"))?;
        output::note(
            "then, here: hanse context import hub/admin.yaml. Compare the fleet's id that it prints \
             with the one above",
        );
        Ok(Exit::OK)
    }
}

/// A user's name as the name of a key.
fn named_after(user: Option<&str>) -> Outcome<KeyName> {
    let name: String = user
        .unwrap_or_default()
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    name.trim_matches('-')
        .parse()
        .or_else(|_| "author".parse())
        .map_err(|e: hanse_domain::names::InvalidName| Failure::usage(e.to_string()))
}

/// The public key of a file.
pub(crate) fn read(path: &Path) -> Outcome<PublicKey> {
    Ok(KeyFile::read(path).map_err(|e| sign::refused(&e))?.public_key().clone())
}

fn of_agent(fingerprint: &str) -> Outcome<PublicKey> {
    let failed = |why: String| {
        Failure::new("no-signing-key", "ssh-agent has no key to take")
            .why(why)
            .hint("see what it has: ssh-add -l; add one: ssh-add FILE")
    };
    let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
    let socket = socket.ok_or_else(|| failed("SSH_AUTH_SOCK is not set".to_owned()))?;
    let mut keys = Agent::at(Path::new(&socket)).keys().map_err(|e| failed(e.to_string()))?;
    keys.retain(|key| key.fingerprint().starts_with(fingerprint));
    match (keys.pop(), keys.first()) {
        (Some(key), None) => Ok(key),
        (Some(last), Some(_)) => {
            let all = keys.iter().chain([&last]).map(PublicKey::fingerprint);
            Err(Failure::usage("ssh-agent has several keys")
                .details(all)
                .hint("choose one: hanse init --agent=SHA256:…"))
        }
        (None, _) => {
            Err(failed("none of its keys may sign, or none has this fingerprint".to_owned()))
        }
    }
}

/// The key beside the configuration, which is made when it is not there.
async fn own(path: &Path, author: &KeyName) -> Outcome<PublicKey> {
    let shown = escape(&path.display().to_string()).into_owned();
    if path.exists() {
        output::note(&format!("taking the key that is in {shown}"));
        return read(path);
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|e| Failure::io(format!("{} cannot be made", folder.display()), &e))?;
    }
    let passphrase = if output::can_ask() { passphrase().await? } else { None };
    let phrase = passphrase.as_ref().map(SecretString::expose_secret);
    let key = make_key_file(path, &author.to_string(), phrase).map_err(|e| sign::refused(&e))?;
    output::note(&format!("made a signing key in {shown}: the clusters believe what it signs"));
    output::note("keep a copy where you keep what must not get lost");
    Ok(key)
}

async fn passphrase() -> Outcome<Option<SecretString>> {
    let first = output::secret("Passphrase of the new signing key (none if empty)").await?;
    if first.expose_secret().is_empty() {
        return Ok(None);
    }
    let again = output::secret("The same again").await?;
    if first.expose_secret() == again.expose_secret() {
        Ok(Some(first))
    } else {
        Err(Failure::usage("the two are not the same; nothing was made"))
    }
}

fn write(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let failed =
        |e: std::io::Error| Failure::io(format!("{} cannot be written", path.display()), &e);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_gives_a_name() {
        let name = |user| named_after(user).map(|name| name.to_string()).ok();
        for (user, expected) in [
            (Some("ada"), "ada"),
            (Some("Ada.L_1"), "ada-l-1"),
            (Some("--"), "author"),
            (Some(""), "author"),
            (None, "author"),
        ] {
            assert_eq!(name(user).as_deref(), Some(expected), "{user:?}");
        }
    }
}
