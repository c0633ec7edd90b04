//! The connection to a hub: mutual TLS, limits on time and size, and clients of each service.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hanse_domain::ids::Digest;
use hanse_proto::admin::access_service_client::AccessServiceClient;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::cluster_service_client::ClusterServiceClient;
use hanse_proto::admin::drift_service_client::DriftServiceClient;
use hanse_proto::admin::fleet_service_client::FleetServiceClient;
use hanse_proto::admin::identity_service_client::IdentityServiceClient;
use hanse_proto::admin::{Cluster, ListClustersRequest};
use tokio::sync::OnceCell;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Response, Status, Streaming};

use crate::config::{Config, Context, FleetPin};
use crate::failure::{Failure, Outcome};
use crate::text::{escape, near};
use crate::{output, probe, trouble};

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
    /// The file that the context is in.
    config: PathBuf,
    /// The fleet that is meant, once it is known.
    fleet: Arc<OnceLock<Digest>>,
    /// The clusters with their ceilings, once they were asked for.
    ceilings: Arc<OnceCell<Vec<Cluster>>>,
}

impl Hub {
    /// Connects. `config`: the file that the context is in.
    pub(crate) async fn connect(context: &Context, config: &Path) -> Outcome<Self> {
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
            Ok(channel) => {
                let fleet = Arc::new(OnceLock::new());
                if let Some(FleetPin(digest)) = context.fleet {
                    let _ = fleet.set(digest);
                }
                let (context, config) = (Arc::new(context.clone()), config.to_owned());
                Ok(Self { channel, context, config, fleet, ceilings: Arc::default() })
            }
            Err(error) => Err(refined(context, trouble::of_transport(&server, &error)).await),
        }
    }

    pub(crate) fn server(&self) -> &str {
        &self.context.server
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// The file that the context is in.
    pub(crate) fn config_path(&self) -> &Path {
        &self.config
    }

    /// The fleet that is meant; nothing before it was seen for the first time.
    pub(crate) fn fleet_pin(&self) -> Option<Digest> {
        self.fleet.get().copied()
    }

    /// Remembers which fleet is meant, in the configuration too.
    pub(crate) fn pin_fleet(&self, pin: FleetPin) {
        let _ = self.fleet.set(pin.0);
        let name = &self.context.name;
        let stored = Config::load(&self.config).and_then(|mut config| {
            if let Some(context) = config.contexts.iter_mut().find(|c| c.name == *name) {
                context.fleet = Some(pin);
            }
            config.store(&self.config)
        });
        let (name, pin) = (escape(name), String::from(pin));
        match stored {
            Ok(()) => output::note(&format!(
                "context `{name}` did not say which fleet is meant; from now on it is {pin}, as the \
                 hub showed it: compare it with `hanse trust show` on another author's machine"
            )),
            Err(failure) => output::warn(&format!(
                "context `{name}` does not say which fleet is meant, and {pin} cannot be kept: {}",
                failure.summary()
            )),
        }
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

    pub(crate) fn access_service(&self) -> AccessServiceClient<Channel> {
        AccessServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
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
            Err(status) => Err(self.refined_failure(&status).await),
        }
    }

    /// The failure of a call, with its true cause where the connection was lost.
    pub(crate) async fn refined_failure(&self, status: &Status) -> Failure {
        refined(&self.context, self.failure(status)).await
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

    /// Every cluster that the hub knows, by name, without its ceiling.
    pub(crate) async fn clusters(&self) -> Outcome<Vec<Cluster>> {
        self.list(ListClustersRequest { without_ceilings: true }).await
    }

    /// The same with the ceilings, as far as the hub says. They are long: it is asked once.
    pub(crate) async fn with_ceilings(&self) -> &[Cluster] {
        let request = ListClustersRequest { without_ceilings: false };
        self.ceilings.get_or_init(|| async { self.list(request).await.unwrap_or_default() }).await
    }

    async fn list(&self, request: ListClustersRequest) -> Outcome<Vec<Cluster>> {
        let mut service = self.clusters_service();
        let mut clusters = self.call(service.list_clusters(request)).await?.clusters;
        clusters.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(clusters)
    }

    /// One cluster, by its name, without its ceiling.
    pub(crate) async fn cluster(&self, name: &str) -> Outcome<Cluster> {
        named(self.clusters().await?, name)
    }

    /// One cluster, by its name, as a whole.
    pub(crate) async fn whole_cluster(&self, name: &str) -> Outcome<Cluster> {
        named(self.list(ListClustersRequest::default()).await?, name)
    }
}

/// The cluster that has a name now. Revoked ones keep theirs, and are meant only when there is no
/// other; the newest of them then.
pub(crate) fn named(clusters: impl IntoIterator<Item = Cluster>, name: &str) -> Outcome<Cluster> {
    let (found, others): (Vec<Cluster>, Vec<Cluster>) =
        clusters.into_iter().partition(|cluster| cluster.name == name);
    let newest = |cluster: &Cluster| {
        let joined = cluster.joined_at.as_ref().map(|at| (at.seconds, at.nanos));
        (cluster.phase() != Phase::Revoked, joined, cluster.id.clone())
    };
    found.into_iter().max_by_key(newest).ok_or_else(|| {
        let names = others.iter().filter(|c| c.phase() != Phase::Revoked).map(|c| &*c.name);
        Failure::new("not-found", format!("there is no cluster `{name}`")).hint(near(
            name,
            names,
            "hanse cluster list",
        ))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(id: &str, name: &str, phase: Phase, joined: i64) -> Cluster {
        let joined_at = Some(pbjson_types::Timestamp { seconds: joined, nanos: 0 });
        Cluster {
            id: id.into(),
            name: name.into(),
            phase: phase.into(),
            joined_at,
            ..Cluster::default()
        }
    }

    #[test]
    fn a_name_is_that_of_the_cluster_that_is_not_revoked() {
        let id = |clusters: &[Cluster]| named(clusters.to_vec(), "a").ok().map(|c| c.id);
        let both_ways = |mut clusters: Vec<Cluster>, expected: &str| {
            assert_eq!(id(&clusters).as_deref(), Some(expected), "{clusters:?}");
            clusters.reverse();
            assert_eq!(id(&clusters).as_deref(), Some(expected), "{clusters:?}");
        };
        let dead = cluster("9", "a", Phase::Revoked, 50);
        let deader = cluster("8", "a", Phase::Revoked, 40);
        let other = cluster("7", "b", Phase::Synced, 90);
        let invited = Cluster { joined_at: None, ..cluster("2", "a", Phase::Invited, 0) };
        both_ways(vec![dead.clone(), cluster("1", "a", Phase::Synced, 10)], "1");
        both_ways(vec![dead.clone(), invited], "2");
        both_ways(vec![dead, other.clone(), deader], "9");
        assert_eq!(id(&[other]), None);
    }

    #[test]
    fn an_unknown_name_brings_up_near_ones() {
        let known =
            [cluster("1", "prod-1", Phase::Synced, 1), cluster("2", "prod-11", Phase::Revoked, 1)];
        let hint = |name| {
            let failure = named(known.clone(), name).err();
            failure.and_then(|failure| failure.hint_text().map(str::to_owned))
        };
        insta::assert_snapshot!(hint("prod1").unwrap_or_default(), @"did you mean `prod-1`? Otherwise: hanse cluster list");
        insta::assert_snapshot!(hint("other").unwrap_or_default(), @"hanse cluster list");
    }
}
