//! What a plan has to say about sealed secrets.

use super::PlanError;
use crate::document::{Document, DocumentRef, Kind};
use crate::fleet::{Fleet, Member, secret_version};
use crate::history::changes::WrapRef;
use crate::history::roster::ClusterEntry;
use crate::history::wrap::Wrap;
use crate::ids::ClusterId;

/// Clusters that cannot open a secret that is placed on them, and clusters that could and are not to
/// have it any more.
pub(super) fn warnings(base: &Fleet, next: &Fleet, secret: &Document) -> Vec<String> {
    if secret.reference.kind != Kind::FederatedSecret {
        return Vec::new();
    }
    let name = &secret.reference.name;
    let mut warnings = Vec::new();
    let pending: Vec<&str> = pending(next, secret).map(|member| &*member.entry.name).collect();
    if !pending.is_empty() {
        warnings.push(format!(
            "{} cannot be opened on {}: it is not sealed to {} yet; an owner does that with \
             `hanse secret reseal {name}`",
            secret.reference,
            pending.join(", "),
            if pending.len() == 1 { "that cluster" } else { "these clusters" },
        ));
    }
    let before = base.documents().get(&secret.reference);
    let held_by = before.into_iter().flat_map(|held| base.selected(&held.document));
    let lost = held_by.filter(|member| {
        next.member(member.entry.id).is_some_and(|member| !secret.selects(&member.entry))
    });
    let same_version =
        before.and_then(|held| secret_version(&held.document)) == secret_version(secret);
    if same_version {
        warnings.extend(lost.map(|member| rotate(&secret.reference, &member.entry.name)));
    }
    warnings
}

/// Secrets that a cluster with new labels is not to have any more.
pub(super) fn left_behind(base: &Fleet, next: &Fleet, entry: &ClusterEntry) -> Vec<String> {
    let manifests = (base.member(entry.id), next.member(entry.id));
    let (Some(before), Some(after)) = manifests else {
        return Vec::new();
    };
    let lost = before.manifest.documents.keys().filter(|reference| {
        reference.kind == Kind::FederatedSecret
            && !after.manifest.documents.contains_key(*reference)
    });
    lost.map(|reference| rotate(reference, &entry.name)).collect()
}

/// Secrets that could be opened on a cluster that leaves.
pub(super) fn taken_along(leaving: &Member) -> Vec<String> {
    let placed = leaving.manifest.documents.keys();
    let sealed = placed.filter(|reference| {
        reference.kind == Kind::FederatedSecret && leaving.wraps().contains_key(&reference.name)
    });
    sealed.map(|reference| rotate(reference, &leaving.entry.name)).collect()
}

fn rotate(secret: &DocumentRef, cluster: &str) -> String {
    format!(
        "{secret} was readable on cluster {cluster}, which is not to have it any more: rotate its \
         values where they are used, then `hanse secret rotate {}`",
        secret.name
    )
}

/// Clusters on which a secret is placed and cannot be opened.
pub fn pending<'f>(
    fleet: &'f Fleet,
    secret: &'f Document,
) -> impl Iterator<Item = &'f Member> + 'f {
    fleet.selected(secret).into_iter().filter(|member| !member.can_open(secret))
}

/// Why a wrapped key can be of no use.
pub(super) fn misplaced(next: &Fleet, wrap: &Wrap) -> Option<PlanError> {
    let WrapRef { secret, cluster } = &wrap.reference;
    let reference = DocumentRef { kind: Kind::FederatedSecret, name: secret.clone() };
    let held = next.documents().get(&reference);
    let why = match (held, next.member(*cluster)) {
        (None, _) => "there is no such secret",
        (_, None) => "the cluster is not in the fleet",
        (Some(held), _) if secret_version(&held.document) != Some(wrap.version) => {
            "it is of another version than the secret"
        }
        (Some(_), Some(member)) if member.entry.recipient.as_ref() != Some(&wrap.recipient) => {
            "it is sealed to another recipient than the roster names for the cluster"
        }
        (Some(_), Some(_)) => return None,
    };
    Some(PlanError::Wrap { secret: secret.clone(), cluster: name_of(next, *cluster), why })
}

fn name_of(fleet: &Fleet, cluster: ClusterId) -> String {
    let member = fleet.member(cluster);
    member.map_or_else(|| cluster.to_string(), |member| member.entry.name.clone())
}
