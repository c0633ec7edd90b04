//! `AccessService`: who can do what, from what is really in the clusters.

use hanse_proto::admin as proto;
use tonic::{Request, Response, Status, async_trait};

use super::{
    get_inventory, import_groups, list_access_differences, list_decisions, list_escalations,
    list_groups, list_inventories, list_violations, list_what_can, list_who_can, preview_access,
    watch_violations,
};
use crate::api::context::handle;
use crate::api::{Responses, Services};

/// Effective access.
pub struct AccessApi(pub Services);

#[async_trait]
impl proto::access_service_server::AccessService for AccessApi {
    type ListWhoCanStream = Responses<proto::GrantResponse>;
    type ListWhatCanStream = Responses<proto::GrantResponse>;
    type ListDecisionsStream = Responses<proto::DecisionResponse>;
    type ListAccessDifferencesStream = Responses<proto::DifferenceResponse>;
    type ListEscalationsStream = Responses<proto::EscalationResponse>;
    type PreviewAccessStream = Responses<proto::PreviewAccessResponse>;
    type ListViolationsStream = Responses<proto::ViolationResponse>;
    type WatchViolationsStream = Responses<proto::WatchViolationsResponse>;
    type ListInventoriesStream = Responses<proto::InventoryStatus>;
    type GetInventoryStream = Responses<proto::GetInventoryResponse>;
    type ListGroupsStream = Responses<proto::GroupResponse>;

    async fn list_who_can(
        &self,
        request: Request<proto::ListWhoCanRequest>,
    ) -> Result<Response<Self::ListWhoCanStream>, Status> {
        handle!(self, request, list_who_can::handle)
    }

    async fn list_what_can(
        &self,
        request: Request<proto::ListWhatCanRequest>,
    ) -> Result<Response<Self::ListWhatCanStream>, Status> {
        handle!(self, request, list_what_can::handle)
    }

    async fn list_decisions(
        &self,
        request: Request<proto::ListDecisionsRequest>,
    ) -> Result<Response<Self::ListDecisionsStream>, Status> {
        handle!(self, request, list_decisions::handle)
    }

    async fn list_access_differences(
        &self,
        request: Request<proto::ListAccessDifferencesRequest>,
    ) -> Result<Response<Self::ListAccessDifferencesStream>, Status> {
        handle!(self, request, list_access_differences::handle)
    }

    async fn list_escalations(
        &self,
        request: Request<proto::ListEscalationsRequest>,
    ) -> Result<Response<Self::ListEscalationsStream>, Status> {
        handle!(self, request, list_escalations::handle)
    }

    async fn preview_access(
        &self,
        request: Request<proto::PreviewAccessRequest>,
    ) -> Result<Response<Self::PreviewAccessStream>, Status> {
        handle!(self, request, preview_access::handle)
    }

    async fn list_violations(
        &self,
        request: Request<proto::ListViolationsRequest>,
    ) -> Result<Response<Self::ListViolationsStream>, Status> {
        handle!(self, request, list_violations::handle)
    }

    async fn watch_violations(
        &self,
        request: Request<proto::WatchViolationsRequest>,
    ) -> Result<Response<Self::WatchViolationsStream>, Status> {
        handle!(self, request, watch_violations::handle)
    }

    async fn list_inventories(
        &self,
        request: Request<proto::ListInventoriesRequest>,
    ) -> Result<Response<Self::ListInventoriesStream>, Status> {
        handle!(self, request, list_inventories::handle)
    }

    async fn get_inventory(
        &self,
        request: Request<proto::GetInventoryRequest>,
    ) -> Result<Response<Self::GetInventoryStream>, Status> {
        handle!(self, request, get_inventory::handle)
    }

    async fn import_groups(
        &self,
        request: Request<proto::ImportGroupsRequest>,
    ) -> Result<Response<proto::ImportGroupsResponse>, Status> {
        handle!(self, request, import_groups::handle)
    }

    async fn list_groups(
        &self,
        request: Request<proto::ListGroupsRequest>,
    ) -> Result<Response<Self::ListGroupsStream>, Status> {
        handle!(self, request, list_groups::handle)
    }
}
