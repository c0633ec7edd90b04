//! One stream, from its connection to its end.

use std::time::Duration;

use hanse_proto::agent::SessionRequest;
use hanse_proto::agent::agent_service_client::AgentServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use super::refusal::{is_refusal, is_refused_by_tls};
use super::renewal::{self, Renewal};
use super::{End, Event, Link, Outage};
use crate::core::io::{Input, Report};
use crate::fence::FenceState;
use crate::inventory::Part;
use crate::kube::client::ClusterFacts;
use crate::wire;
use crate::wire::{DryRunOutcome, Incoming};

/// Messages that may wait to be sent.
const OUTGOING: usize = 256;
/// Parts of the inventory that may wait.
const BULK: usize = 2;
/// A bundle of the largest size, with the evidence for all of it.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// How long the hub may take for its first message.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(30);

/// How to send on a stream that is up. Dropping it ends the stream.
#[derive(Debug)]
pub struct Session {
    outgoing: mpsc::Sender<SessionRequest>,
    /// What is large and can wait goes beside, so that it holds up nothing.
    bulk: mpsc::Sender<SessionRequest>,
    _ends_with_us: DropGuard,
}

/// The stream did not take a message: it is gone, or too slow. The core sends all of it again on the
/// next one.
#[derive(Debug, thiserror::Error)]
#[error("the stream takes no more messages")]
pub struct Full;

impl Session {
    /// Sends what the core has to tell. Never waits.
    pub fn report(
        &self,
        report: Report,
        cluster: &ClusterFacts,
        recipient: &str,
    ) -> Result<(), Full> {
        self.send(wire::report(report, cluster, recipient))
    }

    /// Sends how the fence stands. Never waits.
    pub fn fence(&self, state: &FenceState) -> Result<(), Full> {
        self.send(wire::fence(state))
    }

    /// Sends what a dry run brought. Never waits.
    pub fn dry_run_result(&self, id: u64, outcome: DryRunOutcome) -> Result<(), Full> {
        self.send(wire::dry_run_result(id, outcome))
    }

    /// Waits until a part of the inventory can be sent, or the stream is gone.
    pub async fn bulk_room(&self) {
        drop(self.bulk.reserve().await);
    }

    /// Sends a part of the inventory, for which there is room.
    pub fn inventory(
        &self,
        part: Part,
        sign: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<(), Full> {
        self.bulk.try_send(wire::inventory::part(part, sign)).map_err(|_| Full)
    }

    fn send(&self, message: SessionRequest) -> Result<(), Full> {
        self.outgoing.try_send(message).map_err(|_| Full)
    }
}

/// Connects and carries messages until the stream ends.
pub(super) async fn run(
    link: &Link,
    endpoint: &Endpoint,
    renewal: &mut Renewal,
    outage: &mut Outage,
) -> End {
    let channel = match endpoint.connect().await {
        Ok(channel) => channel,
        Err(error) if is_refused_by_tls(&error) => {
            return End::Refused(crate::terminal::chain(&error));
        }
        Err(error) => {
            return End::Broken { why: crate::terminal::chain(&error), welcomed: false };
        }
    };
    let client = AgentServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let (outgoing, receiver) = mpsc::channel(OUTGOING);
    let stop = CancellationToken::new();
    let (bulk, bulk_receiver) = mpsc::channel(BULK);
    let session = Session { outgoing, bulk, _ends_with_us: stop.clone().drop_guard() };
    // The core says hello now; the hub may wait for that before it answers anything.
    if link.events.send(Event::Up(session)).await.is_err() {
        return End::Unheard;
    }
    let mut open = Open { link, client, welcomed: false };
    let messages = ReceiverStream::new(receiver).merge(ReceiverStream::new(bulk_receiver));
    let end = tokio::select! {
        end = open.carry(messages, renewal, outage) => end,
        () = stop.cancelled() => End::Overflow,
    };
    if link.events.send(Event::Down).await.is_err() {
        return End::Unheard;
    }
    end
}

struct Open<'l> {
    link: &'l Link,
    client: AgentServiceClient<Channel>,
    welcomed: bool,
}

impl Open<'_> {
    async fn carry(
        &mut self,
        outgoing: impl Stream<Item = SessionRequest> + Send + 'static,
        renewal: &mut Renewal,
        outage: &mut Outage,
    ) -> End {
        let opened = self.client.session(outgoing);
        let mut incoming = match tokio::time::timeout(WELCOME_TIMEOUT, opened).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return self.ended(&status),
            Err(_) => return self.broken("the hub does not answer"),
        };
        loop {
            tokio::select! {
                message = next(&mut incoming, self.welcomed) => {
                    let message = match message {
                        Ok(Some(message)) => message,
                        Ok(None) => return self.broken("the hub ended the stream"),
                        Err(status) => return self.ended(&status),
                    };
                    let incoming = match wire::incoming(message) {
                        Ok(incoming) => incoming,
                        Err(error) => return self.broken(&error.to_string()),
                    };
                    if matches!(incoming, Incoming::Core(Input::Welcomed { .. })) {
                        self.welcomed = true;
                        outage.ended();
                    }
                    if self.link.events.send(Event::Message(Box::new(incoming))).await.is_err() {
                        return End::Unheard;
                    }
                }
                () = renewal.wait(), if self.welcomed => {
                    let identity = &self.link.identity;
                    match renewal::renew(&mut self.client, identity, &self.link.store).await {
                        Ok(renewed) => {
                            let until = renewed.credentials.certificate.not_after;
                            tracing::info!("the certificate is renewed and valid until {until}");
                            return End::Renewed(Box::new(renewed));
                        }
                        Err(error) => renewal.failed(&identity.credentials, &error),
                    }
                }
            }
        }
    }

    fn ended(&self, status: &tonic::Status) -> End {
        let text = if status.message().is_empty() {
            crate::terminal::chain(status)
        } else {
            status.message().to_owned()
        };
        if is_refusal(status) { End::Refused(text) } else { self.broken(&text) }
    }

    fn broken(&self, why: &str) -> End {
        End::Broken { why: why.to_owned(), welcomed: self.welcomed }
    }
}

/// The next message. The first must come in time; after it, the keepalives watch over the stream.
async fn next(
    incoming: &mut Streaming<hanse_proto::agent::SessionResponse>,
    welcomed: bool,
) -> Result<Option<hanse_proto::agent::SessionResponse>, tonic::Status> {
    if welcomed {
        return incoming.message().await;
    }
    tokio::time::timeout(WELCOME_TIMEOUT, incoming.message())
        .await
        .unwrap_or_else(|_| Err(tonic::Status::unavailable("the hub does not say welcome")))
}
