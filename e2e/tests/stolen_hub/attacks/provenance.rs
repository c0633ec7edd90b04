//! Condition 4: that whoever brought something might.

use anyhow::{Context as _, Result};
use hanse_domain::fleet::Edit;
use hanse_domain::history::manifest::Pin;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::RevisionNumber;
use hanse_e2e::thief::bundle;
use hanse_proto::agent::session_response::Message;

use super::{Attack, Heist, all_at_once, within_limits};
use crate::world::{binding, owner, put};

/// An age recipient whose identity is not the agent's.
pub(crate) const RECIPIENT: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

pub(super) const ALL: [Attack; 6] = [
    Attack {
        name: "cluster-admin by an author of one namespace",
        condition: 4,
        says: "only what stays in its namespaces",
        make: |heist| by_lim(heist, vec![put(&owner(None))]),
    },
    Attack {
        name: "a binding in a namespace of others, by an author of one",
        condition: 4,
        says: "namespace shop is outside of its scope",
        make: |heist| by_lim(heist, vec![put(&binding("thieves", "shop", "thieves"))]),
    },
    Attack {
        name: "cluster-admin in the author's own namespace, who may sign nothing hazardous",
        condition: 4,
        says: "`hazards=no`",
        make: |heist| by_lim(heist, vec![put(&owner(Some("payments")))]),
    },
    Attack {
        name: "cluster-admin back-dated with a key that was removed, as evidence",
        condition: 4,
        says: "it is not in the history",
        make: back_dated,
    },
    Attack {
        name: "a label of the cluster by an author without the roster",
        condition: 4,
        says: "needs the signatures of 1 of admin",
        make: |heist| {
            by_lim(
                heist,
                vec![entry(heist, |e| drop(e.labels.insert("env".into(), "test".into())))?],
            )
        },
    },
    Attack {
        name: "the cluster's age recipient by an author without the roster",
        condition: 4,
        says: "needs the signatures of 1 of admin",
        make: |heist| by_lim(heist, vec![entry(heist, |e| e.recipient = Some(RECIPIENT.into()))?]),
    },
];

/// Fails once the trust root asks for two.
pub(crate) const ALONE_WITH_DANGER: Attack = Attack {
    name: "cluster-admin by one of the two who must sign what is dangerous",
    condition: 4,
    says: "needs the signatures of 2 of admin, lim",
    make: |heist| heist.show(&all_at_once(heist.past, &[&heist.keys.admin])?),
};

fn by_lim(heist: &Heist<'_>, edits: Vec<Edit>) -> Result<Vec<Message>> {
    heist.show(&heist.past.and(heist.past.draft(edits)?, &[&heist.keys.lim])?)
}

/// The cluster's roster entry, bent.
fn entry(heist: &Heist<'_>, bend: impl FnOnce(&mut ClusterEntry)) -> Result<Edit> {
    let member = heist.past.fleet.member(heist.here).context("no such cluster")?;
    let mut entry = ClusterEntry::clone(&member.entry);
    bend(&mut entry);
    Ok(Edit::PutCluster(entry))
}

/// The removed key signs a statement with the number of the one that removed it, and a new one, which
/// is signed by somebody who may, holds what it brought.
fn back_dated(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let number = heist.removal_of_old;
    let before = heist.past.as_of(number - 1)?;
    let back_dated = all_at_once(&before, &[&heist.keys.old])?;
    let brought = back_dated.offer(heist.here, heist.known)?;
    let mut draft = heist.past.draft(within_limits("thieves"))?;
    for edit in super::loot() {
        let Edit::Put(document) = edit else { continue };
        let pin = Pin { digest: document.digest, number: RevisionNumber(number) };
        draft.manifest(heist.here)?.documents.insert(document.reference.clone(), pin);
        draft.contents.push(document.bytes.to_vec());
    }
    let past = heist.past.and(draft, &[&heist.keys.lim])?;
    let mut offer = past.offer(heist.here, heist.known)?;
    let place = usize::try_from(number - 1)?;
    let evidence = &mut offer.evidence[place];
    (evidence.statement, evidence.signatures) = (brought.statement, brought.signatures);
    (evidence.changes, evidence.shown) = (brought.changes, None);
    Ok(vec![bundle(&offer)])
}
