//! Client certificates that must not work, and rights that end.

use std::time::Duration;

use hanse_control_plane::auth::ca::USER_LIFETIME;
use hanse_control_plane::auth::csr::ProvenKey;
use hanse_control_plane::auth::{CertificateAuthority, Identity};
use hanse_proto::admin;
use jiff::{SignedDuration, Timestamp};
use rcgen::KeyPair;
use tonic::Code;

use crate::agent::{accepted, csr, join};
use crate::clients::{Credentials, connect};
use crate::database::Database;
use crate::hub::Hub;

async fn who_am_i(hub: &Hub, who: &Credentials) -> Result<admin::WhoAmIResponse, Option<Code>> {
    let channel = connect(hub, &hub.people(), Some(who)).await.map_err(|_| None)?;
    let mut client = admin::identity_service_client::IdentityServiceClient::new(channel);
    let answer = client.who_am_i(admin::WhoAmIRequest {}).await;
    answer.map(tonic::Response::into_inner).map_err(|status| match status.code() {
        // A handshake that ends shows with the first call.
        Code::Unavailable | Code::Unknown | Code::Cancelled => None,
        code => Some(code),
    })
}

fn user(ca: &CertificateAuthority, name: &str, at: Timestamp, life: SignedDuration) -> Identity {
    ca.issue_user(&name.parse().unwrap(), at, life).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_good_certificates_work() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let now = Timestamp::now();
    let me = who_am_i(&hub, &hub.admin()).await.unwrap();
    assert_eq!((me.name.as_str(), me.role.as_str()), ("admin", "administrator"));
    assert!(me.methods.contains(&"hanse.admin.v1.FleetService/Commit".to_owned()));

    // Another CA of the same trust domain, and one of another.
    for domain in ["hanse.local", "other.local"] {
        let other = CertificateAuthority::make(&domain.parse().unwrap(), now).unwrap();
        let forged = user(&other, "admin", now, USER_LIFETIME);
        assert_eq!(who_am_i(&hub, &(&forged).into()).await, Err(None), "{domain}");
    }
    // Ours, expired.
    let past = now - SignedDuration::from_hours(3);
    let expired = user(&hub.ca, "admin", past, SignedDuration::from_hours(1));
    assert_eq!(who_am_i(&hub, &(&expired).into()).await, Err(None));
    // Ours, for somebody whom nobody made, and for somebody with another certificate.
    for name in ["nobody", "admin"] {
        let unknown = user(&hub.ca, name, now, USER_LIFETIME);
        let refused = who_am_i(&hub, &(&unknown).into()).await;
        assert_eq!(refused, Err(Some(Code::Unauthenticated)), "{name}");
    }
    // Ours, for a cluster that never joined.
    let key = KeyPair::generate().unwrap();
    let proven = ProvenKey::from_csr(&csr(&key)).unwrap();
    let id = hanse_domain::ids::ClusterId(uuid::Uuid::now_v7());
    let issued = hub.ca.issue_agent(id, &proven, now, SignedDuration::from_hours(1)).unwrap();
    let chain: Vec<bytes::Bytes> = issued.chain.iter().map(|der| der.to_vec().into()).collect();
    let ghost = Credentials { chain: crate::agent::pem(&chain), key: key.serialize_pem() };
    let request = hanse_proto::agent::RenewCertificateRequest { csr: csr(&key) };
    let refused = hub.agent(&ghost).await.renew_certificate(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    hub.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_expires_ends_what_it_began() {
    let hub = Hub::make(Database::on_sqlite().await);
    // Agents' certificates live 10 seconds.
    hub.serve(&["--agent-certificate-seconds", "10"]).await;
    let cluster = join(&hub, "prod").await;
    let (mut talk, _) = cluster.connect(&hub).await;
    let mut client = hub.agent(&cluster.credentials).await;
    let ended = talk.end().await;
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended:?}");
    assert!(ended.message().contains("expired"), "{ended:?}");
    // On the connection that was made while it was valid.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let key = KeyPair::generate().unwrap();
    let request = hanse_proto::agent::RenewCertificateRequest { csr: csr(&key) };
    let refused = client.renew_certificate(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    hub.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_person_gets_nothing_within_seconds() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let vera = hub.viewer();
    assert!(who_am_i(&hub, &vera).await.is_ok());
    let channel = connect(&hub, &hub.people(), Some(&vera)).await.unwrap();
    let mut client = admin::fleet_service_client::FleetServiceClient::new(channel);
    let watch = client.watch_head(admin::WatchHeadRequest {}).await.unwrap();
    let mut watch = watch.into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().number, 0);
    let (done, said) = hub.run(&["user", "revoke", "vera"]);
    assert!(done, "{said}");
    // An open stream ends, and a new call is refused.
    let ended = tokio::time::timeout(Duration::from_secs(15), watch.message()).await;
    assert_eq!(ended.unwrap().unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(who_am_i(&hub, &vera).await, Err(Some(Code::Unauthenticated)));
    hub.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_cluster_gets_nothing_at_once() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let [cluster] = accepted(&hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(&hub).await;
    talk.bundle().await;
    let asked = std::time::Instant::now();
    let request = admin::RevokeClusterRequest { cluster_id: cluster.id.to_string() };
    hub.clusters().await.revoke_cluster(request).await.unwrap();
    let ended = talk.end().await;
    assert_eq!(ended.code(), Code::Unauthenticated);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let refused = match cluster.stream(&hub).await {
        Ok(mut talk) => talk.end().await,
        Err(status) => status,
    };
    assert_eq!(refused.code(), Code::Unauthenticated);
    hub.end_well().await;
}
