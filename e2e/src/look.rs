//! Looking at a cluster itself, as its administrator: what is there, and who may do what. Nothing here
//! asks the hub.

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding, RoleRef, Subject};
use kube::Client;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};

/// Whether a namespace is there and not on its way out.
pub async fn has_namespace(client: &Client, name: &str) -> Result<bool> {
    let namespace = Api::<Namespace>::all(client.clone()).get_opt(name).await?;
    Ok(namespace.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_none()))
}

/// Whether a cluster role is there.
pub async fn has_cluster_role(client: &Client, name: &str) -> Result<bool> {
    Ok(Api::<ClusterRole>::all(client.clone()).get_opt(name).await?.is_some())
}

/// The names of a role binding's subjects; nothing when there is no such binding.
pub async fn subjects(client: &Client, namespace: &str, name: &str) -> Result<Option<Vec<String>>> {
    let binding = Api::<RoleBinding>::namespaced(client.clone(), namespace).get_opt(name).await?;
    Ok(binding.map(names))
}

fn names(binding: RoleBinding) -> Vec<String> {
    binding.subjects.unwrap_or_default().into_iter().map(|subject| subject.name).collect()
}

/// A value of a Secret, as its administrator reads it; nothing when it is not there.
pub async fn secret(
    client: &Client,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Option<Vec<u8>>> {
    let secret = Api::<Secret>::namespaced(client.clone(), namespace).get_opt(name).await?;
    Ok(secret.and_then(|secret| secret.data?.remove(key)).map(|value| value.0))
}

/// What the cluster's own authoriser says of a member of a group.
pub async fn may(
    client: &Client,
    group: &str,
    verb: &str,
    resource: &str,
    namespace: &str,
) -> Result<bool> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some("someone".to_owned()),
            groups: Some(vec![group.to_owned()]),
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                verb: Some(verb.to_owned()),
                resource: Some(resource.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let review = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(review.status.context("no answer to an access review")?.allowed)
}

/// Somebody with rights in the cluster adds a user to a binding, behind the hub's back, as
/// `kubectl edit` would.
pub async fn add_subject(
    client: &Client,
    namespace: &str,
    binding: &str,
    user: &str,
) -> Result<()> {
    let api = Api::<RoleBinding>::namespaced(client.clone(), namespace);
    let mut edited = api.get(binding).await?;
    edited.subjects.get_or_insert_default().push(Subject {
        api_group: Some("rbac.authorization.k8s.io".to_owned()),
        kind: "User".to_owned(),
        name: user.to_owned(),
        namespace: None,
    });
    let params =
        PostParams { field_manager: Some("kubectl-edit".to_owned()), ..PostParams::default() };
    api.replace(binding, &params, &edited).await?;
    Ok(())
}

/// The subjects of a binding, now and whenever they change. A watch that breaks is taken up again.
pub fn watch_binding(
    client: &Client,
    namespace: &str,
    name: &str,
) -> impl futures::Stream<Item = Vec<String>> + Unpin + use<> {
    let api = Api::<RoleBinding>::namespaced(client.clone(), namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    watcher(api, config)
        .default_backoff()
        .filter_map(async |event| match event {
            Ok(watcher::Event::Apply(binding) | watcher::Event::InitApply(binding)) => {
                Some(names(binding))
            }
            Ok(watcher::Event::Delete(_)) => Some(Vec::new()),
            Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_) => None,
        })
        .boxed()
}

/// Somebody binds a user to cluster-admin, without telling anyone.
pub async fn make_backdoor(client: &Client, name: &str, user: &str) -> Result<()> {
    let binding = ClusterRoleBinding {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "ClusterRole".to_owned(),
            name: "cluster-admin".to_owned(),
        },
        subjects: Some(vec![Subject {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "User".to_owned(),
            name: user.to_owned(),
            namespace: None,
        }]),
    };
    let params =
        PostParams { field_manager: Some("kubectl-create".to_owned()), ..PostParams::default() };
    Api::all(client.clone()).create(&params, &binding).await?;
    Ok(())
}

/// Removes it again.
pub async fn remove_backdoor(client: &Client, name: &str) -> Result<()> {
    let api = Api::<ClusterRoleBinding>::all(client.clone());
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a cluster role binding is there.
pub async fn has_cluster_role_binding(client: &Client, name: &str) -> Result<bool> {
    Ok(Api::<ClusterRoleBinding>::all(client.clone()).get_opt(name).await?.is_some())
}
