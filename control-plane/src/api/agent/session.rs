//! `Session`: the one long-lived stream of an agent.
//!
//! ```text
//! Hello ─▶ is it this cluster? ─▶ Welcome ─▶ TrustRoots and Bundle, when it has not the newest
//!                                   │
//!        ┌──────────────────────────┴─────────────┐
//!   from the agent                           from the hub
//!   Applied, DriftReport, FenceReport        its bundle changed ─▶ Bundle (the newest)
//!     ─▶ recorded                            the trust root changed ─▶ TrustRoots
//!   DryRunResult, Hello (all of it again)    a dry run, an end
//! ```
//!
//! A bundle goes out when the agent has said what became of the one before, or has not in time: the
//! proofs of the next one begin where the agent then is.
//!
//! It runs only while the agent takes what is sent: there is no queue between the two. One thing is
//! done at a time, so that what was acknowledged is recorded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use hanse_domain::ids::{Digest, Generation, RevisionNumber};
use hanse_domain::trust::recipient::check_recipient;
use hanse_proto::agent as proto;
use hanse_proto::agent::session_request::Message as In;
use hanse_proto::agent::session_response::Message as Out;
use jiff::Timestamp;
use prost::Message as _;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Streaming;

use super::drift_intake::DriftIntake;
use super::inventory_intake::InventoryIntake;
use crate::api::context::OpContext;
use crate::api::{Responses, Services, convert, status};
use crate::auth::Peer;
use crate::service::ServiceError;
use crate::service::delivery::Has;
use crate::service::rate::Bucket;
use crate::service::sessions::{Call, End, Seen, Session};
use crate::store::{AppliedRow, ClusterRow, FenceRow, StoreError, Writer};

/// Until the first message.
const HELLO: Duration = Duration::from_secs(10);
/// Messages at once, and how long one more takes.
const MESSAGES: (u32, Duration) = (200, Duration::from_millis(5));
/// Bytes at once, and how long one more takes: 16 MiB, then about 1 MiB a second. What is faster is
/// read later.
const BYTES: (u32, Duration) = (16 * 1024 * 1024, Duration::from_nanos(954));
/// What storing a report of the inventory costs of these: 256 at once, then about 16 a second.
const REPORT: u32 = 64 * 1024;
/// The same for asking for a whole bundle again.
const RESENDS: (u32, Duration) = (5, Duration::from_secs(10));
/// The same for reports of the fence that differ from the one before: each is written.
const FENCES: (u32, Duration) = (10, Duration::from_secs(10));
const MAX_VERSION_BYTES: usize = 128;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    incoming: Streaming<proto::SessionRequest>,
) -> Result<Responses<proto::SessionResponse>, ServiceError> {
    let (row, fingerprint) = ctx.agent()?;
    let talk = Talk {
        services: services.clone(),
        ctx: ctx.clone(),
        row,
        fingerprint,
        incoming,
        live: None,
        out: VecDeque::new(),
        expires: expiry(&ctx.peer, ctx.now),
    };
    Ok(Box::pin(stream::unfold(Some(talk), |talk| async move {
        let mut talk = talk?;
        match talk.next().await {
            Ok(Some(message)) => {
                let message = Some(message);
                Some((Ok(proto::SessionResponse { message }), Some(talk)))
            }
            Ok(None) => None,
            Err(error) => Some((Err(status::of(&talk.ctx, &error)), None)),
        }
    })))
}

/// When the certificate ends, by this process's clock.
fn expiry(peer: &Peer, now: Timestamp) -> Instant {
    let left = match peer {
        Peer::Agent { not_after, .. } | Peer::User { not_after, .. } => {
            not_after.duration_since(now)
        }
        Peer::Anonymous => jiff::SignedDuration::ZERO,
    };
    Instant::now() + Duration::try_from(left).unwrap_or_default()
}

pub(super) struct Talk {
    pub(super) services: Services,
    pub(super) ctx: OpContext,
    pub(super) row: Arc<ClusterRow>,
    pub(super) fingerprint: Digest,
    pub(super) incoming: Streaming<proto::SessionRequest>,
    pub(super) live: Option<Live>,
    /// At most what one step gives.
    pub(super) out: VecDeque<Out>,
    pub(super) expires: Instant,
}

/// After the Hello.
pub(super) struct Live {
    pub(super) session: Session,
    /// What it has when it believes all that was sent.
    pub(super) has: Has,
    /// What it has as it said itself, with the trust roots that it was sent.
    pub(super) known: Has,
    /// The bundle that was sent last, and how many statements it accepts with it.
    pub(super) sent: (Option<(Generation, Digest)>, u64),
    /// By when the agent should have said what became of the bundle that was sent last.
    pub(super) unanswered: Option<Instant>,
    /// There may be more to deliver after that.
    pub(super) due: bool,
    pub(super) applied: AppliedRow,
    pub(super) fence: Option<FenceRow>,
    pub(super) drift: DriftIntake,
    pub(super) inventory: InventoryIntake,
    pub(super) writer: Writer,
    pub(super) messages: Bucket,
    pub(super) bytes: Bucket,
    pub(super) resends: Bucket,
    pub(super) fences: Bucket,
    pub(super) complained: bool,
}

impl Talk {
    /// The next message to the agent; `None` when it hung up.
    async fn next(&mut self) -> Result<Option<Out>, ServiceError> {
        loop {
            // Before what is ready: who was cut off gets nothing of it.
            if let Some(end) = self.live.as_ref().and_then(|live| live.session.ended()) {
                return Err(ended(end));
            }
            if let Some(message) = self.out.pop_front() {
                return Ok(Some(message));
            }
            let goes_on = match self.live.take() {
                None => self.open().await?,
                Some(mut live) => {
                    let goes_on = self.step(&mut live).await?;
                    self.live = Some(live);
                    goes_on
                }
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }

    async fn open(&mut self) -> Result<bool, ServiceError> {
        let first = timeout(HELLO, self.incoming.message()).await;
        let hello = match first {
            Err(_) => return Err(ServiceError::TimedOut("no Hello within 10 s".to_owned())),
            Ok(Ok(None) | Err(_)) => return Ok(false),
            Ok(Ok(Some(proto::SessionRequest { message: Some(In::Hello(hello)) }))) => hello,
            Ok(Ok(Some(_))) => {
                return Err(ServiceError::invalid("the first message must be a Hello"));
            }
        };
        let id = self.row.id;
        if hello.cluster_uid != self.row.cluster_uid {
            tracing::warn!(
                cluster.id = %id,
                remote = %self.ctx.remote,
                "the certificate of cluster {} ({id}) was shown by another Kubernetes cluster",
                self.row.name
            );
            let why = "this certificate was issued to another Kubernetes cluster";
            return Err(ServiceError::Denied(why.to_owned()));
        }
        let now = Timestamp::now();
        // The Hello may have come long after the call: who is not good any more ends nobody's stream.
        self.services.callers.cluster(id, &self.fingerprint, now).await?;
        let session = self.services.sessions.begin(id, self.fingerprint, now);
        // Looked up again, now that a revocation would reach this stream.
        let row = self.services.callers.cluster(id, &self.fingerprint, now).await?;
        if row.certificate_used.is_some() && row.certificate_fingerprint == Some(self.fingerprint) {
            self.services.store.forget_used_certificate(id, &self.fingerprint).await?;
        }
        // Later than every stream that has written, also where another hub's clock is ahead.
        let stream = u64::try_from(now.as_microsecond()).unwrap_or_default().max(row.stream + 1);
        let writer = Writer { cluster: id, stream };
        session.set_seen(Seen {
            agent_version: convert::bounded(&hello.agent_version, MAX_VERSION_BYTES),
            kubernetes_version: convert::bounded(&hello.kubernetes_version, MAX_VERSION_BYTES),
            ahead: None,
        });
        if !hello.recipient.is_empty() && hello.recipient != row.recipient_offered {
            check_recipient(&hello.recipient).map_err(ServiceError::invalid)?;
            self.services.store.record_recipient(writer, &hello.recipient).await?;
            self.services.sessions.changed(id);
        }
        let known = self.services.drift.digest(id).await?;
        let theirs = convert::digest("drift_digest", &hello.drift_digest)?;
        self.out.push_back(Out::Welcome(proto::Welcome {
            cluster_name: row.name.clone(),
            accepted: self.services.fleet.current().fleet.member(id).is_some(),
            drift_wanted: theirs != Some(known),
        }));
        let now = Instant::now();
        let has = has(&hello)?;
        let mut live = Live {
            session,
            known: has.clone(),
            sent: (None, 0),
            has,
            unanswered: None,
            due: false,
            applied: row.applied,
            fence: row.fence,
            drift: DriftIntake::default(),
            inventory: InventoryIntake::default(),
            writer,
            messages: Bucket::new(MESSAGES.0, MESSAGES.1, now),
            bytes: Bucket::new(BYTES.0, BYTES.1, now),
            resends: Bucket::new(RESENDS.0, RESENDS.1, now),
            fences: Bucket::new(FENCES.0, FENCES.1, now),
            complained: false,
        };
        self.deliver(&mut live).await?;
        self.live = Some(live);
        Ok(true)
    }

    /// Waits for one thing and does it.
    async fn step(&mut self, live: &mut Live) -> Result<bool, ServiceError> {
        let picture = live.drift.deadline().into_iter().chain(live.inventory.deadline()).min();
        let until = picture.map_or(self.expires, |deadline| deadline.min(self.expires));
        let answer = live.unanswered.filter(|_| live.due);
        let ready = live.bytes.ready_at(Instant::now());
        tokio::select! {
            biased;
            () = self.services.soft.cancelled() => {
                let why = "the hub is going down: connect again";
                Err(ServiceError::Unavailable(why.to_owned()))
            }
            call = live.session.next() => {
                match call {
                    Call::Wake => self.deliver(live).await?,
                    Call::Inventory => {
                        self.out.push_back(Out::InventoryAsk(proto::InventoryAsk {}));
                    }
                    Call::DryRun(ask) => self.out.push_back(Out::DryRun(proto::DryRun {
                        id: ask.id,
                        bundle: Some(convert::bundle(*ask.bundle)),
                    })),
                    Call::End(end) => return Err(ended(end)),
                }
                Ok(true)
            }
            () = sleep_until(answer.unwrap_or(until)), if answer.is_some() => {
                self.answered(live).await?;
                Ok(true)
            }
            () = sleep_until(until) => Err(if until < self.expires {
                ServiceError::TimedOut("a full picture of the drift, or of the access, takes too long".to_owned())
            } else {
                ServiceError::Unauthenticated("the certificate has expired".to_owned())
            }),
            message = async {
                sleep_until(ready).await;
                self.incoming.message().await
            } => match message {
                Ok(Some(message)) => {
                    let bytes = u32::try_from(message.encoded_len()).unwrap_or(u32::MAX);
                    live.bytes.spend(bytes, Instant::now());
                    match self.heard(live, message.message).await {
                        Err(ServiceError::Store(StoreError::CutOff)) => Err(ended(End::Revoked)),
                        Err(ServiceError::Store(StoreError::Superseded)) => {
                            // By a stream to another hub, of which this one has not heard.
                            self.services.sessions.contest(self.row.id, Timestamp::now());
                            Err(ended(End::Superseded))
                        }
                        heard => heard.map(|()| true),
                    }
                }
                Ok(None) => Ok(false),
                Err(refused) if refused.code() == tonic::Code::OutOfRange
                    || refused.code() == tonic::Code::ResourceExhausted => {
                    Err(ServiceError::Exhausted("a message is too large".to_owned()))
                }
                Err(gone) => {
                    tracing::debug!(cluster.id = %self.row.id, %gone, "the agent's stream broke");
                    Ok(false)
                }
            }
        }
    }

    async fn heard(&mut self, live: &mut Live, message: Option<In>) -> Result<(), ServiceError> {
        if !live.messages.take(Instant::now()) {
            return Err(ServiceError::Exhausted("more than 200 messages a second".to_owned()));
        }
        let (id, now) = (self.row.id, Timestamp::now());
        // An inventory that stays as it is costs no write.
        if !matches!(&message, Some(In::Inventory(report)) if report.changes.is_empty()) {
            live.session.heard(now);
        }
        match message {
            Some(In::Hello(hello)) => {
                if !live.resends.take(Instant::now()) {
                    let why = "a whole bundle was asked for too often";
                    return Err(ServiceError::Exhausted(why.to_owned()));
                }
                let at_least = live.applied.digest.map(|digest| (live.applied.generation, digest));
                live.known = has(&hello)?;
                live.has = Has { whole: true, at_least, ..live.known.clone() };
                live.unanswered = None;
                self.deliver(live).await
            }
            Some(In::Applied(msg)) => self.applied(live, &msg, now).await,
            Some(In::Drift(report)) => {
                let ack = live.drift.take(&self.services, live.writer, report, now).await?;
                self.out.push_back(Out::DriftAck(ack));
                Ok(())
            }
            Some(In::DryRun(result)) => {
                let answer = convert::dry_run_answer(&result);
                self.services.dry_runs.answered(id, result.id, answer);
                Ok(())
            }
            Some(In::Fence(report)) => self.fence(live, &report).await,
            Some(In::Inventory(part)) => {
                let by = live.writer;
                if part.last {
                    live.bytes.spend(REPORT, Instant::now());
                }
                let answer = live.inventory.take(&self.services, by, part, now).await?;
                self.out.extend(answer);
                Ok(())
            }
            // From a newer agent.
            None => Ok(()),
        }
    }

    async fn fence(
        &self,
        live: &mut Live,
        report: &proto::FenceReport,
    ) -> Result<(), ServiceError> {
        let fence = Some(convert::fence_report(report)?);
        if let (true, Some(new)) = (fence != live.fence, &fence) {
            if !live.fences.take(Instant::now()) {
                let why = "the report of the fence changes too often";
                return Err(ServiceError::Exhausted(why.to_owned()));
            }
            self.services.store.record_fence(live.writer, new, &report.ceiling).await?;
            live.fence = fence;
            self.services.sessions.changed(self.row.id);
        }
        Ok(())
    }

    async fn applied(
        &mut self,
        live: &mut Live,
        msg: &proto::Applied,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let applied = convert::applied(msg)?;
        if applied != live.applied {
            self.services.store.record_applied(live.writer, &applied, now).await?;
            live.applied = applied;
            self.services.sessions.changed(self.row.id);
        }
        let held = live.applied.digest.map(|digest| (live.applied.generation, digest));
        let refused = msg.phase() == proto::applied::Phase::Refused;
        self.holds(live, held.filter(|(generation, _)| generation.0 > 0), refused).await
    }
}

fn has(hello: &proto::Hello) -> Result<Has, ServiceError> {
    let digest = convert::digest("digest", &hello.digest)?;
    let generation = (hello.generation > 0).then_some(RevisionNumber(hello.generation));
    Ok(Has {
        bundle: generation.zip(digest),
        root_version: hello.root_version,
        log_size: hello.log_size,
        ..Has::default()
    })
}

fn ended(end: End) -> ServiceError {
    match end {
        End::Superseded => {
            let why = "another agent took over with this cluster's identity";
            ServiceError::Aborted(why.to_owned())
        }
        End::Revoked => ServiceError::Unauthenticated("this cluster was revoked".to_owned()),
    }
}
