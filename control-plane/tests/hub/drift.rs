//! Drift reports: recorded before they are acknowledged, watched, cleared by a full picture.

use hanse_domain::drift::drift_digest;
use hanse_proto::admin::drift::{Class, State};
use hanse_proto::admin::watch_drift_response::Event;
use hanse_proto::agent::session_request::Message as Say;
use hanse_proto::{admin, agent};
use uuid::Uuid;

use crate::agent::{Cluster, accepted};
use crate::enrolment::list;
use crate::hub::{Hub, PATIENCE};

pub(crate) fn item(id: u128, name: &str, state: State) -> admin::Drift {
    admin::Drift {
        cluster: "another cluster's name".to_owned(),
        object: Some(admin::ObjectReference {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRole".to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
        }),
        class: Class::Modified.into(),
        state: state.into(),
        source: "FederatedRole/a".to_owned(),
        fields: vec![admin::FieldDifference {
            path: "rules[0].verbs".to_owned(),
            declared: "[\"get\"]".to_owned(),
            live: "[\"*\"]".to_owned(),
        }],
        manager: "kubectl-edit".to_owned(),
        id: Uuid::from_u128(id).to_string(),
        ..Default::default()
    }
}

fn report(sequence: u64, items: Vec<admin::Drift>, first: bool, last: bool) -> Say {
    Say::Drift(agent::DriftReport { sequence, items, first, last })
}

async fn standing(hub: &Hub, history: bool) -> Vec<admin::Drift> {
    let request = admin::ListDriftRequest { history, page_size: 2, ..Default::default() };
    let mut client = hub.drift().await;
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = admin::ListDriftRequest { page_token, ..request.clone() };
        let page = client.list_drift(request).await.unwrap().into_inner();
        all.extend(page.drift);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

pub(crate) async fn reports_are_stored_and_watched(hub: &Hub) {
    let [cluster, _] = accepted(hub, ["prod", "test"]).await;
    let (mut talk, _) = cluster.connect(hub).await;
    talk.bundle().await;
    talk.say(report(1, vec![item(1, "a", State::Open)], false, false)).await;
    assert_eq!(talk.ack().await, 1);

    let mut watch = hub.drift().await;
    let request = admin::WatchDriftRequest { cluster: "prod".to_owned() };
    let mut watch = watch.watch_drift(request).await.unwrap().into_inner();
    let mut event = async || {
        let event = tokio::time::timeout(PATIENCE, watch.message()).await.unwrap();
        event.unwrap().unwrap().event.unwrap()
    };
    assert!(matches!(event().await, Event::Drift(drift) if drift.cluster == "prod"));
    assert!(matches!(event().await, Event::Synced(_)));
    // A Secret's values do not pass, nor does what names no object; the rest of the report does.
    let mut secret = item(2, "s", State::Open);
    secret.object.as_mut().unwrap().kind = "Secret".to_owned();
    secret.fields[0].live = "canary-4e1f".to_owned();
    let nothing = admin::Drift { object: None, ..item(3, "n", State::Open) };
    talk.say(report(2, vec![secret, nothing, item(1, "a", State::Corrected)], false, false)).await;
    assert_eq!(talk.ack().await, 2);
    for _ in 0..2 {
        let Event::Drift(seen) = event().await else { panic!("synced twice") };
        assert!(!format!("{seen:?}").contains("canary-4e1f"), "{seen:?}");
    }
    let open = standing(hub, false).await;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].object.as_ref().unwrap().kind, "Secret");
    let all = standing(hub, true).await;
    assert_eq!(all.len(), 2);
    assert_eq!(all.iter().filter(|d| d.state() == State::Corrected).count(), 1);
    assert_eq!(list(hub).await[0].drift_open, 1);
    let request = admin::ListDriftRequest { cluster: "nobody".to_owned(), ..Default::default() };
    let none = hub.drift().await.list_drift(request).await.unwrap_err();
    assert_eq!(none.code(), tonic::Code::NotFound);
}

pub(crate) async fn a_picture_in_parts_clears_what_is_not_in_it(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(hub).await;
    talk.bundle().await;
    let open = |range: std::ops::Range<u128>| -> Vec<admin::Drift> {
        range.map(|n| item(n, &format!("role-{n}"), State::Open)).collect()
    };
    talk.say(report(1, open(0..5), true, true)).await;
    assert_eq!(talk.ack().await, 1);
    assert_eq!(standing(hub, false).await.len(), 5);
    // One part at a time, each acknowledged.
    for (sequence, part) in [(2, open(3..5)), (3, open(5..7)), (4, Vec::new())] {
        talk.say(report(sequence, part, sequence == 2, sequence == 4)).await;
        assert_eq!(talk.ack().await, sequence);
    }
    let ids: std::collections::BTreeSet<String> =
        standing(hub, false).await.into_iter().map(|d| d.id).collect();
    let expected = open(3..7).into_iter().map(|d| d.id).collect();
    assert_eq!(ids, expected);
    assert_eq!(standing(hub, true).await.len(), 7);
    // Nothing stands: a picture of nothing.
    talk.say(report(5, Vec::new(), true, true)).await;
    assert_eq!(talk.ack().await, 5);
    assert_eq!(standing(hub, false).await.len(), 0);
}

async fn drift_wanted(hub: &Hub, cluster: &Cluster, digest: hanse_domain::ids::Digest) -> bool {
    let mut talk = cluster.stream(hub).await.unwrap();
    let drift_digest = digest.0.to_vec().into();
    talk.say(Say::Hello(agent::Hello { drift_digest, ..cluster.hello() })).await;
    talk.welcome().await.drift_wanted
}

pub(crate) async fn both_sides_compute_one_digest(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(hub).await;
    talk.bundle().await;
    let mut spaced = item(9, "a", State::Open);
    let object = spaced.object.as_mut().unwrap();
    (object.kind, object.namespace) = ("RoleBinding".to_owned(), "b".to_owned());
    let mut earlier = item(8, "z", State::Open);
    let object = earlier.object.as_mut().unwrap();
    (object.kind, object.namespace) = ("RoleBinding".to_owned(), "a".to_owned());
    let items = vec![spaced, item(2, "b", State::Open), earlier, item(3, "a", State::Open)];
    talk.say(report(1, items, true, true)).await;
    assert_eq!(talk.ack().await, 1);
    // By kind, namespace, name.
    let ids: Vec<String> = [3, 2, 8, 9].map(|n| Uuid::from_u128(n).to_string()).to_vec();
    let digest = drift_digest(ids.iter().map(String::as_str));
    assert!(!drift_wanted(hub, &cluster, digest).await);
    assert!(drift_wanted(hub, &cluster, drift_digest(std::iter::empty())).await);
}

pub(crate) async fn an_agent_that_was_started_again_is_in_step(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(hub).await;
    talk.bundle().await;
    talk.say(report(1, vec![item(1, "a", State::Open), item(2, "b", State::Open)], true, true))
        .await;
    assert_eq!(talk.ack().await, 1);
    // Started again, it sees the same and names it anew.
    let (mut talk, welcome) = cluster.connect(hub).await;
    assert!(welcome.drift_wanted);
    talk.bundle().await;
    talk.say(report(1, vec![item(3, "a", State::Open), item(4, "b", State::Open)], true, true))
        .await;
    assert_eq!(talk.ack().await, 1);
    let ids = [3, 4].map(|n| Uuid::from_u128(n).to_string());
    let digest = drift_digest(ids.iter().map(String::as_str));
    assert!(!drift_wanted(hub, &cluster, digest).await);
    // People see the first occurrence all the time.
    let mut seen: Vec<String> = standing(hub, true).await.into_iter().map(|d| d.id).collect();
    seen.sort();
    assert_eq!(seen, [1, 2].map(|n| Uuid::from_u128(n).to_string()));
}

pub(crate) async fn clocks_that_are_ahead_are_not_believed(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(hub).await;
    talk.bundle().await;
    let far = Some(pbjson_types::Timestamp { seconds: 200_000_000_000, nanos: 0 });
    let mut corrected = item(1, "a", State::Corrected);
    (corrected.since, corrected.detected_at, corrected.resolved_at) = (far, far, far);
    talk.say(report(1, vec![corrected], false, false)).await;
    assert_eq!(talk.ack().await, 1);
    let seen = standing(hub, true).await.remove(0);
    let latest = jiff::Timestamp::now().as_second() + 60;
    for time in [seen.since, seen.detected_at, seen.resolved_at] {
        let second = time.unwrap().seconds;
        assert!((latest - 120..=latest).contains(&second), "{second}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_does_not_grow_for_ever() {
    let hub = Hub::start(crate::database::Database::on_sqlite().await).await;
    let [cluster] = accepted(&hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(&hub).await;
    talk.bundle().await;
    for sequence in 1..=13 {
        let from = u128::from(sequence) * 1_000;
        let items = (from..from + 999).map(|n| item(n, &format!("r{n}"), State::Corrected));
        talk.say(report(sequence, items.collect(), false, false)).await;
        assert_eq!(talk.ack().await, sequence);
    }
    let store = hub.store().await;
    assert_eq!(store.long_drift_histories(11_998).await.unwrap(), []);
    assert_eq!(store.long_drift_histories(9_999).await.unwrap(), [cluster.id]);
    store.close().await;
    hub.end_well().await;
}
