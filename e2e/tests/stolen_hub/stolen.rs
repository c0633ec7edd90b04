//! A federation whose hub is stolen, twice, and comes back.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use hanse_e2e::thief::{Thief, Witness};
use hanse_e2e::{Agent, look, poll};
use hanse_proto::agent::applied::Phase;

use crate::attacks::{self, Attack, Heist};
use crate::world::{World, apply, binding, edit_root, two_for_danger};

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_hub_changes_nothing_in_any_cluster() -> Result<()> {
    let world = World::start().await?;
    let (hub, hanse) = (&world.federation.hub, &world.federation.hanse);
    under_attack(&world, "first", &attacks::all(), &[0, 1]).await?;

    hub.start().await?;
    hears_of(&world, "cluster-1", "condition 1").await?;
    edit_root(hanse, world.dir.path(), two_for_danger).await?;
    apply(hanse, world.dir.path(), &[binding("readers", "payments", "auditors")]).await?;
    under_attack(&world, "second", &[attacks::ALONE_WITH_DANGER], &[2]).await?;

    hub.start().await?;
    hears_of(&world, "cluster-3", "condition 4").await?;
    silent(&world).await?;
    hub.start().await?;
    apply(hanse, world.dir.path(), &[binding("readers", "payments", "controllers")]).await?;
    let client = world.federation.client("cluster-1").await?;
    let subjects = look::subjects(&client, "payments", "hanse:ns:readers").await?;
    assert_eq!(subjects, Some(vec!["controllers".to_owned()]));
    assert_eq!(hanse.drift(false).await?.len(), 0);
    Ok(())
}

/// Steals the hub, tries everything on some of the clusters, by turns, and leaves again. An agent writes
/// few Events at once.
async fn under_attack(
    world: &World,
    time: &str,
    attacks: &[Attack],
    targets: &[usize],
) -> Result<()> {
    let mut thief = Thief::steal(&world.federation.hub, &world.dir.path().join(time)).await?;
    let past = thief.past.clone();
    let mut witnesses = Vec::new();
    for cluster in world.federation.testbed.clusters() {
        witnesses.push(Witness::of(cluster).await?);
    }
    for (attack, target) in attacks.iter().zip(targets.iter().copied().cycle()) {
        let here = world.ids[target];
        let known = thief.known(here).await?;
        assert_eq!(known.generation, past.number(), "the last statement is about this cluster");
        let heist = Heist {
            past: &past,
            keys: &world.keys,
            removal_of_old: world.removal_of_old,
            here,
            there: world.ids[2],
            known,
        };
        thief.calm(here).await?;
        let answer = thief.show(here, &(attack.make)(&heist)?).await?;
        let as_expected = answer.phase() == Phase::Refused
            && answer.refused_condition == attack.condition
            && answer.message.contains(attack.says)
            && answer.generation == known.generation;
        if !as_expected {
            tokio::time::sleep(Duration::from_secs(3)).await;
            let changed = witnesses[target].changed().await?;
            bail!("{}: {answer:?}, changed: {changed:?}", attack.name);
        }
        is_told(&world.federation.agents[target], &witnesses[target], attack).await?;
        let changed = witnesses[target].changed().await?;
        assert!(changed.is_empty(), "{}: {changed:?}", attack.name);
    }
    for witness in &witnesses {
        let (changed, writes) = (witness.changed().await?, witness.writes().await?);
        assert!(changed.is_empty() && writes.is_empty(), "{changed:?} {writes:?}");
    }
    thief.leave().await;
    Ok(())
}

/// The hub that has come back hears from the attacked cluster what was tried last. The next change
/// puts an end to that.
async fn hears_of(world: &World, cluster: &str, condition: &str) -> Result<()> {
    poll::until("the hub hears of the attack", || async {
        let list = world.federation.hanse.json(&["cluster", "list", "-o", "json"]).await?;
        let mut clusters = list["clusters"].as_array().into_iter().flatten();
        let shown = clusters.find(|shown| shown["name"] == cluster);
        let message = shown.and_then(|shown| shown["message"].as_str());
        Ok(message.is_some_and(|message| message.contains(condition)).then_some(()))
    })
    .await?;
    Ok(())
}

/// The agent's log and the cluster's Events tell of an attack.
async fn is_told(agent: &Agent, witness: &Witness<'_>, attack: &Attack) -> Result<()> {
    let refused = format!("a bundle fails condition {} ", attack.condition);
    let tells = |text: &str| text.contains(&refused) && text.contains(attack.says);
    poll::until(&format!("an Event and the log tell of {}", attack.name), || async {
        let in_log = std::fs::read_to_string(agent.log())?.lines().any(tells);
        let notes = witness.notes("BundleRefused").await?;
        ensure!(in_log, "not in the log");
        ensure!(notes.iter().any(|note| tells(note)), "not among {notes:?}");
        Ok(Some(()))
    })
    .await?;
    Ok(())
}

/// Nobody answers while a binding expires: it does, and nothing else happens.
async fn silent(world: &World) -> Result<()> {
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(15);
    let guest = binding("guest", "payments", "guests") + &format!("  expiresAt: {until}\n");
    apply(&world.federation.hanse, world.dir.path(), &[guest]).await?;
    let mut witnesses = Vec::new();
    for cluster in world.federation.testbed.clusters() {
        witnesses.push(Witness::of(cluster).await?);
    }
    world.federation.hub.kill().await?;
    let (namespace, name) = ("payments", "hanse:ns:guest");
    let guest = ("RoleBinding".to_owned(), namespace.to_owned(), name.to_owned());
    for witness in witnesses {
        let (gone, _) = poll::until("the binding is gone", || async {
            let subjects = look::subjects(witness.client(), namespace, name).await?;
            Ok(subjects.is_none().then(jiff::Timestamp::now))
        })
        .await?;
        assert!(gone >= until, "not before its time");
        assert_eq!(witness.changed().await?, std::slice::from_ref(&guest));
        for write in witness.writes().await? {
            let ledger = write.namespace == "hanse-agent" && write.resource == "configmaps";
            let expiry = write.is_about("rolebindings", namespace, name) && write.verb == "delete";
            assert!(ledger || expiry, "{write:?}");
        }
    }
    Ok(())
}
