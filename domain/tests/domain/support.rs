//! Documents, clusters and fleets to test with.

use std::sync::Arc;

use hanse_domain::change::Change;
use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::roster::{ClusterEntry, Labels};
use hanse_domain::ids::ClusterId;
use hanse_domain::parse::{parse_document, parse_files};
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::signature::PublicKey;
use jiff::Timestamp;
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

/// The time at which tests happen.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// A document's text, with every field of the spec given.
pub(crate) fn text(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n{spec}"
    )
}

/// A document of a kind that is placed everywhere; further fields of the spec are indented by two.
pub(crate) fn everywhere(kind: &str, name: &str, spec: &str) -> String {
    text(kind, name, &format!("  placement: {{clusterSelector: {{}}}}\n{spec}"))
}

pub(crate) fn document(text: &str) -> Document {
    parse_document(text.as_bytes()).unwrap()
}

pub(crate) fn namespace(name: &str, spec: &str) -> Document {
    document(&everywhere("FederatedNamespace", name, spec))
}

/// A role that reads pods.
pub(crate) const READS_PODS: &str =
    "  rules:\n  - {apiGroups: [\"\"], resources: [pods], verbs: [get]}\n";

pub(crate) fn role(name: &str, spec: &str) -> Document {
    document(&everywhere("FederatedRole", name, spec))
}

pub(crate) fn binding(name: &str, spec: &str) -> Document {
    document(&everywhere("FederatedRoleBinding", name, spec))
}

/// Binds a federated role to a user in the namespace `payments`.
pub(crate) fn binds(role: &str) -> String {
    format!(
        "  roleRef: {{kind: FederatedRole, name: {role}}}\n  subjects:\n  - {{kind: User, name: ada}}\n  \
         namespaces: [payments]\n"
    )
}

/// Every error of a file, one a line.
pub(crate) fn errors(text: &str) -> String {
    errors_of(&[("f.yaml", text.as_bytes())])
}

pub(crate) fn errors_of(files: &[(&str, &[u8])]) -> String {
    match parse_files(files.iter().copied()) {
        Ok(documents) => panic!("no error; {} documents", documents.len()),
        Err(errors) => {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            lines.join("\n")
        }
    }
}

pub(crate) fn put(document: Document) -> Edit {
    Edit::Put(Arc::new(document))
}

pub(crate) fn cluster_id(n: u128) -> ClusterId {
    ClusterId(uuid::Uuid::from_u128(n))
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn cluster(n: u128, name: &str, pairs: &[(&str, &str)]) -> ClusterEntry {
    ClusterEntry::new(cluster_id(n), name.to_owned(), labels(pairs))
}

/// An author's key; the same for the same seed.
pub(crate) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

pub(crate) fn public(key: &PrivateKey) -> PublicKey {
    PublicKey::from_key_data(key.public_key().key_data().clone()).unwrap()
}

/// SSHSIG blocks of these keys, one behind the other.
pub(crate) fn sign(message: &[u8], keys: &[&PrivateKey]) -> Vec<u8> {
    sign_in("hanse", message, keys)
}

/// The same in any namespace.
pub(crate) fn sign_in(namespace: &str, message: &[u8], keys: &[&PrivateKey]) -> Vec<u8> {
    let block = |key: &&PrivateKey| {
        let signature = key.sign(namespace, HashAlg::Sha512, message).unwrap();
        signature.to_pem(LineEnding::LF).unwrap().into_bytes()
    };
    keys.iter().flat_map(block).collect()
}

/// A trust root with the key of seed 1, `ada`, in every role.
pub(crate) fn single_root() -> TrustRoot {
    TrustRoot::single([1; 32], "ada".parse().unwrap(), public(&key(1)))
}

/// A fleet without anything in it.
pub(crate) fn new_fleet() -> Fleet {
    Fleet::new(RootChain::begin(single_root()).unwrap())
}

/// The fleet after one more statement with these edits.
pub(crate) fn after(base: &Fleet, edits: Vec<Edit>) -> Fleet {
    Change::propose(base, edits, "test", NOW).unwrap().fleet
}

/// Clusters prod-1 and prod-2 (env=prod) and dev-1 (env=dev), numbered 1 to 3.
pub(crate) fn three_clusters() -> Fleet {
    let entries = [
        cluster(1, "prod-1", &[("env", "prod")]),
        cluster(2, "prod-2", &[("env", "prod")]),
        cluster(3, "dev-1", &[("env", "dev")]),
    ];
    after(&new_fleet(), entries.into_iter().map(Edit::PutCluster).collect())
}
