//! Changes that wait for more signatures.

use hanse_domain::fleet::Edit;
use hanse_proto::admin;
use tonic::{Code, Status};

use crate::author::{ADA, BOB, EVE, Key, document, fleet, next_root, role, send, signed};
use crate::hub::Hub;

/// A hub on which Ada makes `danger` ask for Bob, too.
async fn with_bob(hub: &Hub) {
    let base = fleet(hub).await;
    let root = next_root(&base, |root| {
        let bob: hanse_domain::trust::root::KeyName = "bob".parse().unwrap();
        root.keys.insert(bob.clone(), BOB.public());
        root.danger.names.insert(bob);
        root.danger.threshold = 2;
    });
    assert_eq!(send(hub, signed(&base, vec![root], &[ADA])).await.unwrap(), 1);
}

/// Everything: a hazard.
fn danger() -> Edit {
    role("all", &[], "'*'")
}

async fn propose(hub: &Hub, request: admin::CommitRequest) -> Result<admin::Proposal, Status> {
    let request = admin::CommitRequest { propose: true, ..request };
    let answer = hub.fleet().await.commit(request).await?.into_inner();
    assert!(answer.revision.is_none());
    Ok(answer.proposal.unwrap())
}

async fn sign(hub: &Hub, digest: &str, by: Key) -> Result<admin::CommitResponse, Status> {
    let mut client = hub.fleet().await;
    let asked = admin::GetProposalRequest { digest: digest.to_owned() };
    let found = client.get_proposal(asked).await?.into_inner();
    let statement = found.change.unwrap().statement;
    let digest = found.proposal.unwrap().digest;
    let signature = by.sign(&statement).into();
    let request = admin::SignProposalRequest { digest, signature };
    Ok(client.sign_proposal(request).await?.into_inner())
}

async fn list(hub: &Hub) -> Vec<admin::Proposal> {
    let request = admin::ListProposalsRequest {};
    hub.fleet().await.list_proposals(request).await.unwrap().into_inner().proposals
}

async fn withdraw(hub: &Hub, digest: &str) -> Result<(), Status> {
    let request = admin::WithdrawProposalRequest { digest: digest.to_owned() };
    hub.fleet().await.withdraw_proposal(request).await.map(|_| ())
}

pub(crate) async fn what_wants_more_waits_when_it_is_told_to(hub: &Hub) {
    with_bob(hub).await;
    let base = fleet(hub).await;
    let change = signed(&base, vec![danger()], &[ADA]);
    let refused = send(hub, change.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert!(refused.message().starts_with("SIGNATURES: FederatedRole/all needs"), "{refused:?}");
    assert!(list(hub).await.is_empty());

    let proposal = propose(hub, change.clone()).await.unwrap();
    assert_eq!((proposal.number, proposal.stale, proposal.author.as_str()), (2, false, "admin"));
    assert_eq!(proposal.signed_by, ["ada"]);
    assert!(proposal.missing.contains("2 of ada, bob"), "{proposal:?}");
    assert_eq!(proposal.changes[0].subject, "FederatedRole/all");
    // The answer was lost.
    assert_eq!(propose(hub, change).await.unwrap(), proposal);
    assert_eq!(list(hub).await, [proposal]);
    // One that nobody could complete is not kept.
    for keys in [&[][..], &[EVE], &[BOB]] {
        let hopeless = propose(hub, signed(&base, vec![role("b", &[], "get")], keys)).await;
        let hopeless = hopeless.unwrap_err();
        assert_eq!(hopeless.code(), Code::PermissionDenied, "{hopeless:?}");
        assert!(hopeless.message().starts_with("UNTRUSTED: "), "{hopeless:?}");
    }
    assert_eq!(fleet(hub).await.number.0, 1);
}

pub(crate) async fn the_last_signature_commits(hub: &Hub) {
    with_bob(hub).await;
    let change = signed(&fleet(hub).await, vec![danger()], &[ADA]);
    let proposal = propose(hub, change.clone()).await.unwrap();
    // By its beginning; not by less.
    let refused = sign(hub, &proposal.digest[..7], BOB).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    for (key, code) in [(EVE, Code::PermissionDenied), (ADA, Code::AlreadyExists)] {
        let refused = sign(hub, &proposal.digest, key).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    let request = |signature: Vec<u8>| admin::SignProposalRequest {
        digest: proposal.digest.clone(),
        signature: signature.into(),
    };
    let two = [BOB.sign(&change.statement), EVE.sign(&change.statement)].concat();
    for bad in [Vec::new(), two, BOB.sign(b"something else")] {
        let refused = hub.fleet().await.sign_proposal(request(bad)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    }
    let landed = sign(hub, &proposal.digest[..8], BOB).await.unwrap().revision.unwrap();
    assert_eq!((landed.number, landed.digest.as_str()), (2, proposal.digest.as_str()));
    assert_eq!(landed.signed_by, ["ada", "bob"]);
    assert!(list(hub).await.is_empty());
    // What everybody replays has both signatures.
    assert_eq!(fleet(hub).await.documents().len(), 1);
    let again = hub.fleet().await.sign_proposal(request(BOB.sign(&change.statement))).await;
    assert_eq!(again.unwrap().into_inner().revision.unwrap().number, 2);
}

pub(crate) async fn a_proposal_is_passed_or_withdrawn(hub: &Hub) {
    with_bob(hub).await;
    let base = fleet(hub).await;
    let passed = propose(hub, signed(&base, vec![danger()], &[ADA])).await.unwrap();
    let other = propose(hub, signed(&base, vec![danger(), role("x", &[], "get")], &[ADA]));
    let other = other.await.unwrap();
    withdraw(hub, &other.digest).await.unwrap();
    let gone = withdraw(hub, &other.digest).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound, "{gone:?}");
    let namespace = document(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedNamespace\nmetadata: {name: n}\n\
         spec: {placement: {clusterSelector: {}}}\n",
    );
    assert_eq!(send(hub, signed(&base, vec![namespace], &[ADA])).await.unwrap(), 2);
    let shown = list(hub).await;
    assert_eq!(
        (shown.len(), shown[0].digest.as_str(), shown[0].stale),
        (1, passed.digest.as_str(), true)
    );
    let stale = sign(hub, &passed.digest, BOB).await.unwrap_err();
    assert!(stale.message().starts_with("STALE:"), "{stale:?}");
}
