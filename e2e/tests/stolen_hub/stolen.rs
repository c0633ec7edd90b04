//! A federation whose hub is stolen, twice, and comes back.

use anyhow::Result;
use hanse_e2e::thief::{Thief, Witness};
use hanse_e2e::{look, poll};
use hanse_proto::agent::applied::Phase;

use crate::attacks::{self, Attack, Heist};
use crate::world::{World, apply, binding, edit_root, settled, two_for_danger};

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_hub_changes_nothing_in_any_cluster() -> Result<()> {
    let world = World::start().await?;
    let (hub, hanse) = (&world.federation.hub, &world.federation.hanse);
    under_attack(&world, "first", &attacks::all()).await?;

    hub.start().await?;
    settled(hanse).await?;
    edit_root(hanse, world.dir.path(), two_for_danger).await?;
    apply(hanse, world.dir.path(), &[binding("readers", "payments", "auditors")]).await?;
    under_attack(&world, "second", &[attacks::ALONE_WITH_DANGER]).await?;

    hub.start().await?;
    settled(hanse).await?;
    silent(&world).await?;
    hub.start().await?;
    apply(hanse, world.dir.path(), &[binding("readers", "payments", "controllers")]).await?;
    let client = world.federation.client("cluster-1").await?;
    let subjects = look::subjects(&client, "payments", "hanse:ns:readers").await?;
    assert_eq!(subjects, Some(vec!["controllers".to_owned()]));
    assert_eq!(hanse.drift(false).await?.len(), 0);
    Ok(())
}

/// Steals the hub, tries everything and leaves again.
async fn under_attack(world: &World, time: &str, attacks: &[Attack]) -> Result<()> {
    let clusters = world.federation.testbed.clusters();
    let mut thief = Thief::steal(&world.federation.hub, &world.dir.path().join(time)).await?;
    let mut witnesses = Vec::new();
    for cluster in clusters {
        witnesses.push(Witness::of(cluster).await?);
    }
    let (here, there) = (world.ids[0], world.ids[2]);
    let known = thief.known(here).await?;
    let past = thief.past.clone();
    let (keys, removal_of_old) = (&world.keys, world.removal_of_old);
    let heist = Heist { past: &past, keys, removal_of_old, here, there, known };
    assert_eq!(known.generation, past.number(), "the last statement is about this cluster");
    let mut failed = Vec::new();
    for attack in attacks {
        thief.calm(here).await?;
        let answer = thief.show(here, &(attack.make)(&heist)?).await?;
        println!("{}: {}", attack.name, answer.message);
        let changed = witnesses[0].changed().await?;
        let as_expected = answer.phase() == Phase::Refused
            && answer.refused_condition == attack.condition
            && answer.message.contains(attack.says)
            && answer.generation == known.generation
            && changed.is_empty();
        if !as_expected {
            failed.push(format!("{}: {answer:?}, changed: {changed:?}", attack.name));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    for witness in &witnesses {
        let (changed, writes) = (witness.changed().await?, witness.writes().await?);
        assert!(changed.is_empty() && writes.is_empty(), "{changed:?} {writes:?}");
    }
    is_told(world, &witnesses[0], attacks).await?;
    thief.leave().await;
    Ok(())
}

/// The agent's log tells of every attack, and the cluster's Events of every condition.
async fn is_told(world: &World, witness: &Witness<'_>, attacks: &[Attack]) -> Result<()> {
    let log = std::fs::read_to_string(world.federation.agents[0].log())?;
    for attack in attacks {
        let refused = |line: &&str| line.contains("BundleRefused") && line.contains(attack.says);
        assert!(log.lines().any(|line| refused(&line)), "{}: not in the log", attack.name);
    }
    poll::until("Events of every condition", || async {
        let notes = witness.notes("BundleRefused").await?;
        let told = |attack: &Attack| {
            let condition = format!("fails condition {} ", attack.condition);
            notes.iter().any(|note| note.contains(&condition))
        };
        Ok(attacks.iter().all(told).then_some(()))
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
        assert_eq!(witness.changed().await?, [guest.clone()]);
        for write in witness.writes().await? {
            let ledger = write.namespace == "hanse-agent" && write.resource == "configmaps";
            let expiry = write.is_about("rolebindings", namespace, name) && write.verb == "delete";
            assert!(ledger || expiry, "{write:?}");
        }
    }
    Ok(())
}
