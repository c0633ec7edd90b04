//! `hanse.admin.v1`: for people, pipelines and the web application.

mod access;
mod commit;
mod create_join_token;
mod dry_run;
mod get_history;
mod get_hub_status;
mod get_inventory;
mod get_proposal;
mod get_revision;
mod import_groups;
mod list_access_differences;
mod list_clusters;
mod list_decisions;
mod list_drift;
mod list_escalations;
mod list_groups;
mod list_inventories;
mod list_proposals;
mod list_revisions;
mod list_violations;
mod list_what_can;
mod list_who_can;
mod preview_access;
mod revoke_cluster;
mod sign_proposal;
mod watch_clusters;
mod watch_drift;
mod watch_head;
mod watch_violations;
mod who_am_i;
mod withdraw_proposal;

use hanse_proto::admin as proto;
use tonic::{Request, Response, Status, async_trait};

pub use self::access::AccessApi;
use super::context::handle;
use super::{Responses, Services};

/// What the fleet has agreed on.
pub struct FleetApi(pub Services);
/// The clusters.
pub struct ClusterApi(pub Services);
/// Drift.
pub struct DriftApi(pub Services);
/// The caller and the hub.
pub struct IdentityApi(pub Services);

#[async_trait]
impl proto::fleet_service_server::FleetService for FleetApi {
    type GetHistoryStream = Responses<proto::GetHistoryResponse>;
    type DryRunStream = Responses<proto::DryRunResponse>;
    type WatchHeadStream = Responses<proto::WatchHeadResponse>;

    async fn get_history(
        &self,
        request: Request<proto::GetHistoryRequest>,
    ) -> Result<Response<Self::GetHistoryStream>, Status> {
        handle!(self, request, get_history::handle)
    }

    async fn commit(
        &self,
        request: Request<proto::CommitRequest>,
    ) -> Result<Response<proto::CommitResponse>, Status> {
        handle!(self, request, commit::handle)
    }

    async fn dry_run(
        &self,
        request: Request<proto::DryRunRequest>,
    ) -> Result<Response<Self::DryRunStream>, Status> {
        handle!(self, request, dry_run::handle)
    }

    async fn list_proposals(
        &self,
        request: Request<proto::ListProposalsRequest>,
    ) -> Result<Response<proto::ListProposalsResponse>, Status> {
        handle!(self, request, list_proposals::handle)
    }

    async fn get_proposal(
        &self,
        request: Request<proto::GetProposalRequest>,
    ) -> Result<Response<proto::GetProposalResponse>, Status> {
        handle!(self, request, get_proposal::handle)
    }

    async fn sign_proposal(
        &self,
        request: Request<proto::SignProposalRequest>,
    ) -> Result<Response<proto::CommitResponse>, Status> {
        handle!(self, request, sign_proposal::handle)
    }

    async fn withdraw_proposal(
        &self,
        request: Request<proto::WithdrawProposalRequest>,
    ) -> Result<Response<proto::WithdrawProposalResponse>, Status> {
        handle!(self, request, withdraw_proposal::handle)
    }

    async fn list_revisions(
        &self,
        request: Request<proto::ListRevisionsRequest>,
    ) -> Result<Response<proto::ListRevisionsResponse>, Status> {
        handle!(self, request, list_revisions::handle)
    }

    async fn get_revision(
        &self,
        request: Request<proto::GetRevisionRequest>,
    ) -> Result<Response<proto::GetRevisionResponse>, Status> {
        handle!(self, request, get_revision::handle)
    }

    async fn watch_head(
        &self,
        request: Request<proto::WatchHeadRequest>,
    ) -> Result<Response<Self::WatchHeadStream>, Status> {
        handle!(self, request, watch_head::handle)
    }
}

#[async_trait]
impl proto::cluster_service_server::ClusterService for ClusterApi {
    type WatchClustersStream = Responses<proto::WatchClustersResponse>;

    async fn list_clusters(
        &self,
        request: Request<proto::ListClustersRequest>,
    ) -> Result<Response<proto::ListClustersResponse>, Status> {
        handle!(self, request, list_clusters::handle)
    }

    async fn create_join_token(
        &self,
        request: Request<proto::CreateJoinTokenRequest>,
    ) -> Result<Response<proto::CreateJoinTokenResponse>, Status> {
        handle!(self, request, create_join_token::handle)
    }

    async fn revoke_cluster(
        &self,
        request: Request<proto::RevokeClusterRequest>,
    ) -> Result<Response<proto::RevokeClusterResponse>, Status> {
        handle!(self, request, revoke_cluster::handle)
    }

    async fn watch_clusters(
        &self,
        request: Request<proto::WatchClustersRequest>,
    ) -> Result<Response<Self::WatchClustersStream>, Status> {
        handle!(self, request, watch_clusters::handle)
    }
}

#[async_trait]
impl proto::drift_service_server::DriftService for DriftApi {
    type WatchDriftStream = Responses<proto::WatchDriftResponse>;

    async fn list_drift(
        &self,
        request: Request<proto::ListDriftRequest>,
    ) -> Result<Response<proto::ListDriftResponse>, Status> {
        handle!(self, request, list_drift::handle)
    }

    async fn watch_drift(
        &self,
        request: Request<proto::WatchDriftRequest>,
    ) -> Result<Response<Self::WatchDriftStream>, Status> {
        handle!(self, request, watch_drift::handle)
    }
}

#[async_trait]
impl proto::identity_service_server::IdentityService for IdentityApi {
    async fn who_am_i(
        &self,
        request: Request<proto::WhoAmIRequest>,
    ) -> Result<Response<proto::WhoAmIResponse>, Status> {
        handle!(self, request, who_am_i::handle)
    }

    async fn get_hub_status(
        &self,
        request: Request<proto::GetHubStatusRequest>,
    ) -> Result<Response<proto::GetHubStatusResponse>, Status> {
        handle!(self, request, get_hub_status::handle)
    }
}
