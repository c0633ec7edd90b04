//! Inventory reports of one stream. A report may come in several parts, and is stored as a whole before
//! it is answered.

use std::collections::BTreeSet;
use std::time::Duration;

use hanse_proto::agent as proto;
use hanse_proto::agent::session_response::Message as Out;
use jiff::Timestamp;
use prost::Message as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::api::convert::Refusals;
use crate::api::{Services, convert};
use crate::service::ServiceError;
use crate::service::access::{AccessService, Reply, Told};
use crate::store::{AccessChange, Writer};

/// Changes in one part.
const MAX_PART: usize = 1_000;
/// Changes in one report: an inventory may have 200,000 objects, and each may have changed.
const MAX_CHANGES: usize = 400_000;
/// And their bytes on the wire.
const MAX_BYTES: usize = 128 * 1024 * 1024;
/// How long a report may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// And how long the next of its parts.
const PART: Duration = Duration::from_secs(30);
/// How long to wait while others send theirs. Who gets no turn is asked again: the agent waits a
/// little longer each time.
const TURN: Duration = Duration::from_secs(2);

/// What is under way.
#[derive(Default)]
pub(super) struct InventoryIntake {
    report: Option<Report>,
    /// Of the report before.
    sequence: Option<u64>,
    hangs_up: Option<HangsUp>,
}

/// Tells the service when the stream ends.
struct HangsUp(AccessService, Writer);

impl Drop for HangsUp {
    fn drop(&mut self) {
        self.0.hung_up(self.1);
    }
}

/// The parts of a report so far.
struct Report {
    sequence: u64,
    changes: Vec<AccessChange>,
    buckets: BTreeSet<u8>,
    refusals: Refusals,
    bytes: usize,
    begun: Instant,
    deadline: Instant,
    turn: Turn,
}

/// Only so many large reports are held at once.
enum Turn {
    /// It came in one part so far.
    NotNeeded,
    Taken {
        _permit: OwnedSemaphorePermit,
    },
    /// Its parts are let go of as they come.
    Refused,
}

impl InventoryIntake {
    /// By when the report that is under way must be complete.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.report.as_ref().map(|report| report.deadline)
    }

    /// Takes a part; after the last, what the agent is answered.
    pub(super) async fn take(
        &mut self,
        services: &Services,
        by: Writer,
        part: proto::InventoryReport,
        now: Timestamp,
    ) -> Result<Option<Out>, ServiceError> {
        let report = match self.report.take() {
            Some(report) if report.sequence == part.sequence => report,
            Some(_) => {
                return Err(ServiceError::invalid("a report of the inventory within another one"));
            }
            None if self.sequence.is_some_and(|before| before >= part.sequence) => {
                return Err(ServiceError::invalid("reports of the inventory out of order"));
            }
            None => Report::begin(part.sequence),
        };
        self.sequence = Some(part.sequence);
        let (last, closed, current) = (part.last, part.closed.clone(), part.current.clone());
        let mut report = report.with(&part, now)?;
        // Of a cluster that nobody accepted yet, nothing is kept.
        let is_member = services.fleet.current().fleet.member(by.cluster).is_some();
        if !last {
            report.take_turn(services, is_member).await;
            self.report = Some(report);
            return Ok(None);
        }
        let sequence = report.sequence;
        if matches!(report.turn, Turn::Refused) && is_member {
            return Ok(Some(reply(sequence, services.access.wanted(by.cluster).await?)));
        }
        let current = current.map(convert::signed);
        let current =
            current.ok_or_else(|| ServiceError::invalid("a report without a checkpoint"))?;
        if let Some(first) = &report.refusals.first {
            let (cluster, count) = (by.cluster, report.refusals.count);
            tracing::warn!(
                cluster.id = %cluster,
                count,
                "cluster {cluster} reported {count} objects that cannot be kept, first {first}"
            );
        }
        let told = Told {
            changes: report.changes,
            buckets: report.buckets,
            refused: report.refusals.count,
            closed: closed.map(convert::signed),
            current,
        };
        self.hangs_up.get_or_insert_with(|| HangsUp(services.access.clone(), by));
        Ok(Some(reply(sequence, services.access.take(by, told, now).await?)))
    }
}

fn reply(sequence: u64, reply: Reply) -> Out {
    match reply {
        Reply::Stored => Out::InventoryAck(proto::InventoryAck { sequence }),
        Reply::Wanted(buckets) => {
            let buckets = buckets.into();
            Out::InventoryWanted(proto::InventoryWanted { sequence, buckets })
        }
    }
}

impl Report {
    fn begin(sequence: u64) -> Self {
        Self {
            sequence,
            changes: Vec::new(),
            buckets: BTreeSet::new(),
            refusals: Refusals::default(),
            bytes: 0,
            begun: Instant::now(),
            deadline: Instant::now() + PART,
            turn: Turn::NotNeeded,
        }
    }

    fn with(mut self, part: &proto::InventoryReport, now: Timestamp) -> Result<Self, ServiceError> {
        if part.changes.len() > MAX_PART {
            return Err(ServiceError::invalid(format!("more than {MAX_PART} changes in one part")));
        }
        self.bytes += part.encoded_len();
        self.deadline = (Instant::now() + PART).min(self.begun + PATIENCE);
        let changes =
            part.changes.iter().filter_map(|msg| convert::change(msg, now, &mut self.refusals));
        let changes: Vec<AccessChange> = changes.collect();
        self.changes.extend(changes);
        for bucket in &part.buckets {
            let bucket = u8::try_from(*bucket);
            self.buckets.insert(bucket.map_err(|_| ServiceError::invalid("no such bucket"))?);
        }
        if self.changes.len() > MAX_CHANGES || self.bytes > MAX_BYTES {
            let why = format!("more than {MAX_CHANGES} changes, or {MAX_BYTES} bytes of them");
            return Err(ServiceError::Exhausted(why));
        }
        Ok(self)
    }

    /// Waits for a turn with the first part of several.
    async fn take_turn(&mut self, services: &Services, is_member: bool) {
        if !is_member {
            self.turn = Turn::Refused;
        } else if matches!(self.turn, Turn::NotNeeded) {
            let turn = timeout(TURN, services.inventories.clone().acquire_owned()).await;
            self.turn = match turn {
                Ok(Ok(permit)) => Turn::Taken { _permit: permit },
                Ok(Err(_)) | Err(_) => Turn::Refused,
            };
        }
        if matches!(self.turn, Turn::Refused) {
            self.changes = Vec::new();
        }
    }
}
