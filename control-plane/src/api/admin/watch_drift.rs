//! `WatchDrift`: what stands, `Synced`, then each change. What changes while the first part is sent may
//! come twice, and never not at all.

use std::collections::{BTreeMap, VecDeque};

use futures::{Stream, stream};
use hanse_domain::ids::ClusterId;
use hanse_proto::admin as proto;
use hanse_proto::admin::watch_drift_response::Event;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use crate::store::{DriftCursor, DriftFilter, DriftRow};

/// Rows that are read at once.
const PAGE: usize = 500;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::WatchDriftRequest,
) -> Result<Responses<proto::WatchDriftResponse>, ServiceError> {
    let cluster = match msg.cluster.as_str() {
        "" => None,
        name => Some(services.clusters.named(name).await?),
    };
    lease(services, ctx, watch(services.clone(), cluster))
}

struct Watch {
    services: Services,
    cluster: Option<ClusterId>,
    events: Receiver<DriftRow>,
    names: BTreeMap<ClusterId, String>,
    stage: Stage,
    ready: VecDeque<DriftRow>,
}

enum Stage {
    /// What stands, from here on.
    Standing(Option<DriftCursor>),
    Synced,
    Live,
}

fn watch(
    services: Services,
    cluster: Option<ClusterId>,
) -> impl Stream<Item = Result<proto::WatchDriftResponse, ServiceError>> {
    let watch = Watch {
        // Before the first page is read, so that nothing falls in between.
        events: services.drift.watch(),
        services,
        cluster,
        names: BTreeMap::new(),
        stage: Stage::Standing(None),
        ready: VecDeque::new(),
    };
    stream::try_unfold(watch, |mut watch| async move {
        let event = Some(watch.next().await?);
        Ok(Some((proto::WatchDriftResponse { event }, watch)))
    })
}

impl Watch {
    async fn next(&mut self) -> Result<Event, ServiceError> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                let name = self.name(row.cluster).await?;
                return Ok(Event::Drift(convert::drift(row, name)));
            }
            match self.stage {
                Stage::Standing(after) => {
                    let filter = DriftFilter { cluster: self.cluster, history: false };
                    let page = self.services.drift.list(filter, PAGE, after).await?;
                    self.ready.extend(page.rows);
                    self.stage = match page.next {
                        Some(next) => Stage::Standing(Some(next)),
                        None => Stage::Synced,
                    };
                }
                Stage::Synced => {
                    self.stage = Stage::Live;
                    return Ok(Event::Synced(proto::Synced {}));
                }
                Stage::Live => match self.events.recv().await {
                    Ok(row) => {
                        if self.cluster.is_none_or(|cluster| cluster == row.cluster) {
                            self.ready.push_back(row);
                        }
                    }
                    Err(RecvError::Lagged(missed)) => {
                        let why = format!("fell behind by {missed} changes: begin again");
                        return Err(ServiceError::Aborted(why));
                    }
                    Err(RecvError::Closed) => {
                        return Err(ServiceError::Unavailable("the hub is going down".to_owned()));
                    }
                },
            }
        }
    }

    async fn name(&mut self, cluster: ClusterId) -> Result<String, ServiceError> {
        if let Some(name) = self.names.get(&cluster) {
            return Ok(name.clone());
        }
        let name = self.services.clusters.name(cluster).await?.unwrap_or_default();
        self.names.insert(cluster, name.clone());
        Ok(name)
    }
}
