//! What an agent reports of its cluster's access. An object that cannot be kept is left out and counted;
//! the rest of the report stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind, Origin};
use hanse_domain::ids::Digest;
use hanse_proto::admin as proto;
use jiff::{SignedDuration, Timestamp};

use crate::api::convert::{bounded, from_time};
use crate::service::access::Signed;
use crate::store::{AccessChange, MAX_ACCESS_NAME_BYTES};

/// How far a cluster's clock may be ahead.
const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(1);
/// So much of a name is shown in the log.
const SHOWN: usize = 200;

/// What a report brought, with each content once.
#[derive(Default)]
pub(in crate::api) struct Refusals {
    /// How many objects were left out.
    pub(in crate::api) count: u32,
    /// The first of them, and why, for the log.
    pub(in crate::api) first: Option<String>,
    contents: BTreeMap<Digest, Arc<AccessContent>>,
}

impl Refusals {
    fn add(&mut self, msg: &proto::InventoryChange, why: &dyn std::fmt::Display) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert_with(|| {
            let shown = format!("{} {}/{}: {why}", msg.kind, msg.namespace, msg.name);
            bounded(&shown, SHOWN).replace(char::is_control, " ")
        });
    }

    fn content(&mut self, bytes: &[u8]) -> Result<Arc<AccessContent>, String> {
        let digest = Digest::of(bytes);
        if let Some(known) = self.contents.get(&digest) {
            return Ok(Arc::clone(known));
        }
        let content = AccessContent::decode(bytes).map_err(|error| error.to_string())?;
        let content = Arc::new(content);
        self.contents.insert(digest, Arc::clone(&content));
        Ok(content)
    }
}

/// A change of one object; `None` for one that cannot be kept.
pub(in crate::api) fn change(
    msg: &proto::InventoryChange,
    now: Timestamp,
    refusals: &mut Refusals,
) -> Option<AccessChange> {
    match read(msg, now, refusals) {
        Ok(change) => Some(change),
        Err(why) => {
            refusals.add(msg, &why);
            None
        }
    }
}

fn read(
    msg: &proto::InventoryChange,
    now: Timestamp,
    refusals: &mut Refusals,
) -> Result<AccessChange, String> {
    let kind = AccessKind::from_name(&msg.kind).ok_or("no such kind")?;
    for text in [&msg.namespace, &msg.name] {
        if text.len() > MAX_ACCESS_NAME_BYTES {
            return Err(format!("a name of more than {MAX_ACCESS_NAME_BYTES} bytes"));
        }
        if text.contains('\0') {
            return Err("a name that holds NUL".to_owned());
        }
    }
    if msg.name.is_empty() {
        return Err("no name".to_owned());
    }
    if kind.is_namespaced() == msg.namespace.is_empty() {
        return Err("in a namespace where it cannot be, or in none".to_owned());
    }
    let key = AccessKey { kind, namespace: msg.namespace.clone(), name: msg.name.clone() };
    let at = match &msg.at {
        None => now,
        Some(at) => {
            let at = from_time(Some(at)).ok_or("a time that is none")?;
            // Whole microseconds are kept.
            Timestamp::from_microsecond(at.as_microsecond()).map_err(|error| error.to_string())?
        }
    };
    if at.duration_since(now) > MAX_AHEAD {
        return Err(format!("it became so at {at}, in the future"));
    }
    if msg.content.is_empty() {
        return Ok(AccessChange { key, seen: None, at });
    }
    let content = refusals.content(&msg.content)?;
    if !content.fits(kind) {
        return Err("a content of another kind".to_owned());
    }
    let origin = Origin::decode(&msg.origin).map_err(|error| error.to_string())?;
    Ok(AccessChange { key, seen: Some((content, origin)), at })
}

/// A checkpoint as it came.
pub(in crate::api) fn signed(msg: proto::SignedCheckpoint) -> Signed {
    Signed { checkpoint: msg.checkpoint, signature: msg.signature }
}
