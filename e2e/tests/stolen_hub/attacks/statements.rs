//! Condition 1: who says it, and whether it follows on what was said.

use anyhow::Result;
use hanse_domain::history::manifest::{Manifest, Pin};
use hanse_domain::ids::RevisionNumber;
use hanse_e2e::thief::bundle;
use hanse_proto::agent::session_response::Message;

use super::{Attack, Heist, all_at_once, loot, within_limits};

pub(super) const ALL: [Attack; 10] = [
    Attack {
        name: "cluster-admin in the manifest that is held, with no statement at all",
        condition: 1,
        says: "accepted with another digest",
        make: no_statement,
    },
    Attack {
        name: "cluster-admin by a statement that nobody signed",
        condition: 1,
        says: "the statement is not signed",
        make: |heist| heist.show(&all_at_once(heist.past, &[])?),
    },
    Attack {
        name: "cluster-admin by a statement with the signature of another",
        condition: 1,
        says: "is not one of",
        make: borrowed_signature,
    },
    Attack {
        name: "cluster-admin signed with the thief's own key",
        condition: 1,
        says: "no signature is by a key of the trust root",
        make: |heist| heist.show(&all_at_once(heist.past, &[&heist.keys.thief])?),
    },
    Attack {
        name: "cluster-admin signed with a key that was removed",
        condition: 1,
        says: "no signature is by a key of the trust root",
        make: |heist| heist.show(&all_at_once(heist.past, &[&heist.keys.old])?),
    },
    Attack {
        name: "the same, under the trust root that had the key",
        condition: 1,
        says: "was in force for it",
        make: under_the_root_before,
    },
    Attack {
        name: "cluster-admin back-dated with a key that was removed",
        condition: 1,
        says: "is older than",
        make: back_dated,
    },
    Attack {
        name: "another history",
        condition: 1,
        says: "shows another past",
        make: another_history,
    },
    Attack {
        name: "an older statement",
        condition: 1,
        says: "is older than",
        make: |heist| heist.show(&heist.past.as_of(heist.past.number() - 1)?),
    },
    Attack {
        name: "an older statement as the newest",
        condition: 1,
        says: "the statement is number",
        make: older_as_newest,
    },
];

fn no_statement(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let mut offer = heist.past.as_of(heist.known.generation)?.offer(heist.here, heist.known)?;
    let mut manifest = Manifest::decode(&offer.manifest)?;
    for edit in loot() {
        let hanse_domain::fleet::Edit::Put(document) = edit else { continue };
        let pin = Pin { digest: document.digest, number: offer.generation };
        manifest.documents.insert(document.reference.clone(), pin);
        offer.contents.push(document.bytes.to_vec());
    }
    offer.manifest = manifest.encode();
    Ok(vec![bundle(&offer)])
}

fn borrowed_signature(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let signatures = heist.past.signatures(heist.past.number())?.to_vec();
    heist.show(&heist.past.and_as_signed(heist.past.draft(loot())?, signatures))
}

fn under_the_root_before(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let mut draft = heist.past.draft(loot())?;
    draft.statement.root = heist.past.as_of(heist.removal_of_old - 1)?.fleet.trust.current().digest;
    heist.show(&heist.past.and(draft, &[&heist.keys.old])?)
}

fn back_dated(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let before = heist.past.as_of(heist.removal_of_old - 1)?;
    heist.show(&all_at_once(&before, &[&heist.keys.old])?)
}

/// An author who is in league with the thief signs twice what he may sign, on a history without the
/// last statement.
fn another_history(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let lim = [&heist.keys.lim];
    let fork = heist.past.as_of(heist.past.number() - 1)?;
    let fork = fork.and(fork.draft(within_limits("others"))?, &lim)?;
    let fork = fork.and(fork.draft(within_limits("thieves"))?, &lim)?;
    heist.show(&fork)
}

fn older_as_newest(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let older = heist.past.as_of(heist.past.number() - 1)?;
    let mut offer = older.offer(heist.here, heist.known)?;
    offer.generation = RevisionNumber(heist.past.number() + 1);
    Ok(vec![bundle(&offer)])
}
