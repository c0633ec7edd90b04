//! What the API server's own audit log says of an agent: what it writes, as whom, and that it keeps
//! still when there is nothing to do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use common::{One, binding, namespace, role};
use hanse_testbed::AuditEvent;

const AGENT: &str = "system:serviceaccount:hanse-agent:agent";

async fn by_agent(one: &One, mark: u64) -> Result<Vec<AuditEvent>> {
    let cluster = one.federation.testbed.cluster("cluster-1")?;
    let events = cluster.audit_since(mark).await?;
    Ok(events.into_iter().filter(|event| event.user == AGENT).collect())
}

/// The check of the fence looks at all of it when the agent starts, whenever something about it changes,
/// and every five minutes: some 6 reads, 120 access reviews and 6 dry runs. In between it watches.
fn is_fence_probe(event: &AuditEvent) -> bool {
    event.field_manager().as_deref() == Some("hanse-agent/probe")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_the_agents_with_a_field_manager_and_where_it_may() -> Result<()> {
    let one = One::start().await?;
    one.apply(&[namespace("team"), role("dev", "Enforce"), binding("devs", "dev", "team")]).await?;
    one.apply(&[role("dev", "Report")]).await?;
    let events = by_agent(&one, 0).await?;
    // What `join` asked with the agent's token, until the rights and the fence were enforced.
    let events: Vec<AuditEvent> = events
        .into_iter()
        .filter(|event| !event.user_agent.starts_with("hanse-agent-join/"))
        .collect();
    // The check of the fence tries what must be denied, by dry runs alone.
    let (probes, events): (Vec<AuditEvent>, Vec<AuditEvent>) =
        events.into_iter().partition(is_fence_probe);
    assert!(!probes.is_empty() && probes.iter().all(AuditEvent::is_dry_run), "{probes:?}");
    let writes: Vec<&AuditEvent> = events.iter().filter(|event| event.is_write()).collect();
    assert!(writes.len() >= 8, "{writes:?}");
    for event in &writes {
        assert!(event.user_agent.starts_with("hanse-agent"), "{event:?}");
        let ours = event.namespace == "hanse-agent"
            || event.namespace == "team"
            || event.namespace.is_empty();
        assert!(ours, "a write outside: {event:?}");
        // I11: what is protected stays untouched.
        assert!(!event.name.starts_with("kube-") && event.name != "default", "{event:?}");
        if event.verb == "patch" && event.namespace != "hanse-agent" {
            let manager = event.field_manager().unwrap_or_default();
            assert!(
                ["hanse-agent/rbac", "hanse-agent/namespace"].contains(&manager.as_str()),
                "{event:?}"
            );
        }
    }
    let refused: Vec<&AuditEvent> = events.iter().filter(|event| event.was_refused()).collect();
    assert!(refused.is_empty(), "it asks for nothing that it may not: {refused:?}");
    let touched: BTreeSet<&str> = events.iter().map(|event| event.resource.as_str()).collect();
    assert!(!touched.contains("secrets"), "{touched:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_nothing_to_do_makes_no_api_calls() -> Result<()> {
    let one = One::start().await?;
    one.apply(&[namespace("team"), role("dev", "Enforce"), binding("devs", "dev", "team")]).await?;
    // Until the last Event about the work is written.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mark = one.federation.testbed.cluster("cluster-1")?.audit_mark();
    tokio::time::sleep(Duration::from_secs(15)).await;
    // The hub comes and goes, with nothing new to say.
    one.federation.hub.kill().await?;
    one.federation.hub.start().await?;
    one.settled().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let events = by_agent(&one, mark).await?;
    // A watch that the API server ended and the agent took up again is no reconcile. The fence's slow
    // round does not fall into this time: it comes five minutes after the last.
    let calls: Vec<&AuditEvent> = events.iter().filter(|event| event.verb != "watch").collect();
    assert!(calls.is_empty(), "{calls:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_restarts_writes_nothing_when_all_is_as_it_was() -> Result<()> {
    let one = One::start().await?;
    one.apply(&[namespace("team"), role("dev", "Enforce"), binding("devs", "dev", "team")]).await?;
    let agent = one.federation.agent("cluster-1")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    agent.stop().await?;
    let mark = one.federation.testbed.cluster("cluster-1")?.audit_mark();
    agent.start()?;
    one.hanse().ok(&["wait", "--all", "--for=connected", "--timeout", "30s"]).await?;
    one.settled().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let events = by_agent(&one, mark).await?;
    let writes: Vec<&AuditEvent> = events
        .iter()
        .filter(|event| {
            event.is_write()
                && !event.resource.ends_with("reviews")
                && event.resource != "events"
                && !is_fence_probe(event)
        })
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(one.hanse().drift(true).await?.len(), 0);
    assert!(!events.is_empty(), "it did look");
    let _ = events.first().unwrap();
    Ok(())
}
