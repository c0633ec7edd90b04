//! Every edge of escalation, carried out for real on a real cluster.
//!
//! For each edge somebody gets exactly the rights that it needs, and somebody else almost. The engine,
//! from what the cluster lists, must name the path for the one and none for the other. Then the one
//! takes it, with real certificates and tokens, until a Secret is read as whoever was reached; and the
//! same act of the other is refused with 403.
//!
//! The clusters have no nodes and no kubelets. Where a kubelet would begin, its part is played by a
//! client with a node's certificate and the rights that Kubernetes gives to nodes: it asks for the token
//! of a pod's service account, or reads the Secret that a pod mounts. For `exec`, `nodes-proxy` and
//! `ephemeral-container` what can be shown is that the API server's authorisation lets them pass: the
//! error, if any, is about the kubelet that is not there.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod admission;
mod credentials;
mod hook;
mod kubelet;
mod nodes;
mod pods;
mod rbac;
mod world;

use anyhow::{Context as _, Result};
use hanse_domain::access::escalation::Edge;
use hanse_testbed::{Options, Testbed};
use world::World;

async fn carry_out(edge: Edge, world: &World<'_>) -> Result<()> {
    match edge {
        Edge::Has => rbac::has(world).await,
        Edge::Bind => rbac::bind(world).await,
        Edge::Escalate => rbac::escalate(world).await,
        Edge::Impersonate => {
            rbac::impersonate_an_account(world).await?;
            rbac::impersonate_a_group(world).await
        }
        Edge::Workload => {
            pods::workload_made(world).await?;
            pods::workload_changed(world).await
        }
        Edge::PodImage => pods::pod_image(world).await,
        Edge::Exec => pods::exec(world).await,
        Edge::EphemeralContainer => pods::ephemeral_container(world).await,
        Edge::Token => credentials::token(world).await,
        Edge::TokenSecret => credentials::token_secret(world).await,
        Edge::SecretVolume => pods::secret_volume(world).await,
        Edge::Certificate => credentials::certificate(world).await,
        Edge::PrivilegedPod => nodes::privileged_pod(world).await,
        Edge::NodesProxy => nodes::nodes_proxy(world).await,
        Edge::NodePods => nodes::node_pods(world).await,
        Edge::Webhook => admission::webhook(world).await,
        Edge::Policy => admission::policy(world).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_named_can_and_who_is_not_cannot() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let testbed = Testbed::up(Options::new(dir.path(), 1)).await?;
    let world = World::build(testbed.cluster("cluster-1")?).await?;
    for edge in Edge::ALL {
        carry_out(edge, &world).await.with_context(|| format!("the edge {}", edge.name()))?;
    }
    Ok(())
}
