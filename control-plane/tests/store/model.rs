//! Random histories against a model that is a few maps.

use std::collections::BTreeMap;

use hanse_control_plane::store::{BundleRow, NewStatement, StoreError};
use hanse_domain::ids::{ClusterId, RevisionNumber};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::make::{Brings, cluster_id, content, marked_statement};
use crate::place::Place;

/// What the store should hold.
#[derive(Default)]
struct Model {
    statements: Vec<NewStatement>,
    /// After each statement, the first being that before any: subject → (number, text).
    leaves: Vec<BTreeMap<String, (u64, String)>>,
    bundles: BTreeMap<ClusterId, BundleRow>,
}

pub(crate) async fn random_histories(place: Place) {
    let store = place.open().await;
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut model = Model { leaves: vec![BTreeMap::new()], ..Model::default() };
    for step in 0..60 {
        let head = model.statements.len() as u64;
        // Now and then one that is too old or too far ahead.
        let number = match random.random_range(0..10) {
            0 => random.random_range(1..head + 4),
            _ => head + 1,
        };
        let mut new = marked_statement(number, &step.to_string());
        let mut leaves = model.leaves.last().unwrap().clone();
        for subject in 0..6 {
            let subject = format!("Kind/{subject}");
            match random.random_range(0..6) {
                0 => {
                    leaves.remove(&subject);
                    new = new.removal(&subject);
                }
                1 | 2 => {
                    let text = format!("text {}", random.random_range(0..8));
                    new = new.leaf(&subject, &text);
                    leaves.insert(subject, (number, text));
                }
                _ => {}
            }
        }
        for cluster in 0..4 {
            if random.random_bool(0.3) {
                new = new.bundle(cluster_id(cluster), &format!("manifest {}", step % 5));
            }
        }

        let appended = store.append(&new).await;
        if number == head + 1 {
            appended.unwrap();
            model.bundles.extend(new.bundles.iter().map(|row| (row.cluster, row.clone())));
            model.statements.push(new);
            model.leaves.push(leaves);
        } else {
            let stale = |current: RevisionNumber| current.0 == head;
            assert!(
                matches!(appended, Err(StoreError::Stale { current }) if stale(current)),
                "{appended:?}"
            );
        }

        let moment = random.random_range(0..model.leaves.len());
        for (number, expected) in [
            (moment, &model.leaves[moment]),
            (model.statements.len(), model.leaves.last().unwrap()),
        ] {
            let found = store.leaves_at(RevisionNumber(number as u64)).await.unwrap();
            let found = found.rows.into_iter().map(|row| {
                let text = String::from_utf8(row.bytes.to_vec()).unwrap();
                assert_eq!(row.digest, content(&text).0);
                (row.subject, (row.number.0, text))
            });
            assert_eq!(found.collect::<BTreeMap<_, _>>(), *expected);
        }
        let bundles: Vec<_> = model.bundles.values().cloned().collect();
        assert_eq!(store.latest_bundles().await.unwrap(), bundles);
    }
    let stored = store.statements_after(RevisionNumber(0), 1_000).await.unwrap();
    assert!(stored.iter().eq(model.statements.iter().map(|new| &new.row)));
}
