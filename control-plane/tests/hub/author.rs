//! An author's machine: replays the history and checks every signature of it, proposes a change on
//! it, signs and commits it.

use std::sync::Arc;

use hanse_domain::authorise::{authorise, signers_needed};
use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::merkle::Frontier;
use hanse_domain::history::roster::{ClusterEntry, Labels};
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::ClusterId;
use hanse_domain::parse;
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::signature::{PublicKey, block};
use hanse_proto::admin;
use hanse_proto::admin::fleet_service_client::FleetServiceClient;
use hanse_proto::admin::get_history_response::Part;
use jiff::Timestamp;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, PrivateKey};
use tonic::Status;
use tonic::transport::Channel;

use crate::hub::Hub;

/// A key that is the same in each run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key(u8);

/// The one key of the hubs that tests make.
pub(crate) const ADA: Key = Key(1);
/// A second person.
pub(crate) const BOB: Key = Key(2);
/// A third one.
pub(crate) const LEA: Key = Key(4);
/// Of nobody.
pub(crate) const EVE: Key = Key(3);

impl Key {
    fn private(self) -> PrivateKey {
        let pair = Ed25519Keypair::from_seed(&[self.0; 32]);
        PrivateKey::new(KeypairData::Ed25519(pair), "").unwrap()
    }

    pub(crate) fn public(self) -> PublicKey {
        PublicKey::from_key_data(self.private().public_key().key_data().clone()).unwrap()
    }

    /// One SSHSIG block.
    pub(crate) fn sign(self, message: &[u8]) -> Vec<u8> {
        let signed = self.private().sign("hanse", HashAlg::Sha512, message).unwrap();
        block(&self.public(), signed.signature())
    }
}

/// A first trust root in which Ada may do everything.
pub(crate) fn single_root() -> TrustRoot {
    TrustRoot::single(rand::random(), "ada".parse().unwrap(), ADA.public())
}

/// The next version of the trust root in force, altered.
pub(crate) fn next_root(fleet: &Fleet, alter: impl FnOnce(&mut TrustRoot)) -> Edit {
    let current = fleet.trust.current();
    let mut next = TrustRoot::clone(&current.root);
    next.version += 1;
    next.origin = hanse_domain::trust::root::Origin::Previous(current.digest);
    alter(&mut next);
    Edit::PutRoot(Arc::new(next))
}

/// The fleet as its history makes it.
pub(crate) async fn fleet(hub: &Hub) -> Fleet {
    read(&mut hub.fleet().await).await.unwrap()
}

pub(crate) async fn read(client: &mut FleetServiceClient<Channel>) -> Result<Fleet, Status> {
    let request = admin::GetHistoryRequest { after: 0 };
    let mut parts = client.get_history(request).await?.into_inner();
    let first = parts.message().await?.unwrap().part.unwrap();
    let Part::TrustRoot(first) = first else { panic!("{first:?}") };
    let chain = RootChain::begin(TrustRoot::decode(&first).unwrap()).unwrap();
    let mut fleet = Fleet::new(chain);
    let mut log = Frontier::default();
    while let Some(response) = parts.message().await? {
        let Part::Statement(next) = response.part.unwrap() else { panic!("a second root") };
        let contents: Vec<Vec<u8>> = next.contents.iter().map(|c| c.to_vec()).collect();
        let change = Change::check(&fleet, &next.statement, &next.changes, &contents).unwrap();
        authorise(&fleet, &change, &next.signatures).unwrap();
        assert!(next.newest >= change.statement.number.0);
        log.push(Statement::leaf_hash(&change.bytes));
        fleet = change.fleet;
        fleet.history = log.root();
    }
    Ok(fleet)
}

/// A change that Ada signed.
pub(crate) fn propose(fleet: &Fleet, edits: Vec<Edit>) -> admin::CommitRequest {
    signed(fleet, edits, &[ADA])
}

pub(crate) fn signed(fleet: &Fleet, edits: Vec<Edit>, keys: &[Key]) -> admin::CommitRequest {
    let now = Timestamp::now();
    let change = Change::propose(fleet, edits.clone(), "a test", now).unwrap();
    let needed = signers_needed(fleet, &change);
    let change = Change::propose_for(fleet, edits, "a test", now, needed).unwrap();
    let signatures: Vec<u8> = keys.iter().flat_map(|key| key.sign(&change.bytes)).collect();
    admin::CommitRequest {
        statement: change.bytes.into(),
        signatures: signatures.into(),
        changes: change.changes.encode().into(),
        contents: change.contents.into_iter().map(Into::into).collect(),
        propose: false,
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
    placed_role(name, &placement, verb)
}

/// A role with a placement as written.
pub(crate) fn placed_role(name: &str, placement: &str, verb: &str) -> Edit {
    let text = format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {{name: {name}}}\nspec:\n  \
         placement: {placement}\n  rules:\n    - {{apiGroups: [''], resources: [pods], verbs: [{verb}]}}\n"
    );
    document(&text)
}

pub(crate) fn document(text: &str) -> Edit {
    Edit::Put(Arc::new(parse::parse_document(text.as_bytes()).unwrap()))
}

/// A binding to a federated role.
pub(crate) fn binding(name: &str, role: &str) -> Edit {
    document(&format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRoleBinding\nmetadata: {{name: {name}}}\nspec:\n  \
         placement: {{clusterSelector: {{}}}}\n  subjects: [{{kind: Group, name: team}}]\n  \
         roleRef: {{kind: FederatedRole, name: {role}}}\n  namespaces: [payments]\n"
    ))
}
