//! An author's machine: reads the fleet, proposes a change on it, commits it.

use std::sync::Arc;

use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::roster::{ClusterEntry, Labels};
use hanse_domain::ids::{ClusterId, Digest, RevisionNumber};
use hanse_domain::parse;
use hanse_proto::admin;
use hanse_proto::admin::fleet_service_client::FleetServiceClient;
use hanse_proto::admin::get_fleet_response::Part;
use jiff::Timestamp;
use tonic::Status;
use tonic::transport::Channel;

use crate::hub::Hub;

/// The fleet as `GetFleet` tells it.
pub(crate) async fn fleet(hub: &Hub) -> Fleet {
    read(&mut hub.fleet().await).await.unwrap()
}

pub(crate) async fn read(client: &mut FleetServiceClient<Channel>) -> Result<Fleet, Status> {
    let mut parts = client.get_fleet(admin::GetFleetRequest {}).await?.into_inner();
    let (mut head, mut roster, mut documents) = (None, Vec::new(), Vec::new());
    while let Some(response) = parts.message().await? {
        match response.part.unwrap() {
            Part::Head(part) => head = Some(part),
            Part::Cluster(leaf) => {
                let entry = ClusterEntry::decode(&leaf.content).unwrap();
                roster.push((entry, RevisionNumber(leaf.number)));
            }
            Part::Document(leaf) => {
                let document = parse::parse_document(&leaf.content).unwrap();
                documents.push((document, RevisionNumber(leaf.number)));
            }
        }
    }
    let head = head.unwrap();
    let digest = |bytes: &[u8]| Digest::try_from(bytes).unwrap();
    Ok(Fleet::assemble(
        digest(&head.fleet_id),
        RevisionNumber(head.number),
        digest(&head.history),
        roster,
        documents,
    ))
}

pub(crate) fn propose(fleet: &Fleet, edits: Vec<Edit>) -> admin::CommitRequest {
    let change = Change::propose(fleet, edits, "a test", Timestamp::now()).unwrap();
    admin::CommitRequest {
        statement: change.bytes.into(),
        signature: Vec::new().into(),
        contents: change.contents.into_iter().map(Into::into).collect(),
    }
}

pub(crate) async fn send(hub: &Hub, request: admin::CommitRequest) -> Result<u64, Status> {
    let answer = hub.fleet().await.commit(request).await?;
    Ok(answer.into_inner().revision.unwrap().number)
}

/// Commits on the current base.
pub(crate) async fn commit(hub: &Hub, edits: Vec<Edit>) -> Result<u64, Status> {
    send(hub, propose(&fleet(hub).await, edits)).await
}

pub(crate) fn entry(id: ClusterId, name: &str, labels: &[(&str, &str)]) -> Edit {
    let labels: Labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Edit::PutCluster(ClusterEntry::new(id, name.to_owned(), labels))
}

/// A role that is placed on the clusters named; on all when none is.
pub(crate) fn role(name: &str, clusters: &[&str], verb: &str) -> Edit {
    let placement = if clusters.is_empty() {
        "{clusterSelector: {}}".to_owned()
    } else {
        format!("{{clusterNames: [{}]}}", clusters.join(", "))
    };
    let text = format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {{name: {name}}}\nspec:\n  \
         placement: {placement}\n  rules:\n    - {{apiGroups: [''], resources: [pods], verbs: [{verb}]}}\n"
    );
    Edit::Put(Arc::new(parse::parse_document(text.as_bytes()).unwrap()))
}

/// A binding to a federated role.
pub(crate) fn binding(name: &str, role: &str) -> Edit {
    let text = format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRoleBinding\nmetadata: {{name: {name}}}\nspec:\n  \
         placement: {{clusterSelector: {{}}}}\n  subjects: [{{kind: Group, name: team}}]\n  \
         roleRef: {{kind: FederatedRole, name: {role}}}\n  namespaces: [payments]\n"
    );
    Edit::Put(Arc::new(parse::parse_document(text.as_bytes()).unwrap()))
}
