//! The whole history once more, from the first trust root on, for whoever asks what became of
//! something. Every statement is checked again, and it must be the history that was verified before.

use hanse_domain::change::Change;
use hanse_domain::fleet::Fleet;
use hanse_domain::trust::root::KeyName;
use hanse_proto::admin::CommittedStatement;
use hanse_proto::admin::get_history_response::Part;

use super::replay::Replay;
use super::{UNTRUSTED, cut_off, fetch, history, next, other_fleet, unsigned};
use crate::failure::{Failure, Outcome};
use crate::hub::Hub;

/// Shows each statement that this machine believes, with the fleet before it and who signed it.
pub(crate) async fn walk(
    hub: &Hub,
    mut visit: impl FnMut(&Fleet, &Change, &[KeyName]),
) -> Outcome<Fleet> {
    walk_with_bytes(hub, |_, fleet, change, signers| visit(fleet, change, signers))
        .await
        .map(|w| w.0)
}

/// The same, also with what the hub sent. Returns the fleet and the bytes of its first trust root.
pub(crate) async fn walk_with_bytes(
    hub: &Hub,
    mut visit: impl FnMut(&CommittedStatement, &Fleet, &Change, &[KeyName]),
) -> Outcome<(Fleet, Vec<u8>)> {
    let verified = fetch(hub).await?;
    let mut stream = history(hub, 0).await?.ok_or_else(cut_off)?;
    let Some(Part::TrustRoot(root)) = next(hub, &mut stream).await? else {
        return Err(cut_off());
    };
    let mut replay = Replay::begin(verified.id(), &root).map_err(|error| other_fleet(&error))?;
    while replay.number() < verified.number.0 {
        let Some(Part::Statement(statement)) = next(hub, &mut stream).await? else {
            return Err(cut_off());
        };
        let number = replay.number() + 1;
        replay
            .take_seen(&statement, |fleet, change, signers| {
                visit(&statement, fleet, change, signers);
            })
            .map_err(|error| unsigned(number, &error))?;
    }
    if replay.fleet.history != verified.history {
        return Err(Failure::new(UNTRUSTED, "the hub shows two histories, one after the other")
            .why("the one that it showed now is not the one that this machine has verified")
            .hint("do not trust this hub until it is known why, and see docs/trust.md"));
    }
    Ok((verified, root.to_vec()))
}
