//! P11: what an agent with nothing to do asks of its API server. What the hub and the agent cost while
//! nothing happens, in CPU and memory.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hanse_testbed::AuditEvent;

use crate::output;
use crate::process;
use crate::report::{Figure, Report};
use crate::world::{CLUSTER, World};

/// For what was done last to come to rest.
const QUIET: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_secs(10);

pub(crate) async fn measure(world: &World, report: &mut Report) -> Result<()> {
    output::say("P11: nothing to do for 10 s");
    let cluster = world.federation.testbed.cluster(CLUSTER)?;
    let agent_pid = agent_pid(world)?;
    tokio::time::sleep(QUIET).await;
    let mark = cluster.audit_mark();
    let (hub, agent) = (process::cpu(world.hub_pid)?, process::cpu(agent_pid)?);
    tokio::time::sleep(WINDOW).await;
    let (hub, agent) = (
        process::cpu(world.hub_pid)?.saturating_sub(hub),
        process::cpu(agent_pid)?.saturating_sub(agent),
    );
    // None in the window proves something only if the agent's requests can be told at all.
    if !cluster.audit().await?.iter().any(is_the_agents) {
        bail!("the audit log has no request of the agent from before either");
    }
    let events = cluster.audit_since(mark).await?;
    let of_agent: Vec<&AuditEvent> = events.iter().filter(|event| is_the_agents(event)).collect();
    let (renewals, calls): (Vec<_>, Vec<_>) =
        of_agent.into_iter().partition(|event| event.verb == "watch");
    for call in &calls {
        report.notes.push(format!("P11: the agent asked for {} {}", call.verb, call.uri));
    }
    let what = "API calls of an idle agent in 10 s";
    let count = f64::from(u32::try_from(calls.len()).unwrap_or(u32::MAX));
    report.figures.push(Figure::single("P11", what, "calls", count));
    report.judge_number(("P11", what), "first", (count, 0.0, "calls"));
    report.notes.push(format!(
        "P11: from the audit log. Renewals of watches, due every 290 s, are not counted as calls; in \
         these 10 s there were {} audit lines of them. CPU in the same 10 s: hub {} ms, agent {} ms",
        renewals.len(),
        hub.as_millis(),
        agent.as_millis()
    ));
    Ok(())
}

fn is_the_agents(event: &AuditEvent) -> bool {
    event.user_agent.starts_with("hanse-agent")
}

/// The memory of both programs now.
pub(crate) fn memory(world: &World, report: &mut Report) -> Result<()> {
    for (name, pid) in [("hub", world.hub_pid), ("agent", agent_pid(world)?)] {
        let memory = process::memory(pid)?;
        for (kind, bytes) in [("RSS", memory.rss), ("PSS", memory.pss)] {
            let what = format!("memory of the {name}, {kind}");
            report.figures.push(Figure::single("", &what, "MiB", mebibytes(bytes)));
        }
    }
    Ok(())
}

fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0
}

fn agent_pid(world: &World) -> Result<u32> {
    world.federation.agent(CLUSTER)?.pid().context("the agent does not run")
}
