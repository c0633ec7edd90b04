//! What an agent is shown so that it believes the hub nothing.

use hanse_domain::fleet::Edit;
use hanse_domain::trust::recipient::check_recipient;
use hanse_proto::agent::session_request::Message as Say;
use hanse_proto::{admin, agent};
use tonic::Code;

use crate::agent::{RECIPIENT, Talk, accepted, join};
use crate::author::{
    ADA, BOB, EVE, commit, entry, fleet, next_root, placed_role, role, send, signed,
};
use crate::enrolment::list;
use crate::hub::Hub;

pub(crate) async fn who_may_not_is_refused(hub: &Hub) {
    let base = fleet(hub).await;
    let edits = || vec![role("a", &[], "get")];
    let mut forged = signed(&base, edits(), &[ADA]);
    forged.signatures = ADA.sign(b"another statement").into();
    let mut mixed = signed(&base, edits(), &[ADA]);
    mixed.signatures = [mixed.signatures.as_ref(), b"-----BEGIN"].concat().into();
    for request in [signed(&base, edits(), &[]), signed(&base, edits(), &[EVE]), forged, mixed] {
        let refused = send(hub, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
        assert!(refused.message().starts_with("UNTRUSTED: "), "{refused:?}");
    }
    assert_eq!(send(hub, signed(&base, edits(), &[ADA, EVE])).await.unwrap(), 1);
}

pub(crate) async fn a_new_root_reaches_every_stream(hub: &Hub) {
    let [a, b] = accepted(hub, ["a", "b"]).await;
    let (mut at_a, _) = a.connect(hub).await;
    at_a.bundle().await;
    let (mut at_b, _) = b.connect(hub).await;
    at_b.bundle().await;
    let away = at_b.hello();
    // Bob takes over, and Ada's key is worth nothing from then on.
    let root = next_root(&fleet(hub).await, |root| {
        let bob: hanse_domain::trust::root::KeyName = "bob".parse().unwrap();
        let ada = root.authors.pop_first().unwrap();
        root.keys = [(bob.clone(), BOB.public())].into();
        for role in [&mut root.root, &mut root.roster, &mut root.danger] {
            role.names = [bob.clone()].into();
        }
        root.authors = [(bob, ada.1)].into();
    });
    let base = fleet(hub).await;
    let alone = send(hub, signed(&base, vec![root.clone()], &[ADA])).await.unwrap_err();
    assert!(alone.message().starts_with("SIGNATURES: version 2"), "{alone:?}");
    assert_eq!(send(hub, signed(&base, vec![root], &[ADA, BOB])).await.unwrap(), 2);
    assert_eq!(at_a.roots().await, 2);
    assert_eq!(at_b.roots().await, 2);
    at_a.quiet().await;

    let base = fleet(hub).await;
    let old = send(hub, signed(&base, vec![role("x", &[], "get")], &[ADA])).await.unwrap_err();
    assert_eq!(old.code(), Code::PermissionDenied, "{old:?}");
    assert_eq!(send(hub, signed(&base, vec![role("x", &[], "get")], &[BOB])).await.unwrap(), 3);
    assert_eq!(at_a.bundle().await.generation.0, 3);

    // One that was away gets the root before the bundle, from where it was.
    drop(at_b);
    let mut late = b.stream(hub).await.unwrap();
    late.say(Say::Hello(away)).await;
    late.welcome().await;
    assert!(matches!(
        late.hear().await.unwrap().unwrap(),
        agent::session_response::Message::TrustRoots(roots)
            if roots.first.is_empty() && roots.steps.len() == 1
    ));
    assert_eq!(late.offered().await.generation, 3);
    // And a new one gets all of it.
    let c = join(hub, "c").await;
    let (mut at_c, _) = c.connect(hub).await;
    at_c.quiet().await;
    let base = fleet(hub).await;
    send(hub, signed(&base, vec![entry(c.id, "c", &[])], &[BOB])).await.unwrap();
    assert_eq!(at_c.bundle().await.documents.len(), 1);
    assert_eq!(at_c.hello().root_version, 2);
}

pub(crate) async fn what_went_is_shown_to_have_gone(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    let labelled = |env: &str| entry(cluster.id, "prod", &[("env", env)]);
    let selected = "{clusterSelector: {matchLabels: {env: test}}}";
    let all = vec![
        role("removed", &["prod"], "get"),
        role("moved", &["prod"], "get"),
        role("stays", &["prod"], "get"),
        placed_role("labelled", selected, "get"),
    ];
    commit(hub, all).await.unwrap();
    let (mut talk, _) = cluster.connect(hub).await;
    assert_eq!(talk.bundle().await.documents.len(), 4);
    // While it is away, each goes in its own way, and all of it is long ago when it comes back.
    let removed = Edit::Remove("FederatedRole/removed".parse().unwrap());
    for edits in [
        vec![role("stays", &["prod"], "list")],
        vec![removed],
        vec![role("moved", &["other"], "get")],
        vec![labelled("prod")],
        vec![role("removed", &["prod"], "get")],
        vec![Edit::Remove("FederatedRole/removed".parse().unwrap())],
    ] {
        commit(hub, edits).await.unwrap();
    }
    for verb in ["a", "b", "c", "d", "e"] {
        commit(hub, vec![role("stays", &["prod"], verb)]).await.unwrap();
    }
    let mut talk = talk.again(hub).await;
    let offered = talk.offered().await;
    let shown: Vec<bool> =
        offered.evidence.iter().map(|e| e.manifest_inclusion.is_some()).collect();
    // Moved and labelled need the manifest after it, the removal does not, the entry came with the label.
    assert_eq!(shown, [true, true, false], "{offered:?}");
    let names: Vec<String> =
        talk.accept(&offered).documents.iter().map(|(d, _)| d.reference.to_string()).collect();
    assert_eq!(names, ["FederatedRole/stays"]);
}

pub(crate) async fn a_late_cluster_gets_old_documents(hub: &Hub) {
    for name in ["a", "b", "c"] {
        commit(hub, vec![role(name, &[], "get")]).await.unwrap();
    }
    let [late, _] = accepted(hub, ["late", "other"]).await;
    commit(hub, vec![role("theirs", &["other"], "get")]).await.unwrap();
    let (mut talk, _) = late.connect(hub).await;
    let offered = talk.offered().await;
    assert_eq!((offered.evidence.len(), offered.contents.len()), (3, 4));
    assert_eq!(talk.accept(&offered).documents.len(), 3);
    // The statement accepted two clusters, and this one is shown its own line.
    assert_eq!(offered.changes.len(), 1);
    // It followed the history to its bundle's statement, and no further.
    assert_eq!(talk.hello().log_size, 4);
}

pub(crate) async fn an_agent_without_its_ledger_gets_everything(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    commit(hub, vec![role("a", &[], "get"), role("b", &[], "get")]).await.unwrap();
    let (mut talk, _) = cluster.connect(hub).await;
    talk.bundle().await;
    commit(hub, vec![Edit::Remove("FederatedRole/a".parse().unwrap())]).await.unwrap();
    // It cannot use what it gets next, and says that it has nothing; the hub knows what it had.
    talk.offered().await;
    commit(hub, vec![role("c", &[], "get")]).await.unwrap();
    let nothing = agent::Hello { generation: 0, digest: bytes::Bytes::new(), ..talk.hello() };
    talk.say(Say::Hello(nothing)).await;
    let whole = talk.offered().await;
    assert_eq!((whole.generation, whole.contents.len()), (4, 3));
    assert_eq!(talk.accept(&whole).documents.len(), 2);
}

pub(crate) async fn an_agent_gets_one_bundle_at_a_time(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(hub).await;
    talk.silently().await;
    for verb in ["a", "b", "c"] {
        commit(hub, vec![role("x", &[], verb)]).await.unwrap();
    }
    // It is still at the first one: proofs of another would begin where it is not yet.
    talk.quiet().await;
    talk.answer().await;
    assert_eq!(talk.bundle().await.generation.0, 4);
    // One that never says anything gets the next one all the same.
    commit(hub, vec![role("x", &[], "d")]).await.unwrap();
    assert_eq!(talk.silently().await.generation.0, 5);
    commit(hub, vec![role("x", &[], "e")]).await.unwrap();
    assert_eq!(talk.silently().await.generation.0, 6);
}

/// Tells the hub that the newest bundle was refused.
async fn refuse(talk: &Talk) {
    let agent::Hello { generation, digest, .. } = talk.hello();
    let phase = agent::applied::Phase::Refused.into();
    talk.say(Say::Applied(agent::Applied { generation, digest, phase, ..Default::default() }))
        .await;
}

pub(crate) async fn what_was_refused_is_not_held(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(hub).await;
    talk.bundle().await;
    for name in ["a", "b"] {
        commit(hub, vec![role(name, &[], "get")]).await.unwrap();
        talk.offered().await;
        refuse(&talk).await;
    }
    // It is not sent again by itself.
    talk.quiet().await;
    // What comes next begins where the agent still is.
    commit(hub, vec![role("c", &[], "get")]).await.unwrap();
    let repaired = talk.bundle().await;
    assert_eq!((repaired.generation.0, repaired.documents.len()), (4, 3));
    // A first bundle may be refused, too.
    let [second] = accepted(hub, ["second"]).await;
    let (mut talk, _) = second.connect(hub).await;
    talk.offered().await;
    refuse(&talk).await;
    commit(hub, vec![role("d", &[], "get")]).await.unwrap();
    assert_eq!(talk.bundle().await.documents.len(), 4);
}

async fn until(hub: &Hub, wanted: impl Fn(&admin::Cluster) -> bool) -> admin::Cluster {
    for _ in 0..200 {
        let cluster = list(hub).await.remove(0);
        if wanted(&cluster) {
            return cluster;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("never: {:?}", list(hub).await);
}

pub(crate) async fn fences_and_recipients_are_shown(hub: &Hub) {
    let cluster = join(hub, "prod").await;
    let shown = list(hub).await.remove(0);
    assert_eq!((shown.recipient.as_str(), shown.recipient_offered.as_str()), ("", RECIPIENT));
    assert_eq!((shown.recipient_vouch.len(), shown.fence), (32, None));
    let Edit::PutCluster(mut accepted) = entry(cluster.id, "prod", &[]) else { panic!() };
    accepted.recipient = Some(RECIPIENT.to_owned());
    commit(hub, vec![Edit::PutCluster(accepted)]).await.unwrap();
    assert_eq!(list(hub).await.remove(0).recipient, RECIPIENT);

    // It made another one: nobody has vouched for that.
    let other = RECIPIENT.replace("ql3", "ql4");
    check_recipient(&other).unwrap();
    let mut talk = cluster.stream(hub).await.unwrap();
    talk.say(Say::Hello(agent::Hello { recipient: other.clone(), ..cluster.hello() })).await;
    talk.welcome().await;
    talk.bundle().await;
    let shown = list(hub).await.remove(0);
    assert_eq!((shown.recipient_offered, shown.recipient_vouch.len()), (other, 0));
    assert_eq!(shown.recipient, RECIPIENT);

    let fence = agent::FenceReport {
        state: agent::fence_report::State::Broken.into(),
        model: "impersonate".to_owned(),
        problem: "a policy was changed".to_owned(),
        ceiling: r#"{"roles":[]}"#.to_owned(),
        ceiling_generation: 3,
    };
    talk.say(Say::Fence(fence.clone())).await;
    let shown = until(hub, |cluster| cluster.fence.is_some()).await.fence.unwrap();
    assert_eq!(shown.state(), admin::fence::State::Broken);
    assert_eq!((shown.ceiling, shown.ceiling_generation), (fence.ceiling.clone(), 3));
    // Nobody gets it who does not ask for it.
    let request = admin::ListClustersRequest { without_ceilings: true };
    let without = hub.clusters().await.list_clusters(request).await.unwrap().into_inner();
    let without = without.clusters[0].fence.clone().unwrap();
    assert_eq!((without.ceiling.as_str(), without.ceiling_generation), ("", 3));
    let refused = agent::Applied {
        generation: 1,
        digest: talk.hello().digest,
        phase: agent::applied::Phase::Refused.into(),
        message: "not signed".to_owned(),
        refused_condition: 1,
        secrets_pending: vec!["db-password".to_owned(); 200],
        ..Default::default()
    };
    talk.say(Say::Applied(refused)).await;
    let shown = until(hub, |cluster| cluster.refused_condition == 1).await;
    assert_eq!(shown.secrets_pending.len(), 100);
    // More than a ceiling may have.
    let ceiling = "x".repeat(65 * 1024);
    talk.say(Say::Fence(agent::FenceReport { ceiling, ..fence })).await;
    assert_eq!(talk.end().await.code(), Code::InvalidArgument);
}
