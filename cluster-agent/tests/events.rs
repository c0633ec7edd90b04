//! Kubernetes Events in a real cluster, with the agent's own rights.

mod common;

use common::{Bed, Outcome, eventually};
use hanse_agent::core::io::Notice;
use hanse_agent::kube::NAMESPACE;
use hanse_agent::kube::events::Events;
use hanse_domain::drift::DriftClass;
use hanse_domain::ids::RevisionNumber;
use hanse_domain::object::{ObjectKind, ObjectRef};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn notices_become_events_and_stay_bounded() -> Outcome {
    let bed = Bed::with_agent().await?;
    let soft = CancellationToken::new();
    let (mut events, write) = Events::new(bed.agent().await?, soft.clone());
    let task = tokio::spawn(write);
    let binding = ObjectRef::namespaced(ObjectKind::RoleBinding, "shop", "\u{202e}evil\x1b[2J");
    let manager = Some("kubectl".to_owned());
    events.tell(Notice::DriftSeen(binding, DriftClass::Unmanaged, manager));
    let long = Notice::BundleRefused(hanse_domain::bundle::Condition::Statement, "ä".repeat(5000));
    events.tell(long);

    let api = Api::<Event>::namespaced(bed.admin().await?, NAMESPACE);
    let ours = async || -> Outcome<Vec<Event>> {
        let mut all = api.list(&ListParams::default()).await?.items;
        all.retain(|event| event.reporting_controller.as_deref() == Some("hanse.dev/agent"));
        Ok(all)
    };
    eventually("two events", async || Ok(ours().await?.len() == 2)).await?;
    let drift =
        ours().await?.into_iter().find(|event| event.reason.as_deref() == Some("DriftSeen"));
    let drift = drift.ok_or("no DriftSeen")?;
    assert_eq!(drift.type_.as_deref(), Some("Warning"));
    let note = drift.note.unwrap_or_default();
    assert!(note.contains("by kubectl") && !note.contains(['\x1b', '\u{202e}']), "{note:?}");
    let related = drift.related.unwrap_or_default();
    assert_eq!(related.kind.as_deref(), Some("RoleBinding"));

    for generation in 0..500 {
        events.tell(Notice::BundleApplied(RevisionNumber(generation)));
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let count = ours().await?.len();
    assert!((10..30).contains(&count), "{count}");
    soft.cancel();
    task.await??;
    Ok(())
}
