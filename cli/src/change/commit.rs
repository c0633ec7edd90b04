//! The last steps of a change: sign it, send it, and see what becomes of it.

use std::time::Instant;

use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::ids::Digest;
use hanse_proto::admin::{CommitRequest, CommitResponse, SignProposalRequest};
use tonic::Status;

use super::report::{Fate, results};
use super::signed::{Signed, at_large};
use super::signing::{self, Missing};
use super::{Order, stale};
use crate::failure::{Exit, Outcome};
use crate::hub::Hub;
use crate::text::escape;
use crate::{output, settle, trouble};

/// Whether the base was still the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is committed, or proposed.
    Yes,
    Stale,
}

/// Signs a change and commits it, or proposes it where others must sign, too. `left`: what was signed
/// and sent, and of which nothing is known yet.
pub(super) async fn commit(
    hub: &Hub,
    order: &Order<'_>,
    (base, edits, change): (&Fleet, &[Edit], &Change),
    left: &mut Option<Signed>,
) -> Outcome<Sent> {
    let signed = signing::sign(hub, base, change, &[], order.keys).await?;
    let propose = signed.missing.is_some();
    let request = CommitRequest { propose, ..request(change, signed.ours) };
    let began = Instant::now();
    let mut service = hub.fleet_service();
    *left = Some(sending(base, change));
    let answer = hub.try_call(service.commit(request)).await?;
    let Some(answer) = not_stale(hub, answer)? else {
        return Ok(Sent::Stale);
    };
    *left = None;
    arrived(hub, order, (base, edits, change), answer, signed.missing.as_ref(), began).await?;
    Ok(Sent::Yes)
}

/// Adds our signature to a change that somebody proposed. `before`: the signatures that it has.
pub(crate) async fn sign_proposal(
    hub: &Hub,
    order: &Order<'_>,
    base: &Fleet,
    change: &Change,
    before: &[u8],
) -> Outcome {
    let signed = signing::sign(hub, base, change, before, order.keys).await?;
    let digest = Digest::of(&change.bytes).to_string();
    let request = SignProposalRequest { digest, signature: signed.ours.into() };
    let began = Instant::now();
    let mut service = hub.fleet_service();
    let left = sending(base, change);
    let answer = hub.try_call(service.sign_proposal(request)).await;
    let short = Digest::of(&change.bytes).short();
    let answer = answer.and_then(|answer| {
        not_stale(hub, answer)?
            .ok_or_else(|| stale().hint(format!("propose it anew: hanse sign --rebase {short}")))
    });
    let answer = at_large(answer, Some(left))?;
    let made = (base, &change.edits[..], change);
    arrived(hub, order, made, answer, signed.missing.as_ref(), began).await?;
    Ok(Exit::OK)
}

fn sending(base: &Fleet, change: &Change) -> Signed {
    let signed = Signed::of(change);
    signed.remember(base.id());
    signed
}

/// The answer; nothing when somebody else was faster.
fn not_stale<T>(hub: &Hub, answer: Result<T, Status>) -> Outcome<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(status) if trouble::is_stale(&status) => Ok(None),
        Err(status) => Err(hub.failure(&status)),
    }
}

async fn arrived(
    hub: &Hub,
    order: &Order<'_>,
    (base, edits, change): (&Fleet, &[Edit], &Change),
    answer: CommitResponse,
    missing: Option<&Missing>,
    began: Instant,
) -> Outcome<()> {
    if let (None, Some(proposal)) = (&answer.revision, &answer.proposal) {
        results(order, base, edits, Fate::Proposed(proposal, change))?;
        let digest = Digest::of(&change.bytes).short();
        match missing {
            Some(missing) => {
                output::note(&format!("needs a second key: {}", escape(&missing.why)));
                output::note(&missing.next(&digest));
            }
            None => output::note(&format!(
                "the hub wants more signatures: {}",
                escape(&proposal.missing)
            )),
        }
        output::note(&format!(
            "until then nothing changes; to take it back: hanse proposals withdraw {digest}"
        ));
        return Ok(());
    }
    let revision = answer.revision.unwrap_or_default();
    results(order, base, edits, Fate::Committed(&revision, change))?;
    if order.args.wait {
        settle::settle(hub, change, began, order.args.timeout).await?;
    }
    Ok(())
}

/// A change as it travels. For a dry run it has no signature: what is signed can be committed.
pub(super) fn request(change: &Change, signatures: Vec<u8>) -> CommitRequest {
    CommitRequest {
        statement: change.bytes.clone().into(),
        signatures: signatures.into(),
        changes: change.changes.encode().into(),
        contents: change.contents.iter().cloned().map(Into::into).collect(),
        propose: false,
    }
}
