//! gRPC clients with the credentials that a test chooses.

use std::path::Path;
use std::time::Duration;

use hanse_control_plane::auth::Identity;
use hanse_proto::admin::cluster_service_client::ClusterServiceClient;
use hanse_proto::admin::drift_service_client::DriftServiceClient;
use hanse_proto::admin::fleet_service_client::FleetServiceClient;
use hanse_proto::admin::identity_service_client::IdentityServiceClient;
use hanse_proto::agent::agent_service_client::AgentServiceClient;
use hanse_proto::enroll::enroll_service_client::EnrollServiceClient;
use secrecy::ExposeSecret as _;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::hub::{Hub, PATIENCE, block};

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Credentials {
    pub(crate) fn of_file(path: &Path) -> Self {
        Self { chain: block(path, "clientCertificate"), key: block(path, "clientKey") }
    }
}

impl From<&Identity> for Credentials {
    fn from(identity: &Identity) -> Self {
        let key = identity.key_pem().expose_secret().to_owned();
        Self { chain: identity.chain_pem(), key }
    }
}

/// A connection, or why there is none.
pub(crate) async fn connect(
    hub: &Hub,
    address: &str,
    who: Option<&Credentials>,
) -> Result<Channel, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(hub.ca.certificate_pem()))
        .domain_name("localhost");
    if let Some(who) = who {
        tls = tls.identity(tonic::transport::Identity::from_pem(&who.chain, &who.key));
    }
    Endpoint::from_shared(format!("https://{address}"))
        .unwrap()
        .tls_config(tls)
        .unwrap()
        .connect_timeout(PATIENCE)
        .http2_keep_alive_interval(Duration::from_mins(1))
        .connect()
        .await
}

const MOST: usize = 64 * 1024 * 1024;

impl Hub {
    pub(crate) async fn fleet(&self) -> FleetServiceClient<Channel> {
        let channel = connect(self, &self.people(), Some(&self.admin())).await.unwrap();
        FleetServiceClient::new(channel).max_decoding_message_size(MOST)
    }

    pub(crate) async fn clusters(&self) -> ClusterServiceClient<Channel> {
        ClusterServiceClient::new(connect(self, &self.people(), Some(&self.admin())).await.unwrap())
    }

    pub(crate) async fn drift(&self) -> DriftServiceClient<Channel> {
        DriftServiceClient::new(connect(self, &self.people(), Some(&self.admin())).await.unwrap())
    }

    pub(crate) async fn identity(&self, who: &Credentials) -> IdentityServiceClient<Channel> {
        IdentityServiceClient::new(connect(self, &self.people(), Some(who)).await.unwrap())
    }

    pub(crate) async fn enrol(&self) -> EnrollServiceClient<Channel> {
        EnrollServiceClient::new(connect(self, &self.people(), None).await.unwrap())
    }

    pub(crate) async fn agent(&self, who: &Credentials) -> AgentServiceClient<Channel> {
        let channel = connect(self, &self.agents(), Some(who)).await.unwrap();
        AgentServiceClient::new(channel).max_decoding_message_size(MOST)
    }
}
