//! The hub as a process.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use hanse_testbed::ports;

use crate::binaries::binary;
use crate::hanse::{Hanse, Printed};
use crate::poll;
use crate::running::Running;

/// One hub: its folder and, when it runs, its process.
#[derive(Debug)]
pub struct Hub {
    dir: PathBuf,
    people: SocketAddr,
    agents: SocketAddr,
    process: Running,
}

impl Hub {
    /// `hanse-control-plane init` in a new folder, on SQLite unless a database is named. What the
    /// clusters believe does not stay with the hub: its administrator takes the signing key home.
    pub async fn init(dir: &Path, database: Option<&str>) -> Result<(Self, Printed)> {
        let (people, agents) = free_addresses()?;
        let mut command = tokio::process::Command::new(binary("hanse-control-plane")?);
        command.arg("init").arg("--dir").arg(dir).args(["--name", "localhost"]);
        command.args(["--name", "127.0.0.1"]);
        command.args(["--listen", &people.to_string(), "--agent-listen", &agents.to_string()]);
        command.args(["--advertise", &people.to_string()]);
        command.args(["--agent-advertise", &agents.to_string()]);
        if let Some(url) = database {
            command.args(["--database", url]);
        }
        let printed = Printed::from(command.output().await.context("cannot start the hub's init")?);
        if printed.code != 0 {
            bail!("hanse-control-plane init failed:\n{}", printed.stderr);
        }
        let hub = Self { dir: dir.to_owned(), people, agents, process: Running::default() };
        std::fs::create_dir_all(hub.author())?;
        for file in ["admin.yaml", "admin.key", "admin.key.pub"] {
            std::fs::rename(dir.join(file), hub.author().join(file))?;
        }
        Ok((hub, printed))
    }

    /// The folder of the first administrator and author: another machine, where it matters.
    pub fn author(&self) -> PathBuf {
        self.dir.with_extension("author")
    }

    /// Another replica on the same database and with the same CA, which is copied.
    pub fn replica(&self, dir: &Path) -> Result<Self> {
        copy_dir(&self.dir, dir)?;
        let (people, agents) = free_addresses()?;
        Ok(Self { dir: dir.to_owned(), people, agents, process: Running::default() })
    }

    /// `hanse-control-plane serve`; returns when it answers.
    pub async fn start(&self) -> Result<()> {
        let mut command = Command::new(binary("hanse-control-plane")?);
        command.arg("serve").arg("--dir").arg(&self.dir);
        command.args(["--listen", &self.people.to_string()]);
        command.args(["--agent-listen", &self.agents.to_string()]);
        self.process.start("hub", &command, &self.log())?;
        poll::until("the hub listens", || async {
            if !self.process.is_running() {
                bail!("the hub ended:\n{}", self.process.last_words());
            }
            Ok((TcpStream::connect(self.people).is_ok() && TcpStream::connect(self.agents).is_ok())
                .then_some(()))
        })
        .await?;
        Ok(())
    }

    /// SIGKILL.
    pub async fn kill(&self) -> Result<()> {
        self.process.kill().await
    }

    /// SIGTERM; it must end by itself.
    pub async fn stop(&self) -> Result<()> {
        self.process.stop().await
    }

    /// The command line as the first administrator.
    pub fn hanse(&self) -> Result<Hanse> {
        Hanse::new(&self.config())
    }

    /// The first administrator's context file.
    pub fn config(&self) -> PathBuf {
        self.author().join("admin.yaml")
    }

    /// The hub's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where people and enrolling agents connect.
    pub const fn people(&self) -> SocketAddr {
        self.people
    }

    /// Where agents connect.
    pub const fn agents(&self) -> SocketAddr {
        self.agents
    }

    /// What the hub printed.
    pub fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }
}

fn free_addresses() -> Result<(SocketAddr, SocketAddr)> {
    let free = ports::free(2)?;
    let [people, agents] = free.as_slice() else { bail!("no two free ports") };
    let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok((at(*people), at(*agents)))
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
