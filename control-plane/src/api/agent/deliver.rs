//! What a stream delivers: the trust roots and the newest bundle, when the agent has not got them.

use std::time::Duration;

use hanse_domain::ids::{ClusterId, Digest, Generation};
use hanse_proto::agent::session_response::Message as Out;
use prost::Message as _;
use tokio::time::Instant;

use super::session::{Live, Talk};
use crate::api::convert;
use crate::api::server::MAX_RESPONSE_BYTES;
use crate::service::ServiceError;
use crate::service::sessions::Seen;

/// How long the agent has to say what became of a bundle before it gets a newer one. Proofs begin
/// where the agent is, so that it must not pass over one bundle for the next.
const ANSWER: Duration = Duration::from_secs(2);

impl Talk {
    /// Sends the trust roots and the newest bundle, unless the agent has them, or has not said yet
    /// what became of the bundle before.
    pub(super) async fn deliver(&mut self, live: &mut Live) -> Result<(), ServiceError> {
        if live.unanswered.is_some() {
            live.due = true;
            return Ok(());
        }
        live.due = false;
        let id = self.row.id;
        let delivery = self.services.delivery.for_agent(id, &live.has).await?;
        if let Some(ours) = delivery.ahead {
            self.complain(live, id, ours);
            return Ok(());
        }
        live.has = delivery.has;
        if let Some(roots) = delivery.roots {
            live.known.root_version = delivery.rooted.root_version;
            live.known.log_size = delivery.rooted.log_size;
            self.out.extend(convert::trust_roots(roots).map(Out::TrustRoots));
        }
        if let Some(bundle) = delivery.bundle {
            if std::mem::take(&mut live.complained) {
                let seen = self.services.sessions.seen(id).unwrap_or_default();
                live.session.set_seen(Seen { ahead: None, ..seen });
            }
            live.unanswered = Some(Instant::now() + ANSWER);
            live.sent = (live.has.bundle, live.has.log_size);
            let bundle = convert::bundle(*bundle);
            let bytes = bundle.encoded_len();
            if bytes >= MAX_RESPONSE_BYTES {
                tracing::error!(
                    cluster.id = %id,
                    bytes,
                    "the bundle of cluster {} ({id}) and its proofs have {bytes} bytes, more than a \
                     message takes: place less on it",
                    self.row.name
                );
                let why = "this cluster's bundle does not fit into a message";
                return Err(ServiceError::Exhausted(why.to_owned()));
            }
            self.out.push_back(Out::Bundle(bundle));
        }
        Ok(())
    }

    /// The agent said what became of its bundle, or it has not in time: the next one may go.
    pub(super) async fn answered(&mut self, live: &mut Live) -> Result<(), ServiceError> {
        live.unanswered = None;
        if live.due { self.deliver(live).await } else { Ok(()) }
    }

    /// The agent said that it holds this now, and whether it refused what it was sent last. That it
    /// refused is not sent again by itself: what comes next begins where the agent still is.
    pub(super) async fn holds(
        &mut self,
        live: &mut Live,
        held: Option<(Generation, Digest)>,
        refused: bool,
    ) -> Result<(), ServiceError> {
        let accepted = !refused && held.is_some() && held == live.sent.0;
        if !refused && !accepted {
            return Ok(());
        }
        if accepted {
            live.known.log_size = live.known.log_size.max(live.sent.1);
        }
        live.known.bundle = held;
        live.has = live.known.clone();
        self.answered(live).await
    }

    /// The agent holds more than this hub knows of: once a stream is enough to say so.
    fn complain(&self, live: &mut Live, id: ClusterId, ours: Generation) {
        if std::mem::replace(&mut live.complained, true) {
            return;
        }
        let theirs = live.has.bundle.map(|(generation, _)| generation);
        tracing::error!(
            cluster.id = %id,
            "cluster {} ({id}) holds generation {}, newer than this hub's {ours}: the hub was restored \
             from an old backup; nothing is delivered",
            self.row.name,
            theirs.unwrap_or_default()
        );
        let seen = self.services.sessions.seen(id).unwrap_or_default();
        live.session.set_seen(Seen { ahead: theirs, ..seen });
    }
}
