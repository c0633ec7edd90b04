//! One file a command: its arguments, and what it does with them.

pub(crate) mod access;
pub(crate) mod apply;
pub(crate) mod auth;
pub(crate) mod can_i;
pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod completion;
pub(crate) mod context;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod diff;
pub(crate) mod drift;
pub(crate) mod edit;
pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod groups;
pub(crate) mod init;
pub(crate) mod join_token;
pub(crate) mod man;
pub(crate) mod plan;
pub(crate) mod proposals;
pub(crate) mod report;
pub(crate) mod revisions;
pub(crate) mod secret;
pub(crate) mod sign;
pub(crate) mod trust;
pub(crate) mod version;
pub(crate) mod wait;
pub(crate) mod what_can;
pub(crate) mod who_can;

use hanse_proto::admin::ObjectReference;

/// `RoleBinding payments/hanse:ns:x`.
pub(crate) fn object_name(object: &ObjectReference) -> String {
    if object.namespace.is_empty() {
        format!("{} {}", object.kind, object.name)
    } else {
        format!("{} {}/{}", object.kind, object.namespace, object.name)
    }
}
