//! Who signs for a cluster comes from the history alone, and the history from the trust root.

use hanse_domain::fleet::Edit;
use hanse_domain::history::roster::ClusterEntry;

use super::super::archive::Writer;
use super::tampering::{pack, unpack};
use super::world::{World, at, example, key, question, recipient, statement};
use super::{checked, moment, refused};

#[test]
fn a_history_that_was_changed_is_refused() {
    let bundle = example().bundle(&question(moment("06T00:00:00")));
    let files = unpack(&bundle);
    let dropped = |prefix: &str| {
        let mut files = files.clone();
        files.retain(|(path, _)| !path.starts_with(prefix));
        refused(&pack(&files))
    };
    let found = dropped("history/000002/");
    assert!(found.contains("it names statement 2 and the history ends with 1"), "{found}");
    let found = dropped("history/000001/");
    assert!(found.contains("history/000001/statement is missing"), "{found}");
    let found = dropped("history/000002/contents");
    assert!(found.contains("statement 2 of the history is not to be believed"), "{found}");
    let found = dropped("history/000002/signatures");
    assert!(found.contains("is missing"), "{found}");
    let exchanged = |path: &str, from: &str| {
        let mut files = files.clone();
        let other = files.iter().find(|(name, _)| name == from).unwrap().1.clone();
        files.iter_mut().find(|(name, _)| name == path).unwrap().1 = other;
        refused(&pack(&files))
    };
    let found = exchanged("history/000002/signatures", "history/000001/signatures");
    assert!(found.contains("statement 2 of the history is not to be believed"), "{found}");
    let found = exchanged("history/000001/contents/00001", "history/000001/contents/00002");
    assert!(found.contains("statement 1 of the history is not to be believed"), "{found}");
}

/// A hub that puts its own key in a cluster's place cannot sign the roster.
#[test]
fn a_recipient_that_no_author_signed_is_refused() {
    let mut world = example();
    let stranger = key();
    let (fleet, _) = world.replayed();
    let theirs = [9; 32];
    let entry = ClusterEntry { recipient: Some(recipient(&theirs)), ..world.agents[0].entry() };
    let asked = question(moment("06T00:00:00"));
    // Written by hand: what makes bundles here does not believe the history either.
    let files = unpack(&world.bundle(&asked));
    let forged = statement(&fleet, "03T00:00:00", vec![Edit::PutCluster(entry)], &stranger);
    let mut writer = Writer::new(Vec::new());
    for (path, content) in &files {
        if path == "manifest.json" {
            writer.file("history/000003/statement", &forged.statement).unwrap();
            writer.file("history/000003/signatures", &forged.signatures).unwrap();
            writer.file("history/000003/changes", &forged.changes).unwrap();
            writer.file("history/000003/contents/00001", &forged.contents[0]).unwrap();
        }
        writer.file(path, content).unwrap();
    }
    let found = refused(&writer.end().unwrap());
    assert!(found.contains("statement 3 of the history is not to be believed"), "{found}");
    world.agents[0].secret = theirs;
}

fn rotated(world: &mut World) -> [u8; 32] {
    let old = world.agents[0].secret;
    world.agents[0].secret = [5; 32];
    let entry = world.agents[0].entry();
    world.commit("15T00:00:00", vec![Edit::PutCluster(entry)]);
    old
}

#[test]
fn a_replaced_key_counts_for_its_own_time_only() {
    let mut world = example();
    let old = rotated(&mut world);
    // Signed with the old key before it was replaced: that stays proven.
    let totals = |time: &str| {
        let asked = question(moment(time));
        checked(&world.bundle(&asked)).unwrap().summary.totals()
    };
    assert_eq!(totals("06T00:00:00").proven, 2);
    // What the old key signed up to 20 March ends after that, and so does not count.
    let world = &world;
    let asked = question(moment("12T00:00:00"));
    let verified = checked(&world.bundle(&asked)).unwrap();
    let prod = &verified.summary.clusters[0];
    assert_eq!(prod.proof, super::Proof::Claimed);
    assert!(prod.notes.iter().any(|note| note.contains("the key that was replaced")), "{prod:?}");
    // The new one signs for what was before it, too: authors vouched for its holder.
    let mut world = example();
    let _ = old;
    rotated(&mut world);
    let agent = &mut world.agents[0];
    agent.checkpoints.clear();
    agent.sign(at("20T00:00:00"));
    let verified = checked(&world.bundle(&question(moment("16T00:00:00")))).unwrap();
    assert_eq!(verified.summary.totals().proven, 2);
}

#[test]
fn clusters_are_those_of_the_roster_at_that_time() {
    let mut world = example();
    let id = world.agents[1].id;
    world.commit("16T00:00:00", vec![Edit::RemoveCluster(id)]);
    let clusters = |time: &str| {
        let verified = checked(&world.bundle(&question(moment(time)))).unwrap();
        verified.manifest.clusters.len()
    };
    assert_eq!((clusters("15T00:00:00"), clusters("17T00:00:00")), (2, 1));
    let labelled = super::Question {
        cluster_selector: "env=test".to_owned(),
        ..question(super::period("01T00:00:00", "20T00:00:00"))
    };
    assert_eq!(checked(&world.bundle(&labelled)).unwrap().manifest.clusters.len(), 0);
}
