//! The stream to the hub: one, for as long as the process lives.
//!
//! ```text
//!        ┌────────────── wait, with jitter ◄─────────────┐
//!        ▼                                               │
//!     connect ─► Up ─► messages, both ways ─► Down ──────┤
//!                         └─ certificate renewed ─► Down ┴─► connect at once
//! ```
//!
//! Without the hub the last good state stays enforced, so nothing here ever ends the process.

mod refusal;
mod renewal;
mod session;
mod tls;

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::identity::Identity;
use crate::identity::store::IdentityStore;
use crate::wire::Incoming;
pub use session::{Full, Session};
pub use tls::{TlsError, endpoint};

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// How long a stream must last for the next one to be tried without a pause.
const LASTED: Duration = Duration::from_secs(5);
/// After a refusal that only a person can lift.
const REFUSED_DELAY: Duration = Duration::from_secs(30);

/// What the stream brings.
#[derive(Debug)]
pub enum Event {
    /// It is up, and this is how to send.
    Up(Session),
    /// A message.
    Message(Box<Incoming>),
    /// It ended.
    Down,
}

/// Why a session ended.
#[derive(Debug)]
enum End {
    /// The certificate was renewed, so that a new connection should begin with it.
    Renewed(Box<Identity>),
    /// It broke; `welcomed` if the hub had answered before.
    Broken { why: String, welcomed: bool },
    /// The hub does not want this agent.
    Refused(String),
    /// The agent itself wants another stream: it could not send as fast as it had to.
    Overflow,
    /// Nobody listens any more.
    Unheard,
}

/// The link to the hub.
pub struct Link {
    /// Who the agent is.
    pub identity: Identity,
    /// Where a renewed certificate goes.
    pub store: IdentityStore,
    /// Where events go.
    pub events: mpsc::Sender<Event>,
}

impl Link {
    /// Keeps a stream up until it is asked to end.
    pub async fn run(mut self, soft: CancellationToken) -> Result<(), TlsError> {
        let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
        let mut endpoint = endpoint(&self.identity)?;
        let mut renewal = renewal::Renewal::plan(&self.identity.credentials);
        let mut outage = Outage::default();
        loop {
            let begun = tokio::time::Instant::now();
            let session = session::run(&self, &endpoint, &mut renewal, &mut outage);
            let end = tokio::select! {
                () = soft.cancelled() => return Ok(()),
                end = session => end,
            };
            let delay = match end {
                End::Unheard => return Ok(()),
                End::Renewed(identity) => {
                    endpoint = tls::endpoint(&identity)?;
                    renewal = renewal::Renewal::plan(&identity.credentials);
                    self.identity = *identity;
                    backoff.reset();
                    Duration::ZERO
                }
                End::Overflow => {
                    tracing::warn!("the stream to the hub is too slow and begins anew");
                    backoff.next_delay()
                }
                End::Broken { why, welcomed } => {
                    // One that ends soon will end so again: only one that lasted begins anew at once.
                    if welcomed && begun.elapsed() >= LASTED {
                        backoff.reset();
                    }
                    outage.tell(&why);
                    backoff.next_delay()
                }
                End::Refused(why) => {
                    self.tell_refusal(&why);
                    REFUSED_DELAY + backoff.next_delay()
                }
            };
            renewal.warn_if_late(&self.identity.credentials, Timestamp::now());
            tokio::select! {
                () = soft.cancelled() => return Ok(()),
                () = tokio::time::sleep(delay) => (),
            }
        }
    }

    fn tell_refusal(&self, why: &str) {
        let facts = &self.identity.facts;
        tracing::error!(
            hint = format!("hanse describe cluster {}", facts.cluster_name),
            "the hub refuses this agent; what was accepted last stays enforced: {why}. If another agent \
             runs with this folder or a copy of it, stop one of the two. If the cluster was revoked or \
             its certificate expired, it needs a new token and hanse-agent join --force"
        );
    }
}

/// Tells of an outage once, and again each minute.
#[derive(Debug, Default)]
struct Outage {
    since: Option<Timestamp>,
    told: Option<tokio::time::Instant>,
}

impl Outage {
    fn tell(&mut self, why: &str) {
        let since = *self.since.get_or_insert_with(Timestamp::now);
        if self.told.is_none_or(|told| told.elapsed() >= Duration::from_mins(1)) {
            self.told = Some(tokio::time::Instant::now());
            tracing::warn!(%since, "no stream to the hub; what was accepted last stays enforced: {why}");
        }
    }

    fn ended(&mut self) {
        self.told = None;
        if let Some(since) = self.since.take() {
            tracing::info!(%since, "the stream to the hub is back");
        }
    }
}
