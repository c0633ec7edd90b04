//! The accept loop. Nothing that a client does ends it (CVE-2024-47609 was such an end): a failed
//! accept is waited out, and a failed handshake costs its own task only.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::connection::Connection;
use super::crowd::{Crowd, Place};
use super::quiet::Quiet;
use super::tls::{Listener, TlsConfig};

/// Connections that the kernel keeps while the hub is busy; a whole fleet may come at once.
const BACKLOG: u32 = 4096;
/// How long to wait after an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// What one listener may hold at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Handshakes under way. More clients wait in the kernel's backlog.
    pub handshakes: usize,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    /// Open connections, those in a handshake included. One more is closed at once.
    pub connections: usize,
    /// Those of one remote address.
    pub per_address: usize,
    /// How long a connection may say nothing after its handshake.
    pub silence: Duration,
    /// How long a connection without a client certificate may last.
    pub anonymous: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshakes: 512,
            handshake_timeout: Duration::from_secs(10),
            connections: 19_000,
            per_address: usize::MAX,
            silence: Duration::from_secs(10),
            anonymous: Duration::from_mins(1),
        }
    }
}

/// A bound socket that speaks TLS.
pub struct TlsListener {
    socket: TcpListener,
    local: SocketAddr,
    config: Arc<TlsConfig>,
    limits: Limits,
}

impl TlsListener {
    /// Binds the address; port 0 takes a free one. Must be called within a Tokio runtime.
    pub fn bind(
        address: SocketAddr,
        config: Arc<TlsConfig>,
        limits: Limits,
    ) -> Result<Self, BindError> {
        let bind = || {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            }?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let socket = socket.listen(BACKLOG)?;
            let local = socket.local_addr()?;
            Ok((socket, local))
        };
        let (socket, local) = bind().map_err(|source| BindError { address, source })?;
        Ok(Self { socket, local, config, limits })
    }

    /// The address that is bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Accepted connections after their handshake, for tonic's `serve_with_incoming_shutdown`.
    ///
    /// The stream ends when `shutdown` is cancelled, and never with an error. Handshakes under way
    /// end with the stream. It must be polled for connections to be accepted.
    pub fn incoming(
        self,
        shutdown: CancellationToken,
    ) -> impl Stream<Item = Result<Connection, Infallible>> + Send {
        let incoming = Incoming {
            connections: Arc::new(Semaphore::new(self.limits.connections)),
            crowd: Crowd::default(),
            listener: self,
            handshakes: JoinSet::new(),
            not_before: None,
            quiet: Complaints::default(),
        };
        futures::stream::unfold((incoming, shutdown), |(mut incoming, shutdown)| async move {
            let connection = shutdown.run_until_cancelled(incoming.next()).await?;
            Some((Ok(connection), (incoming, shutdown)))
        })
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}\nhint: see what listens there with `ss -ltnp 'sport = :{}'`", .address.port())]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    source: io::Error,
}

struct Incoming {
    listener: TlsListener,
    connections: Arc<Semaphore>,
    crowd: Crowd,
    handshakes: JoinSet<Result<Connection, (SocketAddr, HandshakeError)>>,
    not_before: Option<Instant>,
    quiet: Complaints,
}

#[derive(Default)]
struct Complaints {
    accept: Quiet,
    full: Quiet,
    crowded: Quiet,
    handshake: Quiet,
}

#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("took too long")]
    Timeout,
    #[error("without a client certificate")]
    Anonymous,
    #[error(transparent)]
    Tls(#[from] io::Error),
}

impl Incoming {
    async fn next(&mut self) -> Connection {
        loop {
            let room = self.handshakes.len() < self.listener.limits.handshakes;
            tokio::select! {
                biased;
                Some(done) = self.handshakes.join_next() => match done {
                    Ok(Ok(connection)) => return connection,
                    Ok(Err((remote, error))) => self.complain_of_handshake(remote, &error),
                    Err(error) => warn!(%error, "a TLS handshake's task failed"),
                },
                accepted = accept(&self.listener.socket, self.not_before), if room => {
                    self.not_before = None;
                    match accepted {
                        Ok((socket, remote)) => self.begin(socket, remote),
                        Err(error) => self.pause(&error),
                    }
                }
            }
        }
    }

    fn begin(&mut self, socket: TcpStream, remote: SocketAddr) {
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            if let Some(suppressed) = self.quiet.full.allow(Instant::now()) {
                let (local, limit) = (self.listener.local, self.listener.limits.connections);
                warn!(%local, limit, suppressed, "refused a connection: the limit is reached");
            }
            return;
        };
        let limits = self.listener.limits;
        let Some(place) = self.crowd.enter(remote.ip(), limits.per_address) else {
            if let Some(suppressed) = self.quiet.crowded.allow(Instant::now()) {
                let (local, limit) = (self.listener.local, limits.per_address);
                warn!(%local, %remote, limit, suppressed, "refused a connection: its address has too many");
            }
            return;
        };
        let config = Arc::clone(&self.listener.config);
        self.handshakes.spawn(async move {
            let shaken = handshake(socket, remote, &config, permit, place);
            let shaken = timeout(limits.handshake_timeout, shaken).await;
            let shaken = shaken.unwrap_or(Err(HandshakeError::Timeout)).map(|mut connection| {
                let (now, known) = (Instant::now(), connection.peer().certificate.is_some());
                let last = (!known).then(|| now + limits.anonymous);
                connection.end_by(now + limits.silence, last);
                connection
            });
            shaken.map_err(|error| (remote, error))
        });
    }

    fn pause(&mut self, error: &io::Error) {
        let now = Instant::now();
        self.not_before = Some(now + ACCEPT_PAUSE);
        if let Some(suppressed) = self.quiet.accept.allow(now) {
            let local = self.listener.local;
            warn!(%local, %error, suppressed, "cannot accept connections, trying again");
        }
    }

    fn complain_of_handshake(&mut self, remote: SocketAddr, error: &HandshakeError) {
        let local = self.listener.local;
        if let Some(suppressed) = self.quiet.handshake.allow(Instant::now()) {
            warn!(%local, %remote, %error, suppressed, "TLS handshake failed");
        } else {
            debug!(%local, %remote, %error, "TLS handshake failed");
        }
    }
}

/// Cancel-safe, as [`TcpListener::accept`] is.
async fn accept(
    socket: &TcpListener,
    not_before: Option<Instant>,
) -> io::Result<(TcpStream, SocketAddr)> {
    if let Some(not_before) = not_before {
        sleep_until(not_before).await;
    }
    socket.accept().await
}

async fn handshake(
    socket: TcpStream,
    remote: SocketAddr,
    config: &TlsConfig,
    permit: OwnedSemaphorePermit,
    place: Place,
) -> Result<Connection, HandshakeError> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
    let stream = TlsAcceptor::from(config.current()).accept(socket).await?;
    let connection = Connection::new(stream, remote, permit, place);
    // The verifier has seen to this; a resumed session does not pass it.
    if config.listener() == Listener::Agents && connection.peer().certificate.is_none() {
        return Err(HandshakeError::Anonymous);
    }
    Ok(connection)
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
