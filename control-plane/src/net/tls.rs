//! TLS settings of the two listeners: TLS 1.3 only, our own CA as the only root.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ServerSessionMemoryCache, StoresServerSessions, VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;

use crate::auth::Identity;

/// The hub's two listeners. A method of a service is served on one of them only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// For people and for clusters that join: a client certificate is optional. Serves
    /// `hanse.admin.v1` and `hanse.enroll.v1`.
    People,
    /// For agents: without a client certificate there is no connection. Serves `hanse.agent.v1`.
    Agents,
}

/// How many sessions a listener remembers, some 1.5 KB each; the oldest is forgotten first.
const SESSIONS: usize = 20_000;

/// A listener's TLS settings, whose server certificate can be replaced while it serves.
pub struct TlsConfig {
    listener: Listener,
    verifier: Arc<dyn ClientCertVerifier>,
    // Of this listener alone. With a shared one, a session that began without a certificate on one
    // listener could be resumed on the other, where TLS does not ask for the certificate again.
    sessions: Arc<dyn StoresServerSessions>,
    current: ArcSwap<ServerConfig>,
}

impl TlsConfig {
    /// Settings that accept clients certified by `ca` and show `identity`.
    ///
    /// Sessions can be resumed (RFC 8446, section 2.2). A resumed connection carries the certificate
    /// that was verified when the session began, so that expiry and revocation are to be checked
    /// again, by the caller and for each request.
    pub fn new(
        listener: Listener,
        ca: &CertificateDer<'_>,
        identity: &Identity,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned()).map_err(TlsError::Root)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let verifier = match listener {
            Listener::People => builder.allow_unauthenticated().build(),
            Listener::Agents => builder.build(),
        }
        .map_err(TlsError::Verifier)?;
        let sessions: Arc<dyn StoresServerSessions> = ServerSessionMemoryCache::new(SESSIONS);
        let config = server_config(&verifier, &sessions, identity)?;
        Ok(Self { listener, verifier, sessions, current: ArcSwap::new(config) })
    }

    /// Shows another server certificate from the next handshake on.
    pub fn replace_identity(&self, identity: &Identity) -> Result<(), TlsError> {
        let config = server_config(&self.verifier, &self.sessions, identity)?;
        self.current.store(config);
        Ok(())
    }

    /// The listener that the settings are for.
    pub fn listener(&self) -> Listener {
        self.listener
    }

    /// The settings for one handshake.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

/// TLS settings that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA's certificate.
    #[error("the CA certificate cannot be a root of trust")]
    Root(#[source] rustls::Error),
    /// The check of client certificates.
    #[error("cannot set up the check of client certificates")]
    Verifier(#[source] VerifierBuilderError),
    /// The server's certificate or key.
    #[error("the server certificate cannot be used")]
    Identity(#[source] rustls::Error),
}

fn server_config(
    verifier: &Arc<dyn ClientCertVerifier>,
    sessions: &Arc<dyn StoresServerSessions>,
    identity: &Identity,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Identity)?
        .with_client_cert_verifier(Arc::clone(verifier))
        // The CA goes along, so that a joining agent can compare its hash.
        .with_single_cert(identity.certificate.chain.clone(), identity.key.clone_key())
        .map_err(TlsError::Identity)?;
    // A session id of 32 bytes instead of a ticket, which carries the client's certificate: a fleet
    // that reconnects sends and gets half as much.
    config.session_storage = Arc::clone(sessions);
    config.send_tls13_tickets = 1;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}
