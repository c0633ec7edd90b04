//! `WatchClusters`: the state of each cluster, then each state that differs from the one sent last. A
//! slow watcher misses states in between, never the newest.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures::{Stream, stream};
use hanse_proto::admin as proto;
use jiff::Timestamp;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use hanse_domain::ids::ClusterId;

/// Changes within this time are looked at together.
const TOGETHER: Duration = Duration::from_millis(50);
/// What no event tells of, such as what other hubs see, is looked at this often.
const AGAIN: Duration = Duration::from_secs(5);

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    _: proto::WatchClustersRequest,
) -> Result<Responses<proto::WatchClustersResponse>, ServiceError> {
    lease(services, ctx, watch(services.clone()))
}

struct Watch {
    services: Services,
    events: Receiver<ClusterId>,
    sent: HashMap<String, proto::Cluster>,
    ready: VecDeque<proto::Cluster>,
    began: bool,
}

fn watch(
    services: Services,
) -> impl Stream<Item = Result<proto::WatchClustersResponse, ServiceError>> {
    let watch = Watch {
        events: services.sessions.events(),
        services,
        sent: HashMap::new(),
        ready: VecDeque::new(),
        began: false,
    };
    stream::try_unfold(watch, |mut watch| async move {
        let cluster = watch.next().await?;
        let cluster = Some(cluster);
        Ok(Some((proto::WatchClustersResponse { cluster }, watch)))
    })
}

impl Watch {
    async fn next(&mut self) -> Result<proto::Cluster, ServiceError> {
        loop {
            if let Some(cluster) = self.ready.pop_front() {
                return Ok(cluster);
            }
            if self.began {
                self.wait().await;
            }
            self.began = true;
            for view in self.services.clusters.list(Timestamp::now()).await? {
                let cluster = convert::cluster(view);
                let compared = proto::Cluster {
                    // It moves all the time.
                    last_seen: None,
                    ..cluster.clone()
                };
                if self.sent.get(&cluster.id) != Some(&compared) {
                    self.sent.insert(cluster.id.clone(), compared);
                    self.ready.push_back(cluster);
                }
            }
        }
    }

    /// Until something may have changed. All that happened meanwhile counts as one.
    async fn wait(&mut self) {
        match timeout(AGAIN, self.events.recv()).await {
            Err(_) => return,
            Ok(Ok(_) | Err(RecvError::Lagged(_))) => sleep(TOGETHER).await,
            // The sender lives as long as the hub.
            Ok(Err(RecvError::Closed)) => sleep(AGAIN).await,
        }
        self.events = self.events.resubscribe();
    }
}
