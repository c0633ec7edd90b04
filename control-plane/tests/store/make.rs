//! Rows for tests, each different by a number.

use bytes::Bytes;
use hanse_control_plane::store::{
    BundleRow, ClusterRow, DriftClass, DriftState, EnrolmentRow, NewStatement, ObjectKey,
    Occurrence, StatementRow, Store, Writer,
};
use hanse_domain::ids::{ClusterId, Digest, RevisionNumber};
use jiff::Timestamp;
use uuid::Uuid;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub(crate) fn cluster_id(number: u128) -> ClusterId {
    ClusterId(Uuid::from_u128(number))
}

pub(crate) fn content(text: &str) -> (Digest, Bytes) {
    (Digest::of(text.as_bytes()), Bytes::copy_from_slice(text.as_bytes()))
}

/// A statement that brings nothing.
pub(crate) fn statement(number: u64) -> NewStatement {
    marked_statement(number, "")
}

/// One that differs from others of its number.
pub(crate) fn marked_statement(number: u64, mark: &str) -> NewStatement {
    let bytes = format!("statement {number} {mark}");
    NewStatement {
        row: StatementRow {
            number: RevisionNumber(number),
            digest: Digest::of(bytes.as_bytes()),
            leaf_hash: Digest::of_parts(&[&[0], bytes.as_bytes()]),
            bytes: bytes.into(),
            signatures: Bytes::from_static(b"signatures"),
            changes: Bytes::from_static(b"changes\0"),
            signed_by: "ada bob".into(),
            author: format!("author {mark}"),
            time: at(i64::try_from(number).unwrap()),
            recorded_at: at(i64::try_from(number).unwrap() + 1),
            clusters_changed: 7,
        },
        contents: Vec::new(),
        leaves: Vec::new(),
        bundles: Vec::new(),
    }
}

impl Brings for NewStatement {
    fn leaf(mut self, subject: &str, text: &str) -> Self {
        let (digest, bytes) = content(text);
        self.contents.push((digest, bytes));
        self.leaves.push((subject.into(), Some(digest)));
        self
    }

    fn removal(mut self, subject: &str) -> Self {
        self.leaves.push((subject.into(), None));
        self
    }

    fn bundle(mut self, cluster: ClusterId, manifest: &str) -> Self {
        let (digest, bytes) = content(manifest);
        self.contents.push((digest, bytes));
        self.bundles.push(BundleRow {
            cluster,
            generation: self.row.number,
            manifest: digest,
            leaf_index: 2,
            tree_size: 5,
            path: vec![Digest::of(b"left"), Digest::of(b"right")],
        });
        self
    }
}

pub(crate) trait Brings {
    fn leaf(self, subject: &str, text: &str) -> Self;
    fn removal(self, subject: &str) -> Self;
    fn bundle(self, cluster: ClusterId, manifest: &str) -> Self;
}

pub(crate) fn enrolment() -> EnrolmentRow {
    EnrolmentRow {
        cluster_uid: "0b5f".into(),
        agent_version: "0.1.0".into(),
        kubernetes_version: "v1.36.3".into(),
        certificate_fingerprint: Digest::of(b"certificate"),
        certificate_expires_at: at(86_400),
        recipient: "age1first".into(),
        recipient_vouch: vec![0, 255],
    }
}

/// A cluster that has joined.
pub(crate) async fn joined(store: &Store, name: &str, id: ClusterId) -> ClusterRow {
    let token = Digest::of(name.as_bytes());
    store.invite(name, &token, id, "admin", at(0), at(60)).await.unwrap();
    store.enrol(&token, name, &enrolment(), at(1)).await.unwrap().unwrap()
}

/// The one stream of a cluster's agent.
pub(crate) fn by(cluster: ClusterId) -> Writer {
    Writer { cluster, stream: 1 }
}

pub(crate) fn occurrence(id: u128, name: &str, state: DriftState) -> Occurrence {
    let detected_at = at(i64::try_from(id).unwrap());
    Occurrence {
        id: Uuid::from_u128(id),
        object: ObjectKey {
            api_version: "rbac.authorization.k8s.io/v1".into(),
            kind: "RoleBinding".into(),
            namespace: "payments".into(),
            name: name.into(),
        },
        class: DriftClass::Modified,
        state,
        source: "FederatedRoleBinding/payments".into(),
        fields: r#"[{"path":"subjects"}]"#.into(),
        manager: "kubectl".into(),
        since: Some(detected_at),
        detected_at,
        resolved_at: (state != DriftState::Open).then(|| at(5_000)),
        message: format!("report {id}"),
    }
}
