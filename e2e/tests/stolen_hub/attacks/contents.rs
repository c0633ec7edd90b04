//! Conditions 2 and 3: that it is this cluster's, and what the statement names. An author who is in
//! league with the thief signs what he may sign; the thief bends what is beside it.

use anyhow::{Context as _, Result};
use hanse_domain::history::manifest::Manifest;
use hanse_e2e::thief::bundle;
use hanse_proto::agent::session_response::Message;

use super::{Attack, Heist, within_limits};
use crate::world::{owner, put};

pub(super) const ALL: [Attack; 4] = [
    Attack {
        name: "cluster-admin in the manifest of a statement that is signed",
        condition: 2,
        says: "not under the statement's fleet root",
        make: added_to_the_manifest,
    },
    Attack {
        name: "what a statement brings is left out of the manifest",
        condition: 2,
        says: "not under the statement's fleet root",
        make: left_out_of_the_manifest,
    },
    Attack {
        name: "the bundle of another cluster",
        condition: 2,
        says: "it is of cluster",
        make: another_clusters_bundle,
    },
    Attack {
        name: "a document of another cluster",
        condition: 3,
        says: "is not placed on this cluster",
        make: another_clusters_document,
    },
];

fn added_to_the_manifest(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let edits = within_limits("thieves");
    let past = heist.past.and(heist.past.draft(edits)?, &[&heist.keys.lim])?;
    let forged = heist.past.and(heist.past.draft(vec![put(&owner(None))])?, &[])?;
    let mut offer = past.offer(heist.here, heist.known)?;
    let with_owner = forged.offer(heist.here, heist.known)?;
    offer.manifest = with_owner.manifest;
    offer.contents = with_owner.contents;
    Ok(vec![bundle(&offer)])
}

fn left_out_of_the_manifest(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let edits = within_limits("thieves");
    let past = heist.past.and(heist.past.draft(edits)?, &[&heist.keys.lim])?;
    let mut offer = past.offer(heist.here, heist.known)?;
    let held = heist.past.offer(heist.here, heist.known)?;
    (offer.manifest, offer.contents) = (held.manifest, held.contents);
    Ok(vec![bundle(&offer)])
}

fn another_clusters_bundle(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let past = heist.past.and(heist.past.draft(within_limits("x"))?, &[&heist.keys.lim])?;
    Ok(vec![bundle(&past.offer(heist.there, heist.known)?)])
}

fn another_clusters_document(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let mut draft = heist.past.draft(within_limits("x"))?;
    let theirs = Manifest::clone(draft.manifest(heist.there)?);
    let lab = "FederatedNamespace/lab".parse()?;
    let pin = *theirs.documents.get(&lab).context("the other cluster has no lab")?;
    draft.manifest(heist.here)?.documents.insert(lab, pin);
    heist.show(&heist.past.and(draft, &[&heist.keys.lim])?)
}
