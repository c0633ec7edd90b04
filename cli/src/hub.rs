//! The connection to a hub: mutual TLS, limits on time and size, and clients of each service.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hanse_proto::admin::cluster_service_client::ClusterServiceClient;
use hanse_proto::admin::drift_service_client::DriftServiceClient;
use hanse_proto::admin::fleet_service_client::FleetServiceClient;
use hanse_proto::admin::identity_service_client::IdentityServiceClient;
use hanse_proto::admin::{Cluster, ListClustersRequest};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Response, Status, Streaming};

use crate::config::Context;
use crate::failure::{Failure, Outcome};
use crate::{probe, trouble};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole answer, or for the next message of a stream that should not pause.
const DEADLINE_S: u64 = 30;
const DEADLINE: Duration = Duration::from_secs(DEADLINE_S);
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// A connected hub.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    channel: Channel,
    context: Arc<Context>,
}

impl Hub {
    pub(crate) async fn connect(context: &Context) -> Outcome<Self> {
        let server = context.server.clone();
        let invalid = |why: String| {
            Failure::new("config", format!("context `{}` cannot be used", context.name))
                .why(why)
                .hint("hanse context import --replace FILE")
        };
        if !server.starts_with("https://") {
            return Err(invalid(format!("the server `{server}` is not an https:// URL")));
        }
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&context.certificate_authority))
            .identity(Identity::from_pem(&context.client_certificate, context.client_key.expose()));
        let endpoint = Endpoint::from_shared(server.clone())
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(|error| invalid(chain(&error)))?
            .user_agent(concat!("hanse/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| invalid(chain(&error)))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        let connected = tokio::time::timeout(CONNECT_TIMEOUT * 2, endpoint.connect())
            .await
            .map_err(|_| trouble::timed_out(&server, CONNECT_TIMEOUT.as_secs() * 2))?;
        match connected {
            Ok(channel) => Ok(Self { channel, context: Arc::new(context.clone()) }),
            Err(error) => Err(refined(context, trouble::of_transport(&server, &error)).await),
        }
    }

    pub(crate) fn server(&self) -> &str {
        &self.context.server
    }

    pub(crate) fn fleet_service(&self) -> FleetServiceClient<Channel> {
        FleetServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn clusters_service(&self) -> ClusterServiceClient<Channel> {
        ClusterServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn drift_service(&self) -> DriftServiceClient<Channel> {
        DriftServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn identity_service(&self) -> IdentityServiceClient<Channel> {
        IdentityServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// A call with its deadline, whose errors are for a person.
    pub(crate) async fn call<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Outcome<T> {
        match self.try_call(call).await? {
            Ok(answer) => Ok(answer),
            Err(status) => Err(refined(&self.context, self.failure(&status)).await),
        }
    }

    /// A call with its deadline, whose status the caller looks at first.
    pub(crate) async fn try_call<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Outcome<Result<T, Status>> {
        let answer = tokio::time::timeout(DEADLINE, call)
            .await
            .map_err(|_| trouble::timed_out(self.server(), DEADLINE_S))?;
        Ok(answer.map(Response::into_inner))
    }

    /// The next message of a stream that must not pause for long.
    pub(crate) async fn next<T>(&self, stream: &mut Streaming<T>) -> Outcome<Option<T>> {
        tokio::time::timeout(DEADLINE, stream.message())
            .await
            .map_err(|_| trouble::timed_out(self.server(), DEADLINE_S))?
            .map_err(|status| self.failure(&status))
    }

    pub(crate) fn failure(&self, status: &Status) -> Failure {
        trouble::of_status(self.server(), status)
    }

    /// Every cluster that the hub knows, by name.
    pub(crate) async fn clusters(&self) -> Outcome<Vec<Cluster>> {
        let mut service = self.clusters_service();
        let mut clusters = self.call(service.list_clusters(ListClustersRequest {})).await?.clusters;
        clusters.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(clusters)
    }

    /// One cluster, by its name.
    pub(crate) async fn cluster(&self, name: &str) -> Outcome<Cluster> {
        let clusters = self.clusters().await?;
        clusters.into_iter().find(|cluster| cluster.name == name).ok_or_else(|| {
            Failure::new("not-found", format!("there is no cluster `{name}`"))
                .hint("hanse cluster list")
        })
    }
}

/// A failure with its true cause, where the connection was lost before the cause was known.
async fn refined(context: &Context, failure: Failure) -> Failure {
    if failure.code() != trouble::UNREACHABLE {
        return failure;
    }
    match probe::refusal(context).await {
        Some(error) => trouble::of_transport(&context.server, &error),
        None => failure,
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
