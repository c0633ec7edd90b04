//! What the hub says of access: whatever a test put there.

use hanse_proto::admin::access_service_server::AccessService;
use hanse_proto::admin::{
    DecisionResponse, DifferenceResponse, EscalationResponse, GetInventoryRequest,
    GetInventoryResponse, GrantResponse, GroupResponse, ImportGroupsRequest, ImportGroupsResponse,
    InventoryStatus, ListAccessDifferencesRequest, ListDecisionsRequest, ListEscalationsRequest,
    ListGroupsRequest, ListInventoriesRequest, ListViolationsRequest, ListWhatCanRequest,
    ListWhoCanRequest, PreviewAccessRequest, PreviewAccessResponse, ViolationResponse,
    WatchViolationsRequest, WatchViolationsResponse,
};
use tonic::{Request, Response, Status};

use super::{Hub, Streamed};

/// Answers, and what was asked.
#[derive(Default)]
pub(crate) struct Access {
    /// A hub from before there were such questions.
    pub(crate) older: bool,
    pub(crate) grants: Vec<GrantResponse>,
    pub(crate) decisions: Vec<DecisionResponse>,
    pub(crate) differences: Vec<DifferenceResponse>,
    pub(crate) escalations: Vec<EscalationResponse>,
    pub(crate) violations: Vec<ViolationResponse>,
    pub(crate) inventories: Vec<InventoryStatus>,
    pub(crate) groups: Vec<GroupResponse>,
    pub(crate) preview: Vec<PreviewAccessResponse>,
    /// What each watch is sent before it ends, the next one at the end.
    pub(crate) watched: Vec<Vec<WatchViolationsResponse>>,
    /// The last questions, as they came.
    pub(crate) asked: Vec<String>,
    pub(crate) imported: Vec<ImportGroupsRequest>,
}

impl Hub {
    fn answer<Q: std::fmt::Debug, T: Clone + Send + 'static>(
        &self,
        request: &Request<Q>,
        answer: impl Fn(&Access) -> &Vec<T>,
    ) -> Result<Response<Streamed<T>>, Status> {
        let access = &mut self.0.lock().unwrap().access;
        if access.older {
            return Err(Status::unimplemented("not here"));
        }
        access.asked.push(format!("{:?}", request.get_ref()));
        let messages: Vec<Result<T, Status>> = answer(access).iter().cloned().map(Ok).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
    }
}

#[tonic::async_trait]
impl AccessService for Hub {
    type ListWhoCanStream = Streamed<GrantResponse>;
    type ListWhatCanStream = Streamed<GrantResponse>;
    type ListDecisionsStream = Streamed<DecisionResponse>;
    type ListAccessDifferencesStream = Streamed<DifferenceResponse>;
    type ListEscalationsStream = Streamed<EscalationResponse>;
    type PreviewAccessStream = Streamed<PreviewAccessResponse>;
    type ListViolationsStream = Streamed<ViolationResponse>;
    type WatchViolationsStream = Streamed<WatchViolationsResponse>;
    type ListInventoriesStream = Streamed<InventoryStatus>;
    type GetInventoryStream = Streamed<GetInventoryResponse>;
    type ListGroupsStream = Streamed<GroupResponse>;

    async fn list_who_can(
        &self,
        request: Request<ListWhoCanRequest>,
    ) -> Result<Response<Self::ListWhoCanStream>, Status> {
        self.answer(&request, |access| &access.grants)
    }

    async fn list_what_can(
        &self,
        request: Request<ListWhatCanRequest>,
    ) -> Result<Response<Self::ListWhatCanStream>, Status> {
        self.answer(&request, |access| &access.grants)
    }

    async fn list_decisions(
        &self,
        request: Request<ListDecisionsRequest>,
    ) -> Result<Response<Self::ListDecisionsStream>, Status> {
        self.answer(&request, |access| &access.decisions)
    }

    async fn list_access_differences(
        &self,
        request: Request<ListAccessDifferencesRequest>,
    ) -> Result<Response<Self::ListAccessDifferencesStream>, Status> {
        self.answer(&request, |access| &access.differences)
    }

    async fn list_escalations(
        &self,
        request: Request<ListEscalationsRequest>,
    ) -> Result<Response<Self::ListEscalationsStream>, Status> {
        self.answer(&request, |access| &access.escalations)
    }

    async fn preview_access(
        &self,
        request: Request<PreviewAccessRequest>,
    ) -> Result<Response<Self::PreviewAccessStream>, Status> {
        self.answer(&request, |access| &access.preview)
    }

    async fn list_violations(
        &self,
        request: Request<ListViolationsRequest>,
    ) -> Result<Response<Self::ListViolationsStream>, Status> {
        self.answer(&request, |access| &access.violations)
    }

    async fn watch_violations(
        &self,
        _: Request<WatchViolationsRequest>,
    ) -> Result<Response<Self::WatchViolationsStream>, Status> {
        let next = self.0.lock().unwrap().access.watched.pop();
        let events = next.ok_or_else(|| Status::permission_denied("no more"))?;
        Ok(Response::new(Box::pin(tokio_stream::iter(events.into_iter().map(Ok)))))
    }

    async fn list_inventories(
        &self,
        request: Request<ListInventoriesRequest>,
    ) -> Result<Response<Self::ListInventoriesStream>, Status> {
        self.answer(&request, |access| &access.inventories)
    }

    async fn get_inventory(
        &self,
        _: Request<GetInventoryRequest>,
    ) -> Result<Response<Self::GetInventoryStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn import_groups(
        &self,
        request: Request<ImportGroupsRequest>,
    ) -> Result<Response<ImportGroupsResponse>, Status> {
        let access = &mut self.0.lock().unwrap().access;
        let request = request.into_inner();
        let memberships: usize =
            request.groups.iter().map(|g| g.users.len() + g.groups.len()).sum();
        let answer = ImportGroupsResponse {
            groups: u32::try_from(request.groups.len()).unwrap(),
            memberships: u32::try_from(memberships).unwrap(),
            changed: true,
        };
        access.imported.push(request);
        Ok(Response::new(answer))
    }

    async fn list_groups(
        &self,
        request: Request<ListGroupsRequest>,
    ) -> Result<Response<Self::ListGroupsStream>, Status> {
        self.answer(&request, |access| &access.groups)
    }
}
