//! The cluster itself as a witness: what it holds, object by object, and what its API server's audit
//! log says that the agent asked it to change.

use std::collections::BTreeMap;

use anyhow::Result;
use hanse_testbed::{AuditEvent, Cluster};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{Api, ListParams};
use kube::{Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

/// Who writes in the agent's name.
const WRITERS: [&str; 2] = ["system:serviceaccount:hanse-agent:agent", "hanse:ceiling"];
/// The agent's own namespace.
const NAMESPACE: &str = "hanse-agent";

/// An object's kind, namespace and name.
pub type Name = (String, String, String);
/// Its UID and resource version: the same only if nobody has touched it.
pub type Version = (String, String);

/// One cluster, since a moment.
pub struct Witness<'c> {
    cluster: &'c Cluster,
    client: Client,
    mark: u64,
    before: BTreeMap<Name, Version>,
}

impl<'c> Witness<'c> {
    /// From now on.
    pub async fn of(cluster: &'c Cluster) -> Result<Self> {
        let client = cluster.client().await?;
        let before = holdings(&client).await?;
        Ok(Self { cluster, client, mark: cluster.audit_mark(), before })
    }

    /// A client of the cluster, as its administrator.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The access, namespaces and Secrets that are not as they were: new, touched or gone.
    pub async fn changed(&self) -> Result<Vec<Name>> {
        let now = holdings(&self.client).await?;
        let names = self.before.keys().chain(now.keys());
        let mut changed: Vec<Name> =
            names.filter(|name| self.before.get(*name) != now.get(*name)).cloned().collect();
        changed.sort();
        changed.dedup();
        Ok(changed)
    }

    /// What the agent asked the API server to change, whatever came of it. Events, which tell what it
    /// refused, are left out.
    pub async fn writes(&self) -> Result<Vec<AuditEvent>> {
        let mut events = self.cluster.audit_since(self.mark).await?;
        events.retain(|event| {
            WRITERS.iter().any(|writer| event.is_by(writer))
                && event.would_change()
                && event.group != "events.k8s.io"
        });
        Ok(events)
    }

    /// The notes of the agent's Events of one reason.
    pub async fn notes(&self, reason: &str) -> Result<Vec<String>> {
        let events = Api::<Event>::namespaced(self.client.clone(), NAMESPACE);
        let events = events.list(&ListParams::default()).await?;
        let ours = events.into_iter().filter(|event| event.reason.as_deref() == Some(reason));
        Ok(ours.filter_map(|event| event.note).collect())
    }
}

/// Everything in a cluster that is access, or holds it.
async fn holdings(client: &Client) -> Result<BTreeMap<Name, Version>> {
    let mut all = BTreeMap::new();
    of_kind::<Namespace>(client, &mut all).await?;
    of_kind::<Secret>(client, &mut all).await?;
    of_kind::<ClusterRole>(client, &mut all).await?;
    of_kind::<ClusterRoleBinding>(client, &mut all).await?;
    of_kind::<Role>(client, &mut all).await?;
    of_kind::<RoleBinding>(client, &mut all).await?;
    Ok(all)
}

async fn of_kind<K>(client: &Client, all: &mut BTreeMap<Name, Version>) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    for object in Api::<K>::all(client.clone()).list(&ListParams::default()).await? {
        let kind = K::kind(&()).into_owned();
        let name = (kind, object.namespace().unwrap_or_default(), object.name_any());
        let version = object.resource_version().unwrap_or_default();
        all.insert(name, (object.uid().unwrap_or_default(), version));
    }
    Ok(())
}
