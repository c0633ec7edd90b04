//! A thief who has the whole hub: its process, its database, its authority and its keys. The real
//! agents come to it, and it says to them what a script tells it to.
//!
//! ```text
//! Hub ─ SIGKILL, its folder ─▶ Thief ─┬─ Past     every statement, and what could follow on them
//!                                     ├─ offer    what an agent is shown of it, with all proofs
//!                                     ├─ doctor   the same as rows, for the real hub to serve
//!                                     └─ Front    hanse.agent.v1 on the hub's own address
//! Witness: what a cluster holds, and what its API server's audit log says of the agent
//! ```

mod doctor;
mod front;
mod offer;
mod past;
mod wire;
mod witness;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hanse_control_plane::auth::CertificateAuthority;
use hanse_control_plane::store::Store;
use hanse_domain::ids::ClusterId;
use hanse_proto::agent::Applied;
use hanse_proto::agent::applied::Phase;
use hanse_proto::agent::session_request::Message as Said;
use hanse_proto::agent::session_response::Message;
use tokio::time::{Instant, timeout_at};

use crate::hub::Hub;
use front::{Front, Line};
pub use offer::Known;
pub use past::{Draft, Past};
pub use wire::{bundle, trust_roots};
pub use witness::{Name, Version, Witness};

/// How long an agent may take to come back, and to answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// Whoever has the hub now.
pub struct Thief {
    /// What the stolen database holds.
    pub past: Past,
    front: Front,
    lines: BTreeMap<ClusterId, (Line, Known)>,
}

impl Thief {
    /// Kills the hub, takes a copy of its folder to `dir`, and sits down in its place.
    pub async fn steal(hub: &Hub, dir: &Path) -> Result<Self> {
        hub.kill().await?;
        let ca = take(hub, dir).context("cannot take the hub's folder")?;
        let store = Store::open(&format!("sqlite:{}", dir.join("hanse.db").display())).await?;
        let past = Past::read(&store).await?;
        store.close().await;
        let front = Front::open(&ca, hub.agents())?;
        Ok(Self { past, front, lines: BTreeMap::new() })
    }

    /// What the agent of a cluster has, once it has come.
    pub async fn known(&mut self, cluster: ClusterId) -> Result<Known> {
        let until = Instant::now() + PATIENCE;
        Ok(self.line(cluster, until).await?.1)
    }

    /// Says these things to the agent of a cluster, again when it asks for all, and gives its first
    /// word on them: that it refuses, or that it has another generation than before.
    pub async fn show(&mut self, cluster: ClusterId, messages: &[Message]) -> Result<Applied> {
        self.say(cluster, messages, |applied, known| {
            applied.phase() == Phase::Refused || applied.generation != known.generation
        })
        .await
    }

    /// Shows the agent what it has already, so that it has nothing to complain about.
    pub async fn calm(&mut self, cluster: ClusterId) -> Result<()> {
        let known = self.known(cluster).await?;
        let bundle = self.past.as_of(known.generation)?.offer(cluster, known)?;
        let settled = |applied: &Applied, _: &Known| applied.phase() == Phase::Applied;
        self.say(cluster, &[wire::bundle(&bundle)], settled).await?;
        Ok(())
    }

    async fn say(
        &mut self,
        cluster: ClusterId,
        messages: &[Message],
        enough: impl Fn(&Applied, &Known) -> bool,
    ) -> Result<Applied> {
        let until = Instant::now() + PATIENCE;
        loop {
            let (line, known) = self.line(cluster, until).await?;
            match talk(line, known, messages, &enough, until).await {
                Ok(Some(applied)) => return Ok(applied),
                Ok(None) => bail!("the agent of {cluster} says nothing to it"),
                // It comes back.
                Err(_) => drop(self.lines.remove(&cluster)),
            }
        }
    }

    /// Gives the address back: what comes next is the real hub.
    pub async fn leave(mut self) {
        self.lines.clear();
        self.front.close().await;
    }

    async fn line(&mut self, cluster: ClusterId, until: Instant) -> Result<&mut (Line, Known)> {
        while !self.lines.contains_key(&cluster) {
            let arrival = timeout_at(until, self.front.arrivals.recv()).await;
            let arrival = arrival.with_context(|| format!("the agent of {cluster} stays away"))?;
            let mut line = arrival.context("nobody serves any more")?;
            if let Ok(Ok(hello)) = timeout_at(until, line.hello()).await {
                let known = Known::from(&hello);
                self.lines.insert(line.cluster, (line, known));
            }
        }
        self.lines.get_mut(&cluster).context("no line")
    }
}

/// Nothing when the agent has not said enough in time.
async fn talk(
    line: &mut Line,
    known: &Known,
    messages: &[Message],
    enough: impl Fn(&Applied, &Known) -> bool,
    until: Instant,
) -> Result<Option<Applied>> {
    for message in messages {
        line.say(message.clone()).await?;
    }
    while let Ok(said) = timeout_at(until, line.hear()).await {
        match said? {
            Said::Applied(applied) if enough(&applied, known) => return Ok(Some(applied)),
            Said::Hello(_) => {
                for message in messages {
                    line.say(message.clone()).await?;
                }
            }
            Said::Applied(_)
            | Said::Drift(_)
            | Said::DryRun(_)
            | Said::Fence(_)
            | Said::Inventory(_) => {}
        }
    }
    Ok(None)
}

fn take(hub: &Hub, dir: &Path) -> Result<CertificateAuthority> {
    std::fs::create_dir_all(dir)?;
    for entry in std::fs::read_dir(hub.dir())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), dir.join(entry.file_name()))?;
        }
    }
    Ok(CertificateAuthority::load(hub.dir())?)
}
