//! What each listener serves, and what a client may ask of it at once.

use std::convert::Infallible;
use std::time::Duration;

use futures::Stream;
use hanse_proto::{admin, agent, enroll};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::guard::GuardLayer;
use super::{Services, admin as admin_api, agent as agent_api, enroll as enroll_api};
use crate::net::{Connection, Listener};
use crate::service::fleet::MAX_COMMIT_BYTES;

/// A request's headers.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// A message to the hub, when it is not a commit.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// One from a cluster that wants to join, before anything is known of it.
const MAX_ENROLL_BYTES: usize = 64 * 1024;
/// A message from the hub: a bundle with its proofs, or a revision with its contents.
pub(super) const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;
/// Until the answer begins.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A silent connection is asked whether it is there, and closed when it does not say so.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));
/// Requests under way, streams not counted.
const AT_ONCE: usize = 1_024;
/// Window of an agent's stream and connection: a bundle is small, and there are many agents.
const AGENT_WINDOW: u32 = 64 * 1024;
/// Of a person's, who may send a large commit over a long way.
const PEOPLE_WINDOW: u32 = 1024 * 1024;

/// Serves one listener until `soft` is cancelled and what is open has ended.
pub async fn serve(
    listener: Listener,
    services: Services,
    incoming: impl Stream<Item = Result<Connection, Infallible>> + Send,
    soft: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let (window, streams) = match listener {
        Listener::Agents => (AGENT_WINDOW, 8),
        Listener::People => (PEOPLE_WINDOW, 128),
    };
    let guard =
        GuardLayer::new(services.callers.clone(), services.hub.trust_domain.clone(), AT_ONCE);
    let mut server = Server::builder()
        .timeout(TIMEOUT)
        .max_concurrent_streams(streams)
        .initial_stream_window_size(window)
        .initial_connection_window_size(window)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .layer(guard);
    let router = match listener {
        Listener::People => {
            let fleet = admin_api::FleetApi(services.clone());
            let clusters = admin_api::ClusterApi(services.clone());
            let drift = admin_api::DriftApi(services.clone());
            let access = admin_api::AccessApi(services.clone());
            let identity = admin_api::IdentityApi(services.clone());
            let enrolment = enroll_api::EnrollApi(services);
            server
                .add_service(
                    admin::fleet_service_server::FleetServiceServer::new(fleet)
                        .max_decoding_message_size(MAX_COMMIT_BYTES)
                        .max_encoding_message_size(MAX_RESPONSE_BYTES),
                )
                .add_service(
                    admin::cluster_service_server::ClusterServiceServer::new(clusters)
                        .max_decoding_message_size(MAX_REQUEST_BYTES)
                        .max_encoding_message_size(MAX_RESPONSE_BYTES),
                )
                .add_service(
                    admin::drift_service_server::DriftServiceServer::new(drift)
                        .max_decoding_message_size(MAX_REQUEST_BYTES)
                        .max_encoding_message_size(MAX_RESPONSE_BYTES),
                )
                .add_service(
                    admin::access_service_server::AccessServiceServer::new(access)
                        .max_decoding_message_size(MAX_COMMIT_BYTES)
                        .max_encoding_message_size(MAX_RESPONSE_BYTES),
                )
                .add_service(
                    admin::identity_service_server::IdentityServiceServer::new(identity)
                        .max_decoding_message_size(MAX_REQUEST_BYTES),
                )
                .add_service(
                    enroll::enroll_service_server::EnrollServiceServer::new(enrolment)
                        .max_decoding_message_size(MAX_ENROLL_BYTES),
                )
        }
        Listener::Agents => server.add_service(
            agent::agent_service_server::AgentServiceServer::new(agent_api::AgentApi(services))
                .max_decoding_message_size(MAX_REQUEST_BYTES)
                .max_encoding_message_size(MAX_RESPONSE_BYTES),
        ),
    };
    router.serve_with_incoming_shutdown(incoming, soft.cancelled_owned()).await
}
