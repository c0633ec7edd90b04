//! Changes of the roster.

use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::roster::{ClusterEntry, ConfirmedRemovals, Labels};
use hanse_domain::ids::{ClusterId, RevisionNumber};
use hanse_proto::admin::Cluster;
use hanse_proto::admin::cluster::Phase;

use super::known;
use super::recipient::{self, RecipientArgs};
use crate::change::{self, CommitArgs, Confirm, Order};
use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::text::near;
use crate::{fleet, joins, output, selector};

/// Accepts a cluster, or adds the recipient that it made since.
pub(super) async fn join(
    hub: &Hub,
    name: &str,
    labels: Labels,
    args: &RecipientArgs,
    commit: &CommitArgs,
) -> Outcome {
    let cluster = hub.cluster(name).await?;
    let id = joining(&cluster)?;
    let base = fleet::fetch(hub).await?;
    let entry = known::entry(&base, name, id)?;
    if entry.is_some() && !labels.is_empty() {
        return Err(accepted(name));
    }
    let key = match joins::of_process() {
        Some(folder) => joins::find(&folder, id)?,
        None => None,
    };
    let chosen =
        recipient::choose(args, &cluster, &base.id(), entry.as_ref(), key.as_ref()).await?;
    if entry.as_ref().is_some_and(|entry| entry.recipient == chosen) {
        return Err(accepted(name));
    }
    if chosen.is_none() {
        output::note(&format!(
            "{name} has no recipient: no secret can be sealed to it until it has; after the join: \
             hanse cluster accept {name}"
        ));
    }
    let order = Order::new(commit, Confirm::Risks);
    change::make(hub, &order, |fleet| {
        // The recipient was chosen for this very entry.
        if known::entry(fleet, name, id)? != entry {
            return Err(change::stale());
        }
        let new = || ClusterEntry::new(id, name.to_owned(), labels.clone());
        let mut entry = entry.clone().unwrap_or_else(new);
        entry.recipient.clone_from(&chosen);
        Ok(vec![Edit::PutCluster(entry)])
    })
    .await
}

fn accepted(name: &str) -> Failure {
    Failure::new("accepted", format!("cluster {name} is in the fleet already"))
        .why("its agent has shown no other recipient than the roster has")
        .hint(format!("to change its labels: hanse cluster label {name} KEY=VALUE"))
}

/// The id of a cluster that may be accepted.
fn joining(cluster: &Cluster) -> Outcome<ClusterId> {
    let name = &cluster.name;
    if cluster.phase() == Phase::Revoked {
        return Err(Failure::new("revoked", format!("cluster {name} was revoked"))
            .hint(format!("let it join anew: hanse join-token create {name} --accept")));
    }
    id(&cluster.id)
}

fn id(text: &str) -> Outcome<ClusterId> {
    text.parse().map_err(|_| {
        Failure::new("hub-error", "the hub's answer names a cluster by something that is no id")
            .hint("compare the versions of hub and command line: `hanse check`")
    })
}

/// Commits the entry of a cluster that is new. `aside`: stdout is for something else.
pub(crate) async fn accept(
    hub: &Hub,
    id: ClusterId,
    name: &str,
    labels: Labels,
    commit: &CommitArgs,
    aside: bool,
) -> Outcome {
    let entry = ClusterEntry::new(id, name.to_owned(), labels);
    let order = Order { aside, ..Order::new(commit, Confirm::Risks) };
    change::make(hub, &order, |fleet| {
        known::new(fleet, name, id)?;
        Ok(vec![Edit::PutCluster(entry.clone())])
    })
    .await
}

pub(super) async fn label(
    hub: &Hub,
    name: &str,
    changes: &[String],
    commit: &CommitArgs,
) -> Outcome {
    change::make(hub, &Order::new(commit, Confirm::Risks), |fleet| {
        let mut entry = entry(fleet, name)?;
        selector::relabel(&mut entry.labels, changes)?;
        Ok(vec![Edit::PutCluster(entry)])
    })
    .await
}

pub(super) async fn remove(hub: &Hub, name: &str, commit: &CommitArgs) -> Outcome {
    let done = change::make(hub, &Order::new(commit, Confirm::Always), |fleet| {
        Ok(vec![Edit::RemoveCluster(entry(fleet, name)?.id)])
    })
    .await?;
    output::note(&format!("next: hanse cluster revoke {name}"));
    Ok(done)
}

pub(super) async fn confirm_removals(
    hub: &Hub,
    cluster: &Cluster,
    count: u32,
    commit: &CommitArgs,
) -> Outcome {
    change::make(hub, &Order::new(commit, Confirm::Risks), |fleet| {
        let mut entry = entry_of(fleet, &cluster.name, id(&cluster.id)?)?;
        let generation = fleet.member(entry.id).map(|member| member.generation);
        entry.confirmed_removals = Some(confirmation(cluster, generation, count)?);
        Ok(vec![Edit::PutCluster(entry)])
    })
    .await
}

/// The number that a person typed must be the number that waits, for what was signed last and for
/// nothing else. `generation`: that of the cluster in the verified fleet.
fn confirmation(
    cluster: &Cluster,
    generation: Option<RevisionNumber>,
    count: u32,
) -> Outcome<ConfirmedRemovals> {
    let name = &cluster.name;
    if cluster.removals_waiting == 0 {
        return Err(Failure::new("nothing-waits", format!("no removals wait in cluster {name}"))
            .hint(format!("hanse describe cluster {name}")));
    }
    if cluster.removals_waiting != count {
        return Err(Failure::new(
            "other-number",
            format!("{} removals wait in cluster {name}, not {count}", cluster.removals_waiting),
        )
        .hint(format!("look at them first: hanse describe cluster {name}")));
    }
    match generation {
        Some(generation) if generation.0 == cluster.generation_desired => {
            Ok(ConfirmedRemovals { generation, count })
        }
        _ => Err(other_generation(cluster, generation)),
    }
}

fn other_generation(cluster: &Cluster, verified: Option<RevisionNumber>) -> Failure {
    let (name, said) = (&cluster.name, cluster.generation_desired);
    let verified = verified.map_or_else(|| "none".to_owned(), |generation| generation.to_string());
    Failure::new("other-generation", format!("the removals in cluster {name} were not confirmed"))
        .why(format!(
            "the hub says that they wait for generation {said}, and by what was signed {name} is at {verified}"
        ))
        .hint(format!(
            "if the fleet has changed just now, look again: hanse describe cluster {name}; otherwise \
             do not trust this hub until it is known why"
        ))
}

fn entry(fleet: &Fleet, name: &str) -> Outcome<ClusterEntry> {
    let member = fleet.member_named(name).ok_or_else(|| {
        let names = fleet.members().values().map(|member| &*member.entry.name);
        Failure::new("not-found", format!("cluster {name} is not in the fleet")).hint(near(
            name,
            names,
            "hanse cluster list; hanse cluster accept lets one in",
        ))
    })?;
    Ok((*member.entry).clone())
}

/// The entry of this very cluster, and not of one that had its name before.
fn entry_of(fleet: &Fleet, name: &str, id: ClusterId) -> Outcome<ClusterEntry> {
    let entry = entry(fleet, name)?;
    if entry.id == id {
        return Ok(entry);
    }
    Err(Failure::new("not-found", format!("this cluster {name} is not in the fleet"))
        .why("the one in the fleet is another, which had the name before")
        .hint(format!("hanse cluster remove {name}, then hanse cluster accept {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_that_waits_is_confirmed() {
        let cluster = Cluster {
            name: "a".into(),
            removals_waiting: 7,
            generation_desired: 9,
            ..Cluster::default()
        };
        let confirmed = |cluster: &Cluster, generation: u64, count| {
            confirmation(cluster, Some(RevisionNumber(generation)), count).map_err(|f| f.code())
        };
        let generation = RevisionNumber(9);
        assert_eq!(confirmed(&cluster, 9, 7), Ok(ConfirmedRemovals { generation, count: 7 }));
        assert_eq!(confirmed(&cluster, 9, 8), Err("other-number"));
        assert_eq!(confirmed(&Cluster::default(), 9, 0), Err("nothing-waits"));
        assert_eq!(confirmed(&cluster, 8, 7), Err("other-generation"));
        assert_eq!(confirmed(&cluster, 10, 7), Err("other-generation"));
    }

    #[test]
    fn removals_are_confirmed_for_the_cluster_that_has_the_name_now() {
        let fleet = crate::fleet::example("");
        let id = |number| ClusterId(uuid::Uuid::from_u128(number));
        assert_eq!(entry_of(&fleet, "cluster-1", id(1)).ok().map(|entry| entry.id), Some(id(1)));
        let code = |name, number| entry_of(&fleet, name, id(number)).err().map(|f| f.code());
        assert_eq!(code("cluster-1", 9), Some("not-found"));
        assert_eq!(code("other", 1), Some("not-found"));
    }

    #[test]
    fn who_is_revoked_is_not_accepted() {
        let pending = Cluster {
            id: "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".into(),
            phase: Phase::Pending.into(),
            ..Cluster::default()
        };
        assert!(joining(&pending).is_ok());
        let revoked = Cluster { phase: Phase::Revoked.into(), ..pending };
        assert_eq!(joining(&revoked).err().map(|f| f.code()), Some("revoked"));
    }
}
