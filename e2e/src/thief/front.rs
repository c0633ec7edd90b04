//! The stolen hub as agents see it: the same address, a certificate of the same authority. It hands
//! every stream over to the thief.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use futures::Stream;
use hanse_control_plane::auth::{CertificateAuthority, Peer, TrustDomain};
use hanse_control_plane::net::{Limits, Listener, PeerInfo, TlsConfig, TlsListener};
use hanse_domain::ids::ClusterId;
use hanse_proto::agent::agent_service_server::{AgentService, AgentServiceServer};
use hanse_proto::agent::session_request::Message as Said;
use hanse_proto::agent::session_response::Message;
use hanse_proto::agent::{
    Hello, RenewCertificateRequest, RenewCertificateResponse, SessionRequest, SessionResponse,
    Welcome,
};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, async_trait};

/// Messages that may wait to be sent.
const QUEUE: usize = 64;
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// The stream of one agent.
pub(super) struct Line {
    pub(super) cluster: ClusterId,
    out: mpsc::Sender<Result<SessionResponse, Status>>,
    incoming: Streaming<SessionRequest>,
}

impl Line {
    /// Waits until there is room.
    pub(super) async fn say(&self, message: Message) -> Result<()> {
        let message = Ok(SessionResponse { message: Some(message) });
        self.out.send(message).await.context("the agent has gone")
    }

    /// What the agent says next.
    pub(super) async fn hear(&mut self) -> Result<Said> {
        let message = self.incoming.message().await?.context("the agent ended the stream")?;
        message.message.context("an empty message")
    }

    /// What the agent says first.
    pub(super) async fn hello(&mut self) -> Result<Hello> {
        match self.hear().await? {
            Said::Hello(hello) => Ok(hello),
            Said::Applied(_)
            | Said::Drift(_)
            | Said::DryRun(_)
            | Said::Fence(_)
            | Said::Inventory(_) => {
                bail!("the agent says something before its Hello")
            }
        }
    }
}

/// Serves until it is told to stop.
pub(super) struct Front {
    /// Agents, as they come.
    pub(super) arrivals: mpsc::Receiver<Line>,
    stop: CancellationToken,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Front {
    /// Takes the address, with a certificate that the authority issues for it.
    pub(super) fn open(ca: &CertificateAuthority, address: SocketAddr) -> Result<Self> {
        let names = ["localhost".to_owned(), address.ip().to_string()];
        let identity = ca.issue_server(&names, Timestamp::now())?;
        let config = TlsConfig::new(Listener::Agents, ca.certificate(), &identity)?;
        let listener = TlsListener::bind(address, Arc::new(config), Limits::default())?;
        let (arrived, arrivals) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let door = Door { arrived, trust_domain: ca.trust_domain().clone() };
        let service = AgentServiceServer::new(door)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let server =
            tonic::transport::Server::builder().add_service(service).serve_with_incoming_shutdown(
                listener.incoming(stop.clone()),
                stop.clone().cancelled_owned(),
            );
        Ok(Self { arrivals, stop, server: tokio::spawn(server) })
    }

    /// Gives the address back. Streams have to be dropped before.
    pub(super) async fn close(mut self) {
        self.stop.cancel();
        self.arrivals.close();
        while self.arrivals.recv().await.is_some() {}
        self.server.abort();
        let _ = self.server.await;
    }
}

struct Door {
    arrived: mpsc::Sender<Line>,
    trust_domain: TrustDomain,
}

#[async_trait]
impl AgentService for Door {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<SessionResponse, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let info = request.extensions().get::<PeerInfo>();
        let certificate = info.and_then(|info| info.certificate.as_ref());
        let Ok(Peer::Agent { cluster, .. }) = Peer::identify(certificate, &self.trust_domain)
        else {
            return Err(Status::unauthenticated("no agent"));
        };
        let (out, messages) = mpsc::channel(QUEUE);
        let line = Line { cluster, out, incoming: request.into_inner() };
        let welcome = Welcome { accepted: true, ..Welcome::default() };
        let gone = |_| Status::unavailable("the thief has gone");
        line.say(Message::Welcome(welcome)).await.map_err(|_| Status::internal("full"))?;
        self.arrived.send(line).await.map_err(gone)?;
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    async fn renew_certificate(
        &self,
        _: Request<RenewCertificateRequest>,
    ) -> Result<Response<RenewCertificateResponse>, Status> {
        Err(Status::unavailable("later"))
    }
}
