//! Pods as they are written, and the part of the kubelet that is not there.

use anyhow::{Context as _, Result, bail};
use hanse_e2e::poll;
use hanse_e2e::raw::{Answer, Caller};
use serde_json::{Value, json};

use crate::world::{Stage, World};

/// A pod on a node that runs as this service account.
pub(crate) fn pod(name: &str, account: &str, node: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "serviceAccountName": account, "nodeName": node,
            "containers": [{"name": "main", "image": "registry.example/app"}],
        },
    })
}

/// A pod that is there already, as others made it.
pub(crate) async fn given(stage: &Stage<'_>, name: &str, account: &str) -> Result<()> {
    stage.world.admin.create(&stage.core("pods"), &pod(name, account, "n1")).await?;
    Ok(())
}

/// The node's own client.
pub(crate) async fn kubelet(world: &World<'_>, node: &str) -> Result<Caller> {
    world.user(&format!("system:node:{node}"), Some("system:nodes")).await
}

/// Whoever runs in a pod: the kubelet asks for the token that it mounts there, bound to the pod.
pub(crate) async fn inside(stage: &Stage<'_>, name: &str, account: &str) -> Result<Caller> {
    let kubelet = kubelet(stage.world, "n1").await?;
    // The API server's graph of what belongs to which node follows a moment later.
    let what = format!("the token of {name}");
    let (token, _) = poll::until(&what, || async {
        let answer = token_of(stage, &kubelet, name, account).await?;
        if !answer.is_ok() {
            bail!("{}", answer.message());
        }
        Ok(answer.body.pointer("/status/token").and_then(Value::as_str).map(str::to_owned))
    })
    .await?;
    stage.world.token(&token).await
}

/// A kubelet's try to get the token for a pod.
pub(crate) async fn token_of(
    stage: &Stage<'_>,
    kubelet: &Caller,
    name: &str,
    account: &str,
) -> Result<Answer> {
    let pod = stage.world.admin.get(&stage.core(&format!("pods/{name}"))).await?;
    let uid = pod.pointer("/metadata/uid").and_then(Value::as_str).context("no uid")?;
    let bound = json!({"kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid});
    let ask = json!({"spec": {"audiences": [], "boundObjectRef": bound}});
    kubelet.send("POST", &stage.core(&format!("serviceaccounts/{account}/token")), Some(&ask)).await
}
