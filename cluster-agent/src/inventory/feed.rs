//! Where the inventory's inputs come from: the core's watches and stream, and watches of its own.

use hanse_domain::access::object::{AccessKey, AccessKind};

use super::io::Input;
use super::sight::Sight;
use crate::core::io::{Failure, Input as CoreInput};

/// Kinds that are watched for the inventory alone. The others the core watches, too.
pub fn watched_apart() -> impl Iterator<Item = AccessKind> {
    AccessKind::ALL
        .into_iter()
        .filter(|kind| kind.is_workload() || *kind == AccessKind::ServiceAccount)
}

/// The watch of a kind is broken.
pub fn blind(kind: AccessKind, failure: &Failure) -> Input {
    let refused = matches!(failure, Failure::Refused(_));
    Input::Blind { kind, refused, why: failure.text().to_owned() }
}

/// What the core's watches mean for the inventory.
pub fn input_of(input: &CoreInput) -> Option<Input> {
    match input {
        CoreInput::Listed(kind, objects) => {
            let kind = AccessKind::of(*kind)?;
            Some(Input::Listed(
                kind,
                objects.iter().filter_map(|live| Sight::of(kind, &live.body)).collect(),
            ))
        }
        CoreInput::Seen(live) => {
            Some(Input::Seen(Sight::of(AccessKind::of(live.reference.kind)?, &live.body)?))
        }
        CoreInput::Gone(reference) => {
            let kind = AccessKind::of(reference.kind)?;
            let namespace = reference.namespace.clone().unwrap_or_default();
            Some(Input::Gone(AccessKey { kind, namespace, name: reference.name.clone() }))
        }
        CoreInput::Interrupted(kind, failure) | CoreInput::Blind(kind, failure) => {
            Some(blind(AccessKind::of(*kind)?, failure))
        }
        CoreInput::Welcomed { .. } => Some(Input::Welcomed),
        CoreInput::Disconnected => Some(Input::Disconnected),
        // After `Sighted` the kind is listed.
        CoreInput::Sighted(_)
        | CoreInput::Connected
        | CoreInput::TrustRoots { .. }
        | CoreInput::Offered(_)
        | CoreInput::Fence(_)
        | CoreInput::Probed(..)
        | CoreInput::DriftStored(_)
        | CoreInput::Applied(..)
        | CoreInput::Removed(..)
        | CoreInput::LedgerWritten(_)
        | CoreInput::DryRunAsked { .. }
        | CoreInput::Tick => None,
    }
}
