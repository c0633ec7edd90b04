//! Which cluster the hub means. It names ids, and a lying one could name the id of a cluster that is in
//! the fleet by another name: its entry would be overwritten. The verified roster decides.

use hanse_domain::fleet::Fleet;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::ClusterId;

use crate::failure::{Failure, Outcome};

/// The entry of a cluster, if it is in the fleet already. Errors: the id is that of a cluster of
/// another name, or the name is that of a cluster of another id.
pub(super) fn entry(fleet: &Fleet, name: &str, id: ClusterId) -> Outcome<Option<ClusterEntry>> {
    of_no_other(fleet, name, id)?;
    if fleet.members_named(name).any(|member| member.entry.id != id) {
        let what = format!("the fleet has another cluster {name} than the one that the hub shows");
        return Err(Failure::new("other-cluster", what)
            .why(format!("the hub's has the id {id}; nothing was signed"))
            .hint(format!("if it was set up anew: hanse cluster remove {name}, then accept it")));
    }
    Ok(fleet.member(id).map(|member| (*member.entry).clone()))
}

/// Checks the id of a cluster that was invited, before anything is kept for it. Errors: as for
/// `entry` and `new`, if it is to be accepted; otherwise only that the id is another cluster's.
pub(crate) fn invited(fleet: &Fleet, name: &str, id: ClusterId, accept: bool) -> Outcome<()> {
    if accept { new(fleet, name, id) } else { of_no_other(fleet, name, id) }
}

/// Errors: the cluster is in the fleet already, or another one with its id or its name.
pub(super) fn new(fleet: &Fleet, name: &str, id: ClusterId) -> Outcome<()> {
    if entry(fleet, name, id)?.is_none() {
        return Ok(());
    }
    Err(Failure::new("accepted", format!("cluster {name} is in the fleet already"))
        .why("its entry stays as it is")
        .hint(format!("make its join command without --accept: hanse join-token create {name}")))
}

/// Errors: the id is that of a cluster which has another name.
fn of_no_other(fleet: &Fleet, name: &str, id: ClusterId) -> Outcome<()> {
    match fleet.member(id) {
        Some(member) if member.entry.name != name => {
            let other = &member.entry.name;
            let what = format!("the hub shows the cluster {other} of the fleet as {name}");
            Err(Failure::new("other-cluster", what)
                .why(format!("the id {id} is that of {other}; nothing was signed"))
                .hint("do not trust this hub until it is known why, and see docs/trust.md"))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_and_a_name_belong_together() {
        let fleet = crate::fleet::example("");
        let id = |number| ClusterId(uuid::Uuid::from_u128(number));
        let found = |name: &str, number| {
            let found = entry(&fleet, name, id(number)).map_err(|failure| failure.code());
            found.map(|entry| entry.map(|entry| entry.name))
        };
        assert_eq!(found("cluster-1", 1), Ok(Some("cluster-1".to_owned())));
        assert_eq!(found("west", 9), Ok(None));
        assert_eq!(found("west", 1), Err("other-cluster"), "the id of another");
        assert_eq!(found("cluster-1", 9), Err("other-cluster"), "the name of another");
        let may_be_new =
            |name: &str, number| new(&fleet, name, id(number)).map_err(|failure| failure.code());
        assert_eq!(may_be_new("west", 9), Ok(()));
        assert_eq!(may_be_new("cluster-1", 1), Err("accepted"));
        assert_eq!(may_be_new("west", 1), Err("other-cluster"));
        assert_eq!(may_be_new("cluster-1", 9), Err("other-cluster"));
        assert!(invited(&fleet, "cluster-1", id(1), false).is_ok(), "a second join command");
        assert!(invited(&fleet, "cluster-1", id(9), false).is_ok(), "it is to be removed first");
        assert!(invited(&fleet, "west", id(1), false).is_err(), "the key of another");
    }
}
