//! Invariants: what violates them begins and ends within a moment of a report, is listed, watched and
//! counted.

use hanse_domain::access::object::AccessKind;
use hanse_proto::admin;
use hanse_proto::admin::violation_response::Part;
use hanse_proto::admin::watch_violations_response::Event;
use tokio::time::timeout;
use tonic::Code;

use crate::access::{binding, client, first, role, rule, sealed};
use crate::author::{commit, document};
use crate::hub::{Hub, PATIENCE};

const ONLY_SRE: &str = "apiVersion: hanse.dev/v1alpha1
kind: AccessInvariant
metadata: {name: only-sre}
spec:
  placement: {clusterSelector: {matchLabels: {env: prod}}}
  deny:
    access: [{apiGroups: [''], resources: [secrets], verbs: [get, list, watch]}]
  except: {groups: [sre]}
  reason: a test
";

async fn list(hub: &Hub, history: bool) -> Vec<admin::Violation> {
    let request = admin::ListViolationsRequest { history, ..Default::default() };
    let mut stream = client(hub).await.list_violations(request).await.unwrap().into_inner();
    let mut all = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        match message.part.unwrap() {
            Part::Violation(violation) => all.push(violation),
            Part::View(view) => assert_eq!(view.cluster, "prod"),
        }
    }
    all
}

pub(crate) async fn violations_begin_and_end(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    let request = admin::WatchViolationsRequest { scope: None };
    let mut watch = client(hub).await.watch_violations(request).await.unwrap().into_inner();
    let mut event = async || {
        let event = timeout(PATIENCE, watch.message()).await.unwrap();
        event.unwrap().unwrap().event.unwrap()
    };
    assert_eq!(event().await, Event::Synced(true));
    // What would look like an answer to another question, and an invariant that nobody declared.
    let scope = |scope: admin::AccessScope| Some(scope);
    let namespaces = vec!["ops".to_owned()];
    for (scope, invariant, code) in [
        (scope(admin::AccessScope { namespaces, ..Default::default() }), "", Code::InvalidArgument),
        (
            scope(admin::AccessScope {
                known_at: Some(crate::access::proto_time(crate::access::now())),
                ..Default::default()
            }),
            "",
            Code::InvalidArgument,
        ),
        (None, "only-srr", Code::NotFound),
    ] {
        let invariant = invariant.to_owned();
        let request = admin::ListViolationsRequest { scope, invariant, history: false };
        let refused = client(hub).await.list_violations(request).await;
        assert_eq!(refused.map(|_| ()).unwrap_err().code(), code);
    }
    // By an invariant that is new.
    commit(hub, vec![document(ONLY_SRE)]).await.unwrap();
    let Event::Violation(anna) = event().await else { panic!("synced twice") };
    assert_eq!((anna.cluster.as_str(), anna.invariant.as_str()), ("prod", "only-sre"));
    assert_eq!(anna.subject.clone().unwrap().name, "anna");
    assert_eq!(anna.grant.as_ref().unwrap().binding.as_ref().unwrap().name, "readers");
    assert!(anna.resolved_at.is_none());
    assert_eq!(list(hub, false).await.len(), 1);
    // By something that happens in the cluster.
    let (key, content) = binding("ops", "more", "secrets", &[("User", "mallory")]);
    let at = eyes.change(&mut talk, vec![(key.clone(), Some(content))]).await;
    let Event::Violation(mallory) = event().await else { panic!("synced twice") };
    assert_eq!(mallory.subject.clone().unwrap().name, "mallory");
    assert_eq!(mallory.since.unwrap(), crate::access::proto_time(at));
    assert_eq!(list(hub, false).await.len(), 2);
    eyes.change(&mut talk, vec![(key, None)]).await;
    let Event::Violation(ended) = event().await else { panic!("synced twice") };
    assert_eq!(ended.id, mallory.id);
    assert!(ended.resolved_at.is_some());
    assert_eq!(list(hub, false).await.len(), 1);
    assert_eq!(list(hub, true).await.len(), 2);
    // An agent that may not read roles any more ends nothing, and what it sees begins all the same.
    let (secrets, content) = role("secrets", vec![rule(&["get", "list"], &["secrets"])]);
    eyes.unseen.insert(AccessKind::Role, "roles is forbidden".to_owned());
    eyes.change(&mut talk, vec![(secrets.clone(), None)]).await;
    let (other, other_content) = role("other", vec![rule(&["get"], &["secrets"])]);
    let (more, more_content) = binding("ops", "more", "other", &[("User", "eve")]);
    let seen = vec![(other, Some(other_content)), (more.clone(), Some(more_content))];
    eyes.change(&mut talk, seen).await;
    let Event::Violation(found) = event().await else { panic!("synced twice") };
    assert_eq!(found.subject.clone().unwrap().name, "eve");
    assert_eq!(list(hub, false).await.len(), 2);
    eyes.unseen.clear();
    eyes.change(&mut talk, vec![(secrets, Some(content)), (more, None)]).await;
    let Event::Violation(ended) = event().await else { panic!("synced twice") };
    assert_eq!(ended.id, found.id);
    assert_eq!(list(hub, false).await.len(), 1);
    // What stands and what stood is known after a restart; the invariant's end ends the rest.
    hub.terminate().await;
    hub.serve(&["--metrics-listen", "127.0.0.1:0"]).await;
    assert_eq!(list(hub, false).await[0].id, anna.id);
    let (secrets, _) = role("secrets", vec![rule(&["get"], &["secrets"])]);
    let (mut talk, _) = cluster.connect(hub).await;
    let mut watch = client(hub).await;
    let request = admin::WatchViolationsRequest { scope: None };
    let mut watch = watch.watch_violations(request).await.unwrap().into_inner();
    for _ in 0..2 {
        watch.message().await.unwrap().unwrap();
    }
    // A role that vanishes takes it away.
    assert_eq!(eyes.sync(&mut talk).await, 0);
    eyes.change(&mut talk, vec![(secrets, None)]).await;
    let event = timeout(PATIENCE, watch.message()).await.unwrap().unwrap().unwrap().event;
    let Some(Event::Violation(ended)) = event else { panic!("{event:?}") };
    assert_eq!(ended.id, anna.id);
    assert!(ended.resolved_at.is_some());
    assert_eq!(list(hub, false).await.len(), 0);
}
