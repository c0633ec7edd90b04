//! How the agent connects: mutual TLS with the hub's CA as the only root, HTTP/2 with small windows
//! and keepalives, so that a dead hub is noticed within half a minute.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity as TlsIdentity};

use crate::enroll::host_of;
use crate::identity::Identity;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const WINDOW_BYTES: u32 = 64 * 1024;

/// An identity that no connection can be made with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not "host:port".
    #[error("{0:?} is not an address")]
    Address(String),
    /// The certificate, key or CA.
    #[error("the certificate, its key or the hub's CA cannot be used")]
    Settings(#[source] tonic::transport::Error),
}

/// The hub, as seen with this identity. Connections from one endpoint share TLS sessions, so that
/// reconnecting is cheap.
pub fn endpoint(identity: &Identity) -> Result<Endpoint, TlsError> {
    let address = &identity.facts.agent_address;
    let bad = || TlsError::Address(address.clone());
    let host = host_of(address).ok_or_else(bad)?;
    let credentials = &identity.credentials;
    let key = credentials.key_pem.expose_secret();
    let tls = ClientTlsConfig::new()
        .domain_name(host)
        .ca_certificate(Certificate::from_pem(&identity.ca_pem))
        .identity(TlsIdentity::from_pem(&credentials.chain_pem, key))
        .timeout(CONNECT_TIMEOUT);
    Ok(Endpoint::from_shared(format!("https://{address}"))
        .map_err(|_| bad())?
        .tls_config(tls)
        .map_err(TlsError::Settings)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .buffer_size(16))
}
