//! The cluster's own audit log: what was really written with the agent's token.

use std::collections::BTreeSet;

use anyhow::Result;
use hanse_testbed::AuditEvent;

use crate::call::CEILING;
use crate::world::{Model, World};

const AGENT: &str = "system:serviceaccount:hanse-agent:agent";

/// Every successful write with the agent's token, or as the ceiling's user, since the mark.
pub(crate) async fn writes(world: &World<'_>, mark: u64) -> Result<BTreeSet<String>> {
    let events = world.cluster.audit_since(mark).await?;
    let by_thief = |event: &&AuditEvent| {
        let ceiling = event.user == CEILING || event.impersonated.as_deref() == Some(CEILING);
        (event.user == AGENT || ceiling) && event.stage != "RequestReceived"
    };
    let mut writes = BTreeSet::new();
    for event in events.iter().filter(by_thief).filter(|event| event.succeeded()) {
        // Nobody but the ceiling's user was played, and that one for RBAC objects alone.
        let rbac = event.group == "rbac.authorization.k8s.io";
        let ceiling = event.impersonated.as_deref() == Some(CEILING);
        assert!(ceiling || event.impersonated.is_none(), "{event:?}");
        assert!(!ceiling || rbac, "used the ceiling: {event:?}");
        assert!(event.resource != "secrets" || event.is_write(), "read a Secret: {event:?}");
        if !event.is_write() || event.is_dry_run() {
            continue;
        }
        assert_eq!(ceiling, rbac && world.model == Model::Impersonate, "{event:?}");
        let path = event.uri.split('?').next().unwrap_or_default();
        let named = event.verb == "create" && !event.name.is_empty();
        let name = if named { format!("/{}", event.name) } else { String::new() };
        writes.insert(format!("{} {path}{name}", event.verb));
    }
    Ok(writes)
}
