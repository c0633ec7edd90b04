//! What an author's machine makes of a doctored hub: it signs nothing, and nothing is committed.

use std::path::{Path, PathBuf};

use anyhow::Result;
use hanse_control_plane::store::Store;
use hanse_e2e::thief::Past;
use hanse_e2e::{Hanse, Hub, Printed, binary};
use tempfile::TempDir;

use crate::world::{self, Keys, binding, edit_root, namespace, owner, put, role};

/// A hub, its author's machine, and what the hub's database was before the last statement.
struct Author {
    hub: Hub,
    hanse: Hanse,
    keys: Keys,
    /// With the last statement.
    whole: Past,
    /// Without it.
    before: Past,
    dir: TempDir,
}

/// Whether the author's machine has verified the history before.
#[derive(Clone, Copy, Debug)]
enum Machine {
    Known,
    Fresh,
}

impl Author {
    async fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (hub, _) = Hub::init(&dir.path().join("hub"), None).await?;
        hub.start().await?;
        let hanse = hub.hanse()?;
        let keys = Keys::make(dir.path(), &hub)?;
        edit_root(&hanse, dir.path(), |root| keys.let_in(root)).await?;
        let mut author =
            Self { keys, whole: past(&hub).await?, before: past(&hub).await?, hub, hanse, dir };
        author.applies(&[namespace("payments", "{}"), role("dev", "get")]).await?;
        author.before = past(&author.hub).await?;
        author.save("before").await?;
        author.applies(&[binding("devs", "payments", "devs")]).await?;
        author.whole = past(&author.hub).await?;
        author.save("whole").await?;
        Ok(author)
    }

    async fn applies(&self, documents: &[String]) -> Result<()> {
        let file = world::file(self.dir.path(), documents)?;
        self.hanse.ok(&["apply", "-f", file.to_str().unwrap(), "--yes", "--wait=false"]).await?;
        Ok(())
    }

    /// Keeps the database as it is now, of which the author's machine has verified all.
    async fn save(&self, name: &str) -> Result<()> {
        self.hanse.ok(&["trust", "show"]).await?;
        self.hub.stop().await?;
        let to = self.dir.path().join(name);
        std::fs::create_dir_all(&to)?;
        for file in database_files(self.hub.dir())? {
            std::fs::copy(&file, to.join(file.file_name().unwrap()))?;
        }
        self.hub.start().await
    }

    /// Puts a database in the hub's place, with more statements in it, and lets the author sign
    /// something on it.
    async fn signs_on(
        &self,
        saved: &str,
        more: Option<&Past>,
        machine: Machine,
    ) -> Result<Printed> {
        self.hub.kill().await?;
        for file in database_files(self.hub.dir())? {
            std::fs::remove_file(file)?;
        }
        for file in database_files(&self.dir.path().join(saved))? {
            std::fs::copy(&file, self.hub.dir().join(file.file_name().unwrap()))?;
        }
        let store = open(&self.hub).await?;
        if let Some(more) = more {
            more.write(&store, store.head_number().await?.0).await?;
        }
        let head = store.head_number().await?;
        store.close().await;
        self.hub.start().await?;
        let file = world::file(self.dir.path(), &[binding("more", "payments", "more")])?;
        let args = ["apply", "-f", file.to_str().unwrap(), "--yes", "--wait=false"];
        let printed = match machine {
            Machine::Known => self.hanse.run(&args).await?,
            Machine::Fresh => self.fresh(&args).await?,
        };
        let store = open(&self.hub).await?;
        assert_eq!(store.head_number().await?, head, "nothing is committed");
        assert!(store.proposal_digests().await?.is_empty(), "nothing is proposed");
        store.close().await;
        Ok(printed)
    }

    /// The command line on a machine that has verified nothing yet.
    async fn fresh(&self, args: &[&str]) -> Result<Printed> {
        let mut command = tokio::process::Command::new(binary("hanse")?);
        command.args(args).env("HANSE_CONFIG", self.hub.config()).env("NO_COLOR", "1");
        let cache = tempfile::tempdir_in(self.dir.path())?;
        command.env("XDG_CACHE_HOME", cache.path()).stdin(std::process::Stdio::null());
        Ok(command.output().await?.into())
    }
}

async fn open(hub: &Hub) -> Result<Store> {
    Ok(Store::open(&format!("sqlite:{}", hub.dir().join("hanse.db").display())).await?)
}

async fn past(hub: &Hub) -> Result<Past> {
    let store = open(hub).await?;
    let past = Past::read(&store).await;
    store.close().await;
    past
}

fn database_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hanse.db")) {
            files.push(path);
        }
    }
    Ok(files)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_signs_nothing_on_a_doctored_base() -> Result<()> {
    let author = Author::start().await?;
    let (whole, before, keys) = (&author.whole, &author.before, &author.keys);
    let last = whole.number();
    let theirs = before.draft(vec![put(&owner(None))])?;
    let by_thief = before.and(theirs.clone(), &[&keys.thief])?;
    let pasted = before.and_as_signed(theirs, whole.signatures(last)?.to_vec());
    let by_lim = before
        .and(before.draft(vec![put(&binding("thieves", "payments", "thieves"))])?, &[&keys.lim])?;
    let beyond = before.and(before.draft(vec![put(&owner(None))])?, &[&keys.lim])?;
    let appended = whole.and(whole.draft(vec![put(&owner(None))])?, &[&keys.thief])?;
    let unsigned = whole.and(whole.draft(vec![put(&owner(None))])?, &[])?;
    let attacks = [
        ("a statement of the thief's", "whole", Some(&appended), Machine::Known, "untrusted-base"),
        (
            "a statement without a signature",
            "whole",
            Some(&unsigned),
            Machine::Known,
            "untrusted-base",
        ),
        (
            "the last one signed by another",
            "before",
            Some(&by_thief),
            Machine::Fresh,
            "untrusted-base",
        ),
        (
            "the last one with other contents",
            "before",
            Some(&pasted),
            Machine::Fresh,
            "untrusted-base",
        ),
        (
            "one beyond its author's scope",
            "before",
            Some(&beyond),
            Machine::Fresh,
            "untrusted-base",
        ),
        ("another last one, well signed", "before", Some(&by_lim), Machine::Known, "other-history"),
        ("the last one left out", "before", None, Machine::Known, "hub-behind"),
    ];
    for (attack, saved, more, machine, code) in attacks {
        let printed = author.signs_on(saved, more, machine).await?;
        assert_ne!(printed.code, 0, "{attack}: {}", printed.stderr);
        assert!(printed.stderr.contains(code), "{attack}: {}", printed.stderr);
    }
    author.signs_on_the_truth().await
}

impl Author {
    /// With the honest database back in place, all goes on.
    async fn signs_on_the_truth(&self) -> Result<()> {
        self.hub.kill().await?;
        for file in database_files(self.hub.dir())? {
            std::fs::remove_file(file)?;
        }
        for file in database_files(&self.dir.path().join("whole"))? {
            std::fs::copy(&file, self.hub.dir().join(file.file_name().unwrap()))?;
        }
        self.hub.start().await?;
        self.applies(&[binding("more", "payments", "more")]).await?;
        assert_eq!(past(&self.hub).await?.number(), self.whole.number() + 1);
        Ok(())
    }
}
