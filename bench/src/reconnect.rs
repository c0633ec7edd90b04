//! P7: bytes on the wire until an agent whose state has not changed is connected again, TLS and HTTP/2
//! included, after a restart of the hub and after a cut of the connection alone.
//!
//! Comes last: from here on the agent connects through a proxy that counts.

use std::time::Duration;

use anyhow::{Context as _, Result};
use hanse_e2e::poll;
use serde_json::Value;

use crate::admin;
use crate::output::Progress;
use crate::process;
use crate::proxy::{Counted, Proxy};
use crate::report::{Figure, Report};
use crate::world::{CLUSTER, World};

/// A connection on which nothing came for so long has said all that it had to; the next keepalive
/// comes after 20 s.
const QUIET: Duration = Duration::from_secs(1);
const RESTARTS: usize = 5;
const CUTS: usize = 10;

pub(crate) async fn measure(world: &mut World, report: &mut Report) -> Result<()> {
    let proxy = Proxy::start(world.federation.hub.agents()).await?;
    let agent = world.federation.agent(CLUSTER)?;
    agent.stop().await?;
    redirect(&agent.dir().join("identity.json"), &proxy)?;
    agent.start()?;
    settled(world, &proxy, 0).await?;

    let mut progress = Progress::new("P7: the hub restarts", RESTARTS);
    let mut restarted = Vec::new();
    for repetition in 0..RESTARTS {
        let before = proxy.connections().len();
        world.federation.hub.stop().await?;
        world.federation.hub.start().await?;
        restarted.push(settled(world, &proxy, before).await?);
        progress.done(repetition);
    }
    world.hub_pid = process::hub(world.federation.hub.dir())?;

    let mut progress = Progress::new("P7: the connection is cut", CUTS);
    let mut cut = Vec::new();
    for repetition in 0..CUTS {
        let before = proxy.connections().len();
        proxy.cut();
        cut.push(settled(world, &proxy, before).await?);
        progress.done(repetition);
    }

    let bare = bare(world, &proxy).await?;
    tell(report, &restarted, &cut, bare);
    Ok(())
}

/// Points an agent that does not run at the proxy, as `--agent-advertise` of another address would.
fn redirect(identity: &std::path::Path, proxy: &Proxy) -> Result<()> {
    let mut facts: Value = serde_json::from_str(&std::fs::read_to_string(identity)?)?;
    let address = facts.get_mut("agentAddress").context("no agentAddress in identity.json")?;
    *address = proxy.address().to_string().into();
    std::fs::write(identity, facts.to_string())?;
    Ok(())
}

/// Waits until the agent has a new connection that has said all, and the hub says that it is synced.
async fn settled(world: &World, proxy: &Proxy, before: usize) -> Result<Counted> {
    let (found, _) = poll::until("a new connection that has come to rest", || async {
        let newest = proxy.connections().into_iter().skip(before).next_back();
        Ok(newest.filter(|c| c.open && c.down > 0 && c.last.elapsed() >= QUIET))
    })
    .await?;
    world.federation.hanse.ok(&["wait", "--all", "--for=synced", "--timeout", "30s"]).await?;
    Ok(found)
}

/// TLS and HTTP/2 with the agent's own certificate and nothing said on it: the floor.
async fn bare(world: &World, proxy: &Proxy) -> Result<Counted> {
    let dir = world.federation.agent(CLUSTER)?.dir();
    let read = |name: &str| std::fs::read_to_string(dir.join(name));
    let (credentials, ca) = (read("agent.pem")?, read("ca.crt")?);
    let server = format!("https://{}", proxy.address());
    let before = proxy.connections().len();
    let channel = admin::endpoint(&server, &ca, &credentials, &credentials)?.connect().await?;
    let (found, _) = poll::until("a bare connection", || async {
        let newest = proxy.connections().into_iter().skip(before).next_back();
        Ok(newest.filter(|c| c.down > 0 && c.last.elapsed() >= QUIET))
    })
    .await?;
    drop(channel);
    Ok(found)
}

fn tell(report: &mut Report, restarted: &[Counted], cut: &[Counted], floor: Counted) {
    let bare = floor.up + floor.down;
    let restart = median(restarted.iter().map(|c| c.up + c.down));
    let after_cut = median(cut.iter().map(|c| c.up + c.down));
    let most = restarted.iter().map(|c| c.up + c.down).max().unwrap_or_default();
    let bytes = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let figure = |id, what: &str, count| Figure::single(id, what, "bytes", bytes(count));
    report.figures.extend([
        figure("P7", "bytes to reconnect after a hub restart, TLS included", restart),
        figure("", "  after a cut of the connection alone (TLS resumed)", after_cut),
        figure("", "  floor: mutual TLS and HTTP/2, nothing said", bare),
    ]);
    let what = ("P7", "bytes to reconnect, state unchanged");
    report.judge_number(what, "first", (bytes(restart), 4096.0, "bytes"));
    let over = bytes(restart.saturating_sub(bare));
    let what = ("P7", "the same beyond TLS and HTTP/2");
    report.judge_number(what, "then", (over, 256.0, "bytes"));
    report.notes.push(format!(
        "P7: TCP payload both ways until nothing more is said for {} s; median of {} restarts (at most \
         {most}) and {} cuts. After a restart {} to the hub and {} from it, of the floor {} and {}",
        QUIET.as_secs(),
        restarted.len(),
        cut.len(),
        median(restarted.iter().map(|c| c.up)),
        median(restarted.iter().map(|c| c.down)),
        floor.up,
        floor.down,
    ));
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut sorted: Vec<u64> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}
