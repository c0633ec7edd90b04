//! The edge to the cluster's API server. Each request has a timeout, and each failure becomes one of
//! three: refused, unavailable or conflict.
//!
//! What does not belong here: any decision about what to apply or to remove.

pub mod access;
pub mod apply;
pub mod client;
pub mod events;
mod failure;
pub mod install;
pub mod ledger;
pub mod observe;
pub mod secret;
pub mod token;
pub mod writers;

use ::kube::api::{ApiResource, DynamicObject};
use ::kube::core::{GroupVersionKind, TypeMeta};
use ::kube::{Api, Client};
use hanse_domain::object::{ObjectKind, ObjectRef};

pub use failure::{CallError, within};

use crate::core::io::Live;

/// The agent's own namespace.
pub const NAMESPACE: &str = "hanse-agent";
/// The agent's service account.
pub const SERVICE_ACCOUNT: &str = "agent";
/// The Secret with the agent's identity, where the agent runs in the cluster.
pub const IDENTITY_SECRET: &str = "hanse-agent-identity";
/// The Secret that says who the agent is and whom it believes. The agent cannot change it.
pub const PINS_SECRET: &str = "hanse-agent-pins";

/// The resource of a kind, without asking the API server.
pub(crate) fn resource(kind: ObjectKind) -> ApiResource {
    let (group, version, name, plural) = kind.resource();
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, name), plural)
}

/// The API that an object is read and written through.
pub(crate) fn api(client: &Client, reference: &ObjectRef) -> Api<DynamicObject> {
    let resource = resource(reference.kind);
    match &reference.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// An object as the core knows it. Nothing for one without a name or uid, which no server sends.
pub(crate) fn live(kind: ObjectKind, mut object: DynamicObject) -> Option<Live> {
    // Items of a list come without their type.
    object.types = Some(TypeMeta { api_version: kind.api_version(), kind: kind.name().to_owned() });
    let reference = ObjectRef {
        kind,
        namespace: object.metadata.namespace.clone(),
        name: object.metadata.name.clone()?,
    };
    Some(Live {
        reference,
        uid: object.metadata.uid.clone()?,
        resource_version: object.metadata.resource_version.clone()?,
        body: serde_json::to_value(object).ok()?,
    })
}
