//! What happens to a cluster over time: labels, changes that Kubernetes does not allow, removals,
//! expiry, objects that were there before, and a hub that comes back.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use anyhow::Result;
use common::{One, binding, namespace, role};
use hanse_e2e::{look, poll};
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

async fn gone(client: &kube::Client, role: &str) -> Result<()> {
    poll::until(&format!("{role} is gone"), || async {
        Ok((!look::has_cluster_role(client, role).await?).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_of_the_roster_decides_what_a_cluster_holds() -> Result<()> {
    let one = One::start().await?;
    let client = one.client().await?;
    one.apply(&[namespace("team"), role("dev", "Enforce")]).await?;
    assert!(look::has_cluster_role(&client, "hanse:ns:dev").await?);
    let label = ["cluster", "label", "cluster-1", "env=staging", "--yes", "--wait=false"];
    let printed = one.hanse().ok(&label).await?;
    // The role, the quota, the limits and three network policies: more than goes unasked.
    assert!(printed.stderr.contains("confirm-removals cluster-1 6"), "{}", printed.stderr);
    one.cluster_is(|c| c["removalsWaiting"] == 6).await?;
    one.hanse().ok(&["cluster", "confirm-removals", "cluster-1", "6", "--yes"]).await?;
    gone(&client, "hanse:ns:dev").await?;
    one.settled().await?;
    assert!(look::has_namespace(&client, "team").await?, "a namespace is never deleted");
    one.hanse().ok(&["cluster", "label", "cluster-1", "env=prod", "--yes"]).await?;
    one.settled().await?;
    assert!(look::has_cluster_role(&client, "hanse:ns:dev").await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_can_change_its_role_and_go() -> Result<()> {
    let one = One::start().await?;
    let client = one.client().await?;
    let documents = [namespace("team"), role("dev", "Enforce"), role("ops", "Enforce")];
    one.apply(&documents).await?;
    one.apply(&[binding("devs", "dev", "team")]).await?;
    // Kubernetes never changes a roleRef: the binding is made anew.
    one.apply(&[binding("devs", "ops", "team")]).await?;
    let bindings =
        Api::<k8s_openapi::api::rbac::v1::RoleBinding>::namespaced(client.clone(), "team");
    let live = bindings.get("hanse:ns:devs").await?;
    assert_eq!(live.role_ref.name, "hanse:ns:ops");
    let cluster = one.cluster_is(|c| c["phase"] == "PHASE_SYNCED").await?;
    assert_eq!(cluster["driftOpen"].as_u64().unwrap_or(0), 0, "{cluster}");

    // A role that is in use cannot go; together with its binding it can.
    let refused = one.hanse().run(&["delete", "role", "ops", "--yes"]).await?;
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("devs still refers to FederatedRole/ops: remove the binding"),
        "{}",
        refused.stderr
    );
    one.hanse().ok(&["delete", "binding", "devs", "--yes"]).await?;
    one.hanse().ok(&["delete", "role", "ops", "--yes"]).await?;
    gone(&client, "hanse:ns:ops").await?;
    assert_eq!(look::subjects(&client, "team", "hanse:ns:devs").await?, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_removals_wait_for_their_number() -> Result<()> {
    let one = One::start().await?;
    let client = one.client().await?;
    let roles: Vec<String> = (0..7).map(|i| role(&format!("r{i}"), "Enforce")).collect();
    one.apply(&roles).await?;
    let file = one.dir.path().join("documents.yaml");
    let printed =
        one.hanse().ok(&["delete", "-f", file.to_str().unwrap(), "--yes", "--wait=false"]).await?;
    let text = printed.stdout + &printed.stderr;
    assert!(text.contains("confirm-removals cluster-1 7"), "{text}");
    one.cluster_is(|c| c["phase"] == "PHASE_AWAITING_CONFIRMATION" && c["removalsWaiting"] == 7)
        .await?;
    assert!(look::has_cluster_role(&client, "hanse:ns:r0").await?);
    let wrong =
        one.hanse().run(&["cluster", "confirm-removals", "cluster-1", "6", "--yes"]).await?;
    assert_ne!(wrong.code, 0, "a wrong number is refused: {}", wrong.stderr);
    one.hanse().ok(&["cluster", "confirm-removals", "cluster-1", "7", "--yes"]).await?;
    gone(&client, "hanse:ns:r6").await?;
    one.settled().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_expires_while_the_hub_is_away() -> Result<()> {
    let one = One::start().await?;
    let client = one.client().await?;
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(12);
    let expiring = binding("guest", "dev", "team") + &format!("  expiresAt: {until}\n");
    one.apply(&[namespace("team"), role("dev", "Enforce"), expiring]).await?;
    assert!(look::subjects(&client, "team", "hanse:ns:guest").await?.is_some());
    one.federation.hub.kill().await?;
    poll::until("the binding is gone", || async {
        Ok(look::subjects(&client, "team", "hanse:ns:guest").await?.is_none().then_some(()))
    })
    .await?;
    assert!(jiff::Timestamp::now() >= until, "not before its time");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_not_taken_over_unasked() -> Result<()> {
    let one = One::start().await?;
    let client = one.client().await?;
    let namespaces = Api::<Namespace>::all(client.clone());
    let theirs = Namespace {
        metadata: ObjectMeta { name: Some("team".into()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    namespaces.create(&PostParams::default(), &theirs).await?;
    // A guard rail under our name, without our label: the watch by label does not show it.
    let quota: ResourceQuota = serde_json::from_value(json!({
        "metadata": {"name": "hanse"}, "spec": {"hard": {"pods": "1"}},
    }))?;
    let quotas = Api::<ResourceQuota>::namespaced(client.clone(), "team");
    quotas.create(&PostParams::default(), &quota).await?;
    let file = one.dir.path().join("documents.yaml");
    std::fs::write(&file, namespace("team"))?;
    one.hanse().run(&["apply", "-f", file.to_str().unwrap(), "--yes"]).await?;
    let cluster = one.cluster_is(|c| c["phase"] == "PHASE_FAILED").await?;
    assert!(cluster["message"].to_string().contains("hanse.dev/managed=true"), "{cluster}");
    let label = json!({"metadata": {"labels": {"hanse.dev/managed": "true"}}});
    namespaces.patch("team", &PatchParams::default(), &Patch::Merge(&label)).await?;
    let cluster = one.cluster_is(|c| c["message"].to_string().contains("resourcequota")).await?;
    assert_eq!(cluster["phase"], "PHASE_FAILED", "{cluster}");
    assert_eq!(quotas.get("hanse").await?.spec.unwrap().hard.unwrap()["pods"].0, "1");
    quotas.patch("hanse", &PatchParams::default(), &Patch::Merge(&label)).await?;
    one.settled().await?;
    assert_eq!(quotas.get("hanse").await?.spec.unwrap().hard.unwrap()["pods"].0, "10");
    let labels = namespaces.get("team").await?.metadata.labels.unwrap_or_default();
    assert_eq!(
        labels.get("pod-security.kubernetes.io/enforce").map(String::as_str),
        Some("restricted")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_enforces_its_last_bundle_also_when_it_starts_without_a_hub() -> Result<()> {
    let one = One::start().await?;
    let client = one.client().await?;
    one.apply(&[role("dev", "Enforce")]).await?;
    one.federation.hub.kill().await?;
    let agent = one.federation.agent("cluster-1")?;
    agent.kill().await?;
    let roles = Api::<ClusterRole>::all(client.clone());
    roles.delete("hanse:ns:dev", &kube::api::DeleteParams::default()).await?;
    agent.start()?;
    poll::until("the role is back", || async {
        Ok(look::has_cluster_role(&client, "hanse:ns:dev").await?.then_some(()))
    })
    .await?;
    one.federation.hub.start().await?;
    poll::until("the hub learns of it", || async {
        let drift = one.hanse().drift(true).await?;
        let missing = |d: &serde_json::Value| {
            d["class"] == "CLASS_MISSING" && d["state"] == "STATE_CORRECTED"
        };
        Ok(drift.iter().any(missing).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_whose_api_server_is_away_is_shown_as_such() -> Result<()> {
    let one = One::start().await?;
    one.apply(&[role("dev", "Enforce")]).await?;
    let cluster = one.federation.testbed.cluster("cluster-1")?;
    cluster.stop().await?;
    let shown = one.cluster_is(|c| c["phase"] == "PHASE_FAILED").await?;
    assert!(shown["message"].to_string().contains("cannot be watched"), "{shown}");
    // What is declared meanwhile waits, and the hub says so.
    let file = one.dir.path().join("documents.yaml");
    std::fs::write(&file, role("later", "Enforce"))?;
    let path = file.to_str().unwrap();
    one.hanse().run(&["apply", "-f", path, "--yes", "--timeout", "1s"]).await?;
    cluster.start().await?;
    one.cluster_is(|c| c["phase"] == "PHASE_SYNCED").await?;
    assert!(look::has_cluster_role(&one.client().await?, "hanse:ns:later").await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_cluster_is_cut_off_and_can_join_anew_under_its_name() -> Result<()> {
    let one = One::start().await?;
    one.apply(&[role("dev", "Enforce")]).await?;
    let agent = one.federation.agent("cluster-1")?;
    one.hanse().ok(&["cluster", "revoke", "cluster-1", "--yes"]).await?;
    one.hanse().ok(&["cluster", "remove", "cluster-1", "--yes"]).await?;
    agent.stop().await?;
    assert!(look::has_cluster_role(&one.client().await?, "hanse:ns:dev").await?, "it stays");
    std::fs::remove_dir_all(agent.dir())?;
    agent.join(one.hanse(), &["env=prod"]).await?;
    agent.start()?;
    one.settled().await?;
    let cluster = one.hanse().json(&["cluster", "list", "-o", "json"]).await?;
    assert_eq!(cluster["clusters"].as_array().unwrap().len(), 1, "{cluster}");
    // Every command means the one that lives.
    one.hanse().ok(&["cluster", "label", "cluster-1", "region=eu", "--yes"]).await?;
    one.hanse().ok(&["cluster", "revoke", "cluster-1", "--yes"]).await?;
    poll::until("the hub has let go of it", || async {
        let check = one.hanse().run(&["cluster", "list", "--all", "-o", "json"]).await?;
        Ok((!check.stdout.contains("\"connected\": true")).then_some(()))
    })
    .await?;
    Ok(())
}
