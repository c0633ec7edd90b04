//! Edges by RBAC itself: what one has, binds, widens, or is taken for.

use anyhow::{Result, ensure};
use hanse_domain::access::escalation::{Edge, Target};
use hanse_e2e::raw::Caller;
use serde_json::{Value, json};

use crate::world::{RBAC as PATH, World, refused, rule};

const RBAC: &str = "rbac.authorization.k8s.io";

pub(crate) async fn has(world: &World<'_>) -> Result<()> {
    let stage = world.stage("has").await?;
    stage.grant("able", Some(&stage.vault), json!([rule("", "secrets", &["get"], &[])])).await?;
    stage.grant("near", Some(&stage.vault), json!([rule("", "configmaps", &["get"], &[])])).await?;
    stage.named(&stage.secrets(), &[Edge::Has]).await?;
    stage.wins(&stage.user("able").await?).await?;
    refused(&stage.prize(&stage.user("near").await?).await?)
}

/// A role that reads the vault is bound to oneself. Who may make bindings and not bind that role is
/// refused by the API server's own check.
pub(crate) async fn bind(world: &World<'_>) -> Result<()> {
    let stage = world.stage("bind").await?;
    let make = rule(RBAC, "rolebindings", &["create"], &[]);
    let bind = rule(RBAC, "roles", &["bind"], &["strong"]);
    let other = rule(RBAC, "roles", &["bind"], &["weak"]);
    stage.grant("able", Some(&stage.vault), json!([make, bind])).await?;
    stage.grant("near", Some(&stage.vault), json!([make, other])).await?;
    stage.named(&stage.secrets(), &[Edge::Bind]).await?;
    let binding = |who: &str| {
        json!({"metadata": {"name": who}, "roleRef": {"kind": "Role", "name": "strong"},
            "subjects": [{"kind": "User", "name": stage.name(who)}]})
    };
    let path = stage.vault_rbac("rolebindings");
    let able = stage.user("able").await?;
    refused(&stage.prize(&able).await?)?;
    able.create(&path, &binding("able")).await?;
    stage.wins(&able).await?;
    refused(&stage.user("near").await?.send("POST", &path, Some(&binding("near"))).await?)
}

/// The role that one has is changed to everything.
pub(crate) async fn escalate(world: &World<'_>) -> Result<()> {
    let stage = world.stage("escalate").await?;
    let (able, near) = (stage.name("able"), stage.name("near"));
    let change = |own: &str| rule(RBAC, "roles", &["patch"], &[own]);
    let escalate = rule(RBAC, "roles", &["escalate"], &[&able]);
    stage.grant("able", Some(&stage.vault), json!([escalate, change(&able)])).await?;
    stage.grant("near", Some(&stage.vault), json!([change(&near)])).await?;
    stage.named(&stage.secrets(), &[Edge::Escalate]).await?;
    let everything = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    let own = |name: &str| stage.vault_rbac(&format!("roles/{name}"));
    let user = stage.user("able").await?;
    refused(&stage.prize(&user).await?)?;
    user.send("PATCH", &own(&able), Some(&everything)).await?.ok()?;
    stage.wins(&user).await?;
    refused(&stage.user("near").await?.send("PATCH", &own(&near), Some(&everything)).await?)
}

/// Requests are made as a service account that reads the vault.
pub(crate) async fn impersonate_an_account(world: &World<'_>) -> Result<()> {
    let stage = world.stage("impersonate").await?;
    let as_one = |name: &str| json!([rule("", "serviceaccounts", &["impersonate"], &[name])]);
    stage.grant("able", Some(&stage.namespace), as_one("strong")).await?;
    stage.grant("near", Some(&stage.namespace), as_one("weak")).await?;
    stage.named(&stage.secrets(), &[Edge::Impersonate]).await?;
    let strong = async |who: &str| {
        let client = world.cluster.client_for(&stage.name(who), None).await?;
        anyhow::Ok(Caller::impersonating(client, &stage.strong(), &[]))
    };
    refused(&stage.prize(&stage.user("able").await?).await?)?;
    stage.wins(&strong("able").await?).await?;
    refused(&stage.prize(&strong("near").await?).await?)
}

/// Requests are made as a member of `system:masters`. A group alone is nobody: who may not be anybody
/// in it is refused.
pub(crate) async fn impersonate_a_group(world: &World<'_>) -> Result<()> {
    let stage = world.stage("impersonate-group").await?;
    let group = rule("", "groups", &["impersonate"], &["system:masters"]);
    let somebody = rule("", "users", &["impersonate"], &["somebody"]);
    stage.grant("able", None, json!([somebody, group])).await?;
    stage.grant("near", None, json!([group])).await?;
    stage.named(&Target::ClusterAdmin, &[Edge::Impersonate]).await?;
    let master = async |who: &str| {
        let client = world.cluster.client_for(&stage.name(who), None).await?;
        anyhow::Ok(Caller::impersonating(client, "somebody", &["system:masters"]))
    };
    let role: Value = json!({
        "metadata": {"name": "made-by-a-master"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    });
    let path = format!("{PATH}/clusterroles");
    refused(&stage.user("able").await?.send("POST", &path, Some(&role)).await?)?;
    let able = master("able").await?;
    ensure!(able.send("POST", &path, Some(&role)).await?.is_ok());
    stage.wins(&able).await?;
    refused(&stage.prize(&master("near").await?).await?)
}
