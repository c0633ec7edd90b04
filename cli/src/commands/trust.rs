//! `hanse trust`: whose signatures the fleet believes. The trust root changes like anything else, by a
//! statement, which the old one's quorum and the new one's sign.

mod show;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use hanse_domain::fleet::Edit;
use hanse_domain::ids::Digest;
use hanse_domain::trust::chain::Version;
use hanse_domain::trust::root::{KeyName, TrustRoot};

use crate::app::Session;
use crate::change::{self, CommitArgs, Confirm, Order, proposal};
use crate::commands::{init, proposals, sign};
use crate::editor::{self, Kept};
use crate::failure::{Exit, Failure, Outcome};
use crate::hub::Hub;
use crate::text::{escape, near};
use crate::{fleet, output, settle};

/// What a change of the trust root is about, in the list of a proposal's changes.
const SUBJECT: &str = "TrustRoot";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the keys, who may do what, and the versions up to now
    Show {
        /// Output format
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: Format,
    },
    /// Change the trust root in an editor, or take it from a file
    #[command(after_help = "\
Version and previous are set for you; keys and authors may be in any order. The new version is in
force once the quorum of the old one and that of the new one have signed it.

Examples:
  hanse trust edit
  hanse trust show -o text > root; $EDITOR root; hanse trust edit --file root")]
    Edit {
        /// Take the text of this file instead of an editor's
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        commit: CommitArgs,
    },
    /// Put another key in the place of one
    #[command(after_help = "\
As for every version, any quorum of the role `root` signs, the old version's and the new one's: the
old key itself need not be among them. Where the new key is at hand, it signs, too. What the old key
signed before stays believed, and it signs nothing any more.

Example:
  hanse trust rotate ann --key ~/.ssh/id_new.pub")]
    Rotate {
        /// Name of the key
        name: KeyName,
        /// The new key: an OpenSSH key file, private or .pub
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        commit: CommitArgs,
    },
    /// Sign a version of the trust root that somebody proposed
    Sign {
        /// Digest of the proposal; without it, the one that waits is shown, and you are asked
        #[arg(value_parser = proposal::digest)]
        digest: Option<String>,
        #[command(flatten)]
        commit: CommitArgs,
    },
}

/// Formats of `hanse trust show`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// The canonical text, whose digest is signed
    Text,
    /// For scripts
    Json,
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        match self {
            Self::Show { output } => show::show(&fleet::fetch(&hub).await?, output),
            Self::Edit { file, commit } => edit(&hub, file.as_deref(), &commit).await,
            Self::Rotate { name, key, commit } => rotate(&hub, &name, &key, &commit).await,
            Self::Sign { digest: None, commit } => sign_waiting(&hub, &commit).await,
            Self::Sign { digest: Some(digest), commit } => {
                sign::sign(&hub, &digest, proposal::is_whole(&digest), &commit).await
            }
        }
    }
}

async fn edit(hub: &Hub, file: Option<&Path>, commit: &CommitArgs) -> Outcome {
    let base = fleet::fetch(hub).await?;
    let current = base.trust.current().clone();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::io(format!("{} cannot be read", path.display()), &e))?;
        return put(hub, current.digest, next(&current, &text)?, commit, &[]).await;
    }
    let before = current.clone();
    let edited = editor::edit(template(&current), ".txt", move |text| next(&before, text)).await?;
    let Some(root) = edited else {
        output::note("nothing was changed");
        return Ok(Exit::OK);
    };
    let kept = Kept::new(&root.encode(), ".txt")?;
    let outcome = put(hub, current.digest, root, commit, &[]).await;
    if outcome.as_ref().err().is_none_or(|failure| failure.code() == settle::NOT_APPLIED) {
        kept.discard();
    }
    outcome
}

/// The text of the next version, with nothing else changed.
fn template(current: &Version) -> String {
    with_origin(current, &String::from_utf8_lossy(&current.root.encode()))
}

/// A text with the version and the digest of the one before set, line by line as it was.
fn with_origin(current: &Version, text: &str) -> String {
    let mut out = String::new();
    for line in text.trim_end().lines().map(str::trim_end) {
        let is =
            |key: &str| line == key || line.strip_prefix(key).is_some_and(|v| v.starts_with(' '));
        if is("version") {
            let _ = write!(out, "version {}", current.root.version + 1);
        } else if is("nonce") || is("previous") {
            let _ = write!(out, "previous {}", current.digest);
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

/// The next version, from what a person wrote.
fn next(current: &Version, text: &str) -> Outcome<TrustRoot> {
    TrustRoot::parse(with_origin(current, text).as_bytes()).map_err(|error| {
        Failure::new("invalid-trust-root", "this is no trust root")
            .why(error.to_string())
            .hint("see its form: hanse trust show -o text")
    })
}

async fn rotate(hub: &Hub, name: &KeyName, path: &Path, commit: &CommitArgs) -> Outcome {
    let base = fleet::fetch(hub).await?;
    let current = base.trust.current().clone();
    let root = rotated(&current, name, path)?;
    // The private key may be beside its .pub file.
    let keys = [path.to_owned(), path.with_extension("")];
    let done = put(hub, current.digest, root, commit, &keys).await?;
    output::note(&format!(
        "once it is committed, {name} signs with the new key alone: name {} as `signingKey` of the \
         context, or add it to ssh-agent",
        escape(&path.with_extension("").display().to_string())
    ));
    Ok(done)
}

fn rotated(current: &Version, name: &KeyName, path: &Path) -> Outcome<TrustRoot> {
    let key = init::read(path)?;
    let mut root = TrustRoot::clone(&current.root);
    if let Some((other, _)) = root.keys.iter().find(|(_, known)| **known == key) {
        return Err(Failure::new(
            "key-exists",
            format!("this key is in the trust root, as {other}"),
        )
        .why(key.fingerprint())
        .hint("ssh-keygen -t ed25519 makes a new one"));
    }
    let Some(slot) = root.keys.get_mut(name) else {
        let names: Vec<String> = root.keys.keys().map(ToString::to_string).collect();
        let hint = near(&name.to_string(), names.iter().map(String::as_str), "hanse trust show");
        return Err(Failure::new("not-found", format!("there is no key {name}")).hint(hint));
    };
    *slot = key;
    next(current, &String::from_utf8_lossy(&root.encode()))
}

/// Puts a version in the place of the one with this digest.
async fn put(
    hub: &Hub,
    before: Digest,
    root: TrustRoot,
    commit: &CommitArgs,
    keys: &[PathBuf],
) -> Outcome {
    let order = Order { keys, ..Order::new(commit, Confirm::Always) };
    change::make(hub, &order, |base| {
        let current = base.trust.current();
        if current.digest != before {
            return Err(Failure::new("stale", "somebody else changed the trust root meanwhile")
                .hint("hanse trust show, then begin again"));
        }
        let same = TrustRoot {
            version: root.version,
            origin: root.origin,
            ..TrustRoot::clone(&current.root)
        };
        if same == root {
            return Err(Failure::new("no-changes", "nothing in the trust root would change"));
        }
        Ok(vec![Edit::PutRoot(root.clone().into())])
    })
    .await
}

async fn sign_waiting(hub: &Hub, commit: &CommitArgs) -> Outcome {
    let mut waiting = proposals::waiting(hub).await?.proposals;
    waiting.retain(|p| !p.stale && p.changes.iter().any(|change| change.subject == SUBJECT));
    if let [one] = &waiting[..] {
        // The hub named it, and no person has.
        let digest = proposal::digest(&one.digest).map_err(|why| {
            Failure::new("hub-error", "the hub lists a proposal without a digest").why(why)
        })?;
        return sign::sign(hub, &digest, false, commit).await;
    }
    proposals::show_table(&waiting)?;
    Ok(Exit::OK)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn version_and_previous_are_set_and_the_rest_is_as_written() {
        let base = fleet::example("");
        let current = base.trust.current();
        let text = template(current);
        assert!(text.contains("\nversion 2\n"), "{text}");
        assert!(text.contains(&format!("\nprevious {}\n", current.digest)), "{text}");
        let root = next(current, &format!("{}  \n\n", text.trim_end())).unwrap();
        assert_eq!(String::from_utf8(root.encode()).unwrap(), text);
        let failure = next(current, &text.replace("root 1", "root 2")).unwrap_err();
        assert_eq!(failure.code(), "invalid-trust-root");
        assert!(
            failure.summary().contains("line 5: root asks for 2 signatures and names 1 key"),
            "{failure}"
        );
    }

    #[test]
    fn a_key_is_replaced_by_another_and_keeps_its_roles() {
        let base = fleet::example("");
        let current = base.trust.current();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        hanse_signing::make_key_file(&path, "new", None).unwrap();
        let public = directory.path().join("new.pub");
        let ann: KeyName = "ann".parse().unwrap();
        let root = rotated(current, &ann, &public).unwrap();
        assert_ne!(root.keys, current.root.keys);
        assert_eq!((&root.root, &root.authors), (&current.root.root, &current.root.authors));
        let failure = rotated(current, &"anne".parse().unwrap(), &public).unwrap_err();
        assert!(failure.hint_text().unwrap().contains("`ann`"), "{failure}");
        let old = directory.path().join("old.pub");
        std::fs::write(&old, current.root.keys.get(&ann).unwrap().to_string()).unwrap();
        assert_eq!(rotated(current, &ann, &old).unwrap_err().code(), "key-exists");
    }
}
