//! The trust root: who would be believed. After each the thief asks for everything under it.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use hanse_domain::fleet::Edit;
use hanse_domain::history::changes::{Subject, Transition};
use hanse_domain::trust::root::{Origin, TrustRoot};
use hanse_e2e::thief::{Past, bundle, trust_roots};
use hanse_proto::agent::session_response::Message;
use hanse_signing::Key;

use super::{Attack, Heist, all_at_once};

pub(super) const ALL: [Attack; 4] = [
    Attack {
        name: "a trust root that only the thief has signed",
        condition: 1,
        says: "needs the signatures of 1 of admin",
        make: |heist| heist.show(&crowned(heist, heist.past, &[&heist.keys.thief])?),
    },
    Attack {
        name: "a trust root signed by an author who may not replace it",
        condition: 1,
        says: "needs the signatures of 1 of admin",
        make: |heist| {
            heist.show(&crowned(heist, heist.past, &[&heist.keys.lim, &heist.keys.thief])?)
        },
    },
    Attack {
        name: "a trust root with a lower version",
        condition: 1,
        says: "does not follow version 3",
        make: lower,
    },
    Attack {
        name: "a trust root that skips a version",
        condition: 1,
        says: "version 5 of the trust root does not follow version 3",
        make: skipped,
    },
];

/// The next trust root, in which the thief's key stands in the administrator's place.
fn thiefs_root(past: &Past, thief: &Key) -> Result<TrustRoot> {
    let current = past.fleet.trust.current();
    let mut root = TrustRoot::clone(&current.root);
    root.version += 1;
    root.origin = Origin::Previous(current.digest);
    root.keys.insert("admin".parse()?, thief.public_key().clone());
    Ok(root)
}

fn crowned(heist: &Heist<'_>, past: &Past, keys: &[&Key]) -> Result<Past> {
    let root = Arc::new(thiefs_root(past, &heist.keys.thief)?);
    let past = past.and(past.draft(vec![Edit::PutRoot(root)])?, keys)?;
    all_at_once(&past, &[&heist.keys.thief])
}

/// Version 2 once more, as the thief would have liked it.
fn lower(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let trust = &heist.past.fleet.trust;
    let first = trust.versions().next().context("no trust root")?;
    let next = thiefs_root(heist.past, &heist.keys.thief)?;
    let second = TrustRoot { version: 2, origin: Origin::Previous(first.digest), ..next.clone() };
    let mut draft = heist.past.draft(vec![Edit::PutRoot(Arc::new(next))])?;
    let to = Transition { before: Some(trust.current().digest), after: Some(second.digest()) };
    draft.changes.0.insert(Subject::TrustRoot, to);
    let past = heist.past.and(draft, &[&heist.keys.admin, &heist.keys.thief])?;
    let (mut steps, _) = past.root_steps(heist.known)?;
    steps.last_mut().context("no step")?.root = second.encode();
    let past = all_at_once(&past, &[&heist.keys.thief])?;
    Ok(vec![trust_roots(&steps), bundle(&past.offer(heist.here, heist.known)?)])
}

/// The administrator has signed two more, and the thief shows the second only.
fn skipped(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let both = [&heist.keys.admin, &heist.keys.thief];
    let mut root = TrustRoot::clone(&heist.past.fleet.trust.current().root);
    root.version += 1;
    root.origin = Origin::Previous(heist.past.fleet.trust.current().digest);
    let draft = heist.past.draft(vec![Edit::PutRoot(Arc::new(root))])?;
    let past = heist.past.and(draft, &[&heist.keys.admin])?;
    let past = crowned(heist, &past, &both)?;
    let (steps, _) = past.root_steps(heist.known)?;
    let last = steps.last().cloned().context("no step")?;
    Ok(vec![trust_roots(&[last]), bundle(&past.offer(heist.here, heist.known)?)])
}
