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
    let begin = |_: &[u8]| Ok(());
    let walked = walk_with_bytes(hub, begin, |(), _, fleet, change, signers| {
        visit(fleet, change, signers);
        Ok(())
    });
    Ok(walked.await?.0)
}

/// The same with what the hub sent: the bytes of the first trust root, then those of each statement.
pub(crate) async fn walk_with_bytes<S>(
    hub: &Hub,
    begin: impl FnOnce(&[u8]) -> Outcome<S>,
    mut visit: impl FnMut(&mut S, &CommittedStatement, &Fleet, &Change, &[KeyName]) -> Outcome<()>,
) -> Outcome<(Fleet, S)> {
    let verified = fetch(hub).await?;
    let mut stream = history(hub, 0).await?.ok_or_else(cut_off)?;
    let Some(Part::TrustRoot(root)) = next(hub, &mut stream).await? else {
        return Err(cut_off());
    };
    let mut replay = Replay::begin(verified.id(), &root).map_err(|error| other_fleet(&error))?;
    let mut state = begin(&root)?;
    while replay.number() < verified.number.0 {
        let Some(Part::Statement(statement)) = next(hub, &mut stream).await? else {
            return Err(cut_off());
        };
        let number = replay.number() + 1;
        let mut visited = Ok(());
        replay
            .take_seen(&statement, |fleet, change, signers| {
                visited = visit(&mut state, &statement, fleet, change, signers);
            })
            .map_err(|error| unsigned(number, &error))?;
        visited?;
    }
    if replay.fleet.history != verified.history {
        return Err(Failure::new(UNTRUSTED, "the hub shows two histories, one after the other")
            .why("the one that it showed now is not the one that this machine has verified")
            .hint("do not trust this hub until it is known why, and see docs/trust.md"));
    }
    Ok((verified, state))
}
