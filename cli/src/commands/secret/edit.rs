//! `hanse secret edit`: the values in an editor, in a file that is never on a disk.

use std::path::PathBuf;

use hanse_sealing::SecretData;
use zeroize::Zeroizing;

use crate::app::Session;
use crate::change::{CommitArgs, Confirm, Order};
use crate::failure::{Exit, Failure, Outcome};
use crate::secrets::edited;
use crate::secrets::identity::IdentityArgs;
use crate::secrets::outline::Outline;
use crate::secrets::private_file::{self, PrivateFile};
use crate::{editor, fleet, output, secrets};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The editor is that of KUBE_EDITOR or EDITOR, vi by default. Its file is in memory (XDG_RUNTIME_DIR
or /dev/shm), for you alone, and is written over and removed at the end; memory may be swapped to a
disk. An editor that keeps copies elsewhere should be told not to: vim -n -i NONE.")]
pub(crate) struct Args {
    /// Its name
    pub(super) name: String,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    commit: CommitArgs,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        tokio::select! {
            outcome = self.edit(session) => outcome,
            failure = private_file::ended() => Err(failure),
        }
    }

    async fn edit(&self, session: &Session) -> Outcome {
        let name = &self.name;
        let hub = session.hub().await?;
        let base = fleet::fetch(&hub).await?;
        let document = &secrets::held(&base, name)?.document;
        let data = self.identity.open().await?.open(base.id(), document)?;
        let outline = Outline::of(document)?;
        let version = secrets::spec(document)?.version;
        let text = Zeroizing::new(edited::text(name, version, &data).as_bytes().to_vec());
        let edited = edit(name, &text, |data| {
            // What cannot be sealed is said while it can be put right.
            outline.clone().seal(base.id(), data).map(drop)
        });
        let edited = edited.await?;
        match edited {
            Some(edited) if edited != data => {
                let draft = outline.seal(base.id(), &edited)?;
                let order = Order::new(&self.commit, Confirm::Risks);
                draft.commit(&hub, &order, &format!("edit {name}")).await
            }
            Some(_) | None => {
                output::note("nothing was changed");
                Ok(Exit::OK)
            }
        }
    }
}

/// Opens the editor until what it leaves is valid, or is left as it is.
async fn edit(
    name: &str,
    original: &[u8],
    check: impl Fn(&SecretData) -> Outcome<()>,
) -> Outcome<Option<SecretData>> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let file = PrivateFile::new(&format!("{name}.yaml"), runtime)?;
    let mut text = Zeroizing::new(original.to_vec());
    let mut notes: Vec<String> = Vec::new();
    loop {
        file.write(&edited::with_notes(&notes, &text))?;
        editor::open(file.path()).await?;
        let left = file.read()?;
        let left = left.get(edited::behind_notes(&left)).unwrap_or_default();
        if left == original && notes.is_empty() {
            return Ok(None);
        }
        if left.trim_ascii().is_empty() || (left == text.as_slice() && !notes.is_empty()) {
            return Err(Failure::cancelled());
        }
        text = Zeroizing::new(left.to_vec());
        match edited::read(left).and_then(|data| check(&data).map(|()| data)) {
            Ok(data) => return Ok(Some(data)),
            Err(failure) => {
                output::note(&failure.to_string());
                notes = vec![
                    failure.summary(),
                    "correct it, or leave the file as it is to give up".to_owned(),
                ];
            }
        }
    }
}
