//! Proto ↔ domain and rows. Whatever comes from an agent is bounded here before it goes on.

mod access;
mod bundle;
mod cluster;
mod drift;
mod proposal;
mod report;
mod revision;

use hanse_domain::ids::Digest;
use jiff::Timestamp;
use pbjson_types::Timestamp as ProtoTime;

pub(super) use access::{
    Refusals, change, checkpoint, decision, difference, escalation, goals, grant, group,
    group_members, inventory, moment, question, request, signed, subject, version, view, violation,
};
pub(super) use bundle::{bundle, trust_roots};
pub(super) use cluster::cluster;
pub(super) use drift::{drift, occurrence};
pub(super) use proposal::{committed, proposal, submission};
pub(super) use report::{applied, dry_run_answer, fence_report, object_problem};
pub(super) use revision::revision;

use crate::auth::Role;
use crate::service::ServiceError;

/// A time as proto has it.
pub(super) fn time(at: Timestamp) -> ProtoTime {
    ProtoTime { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// A time from proto; `None` for one that is out of range.
pub(super) fn from_time(at: Option<&ProtoTime>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok())
}

/// A role's name.
pub(super) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Administrator => "administrator",
    }
}

/// A digest from 32 bytes; `None` for none.
pub(super) fn digest(what: &str, bytes: &[u8]) -> Result<Option<Digest>, ServiceError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Digest::try_from(bytes)
        .map(Some)
        .map_err(|error| ServiceError::invalid(format!("{what}: {error}")))
}

/// Text from an agent: cut at a character's end, without NUL, which no database keeps.
pub(super) fn bounded(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_and_has_no_nul() {
        assert_eq!(bounded("aé", 2), "a");
        assert_eq!(bounded("aé", 3), "aé");
        assert_eq!(bounded("a\0b", 9), "a\u{fffd}b");
        assert_eq!(bounded("", 0), "");
    }

    #[test]
    fn times_go_both_ways() {
        let at = Timestamp::new(-5, -123_456_000).unwrap_or_default();
        assert_eq!(from_time(Some(&time(at))), Some(at));
        let far = ProtoTime { seconds: i64::MAX, nanos: 0 };
        assert_eq!(from_time(Some(&far)), None);
    }
}
