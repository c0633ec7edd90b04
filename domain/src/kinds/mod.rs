//! The kinds of `hanse.dev/v1alpha1`: what a document can say, as values that cannot be invalid.
//! How they are read from YAML is in `parse`, what they become in a cluster in `render`.

pub mod binding;
pub mod invariant;
pub mod namespace;
pub mod placement;
pub mod role;
pub mod secret;

use binding::RoleBindingSpec;
use invariant::InvariantSpec;
use namespace::NamespaceSpec;
use role::RoleSpec;
use secret::SecretSpec;

/// A kind's own part of a spec.
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// Of a `FederatedNamespace`.
    Namespace(NamespaceSpec),
    /// Of a `FederatedRole`.
    Role(RoleSpec),
    /// Of a `FederatedRoleBinding`.
    RoleBinding(RoleBindingSpec),
    /// Of a `FederatedSecret`.
    Secret(SecretSpec),
    /// Of an `AccessInvariant`.
    Invariant(InvariantSpec),
}
