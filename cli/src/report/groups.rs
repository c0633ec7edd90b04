//! The groups of people, as the hub says that an administrator imported them. Nobody signs them.

use hanse_domain::access::directory::Directory;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::{Limits, line, lines};

/// Most groups in a bundle.
const MAX_GROUPS: usize = 1_000_000;
/// Most bytes of `groups.jsonl`.
pub(crate) const MAX_GROUPS_BYTES: usize = 256 * 1024 * 1024;
/// Of `groups.jsonl`. One group may have everybody.
pub(crate) const GROUPS: Limits =
    Limits { lines: MAX_GROUPS, line_bytes: MAX_GROUPS_BYTES, bytes: MAX_GROUPS_BYTES };

/// One group of one directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) directory: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) imported_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) imported_by: String,
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) users: Vec<String>,
    /// Groups within it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<String>,
}

/// `groups.jsonl`.
pub(crate) fn encode(groups: &[Group]) -> Vec<u8> {
    let mut out = Vec::new();
    for group in groups {
        line(&mut out, group);
    }
    out
}

/// Reads `groups.jsonl`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Group>, String> {
    lines("groups.jsonl", bytes, GROUPS)
}

/// Who is in which group.
pub(crate) fn directory(groups: &[Group]) -> Result<Directory, String> {
    let all = groups.iter().map(|g| (g.name.clone(), g.users.clone(), g.groups.clone()));
    Directory::new(all).map_err(|error| error.to_string())
}
