//! How clusters join, and every way in which they do not.

use hanse_control_plane::auth::Peer;
use hanse_control_plane::auth::csr::ProvenKey;
use hanse_control_plane::store::Store;
use hanse_domain::ids::ClusterId;
use hanse_proto::admin;
use hanse_proto::admin::cluster::Phase;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use rustls_pki_types::CertificateDer;
use tonic::Code;

use crate::agent::{csr, enrolment, join, pem, token};
use crate::clients::Credentials;
use crate::hub::Hub;

pub(crate) async fn list(hub: &Hub) -> Vec<admin::Cluster> {
    let request = admin::ListClustersRequest::default();
    hub.clusters().await.list_clusters(request).await.unwrap().into_inner().clusters
}

pub(crate) async fn a_cluster_joins_once(hub: &Hub) {
    let invitation = token(hub, "prod").await;
    assert_eq!(invitation.ca_hash, hub.ca.spki_hash());
    assert_eq!(invitation.hub_address, hub.people());
    let invited = list(hub).await;
    assert_eq!((invited[0].phase(), invited[0].joined_at), (Phase::Invited, None));

    let key = KeyPair::generate().unwrap();
    let request = enrolment(&invitation.token, "prod", &key);
    let answer = hub.enrol().await.enroll(request.clone()).await.unwrap().into_inner();
    assert_eq!(answer.cluster_id, invitation.cluster_id);
    assert!(!answer.accepted);
    let leaf = CertificateDer::from(answer.chain[0].to_vec());
    let peer = Peer::identify(Some(&leaf), hub.ca.trust_domain()).unwrap();
    let id: ClusterId = answer.cluster_id.parse().unwrap();
    assert!(matches!(peer, Peer::Agent { cluster, .. } if cluster == id), "{peer:?}");

    let again = hub.enrol().await.enroll(request).await.unwrap_err();
    assert_eq!(again.code(), Code::PermissionDenied);
    let joined = list(hub).await;
    assert_eq!(joined[0].phase(), Phase::Pending);
    assert_eq!(joined[0].kubernetes_version, "v1.36.3");
    assert!(joined[0].joined_at.is_some() && !joined[0].connected);

    // The name is taken now.
    let request = admin::CreateJoinTokenRequest { cluster_name: "prod".to_owned(), ttl_seconds: 0 };
    let taken = hub.clusters().await.create_join_token(request).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists, "{taken:?}");
}

async fn invite_expired(store: &Store, name: &str) -> String {
    use secrecy::ExposeSecret as _;
    let token = hanse_control_plane::auth::JoinToken::make(&mut rand::rng());
    let past = Timestamp::now() - SignedDuration::from_hours(2);
    let id = ClusterId(uuid::Uuid::now_v7());
    let expired = Timestamp::now() - SignedDuration::from_secs(1);
    store.invite(name, &token.hash(), id, "test", past, expired).await.unwrap();
    token.to_text().expose_secret().to_owned()
}

pub(crate) async fn bad_tokens_have_one_answer(hub: &Hub) {
    let (prod, prod2) = (token(hub, "prod").await, token(hub, "prod2").await);
    let store = hub.store().await;
    let expired = invite_expired(&store, "old").await;
    store.close().await;
    let replaced = token(hub, "twice").await;
    token(hub, "twice").await;
    let used = token(hub, "used").await;
    let key = KeyPair::generate().unwrap();
    let mut client = hub.enrol().await;
    client.enroll(enrolment(&used.token, "used", &key)).await.unwrap();

    let mut answers = Vec::new();
    for (token, name) in [
        ("", "prod"),
        ("hjt_", "prod"),
        ("hjt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "prod"),
        (prod2.token.as_str(), "prod"),
        (prod.token.as_str(), "prod2"),
        (prod.token.as_str(), "PROD"),
        (prod.token.as_str(), ""),
        (expired.as_str(), "old"),
        (replaced.token.as_str(), "twice"),
        (used.token.as_str(), "used"),
    ] {
        let refused = client.enroll(enrolment(token, name, &key)).await.unwrap_err();
        answers.push((refused.code(), refused.message().to_owned()));
    }
    let expected = "the join token is not valid for this cluster: it is wrong, expired, used, or was \
                    made for another name";
    for answer in answers {
        assert_eq!(answer, (Code::PermissionDenied, expected.to_owned()));
    }
    // None of that used one up.
    client.enroll(enrolment(&prod.token, "prod", &key)).await.unwrap();
    client.enroll(enrolment(&prod2.token, "prod2", &key)).await.unwrap();
}

pub(crate) async fn names_in_the_request_mean_nothing(hub: &Hub) {
    let victim = join(hub, "prod").await;
    let invitation = token(hub, "prod2").await;
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["hub.example.com".to_owned()]).unwrap();
    let uri = format!("spiffe://{}/cluster/{}", hub.ca.trust_domain(), victim.id);
    params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
    params.distinguished_name.push(DnType::CommonName, "system:masters");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.is_ca = rcgen::IsCa::NoCa;
    let mut request = enrolment(&invitation.token, "prod2", &key);
    request.csr = params.serialize_request(&key).unwrap().der().to_vec().into();
    let answer = hub.enrol().await.enroll(request).await.unwrap().into_inner();
    assert_eq!(answer.cluster_id, invitation.cluster_id);
    assert_ne!(answer.cluster_id, victim.id.to_string());
    let leaf = answer.chain[0].to_vec();
    for trace in ["system:masters", "hub.example.com", &victim.id.to_string()] {
        let found = leaf.windows(trace.len()).any(|window| window == trace.as_bytes());
        assert!(!found, "{trace} is in the certificate");
    }

    // Somebody else's key is no key.
    let invitation = token(hub, "prod3").await;
    let mut request = enrolment(&invitation.token, "prod3", &key);
    let mut broken = request.csr.to_vec();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    request.csr = broken.into();
    let refused = hub.enrol().await.enroll(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
}

pub(crate) async fn a_renewal_keeps_the_identity(hub: &Hub) {
    let cluster = join(hub, "prod").await;
    let renew = async |with: &Credentials| {
        let key = KeyPair::generate().unwrap();
        let request = hanse_proto::agent::RenewCertificateRequest { csr: csr(&key) };
        let answer = hub.agent(with).await.renew_certificate(request).await?;
        let chain = pem(&answer.into_inner().chain);
        Ok::<_, tonic::Status>(Credentials { chain, key: key.serialize_pem() })
    };
    let lost = renew(&cluster.credentials).await.unwrap();
    // The answer was lost: the old one is good for another.
    let second = renew(&cluster.credentials).await.unwrap();
    // Which ends the lost one.
    let refused = renew(&lost).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    let third = renew(&second).await.unwrap();
    let refused = renew(&cluster.credentials).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    let mut renewed = cluster.clone();
    renewed.credentials = third;
    let (_talk, welcome) = renewed.connect(hub).await;
    assert_eq!(welcome.cluster_name, "prod");

    // A CSR for a revoked cluster.
    let request = admin::RevokeClusterRequest { cluster_id: cluster.id.to_string() };
    hub.clusters().await.revoke_cluster(request).await.unwrap();
    let refused = renew(&renewed.credentials).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    let key = KeyPair::generate().unwrap();
    assert!(ProvenKey::from_csr(&csr(&key)).is_ok());
}

pub(crate) async fn a_replaced_certificate_ends_when_the_new_one_is_used(hub: &Hub) {
    let cluster = join(hub, "prod").await;
    let old = cluster.credentials.clone();
    let renew = async |with: &Credentials| {
        let key = KeyPair::generate().unwrap();
        let request = hanse_proto::agent::RenewCertificateRequest { csr: csr(&key) };
        let answer = hub.agent(with).await.renew_certificate(request).await?;
        let chain = pem(&answer.into_inner().chain);
        Ok::<_, tonic::Status>(Credentials { chain, key: key.serialize_pem() })
    };
    let mut renewed = cluster.clone();
    renewed.credentials = renew(&old).await.unwrap();
    // Its answer may have been lost.
    let (_talk, _) = cluster.connect(hub).await;
    assert_eq!(list(hub).await[0].message, "waits for `hanse cluster accept prod`");
    let (mut talk, _) = renewed.connect(hub).await;
    talk.quiet().await;
    // Renewed, and not taken over.
    assert_eq!(list(hub).await[0].message, "waits for `hanse cluster accept prod`");

    // From the first session with the new one on, the old one is nobody's any more.
    let refused = renew(&old).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    let refused = match cluster.stream(hub).await {
        Ok(mut talk) => talk.end().await,
        Err(status) => status,
    };
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    let shown = list(hub).await.remove(0);
    assert!(shown.message.contains("identity may be cloned"), "{shown:?}");
    assert!(shown.message.ends_with("; waits for `hanse cluster accept prod`"), "{shown:?}");
    assert!(hub.log().contains("its identity may be cloned"), "{}", hub.log());
    // The rightful one is not disturbed.
    talk.quiet().await;
    renew(&renewed.credentials).await.unwrap();
}
