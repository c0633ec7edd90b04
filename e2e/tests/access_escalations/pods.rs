//! Edges by pods: one's own, others', and what is in them.

use anyhow::{Result, bail, ensure};
use hanse_domain::access::escalation::Edge;
use hanse_e2e::raw::Answer;
use serde_json::{Value, json};

use crate::kubelet::{given, inside, kubelet, pod};
use crate::world::{World, refused, rule};

/// A pod is made that runs as a service account which reads the vault. What is limited to a name does
/// not allow to make anything.
pub(crate) async fn workload_made(world: &World<'_>) -> Result<()> {
    let stage = world.stage("workload").await?;
    let here = Some(stage.namespace.as_str());
    stage.grant("able", here, json!([rule("", "pods", &["create"], &[])])).await?;
    stage.grant("near", here, json!([rule("", "pods", &["create"], &["mine"])])).await?;
    stage.named(&stage.secrets(), &[Edge::Workload]).await?;
    let able = stage.user("able").await?;
    refused(&stage.prize(&able).await?)?;
    able.create(&stage.core("pods"), &pod("mine", "strong", "n1")).await?;
    stage.wins(&inside(&stage, "mine", "strong").await?).await?;
    let mine = pod("mine", "strong", "n1");
    refused(&stage.user("near").await?.send("POST", &stage.core("pods"), Some(&mine)).await?)
}

/// A Deployment that is there is made to run as the stronger account. Pods would be made by a controller
/// that does not run here.
pub(crate) async fn workload_changed(world: &World<'_>) -> Result<()> {
    let stage = world.stage("workload-changed").await?;
    let here = Some(stage.namespace.as_str());
    let deployments = format!("/apis/apps/v1/namespaces/{}/deployments", stage.namespace);
    let labels = json!({"app": "app"});
    let template = json!({"metadata": {"labels": labels}, "spec": {
        "serviceAccountName": "weak", "containers": [{"name": "main", "image": "registry.example/app"}],
    }});
    let app = json!({"metadata": {"name": "app"}, "spec": {
        "selector": {"matchLabels": labels}, "template": template,
    }});
    world.admin.create(&deployments, &app).await?;
    stage.grant("able", here, json!([rule("apps", "deployments", &["patch"], &["app"])])).await?;
    let scale = rule("apps", "deployments/scale", &["patch"], &["app"]);
    stage.grant("near", here, json!([scale])).await?;
    stage.named(&stage.secrets(), &[Edge::Workload]).await?;
    let strong = json!({"spec": {"template": {"spec": {"serviceAccountName": "strong"}}}});
    let path = format!("{deployments}/app");
    refused(&stage.user("near").await?.send("PATCH", &path, Some(&strong)).await?)?;
    stage.user("able").await?.send("PATCH", &path, Some(&strong)).await?.ok()?;
    let app = world.admin.get(&path).await?;
    let account = app.pointer("/spec/template/spec/serviceAccountName").and_then(Value::as_str);
    ensure!(account == Some("strong"), "{app}");
    Ok(())
}

/// The image of a pod that is there is changed; whoever made the image then has the pod's token.
pub(crate) async fn pod_image(world: &World<'_>) -> Result<()> {
    let stage = world.stage("pod-image").await?;
    let here = Some(stage.namespace.as_str());
    given(&stage, "victim", "strong").await?;
    stage.grant("able", here, json!([rule("", "pods", &["patch"], &[])])).await?;
    stage.grant("near", here, json!([rule("", "pods", &["get", "delete"], &[])])).await?;
    stage.named(&stage.secrets(), &[Edge::PodImage]).await?;
    let to = "evil.example/image";
    let image = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": to}]);
    let path = stage.core("pods/victim");
    refused(&stage.user("near").await?.send("PATCH", &path, Some(&image)).await?)?;
    stage.user("able").await?.send("PATCH", &path, Some(&image)).await?.ok()?;
    let victim = world.admin.get(&path).await?;
    let image = victim.pointer("/spec/containers/0/image").and_then(Value::as_str);
    ensure!(image == Some(to), "{victim}");
    stage.wins(&inside(&stage, "victim", "strong").await?).await
}

/// A command in a pod that is there. The authorisation passes; then there is no kubelet to connect to.
/// By `get` it is refused, also as a connection by GET.
pub(crate) async fn exec(world: &World<'_>) -> Result<()> {
    let stage = world.stage("exec").await?;
    let here = Some(stage.namespace.as_str());
    given(&stage, "victim", "strong").await?;
    stage.grant("able", here, json!([rule("", "pods/exec", &["create"], &[])])).await?;
    stage.grant("near", here, json!([rule("", "pods/exec", &["get"], &[])])).await?;
    stage.named(&stage.secrets(), &[Edge::Exec]).await?;
    let path = stage.core("pods/victim/exec?command=cat&command=token&stdout=true");
    passed(&stage.user("able").await?.send("POST", &path, None).await?)?;
    stage.wins(&inside(&stage, "victim", "strong").await?).await?;
    refused(&stage.user("near").await?.send("POST", &path, None).await?)
}

/// A container of one's own, with the pod's token, in a pod that is there.
pub(crate) async fn ephemeral_container(world: &World<'_>) -> Result<()> {
    let stage = world.stage("ephemeral").await?;
    let here = Some(stage.namespace.as_str());
    given(&stage, "victim", "strong").await?;
    let add = |verbs: &[&str]| json!([rule("", "pods/ephemeralcontainers", verbs, &[])]);
    stage.grant("able", here, add(&["patch"])).await?;
    stage.grant("near", here, add(&["get", "create"])).await?;
    stage.named(&stage.secrets(), &[Edge::EphemeralContainer]).await?;
    let victim = world.admin.get(&stage.core("pods/victim")).await?;
    let mounts = victim.pointer("/spec/containers/0/volumeMounts").cloned();
    ensure!(mounts.as_ref().is_some_and(|mounts| mounts.to_string().contains("serviceaccount")));
    let added = json!({"spec": {"ephemeralContainers": [
        {"name": "mine", "image": "evil.example/image", "volumeMounts": mounts},
    ]}});
    let path = stage.core("pods/victim/ephemeralcontainers");
    refused(&stage.user("near").await?.send("PATCH", &path, Some(&added)).await?)?;
    let victim = stage.user("able").await?.send("PATCH", &path, Some(&added)).await?.ok()?;
    let mounts = victim.pointer("/spec/ephemeralContainers/0/volumeMounts/0/mountPath");
    ensure!(mounts.is_some(), "{victim}");
    stage.wins(&inside(&stage, "victim", "strong").await?).await
}

/// A pod of one's own mounts the Secret; the kubelet reads what it mounts.
pub(crate) async fn secret_volume(world: &World<'_>) -> Result<()> {
    let stage = world.stage("secret-volume").await?;
    let there = Some(stage.vault.as_str());
    stage.grant("able", there, json!([rule("", "pods", &["create"], &[])])).await?;
    stage.grant("near", there, json!([rule("", "pods", &["create"], &["mine"])])).await?;
    stage.named(&stage.secrets(), &[Edge::SecretVolume]).await?;
    let mut mine = pod("mine", "default", "n1");
    mine["spec"]["volumes"] = json!([{"name": "prize", "secret": {"secretName": "prize"}}]);
    let pods = format!("/api/v1/namespaces/{}/pods", stage.vault);
    refused(&stage.prize(&kubelet(world, "n1").await?).await?)?;
    refused(&stage.user("near").await?.send("POST", &pods, Some(&mine)).await?)?;
    stage.user("able").await?.create(&pods, &mine).await?;
    stage.wins(&kubelet(world, "n1").await?).await
}

/// The authorisation let it pass, and what failed is that there is no kubelet.
pub(crate) fn passed(answer: &Answer) -> Result<()> {
    let message = answer.message();
    let of_a_kubelet = ["address", "dial", "kubelet", "host", "connect", "upgrade"];
    if answer.is_forbidden() || !of_a_kubelet.iter().any(|word| message.contains(word)) {
        bail!("not stopped by the missing kubelet: {} {message}", answer.code);
    }
    Ok(())
}
