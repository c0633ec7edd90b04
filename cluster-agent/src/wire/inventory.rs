//! Reports of the inventory, and their answers.

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::ids::Digest;
use hanse_proto::admin::{InventoryChange, SignedCheckpoint};
use hanse_proto::agent::session_request::Message as Request;
use hanse_proto::agent::{InventoryReport, InventoryWanted, SessionRequest};

use super::{Malformed, request, timestamp};
use crate::inventory::{Buckets, Change, Input, Part};

/// A part of a report. What its checkpoints are signed with, only the caller has; without it they are
/// no evidence.
pub fn part(part: Part, sign: impl Fn(&[u8]) -> Option<Vec<u8>>) -> SessionRequest {
    let signed = |checkpoint: Checkpoint| {
        let checkpoint = checkpoint.encode();
        let signature = sign(&checkpoint).unwrap_or_default().into();
        SignedCheckpoint { checkpoint: checkpoint.into(), signature }
    };
    request(Request::Inventory(InventoryReport {
        sequence: part.sequence,
        changes: part.changes.into_iter().map(change).collect(),
        buckets: part.buckets.into_iter().map(u32::from).collect(),
        last: part.last,
        closed: part.closed.map(signed),
        current: part.current.map(signed),
    }))
}

fn change(change: Change) -> InventoryChange {
    let state = change.state;
    let bytes = |bytes: &std::sync::Arc<[u8]>| bytes::Bytes::copy_from_slice(bytes);
    InventoryChange {
        kind: change.key.kind.name().to_owned(),
        namespace: change.key.namespace.clone(),
        name: change.key.name.clone(),
        content: state.as_ref().map(|state| bytes(&state.content)).unwrap_or_default(),
        origin: state.as_ref().map(|state| bytes(&state.origin)).unwrap_or_default(),
        at: Some(timestamp(change.at)),
    }
}

/// The hub has another root.
pub(super) fn wanted(wanted: &InventoryWanted) -> Result<Input, Malformed> {
    let (digests, rest) = wanted.buckets.as_chunks::<32>();
    let digests: Box<[Digest]> = digests.iter().copied().map(Digest).collect();
    match Buckets::try_from(digests) {
        Ok(buckets) if rest.is_empty() => Ok(Input::Wanted { sequence: wanted.sequence, buckets }),
        Ok(_) | Err(_) => Err(Malformed("an inventory does not have 256 buckets")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeMap;
    use std::sync::Arc;

    use hanse_domain::access::inventory::BUCKETS;
    use hanse_domain::access::object::{AccessKey, AccessKind};

    use super::*;
    use crate::inventory::State;

    #[test]
    fn buckets_are_256_of_32_bytes() {
        let message = |length| InventoryWanted { sequence: 7, buckets: vec![9; length].into() };
        let Ok(Input::Wanted { sequence: 7, buckets }) = wanted(&message(8192)) else {
            unreachable!("it is whole")
        };
        assert_eq!(*buckets, [Digest([9; 32]); BUCKETS]);
        for length in [0, 32, 8191, 8193, 8160, 8224] {
            assert!(wanted(&message(length)).is_err(), "{length}");
        }
    }

    #[test]
    fn a_part_says_what_is_there_and_what_is_gone() {
        let key = Arc::new(AccessKey::namespaced(AccessKind::Role, "shop", "r"));
        let state =
            State { content: b"content".as_slice().into(), origin: b"origin".as_slice().into() };
        let at = "2026-03-03T10:00:00.5Z".parse().unwrap();
        let current = Checkpoint {
            fleet: Digest::of(b"fleet"),
            cluster: "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".parse().unwrap(),
            root: Digest::of(b"root"),
            objects: 1,
            from: at,
            until: at,
            unseen: BTreeMap::default(),
            skipped: 0,
        };
        let changes = [Some(state), None].map(|state| Change { key: Arc::clone(&key), state, at });
        let part_of = |sign: &dyn Fn(&[u8]) -> Option<Vec<u8>>| {
            let part = Part {
                sequence: 3,
                changes: changes.to_vec(),
                buckets: vec![0, 255],
                last: true,
                closed: None,
                current: Some(current.clone()),
            };
            let Some(Request::Inventory(report)) = super::part(part, sign).message else {
                unreachable!("it is one")
            };
            report
        };
        let report = part_of(&|_| Some(vec![1; 96]));
        let [there, gone] = report.changes.as_slice() else { unreachable!("{report:?}") };
        assert_eq!((there.kind.as_str(), there.name.as_str()), ("Role", "r"));
        assert_eq!((&there.content[..], &there.origin[..]), (&b"content"[..], &b"origin"[..]));
        assert!(gone.content.is_empty() && gone.origin.is_empty() && gone.at.is_some());
        assert_eq!((report.buckets.as_slice(), report.closed), (&[0, 255][..], None));
        let signed = report.current.unwrap();
        assert_eq!(Checkpoint::decode(&signed.checkpoint), Ok(current.clone()));
        assert_eq!(signed.signature.len(), 96);
        // Without a key there is no evidence, and the report goes all the same.
        let unsigned = part_of(&|_| None).current.unwrap();
        assert_eq!((&unsigned.checkpoint, unsigned.signature.len()), (&signed.checkpoint, 0));
    }
}
