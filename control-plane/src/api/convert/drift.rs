//! Drift in and out. An agent's words are bounded; a Secret's values never pass.

use hanse_proto::admin;
use hanse_proto::admin::drift::{Class, State};
use jiff::{SignedDuration, Timestamp};
use pbjson_types::Timestamp as ProtoTime;

use super::{bounded, from_time, time};
use crate::store::{DriftClass, DriftRow, DriftState, ObjectKey, Occurrence};

/// How far a cluster's clock may be ahead.
const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(1);
const MAX_FIELDS: usize = 20;
const MAX_PATH_BYTES: usize = 512;
const MAX_VALUE_BYTES: usize = 1_024;
const MAX_NAME_BYTES: usize = 320;
const MAX_MESSAGE_BYTES: usize = 1_024;

/// An item of a report; `None` when it does not say what it is about.
pub(in crate::api) fn occurrence(item: &admin::Drift, now: Timestamp) -> Option<Occurrence> {
    let object = item.object.as_ref()?;
    let name = |text: &str| bounded(text, MAX_NAME_BYTES);
    let state = state_in(item.state())?;
    // A clock that is ahead must not keep a row on top of every list, nor from being forgotten.
    let latest = now.saturating_add(MAX_AHEAD).unwrap_or(now);
    let past = |at: Option<&ProtoTime>| from_time(at).map(|at| at.min(latest));
    let detected_at = past(item.detected_at.as_ref()).unwrap_or(now);
    let resolved_at = || past(item.resolved_at.as_ref()).unwrap_or(now);
    Some(Occurrence {
        id: item.id.parse().ok()?,
        object: ObjectKey {
            api_version: name(&object.api_version),
            kind: name(&object.kind),
            namespace: name(&object.namespace),
            name: name(&object.name),
        },
        class: class_in(item.class())?,
        state,
        source: name(&item.source),
        fields: fields(item, object.kind == "Secret"),
        manager: name(&item.manager),
        since: past(item.since.as_ref()),
        detected_at,
        resolved_at: (state != DriftState::Open).then(resolved_at),
        message: bounded(&item.message, MAX_MESSAGE_BYTES),
    })
}

/// The differences as JSON.
fn fields(item: &admin::Drift, secret: bool) -> String {
    let value = |text: &str| {
        if secret { String::new() } else { bounded(text, MAX_VALUE_BYTES) }
    };
    let fields: Vec<admin::FieldDifference> = item
        .fields
        .iter()
        .take(MAX_FIELDS)
        .map(|field| admin::FieldDifference {
            path: bounded(&field.path, MAX_PATH_BYTES),
            declared: value(&field.declared),
            live: value(&field.live),
        })
        .collect();
    serde_json::to_string(&fields).unwrap_or_else(|_| "[]".to_owned())
}

/// A row as proto has it, with its cluster's name.
pub(in crate::api) fn drift(row: DriftRow, cluster: String) -> admin::Drift {
    let seen = row.occurrence;
    admin::Drift {
        cluster,
        object: Some(admin::ObjectReference {
            api_version: seen.object.api_version,
            kind: seen.object.kind,
            namespace: seen.object.namespace,
            name: seen.object.name,
        }),
        class: class_out(seen.class).into(),
        state: state_out(seen.state).into(),
        source: seen.source,
        fields: serde_json::from_str(&seen.fields).unwrap_or_default(),
        manager: seen.manager,
        since: seen.since.map(time),
        detected_at: Some(time(seen.detected_at)),
        resolved_at: seen.resolved_at.map(time),
        message: seen.message,
        id: seen.id.to_string(),
    }
}

const fn class_in(class: Class) -> Option<DriftClass> {
    match class {
        Class::Unspecified => None,
        Class::Modified => Some(DriftClass::Modified),
        Class::Missing => Some(DriftClass::Missing),
        Class::Conflicting => Some(DriftClass::Conflicting),
        Class::Unmanaged => Some(DriftClass::Unmanaged),
    }
}

const fn class_out(class: DriftClass) -> Class {
    match class {
        DriftClass::Modified => Class::Modified,
        DriftClass::Missing => Class::Missing,
        DriftClass::Conflicting => Class::Conflicting,
        DriftClass::Unmanaged => Class::Unmanaged,
    }
}

const fn state_in(state: State) -> Option<DriftState> {
    match state {
        State::Unspecified => None,
        State::Open => Some(DriftState::Open),
        State::Corrected => Some(DriftState::Corrected),
        State::Cleared => Some(DriftState::Cleared),
    }
}

const fn state_out(state: DriftState) -> State {
    match state {
        DriftState::Open => State::Open,
        DriftState::Corrected => State::Corrected,
        DriftState::Cleared => State::Cleared,
    }
}
