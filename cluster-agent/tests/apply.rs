//! Writing to a real API server, with the agent's own rights.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Bed, Outcome, binding, namespace, object, quota, role};
use hanse_agent::core::io::Failure;
use hanse_agent::kube::apply::Applier;
use hanse_domain::object::{ObjectKind, ObjectRef};
use serde_json::json;

#[tokio::test]
async fn objects_are_applied_replaced_and_removed() -> Outcome {
    let bed = Bed::with_agent().await?;
    let applier = Applier::new(bed.agent().await?);
    applied_once_and_again(&applier).await;
    a_changed_role_replaces_the_binding(&applier).await;
    removal_needs_the_uid(&applier).await;
    dry_runs_write_nothing(&applier).await;
    refusals_say_why(&bed, &applier).await?;
    an_absent_server_is_unavailable(&bed, &applier).await
}

async fn applied_once_and_again(applier: &Applier) {
    // Not a quota: a controller writes its status right after.
    let limits = json!({ "spec": { "limits": [{ "type": "Pod", "max": { "cpu": "2" } }] } });
    let limits = object(ObjectRef::namespaced(ObjectKind::LimitRange, "shop", "limits"), &limits);
    let objects = [namespace("shop"), role("hanse:ns:reader", "get"), limits];
    for object in objects {
        let first = applier.apply(&object).await.unwrap();
        assert_eq!(first.reference, object.reference);
        assert_eq!(first.body["kind"], object.reference.kind.name());
        let managers = first.body["metadata"]["managedFields"].as_array().unwrap();
        let expected = object.reference.kind.concern().field_manager();
        assert_eq!(managers[0]["manager"], expected);
        assert_eq!(managers[0]["operation"], "Apply");
        let again = applier.apply(&object).await.unwrap();
        assert_eq!(again, first, "nothing is written when nothing changes");
        assert_eq!(applier.read(&object.reference).await.unwrap(), Some(first));
    }
}

async fn a_changed_role_replaces_the_binding(applier: &Applier) {
    let old = applier.apply(&binding("shop", "hanse:ns:team", "hanse:ns:reader")).await.unwrap();
    let changed = binding("shop", "hanse:ns:team", "view");
    let new = applier.apply(&changed).await.unwrap();
    assert_eq!(new.body["roleRef"]["name"], "view");
    assert_ne!(new.uid, old.uid);
    assert_eq!(applier.apply(&changed).await.unwrap(), new);
}

async fn removal_needs_the_uid(applier: &Applier) {
    let gone = binding("shop", "hanse:ns:gone", "view");
    let live = applier.apply(&gone).await.unwrap();
    let refused = applier.remove(&gone.reference, "another-uid").await;
    assert!(matches!(refused, Err(Failure::Conflict(_))), "{refused:?}");
    assert!(applier.read(&gone.reference).await.unwrap().is_some());
    applier.remove(&gone.reference, &live.uid).await.unwrap();
    assert_eq!(applier.read(&gone.reference).await.unwrap(), None);
    applier.remove(&gone.reference, &live.uid).await.unwrap();
}

async fn dry_runs_write_nothing(applier: &Applier) {
    let planned = role("hanse:ns:planned", "list");
    applier.dry_run(&planned).await.unwrap();
    assert_eq!(applier.read(&planned.reference).await.unwrap(), None);
    let before = applier.read(&binding("shop", "hanse:ns:team", "view").reference).await.unwrap();
    applier.dry_run(&binding("shop", "hanse:ns:team", "edit")).await.unwrap();
    let after = applier.read(&binding("shop", "hanse:ns:team", "view").reference).await.unwrap();
    assert_eq!(before, after);
    let nowhere = applier.dry_run(&quota("nowhere", "limits", "1")).await;
    assert!(nowhere.as_ref().is_err_and(hanse_agent::kube::CallError::is_not_found), "{nowhere:?}");
}

async fn refusals_say_why(bed: &Bed, applier: &Applier) -> Outcome {
    let invalid = applier.apply(&quota("shop", "limits", "-1")).await;
    let Err(Failure::Refused(why)) = invalid else { panic!("{invalid:?}") };
    assert!(why.contains("spec.hard[pods]"), "{why}");

    let unknown = object(
        ObjectRef::namespaced(ObjectKind::LimitRange, "shop", "limits"),
        &json!({ "spec": { "limits": [], "surprise": 1 } }),
    );
    let unknown = applier.apply(&unknown).await;
    assert!(matches!(unknown, Err(Failure::Refused(_))), "{unknown:?}");

    let missing = applier.apply(&quota("nowhere", "limits", "1")).await;
    let Err(Failure::Refused(why)) = missing else { panic!("{missing:?}") };
    assert!(why.contains("nowhere"), "{why}");

    // Roles are not the agent's to write.
    let own =
        object(ObjectRef::namespaced(ObjectKind::Role, "shop", "mine"), &json!({ "rules": [] }));
    let forbidden = applier.apply(&own).await;
    let Err(Failure::Refused(why)) = forbidden else { panic!("{forbidden:?}") };
    assert!(why.contains("forbidden") && why.contains("hanse-agent:agent"), "{why}");

    let powerless = Applier::new(bed.cluster().client_for("nobody", None).await?);
    let forbidden = powerless.apply(&namespace("x")).await;
    assert!(matches!(forbidden, Err(Failure::Refused(_))), "{forbidden:?}");
    let stranger = Applier::new(bed.cluster().client_with_token("no-token").await?);
    let unknown = stranger.apply(&namespace("x")).await;
    assert!(matches!(unknown, Err(Failure::Unavailable(_))), "{unknown:?}");
    Ok(())
}

async fn an_absent_server_is_unavailable(bed: &Bed, applier: &Applier) -> Outcome {
    bed.cluster().freeze()?;
    let begin = std::time::Instant::now();
    let frozen = applier.apply(&namespace("late")).await;
    assert!(matches!(frozen, Err(Failure::Unavailable(_))), "{frozen:?}");
    assert!(begin.elapsed().as_secs() < 15, "requests have an end");
    bed.cluster().thaw()?;
    bed.cluster().stop().await?;
    let stopped = applier.apply(&namespace("late")).await;
    assert!(matches!(stopped, Err(Failure::Unavailable(_))), "{stopped:?}");
    let stopped = applier.remove(&namespace("shop").reference, "uid").await;
    assert!(matches!(stopped, Err(Failure::Unavailable(_))), "{stopped:?}");
    Ok(())
}
