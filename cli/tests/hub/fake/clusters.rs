//! What the hub says of its clusters and of drift.

use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::cluster_service_server::ClusterService;
use hanse_proto::admin::drift_service_server::DriftService;
use hanse_proto::admin::{
    Cluster, CreateJoinTokenRequest, CreateJoinTokenResponse, Fence, ListClustersRequest,
    ListClustersResponse, ListDriftRequest, ListDriftResponse, RevokeClusterRequest,
    RevokeClusterResponse, WatchClustersRequest, WatchClustersResponse, WatchDriftRequest,
    WatchDriftResponse,
};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status};

use super::{Hub, Streamed};

impl Hub {
    /// The first cluster's agent holds everything at once; the second is away.
    fn clusters(&self) -> Vec<Cluster> {
        let state = self.0.lock().unwrap();
        let cluster = |(index, member): (usize, &hanse_domain::fleet::Member)| Cluster {
            id: member.entry.id.to_string(),
            name: member.entry.name.clone(),
            accepted: true,
            connected: index == 0,
            phase: if index == 0 { state.phase } else { Phase::Syncing }.into(),
            message: if state.phase == Phase::Failed { "denied by policy" } else { "" }.to_owned(),
            removals_waiting: 7,
            generation_desired: member.generation.0,
            generation_applied: if index == 0 { member.generation.0 } else { 0 },
            labels: member.entry.labels.clone().into_iter().collect(),
            recipient: member.entry.recipient.clone().unwrap_or_default(),
            recipient_offered: state.offered.0.clone(),
            recipient_vouch: state.offered.1.clone().into(),
            fence: Some(Fence { ceiling: state.ceiling.clone(), ..Fence::default() }),
            ..Cluster::default()
        };
        let revoked = state.revoked.then(|| Cluster {
            id: "0192f0c1-2a3b-7c4d-8e5f-607182930000".to_owned(),
            name: "cluster-1".to_owned(),
            phase: Phase::Revoked.into(),
            ..Cluster::default()
        });
        let members = state.fleet.members().values().enumerate().map(cluster);
        let mut clusters: Vec<Cluster> = revoked.into_iter().chain(members).collect();
        clusters.iter_mut().for_each(state.says);
        clusters
    }
}

#[tonic::async_trait]
impl ClusterService for Hub {
    type WatchClustersStream = Streamed<WatchClustersResponse>;

    async fn list_clusters(
        &self,
        request: Request<ListClustersRequest>,
    ) -> Result<Response<ListClustersResponse>, Status> {
        let mut clusters = self.clusters();
        if request.into_inner().without_ceilings {
            for cluster in &mut clusters {
                cluster.fence = None;
            }
        } else {
            self.0.lock().unwrap().ceilings += 1;
        }
        Ok(Response::new(ListClustersResponse { clusters }))
    }

    async fn create_join_token(
        &self,
        _: Request<CreateJoinTokenRequest>,
    ) -> Result<Response<CreateJoinTokenResponse>, Status> {
        Ok(Response::new(CreateJoinTokenResponse {
            cluster_id: self.0.lock().unwrap().invited.clone(),
            token: "the-token".to_owned(),
            ca_hash: "sha256:00".to_owned(),
            hub_address: "127.0.0.1:1".to_owned(),
            expires_at: None,
        }))
    }

    async fn revoke_cluster(
        &self,
        _: Request<RevokeClusterRequest>,
    ) -> Result<Response<RevokeClusterResponse>, Status> {
        Ok(Response::new(RevokeClusterResponse {}))
    }

    async fn watch_clusters(
        &self,
        _: Request<WatchClustersRequest>,
    ) -> Result<Response<Self::WatchClustersStream>, Status> {
        let now = self.clusters().into_iter();
        let now = now.map(|cluster| Ok(WatchClustersResponse { cluster: Some(cluster) }));
        let stream = tokio_stream::iter(now.collect::<Vec<_>>()).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(stream)))
    }
}

#[tonic::async_trait]
impl DriftService for Hub {
    type WatchDriftStream = Streamed<WatchDriftResponse>;

    async fn list_drift(
        &self,
        _: Request<ListDriftRequest>,
    ) -> Result<Response<ListDriftResponse>, Status> {
        Ok(Response::new(ListDriftResponse::default()))
    }

    async fn watch_drift(
        &self,
        _: Request<WatchDriftRequest>,
    ) -> Result<Response<Self::WatchDriftStream>, Status> {
        let sent = self.0.lock().unwrap().drift.pop();
        let sent = sent.ok_or_else(|| Status::permission_denied("the right has ended"))?;
        Ok(Response::new(Box::pin(tokio_stream::iter(sent))))
    }
}
