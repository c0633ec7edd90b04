//! Drift reports of one stream. Each is recorded before it is acknowledged; a full picture may come in
//! several, and clears what is not in it with the last one.

use std::time::Duration;

use hanse_proto::agent as proto;
use jiff::Timestamp;
use prost::Message as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::api::{Services, convert};
use crate::service::ServiceError;
use crate::store::{Occurrence, Writer};

/// Occurrences in one picture.
const MAX_ITEMS: usize = 100_000;
/// And their bytes on the wire.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// How long a picture may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long to wait while others send theirs.
const TURN: Duration = Duration::from_secs(30);

/// What is under way.
#[derive(Default)]
pub(super) struct DriftIntake {
    picture: Option<Picture>,
}

/// The parts of a picture so far.
struct Picture {
    items: Vec<Occurrence>,
    bytes: usize,
    deadline: Instant,
    _turn: OwnedSemaphorePermit,
}

impl DriftIntake {
    /// By when the picture that is under way must be complete.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.picture.as_ref().map(|picture| picture.deadline)
    }

    /// Records a report; the acknowledgement is for when that is done.
    pub(super) async fn take(
        &mut self,
        services: &Services,
        by: Writer,
        report: proto::DriftReport,
        now: Timestamp,
    ) -> Result<proto::DriftAck, ServiceError> {
        let cluster = by.cluster;
        let bytes = report.encoded_len();
        let all = report.items.len();
        let items: Vec<Occurrence> =
            report.items.iter().filter_map(|item| convert::occurrence(item, now)).collect();
        if items.len() < all {
            let left_out = all - items.len();
            tracing::warn!(
                cluster.id = %cluster,
                left_out,
                "cluster {cluster} reported {left_out} items without an object, id, class or state"
            );
        }
        if report.first {
            self.picture = None;
        }
        match (report.first, report.last) {
            (true, true) => services.drift.replace(by, &items, now).await?,
            (true, false) => {
                services.drift.record(by, &items).await?;
                self.picture = Some(Picture::begin(services, items, bytes).await?);
            }
            (false, last) => {
                services.drift.record(by, &items).await?;
                if let Some(picture) = &mut self.picture {
                    picture.add(items, bytes)?;
                }
                if last && let Some(picture) = self.picture.take() {
                    services.drift.replace(by, &picture.items, now).await?;
                }
            }
        }
        let sequence = report.sequence;
        Ok(proto::DriftAck { sequence })
    }
}

impl Picture {
    async fn begin(
        services: &Services,
        items: Vec<Occurrence>,
        bytes: usize,
    ) -> Result<Self, ServiceError> {
        let turn = timeout(TURN, services.pictures.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            let why = "too many clusters send all of their drift at once: try again";
            return Err(ServiceError::Exhausted(why.to_owned()));
        };
        Ok(Self { items, bytes, deadline: Instant::now() + PATIENCE, _turn: turn })
    }

    fn add(&mut self, items: Vec<Occurrence>, bytes: usize) -> Result<(), ServiceError> {
        self.items.extend(items);
        self.bytes += bytes;
        if self.items.len() > MAX_ITEMS || self.bytes > MAX_BYTES {
            let why = format!("more than {MAX_ITEMS} items of drift, or {MAX_BYTES} bytes of them");
            return Err(ServiceError::Exhausted(why));
        }
        Ok(())
    }
}
