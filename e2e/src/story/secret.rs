//! A secret that the hub carries and cannot read.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{NAMESPACE, Narrator, SECRET, Story};
use crate::{look, poll};

/// What is kept secret: the same in every telling, so that each step can be taken again.
pub(super) const VALUE: &[u8] = b"correct horse battery staple 47!";

impl Story<'_> {
    pub(super) async fn seal(&self, tell: &mut dyn Narrator) -> Result<()> {
        tell.step(
            "A secret is sealed, for production alone",
            "The value is read from standard input and sealed on this machine, to the keys that the\n\
             agents made in their clusters and that the signed roster names. The hub carries it.",
        );
        let args =
            ["secret", "set", SECRET, "-n", NAMESPACE, "-l", "env=prod", "password=-", "--yes"];
        tell.types(&format!("printf %s \"$PASSWORD\" | hanse {}", args.join(" ")));
        let start = Instant::now();
        let printed = self.hanse.ok_with_input(&args, VALUE).await?;
        tell.prints(&printed);
        for place in &self.places {
            let cluster = place.agent.cluster();
            if place.production {
                poll::until("the Secret has the value", || async {
                    let value = look::secret(&place.client, NAMESPACE, SECRET, "password").await?;
                    Ok((value.as_deref() == Some(VALUE)).then_some(()))
                })
                .await?;
                let what = format!("{cluster}: the Secret {NAMESPACE}/{SECRET} has the value");
                tell.sees(&what, Some(start.elapsed()));
            } else {
                let value = look::secret(&place.client, NAMESPACE, SECRET, "password").await?;
                if value.is_some() {
                    bail!("{cluster} has a secret that is placed elsewhere");
                }
                tell.sees(&format!("{cluster}: nothing of it is there"), None);
            }
        }
        let (files, bytes) = self.search(self.hub.dir())?;
        let what = format!(
            "the hub's database and log do not have it: {files} files, {bytes} kB searched for the value \
             as it is, in base64, hexadecimal and UTF-16"
        );
        tell.sees(&what, None);
        self.types(tell, &["secret", "list"]).await
    }

    /// Searches everything in a folder for the value, in every form: how many files, and how much.
    pub(super) fn search(&self, dir: &std::path::Path) -> Result<(usize, usize)> {
        let (mut files, mut bytes) = (0, 0);
        let mut paths = vec![self.hub.log()];
        for entry in std::fs::read_dir(dir).context("no folder to search")? {
            paths.push(entry?.path());
        }
        for path in paths.iter().filter(|path| path.is_file()) {
            let content = std::fs::read(path)?;
            if let Some(encoding) = hanse_probes::canary::find(&content, VALUE) {
                bail!("the value is in {} ({encoding:?})", path.display());
            }
            files += 1;
            bytes += content.len();
        }
        // The search finds what is there.
        let leaky = STANDARD.encode(VALUE);
        hanse_probes::canary::find(leaky.as_bytes(), VALUE).context("the search is blind")?;
        Ok((files, bytes / 1024))
    }
}
