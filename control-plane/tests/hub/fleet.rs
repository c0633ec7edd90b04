//! Commits: read back, stale, repeated, refused.

use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::ids::ClusterId;
use hanse_proto::admin;
use hanse_proto::admin::change::Action;
use jiff::Timestamp;
use tonic::Code;

use crate::agent::{accepted, join};
use crate::author::{
    EVE, binding, commit, entry, fleet, propose, role, send, signed as signed_by, single_root,
};
use crate::hub::Hub;

pub(crate) async fn what_is_committed_is_read_back(hub: &Hub) {
    let mut head =
        hub.fleet().await.watch_head(admin::WatchHeadRequest {}).await.unwrap().into_inner();
    assert_eq!(head.message().await.unwrap().unwrap().number, 0);
    accepted(hub, ["prod"]).await;
    assert_eq!(head.message().await.unwrap().unwrap().number, 1);
    assert_eq!(
        commit(hub, vec![role("a", &[], "get"), role("b", &["prod"], "get")]).await.unwrap(),
        2
    );
    let base = fleet(hub).await;
    assert_eq!((base.number.0, base.documents().len(), base.members().len()), (2, 2, 1));
    let gone: Edit = Edit::Remove("FederatedRole/a".parse().unwrap());
    assert_eq!(commit(hub, vec![gone, role("b", &["prod"], "list")]).await.unwrap(), 3);

    let mut client = hub.fleet().await;
    let request = admin::ListRevisionsRequest { page_size: 2, before: 0 };
    let page = client.list_revisions(request).await.unwrap().into_inner();
    let numbers: Vec<u64> = page.revisions.iter().map(|r| r.number).collect();
    assert_eq!((numbers.as_slice(), page.next_before), (&[3, 2][..], 2));
    let newest = &page.revisions[0];
    assert_eq!((newest.author.as_str(), newest.message.as_str()), ("admin", "a test"));
    let changes: Vec<(Action, &str)> =
        newest.changes.iter().map(|c| (c.action(), c.subject.as_str())).collect();
    assert_eq!(changes, [(Action::Remove, "FederatedRole/a"), (Action::Change, "FederatedRole/b")]);
    assert_eq!(
        (newest.clusters_changed, newest.signed_by.as_slice()),
        (1, &["ada".to_owned()][..])
    );
    let request = admin::ListRevisionsRequest { page_size: 2, before: page.next_before };
    let page = client.list_revisions(request).await.unwrap().into_inner();
    assert_eq!((page.revisions.len(), page.next_before), (1, 0));

    let one = client.get_revision(admin::GetRevisionRequest { number: 2 }).await.unwrap();
    let one = one.into_inner();
    assert_eq!(one.contents.len(), 2);
    assert!(one.changes.starts_with(b"hanse changes v1\n") && !one.signatures.is_empty());
    let digest = hanse_domain::ids::Digest::of(&one.statement).to_string();
    assert_eq!(one.revision.unwrap().digest, digest);
    let none = client.get_revision(admin::GetRevisionRequest { number: 9 }).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
}

pub(crate) async fn the_second_author_is_stale(hub: &Hub) {
    let base = fleet(hub).await;
    let (mine, yours) =
        (propose(&base, vec![role("a", &[], "get")]), propose(&base, vec![role("b", &[], "get")]));
    let (mine, yours) = tokio::join!(send(hub, mine), send(hub, yours));
    let (won, lost) = if mine.is_ok() { (mine, yours) } else { (yours, mine) };
    assert_eq!(won.unwrap(), 1);
    let lost = lost.unwrap_err();
    assert_eq!(lost.code(), Code::FailedPrecondition, "{lost:?}");
    assert!(lost.message().starts_with("STALE:"), "{lost:?}");
    // The right number on another history.
    let mut other = fleet(hub).await;
    other.history = hanse_domain::ids::Digest::of(b"another past");
    let forged = send(hub, propose(&other, vec![role("c", &[], "get")])).await.unwrap_err();
    assert_eq!(forged.code(), Code::FailedPrecondition, "{forged:?}");
}

pub(crate) async fn a_lost_answer_can_be_asked_for_again(hub: &Hub) {
    let request = propose(&fleet(hub).await, vec![role("a", &[], "get")]);
    assert_eq!(send(hub, request.clone()).await.unwrap(), 1);
    assert_eq!(send(hub, request).await.unwrap(), 1);
    assert_eq!(fleet(hub).await.number.0, 1);
}

pub(crate) async fn what_cannot_be_is_refused_with_all_reasons(hub: &Hub) {
    let base = fleet(hub).await;
    let bindings = vec![binding("one", "missing"), binding("two", "absent")];
    let refused = send(hub, propose(&base, bindings)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for name in ["FederatedRole/missing", "FederatedRole/absent"] {
        assert!(refused.message().contains(name), "{refused:?}");
    }
    // Contents that are missing, foreign, or no documents; another fleet's statement; no statement.
    let good = propose(&base, vec![role("a", &[], "get")]);
    let other = Fleet::new(hanse_domain::trust::chain::RootChain::begin(single_root()).unwrap());
    let mut without = good.clone();
    without.contents.clear();
    let mut more = good.clone();
    more.contents.push("kind: Nothing".into());
    let mut cut = good.clone();
    cut.statement = cut.statement.slice(1..);
    let mut signed = good.clone();
    signed.signatures = vec![0; 20_000].into();
    let mut unlisted = good.clone();
    unlisted.changes = "hanse changes v1\n".into();
    let foreign = propose(&other, vec![role("a", &[], "get")]);
    let nothing = admin::CommitRequest::default();
    for request in [without, more, cut, signed, unlisted, foreign, nothing] {
        let refused = send(hub, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    }
    // What nobody signed who may, is not read: what it brings is no document.
    for keys in [&[][..], &[EVE]] {
        let mut change = signed_by(&base, vec![role("a", &[], "get")], keys);
        change.contents = vec!["kind: Nothing".into()];
        for propose in [false, true] {
            let change = admin::CommitRequest { propose, ..change.clone() };
            let refused = send(hub, change).await.unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
        }
    }
    assert_eq!(fleet(hub).await.number.0, 0);
    assert_eq!(send(hub, good).await.unwrap(), 1);
}

pub(crate) async fn only_invited_clusters_are_accepted(hub: &Hub) {
    let cluster = join(hub, "prod").await;
    let stranger = ClusterId(uuid::Uuid::now_v7());
    let revoked = join(hub, "gone").await;
    let request = admin::RevokeClusterRequest { cluster_id: revoked.id.to_string() };
    hub.clusters().await.revoke_cluster(request).await.unwrap();
    let edits = vec![
        entry(stranger, "stranger", &[]),
        entry(cluster.id, "renamed", &[]),
        entry(revoked.id, "gone", &[]),
    ];
    let refused = commit(hub, edits).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for why in ["no cluster with that id was invited", "is named prod", "it was revoked"] {
        assert!(refused.message().contains(why), "{refused:?}");
    }
    // Invited is enough: it may be accepted beforehand.
    let invited = crate::agent::token(hub, "later").await;
    let edits = vec![
        entry(cluster.id, "prod", &[]),
        entry(invited.cluster_id.parse().unwrap(), "later", &[]),
    ];
    assert_eq!(commit(hub, edits).await.unwrap(), 1);
    // A cluster that is accepted keeps its name, too.
    let refused = commit(hub, vec![entry(cluster.id, "renamed", &[])]).await.unwrap_err();
    assert!(refused.message().contains("keeps its name"), "{refused:?}");
    // Two with one name.
    let base = fleet(hub).await;
    let change = Change::propose(&base, vec![entry(cluster.id, "prod", &[])], "", Timestamp::now());
    assert!(change.is_err(), "nothing changes");
}
