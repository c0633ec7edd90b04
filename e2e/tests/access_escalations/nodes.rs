//! Edges to a node, and from it to what runs there.

use anyhow::{Result, ensure};
use hanse_domain::access::escalation::{Edge, Target};
use hanse_e2e::poll;
use serde_json::{Value, json};

use crate::kubelet::{given, inside, kubelet, pod, token_of};
use crate::pods::passed;
use crate::world::{Stage, World, refused, rule};

fn privileged() -> Value {
    let mut pod = pod("root", "default", "n1");
    pod["spec"]["hostPID"] = true.into();
    pod["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    pod["spec"]["volumes"] = json!([{"name": "all", "hostPath": {"path": "/"}}]);
    pod
}

/// A namespace where Pod Security is enforced.
async fn guarded(stage: &Stage<'_>) -> Result<String> {
    let name = format!("{}-guarded", stage.namespace);
    let labels = json!({"pod-security.kubernetes.io/enforce": "baseline"});
    let body = json!({"metadata": {"name": name, "labels": labels}});
    stage.world.admin.create("/api/v1/namespaces", &body).await?;
    Ok(name)
}

/// A pod that is root on its node, where no Pod Security is enforced, or when it has been switched off.
pub(crate) async fn privileged_pod(world: &World<'_>) -> Result<()> {
    let stage = world.stage("privileged").await?;
    let guarded = guarded(&stage).await?;
    let make = rule("", "pods", &["create"], &[]);
    let relabel = rule("", "namespaces", &["patch"], &[&guarded]);
    stage.grant("able", Some(&stage.namespace), json!([make])).await?;
    stage.grant("near", Some(&guarded), json!([make])).await?;
    stage.grant("relabels", Some(&guarded), json!([make, relabel])).await?;
    stage.named(&Target::Node, &[Edge::PrivilegedPod]).await?;
    stage.named_for("relabels", &Target::Node, &[Edge::PrivilegedPod]).await?;
    stage.user("able").await?.create(&stage.core("pods"), &privileged()).await?;

    let namespace = format!("/api/v1/namespaces/{guarded}");
    let pods = format!("{namespace}/pods");
    let answer = stage.user("near").await?.send("POST", &pods, Some(&privileged())).await?;
    refused(&answer)?;
    ensure!(answer.message().contains("violates PodSecurity"), "{}", answer.message());
    let open =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    refused(&stage.user("near").await?.send("PATCH", &namespace, Some(&open)).await?)?;
    let relabels = stage.user("relabels").await?;
    relabels.send("PATCH", &namespace, Some(&open)).await?.ok()?;
    // What Pod Security knows of the labels follows a moment later.
    poll::until("Pod Security is off", || async {
        let answer = relabels.send("POST", &pods, Some(&privileged())).await?;
        Ok(answer.is_ok().then_some(()))
    })
    .await?;
    Ok(())
}

/// The kubelet is asked through the API server, whose authorisation passes; then there is none.
pub(crate) async fn nodes_proxy(world: &World<'_>) -> Result<()> {
    let stage = world.stage("nodes-proxy").await?;
    stage.grant("able", None, json!([rule("", "nodes/proxy", &["get"], &[])])).await?;
    let near = rule("", "nodes", &["get", "list"], &[]);
    stage.grant("near", None, json!([near, rule("", "nodes/metrics", &["get"], &[])])).await?;
    stage.named(&Target::Node, &[Edge::NodesProxy]).await?;
    let path = "/api/v1/nodes/n1/proxy/run/on-exec/victim/main?cmd=id";
    passed(&stage.user("able").await?.send("GET", path, None).await?)?;
    refused(&stage.user("near").await?.send("GET", path, None).await?)
}

/// Whoever is root on a node is whoever runs there, and nobody who runs elsewhere.
pub(crate) async fn node_pods(world: &World<'_>) -> Result<()> {
    let stage = world.stage("node-pods").await?;
    given(&stage, "victim", "strong").await?;
    stage.grant("able", None, json!([rule("", "nodes/proxy", &["create"], &[])])).await?;
    stage.grant("near", None, json!([rule("", "nodes/stats", &["get"], &[])])).await?;
    stage.named(&stage.secrets(), &[Edge::NodesProxy, Edge::NodePods]).await?;
    let path = "/api/v1/nodes/n1/proxy/run/on-node-pods/victim/main?cmd=id";
    passed(&stage.user("able").await?.send("POST", path, None).await?)?;
    refused(&stage.user("near").await?.send("POST", path, None).await?)?;
    stage.wins(&inside(&stage, "victim", "strong").await?).await?;
    refused(&token_of(&stage, &kubelet(world, "n2").await?, "victim", "strong").await?)
}
