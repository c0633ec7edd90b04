//! Edges by admission: what others write is changed on its way.

use anyhow::{Result, ensure};
use hanse_domain::access::escalation::{Edge, Target};
use hanse_e2e::poll;
use serde_json::{Value, json};

use crate::hook::Hook;
use crate::world::{RBAC, Stage, World, refused, rule};

const GROUP: &str = "admissionregistration.k8s.io";
const PATH: &str = "/apis/admissionregistration.k8s.io/v1";

/// A webhook turns the next binding that an administrator makes into one of cluster-admin, for its owner.
pub(crate) async fn webhook(world: &World<'_>) -> Result<()> {
    let stage = world.stage("webhook").await?;
    stage.grant("able", None, json!([make("mutatingwebhookconfigurations")])).await?;
    stage.grant("near", None, json!([make("validatingwebhookconfigurations")])).await?;
    stage.named(&Target::ClusterAdmin, &[Edge::Webhook]).await?;
    let hook = Hook::start(json!([
        {"op": "replace", "path": "/roleRef/name", "value": "cluster-admin"},
        {"op": "add", "path": "/subjects/-", "value": intruder(&stage)},
    ]))
    .await?;
    let configuration = json!({"metadata": {"name": "hook"}, "webhooks": [{
        "name": "hook.example.com",
        "clientConfig": {"url": hook.url(), "caBundle": hook.authority()},
        "rules": [{
            "apiGroups": ["rbac.authorization.k8s.io"], "apiVersions": ["v1"],
            "operations": ["CREATE"], "resources": ["clusterrolebindings"],
        }],
        "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore",
    }]});
    let path = format!("{PATH}/mutatingwebhookconfigurations");
    refused(&stage.user("near").await?.send("POST", &path, Some(&configuration)).await?)?;
    stage.user("able").await?.create(&path, &configuration).await?;
    wins_by_what_others_write(&stage, "by-webhook").await?;
    world.admin.send("DELETE", &format!("{path}/hook"), None).await?.ok()?;
    Ok(())
}

/// The same, by a policy.
pub(crate) async fn policy(world: &World<'_>) -> Result<()> {
    let stage = world.stage("policy").await?;
    let policies = make("mutatingadmissionpolicies");
    let bindings = make("mutatingadmissionpolicybindings");
    stage.grant("able", None, json!([policies, bindings])).await?;
    stage.grant("near", None, json!([policies])).await?;
    stage.named(&Target::ClusterAdmin, &[Edge::Policy]).await?;
    let expression = format!(
        "[JSONPatch{{op: 'replace', path: '/roleRef/name', value: 'cluster-admin'}},\
         JSONPatch{{op: 'add', path: '/subjects/-', value: {}}}]",
        intruder(&stage)
    );
    let policy = |name: &str| {
        json!({"metadata": {"name": name}, "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["rbac.authorization.k8s.io"], "apiVersions": ["v1"],
                "operations": ["CREATE"], "resources": ["clusterrolebindings"],
            }]},
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
        }})
    };
    let binding = |name: &str| json!({"metadata": {"name": name}, "spec": {"policyName": name}});
    let policies = format!("{PATH}/mutatingadmissionpolicies");
    let bindings = format!("{PATH}/mutatingadmissionpolicybindings");
    let (able, near) = (stage.user("able").await?, stage.user("near").await?);
    near.create(&policies, &policy("near")).await?;
    refused(&near.send("POST", &bindings, Some(&binding("near"))).await?)?;
    able.create(&policies, &policy("able")).await?;
    able.create(&bindings, &binding("able")).await?;
    wins_by_what_others_write(&stage, "by-policy").await?;
    world.admin.send("DELETE", &format!("{bindings}/able"), None).await?.ok()?;
    Ok(())
}

fn make(resource: &str) -> Value {
    rule(GROUP, resource, &["create"], &[])
}

fn intruder(stage: &Stage<'_>) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": stage.name("able")})
}

/// An administrator makes a binding that is nobody's business; what comes out is another one.
async fn wins_by_what_others_write(stage: &Stage<'_>, name: &str) -> Result<()> {
    let harmless = json!({
        "metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": "system:discovery"},
        "subjects": [{"kind": "User", "name": "somebody"}],
    });
    let admin = &stage.world.admin;
    let able = stage.user("able").await?;
    refused(&stage.prize(&able).await?)?;
    let path = format!("{RBAC}/clusterrolebindings");
    // The API server learns of it a moment later.
    poll::until("what others write is changed", || async {
        let tried = admin.create(&format!("{path}?dryRun=All"), &harmless).await?;
        Ok((tried.pointer("/roleRef/name") == Some(&json!("cluster-admin"))).then_some(()))
    })
    .await?;
    let made = admin.create(&path, &harmless).await?;
    ensure!(made.to_string().contains(&stage.name("able")), "{made}");
    stage.wins(&able).await
}
