//! The groups of people: imported from directories, and as they were at a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use hanse_domain::access::directory::Directory;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AccessService, Question, scope};
use crate::service::ServiceError;
use crate::store::{AccessMoment, DirectoryRow, MAX_DIRECTORIES};

/// Most groups of one directory.
const MOST_GROUPS: usize = 200_000;
/// Most bytes of a name.
const MAX_NAME_BYTES: usize = 1_024;

/// The members of a group, as it is imported and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub group: String,
    /// User names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Groups within it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// A group, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedGroup {
    /// The directory.
    pub directory: String,
    /// Since when it is so.
    pub imported_at: Timestamp,
    /// Who imported it.
    pub imported_by: String,
    /// The group.
    pub group: Group,
}

/// What an import came down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import {
    /// How many groups.
    pub groups: usize,
    /// How many members they name.
    pub memberships: usize,
    /// Whether something else was there.
    pub changed: bool,
}

impl AccessService {
    /// The groups as they are now.
    pub(super) fn directory(&self) -> Arc<Directory> {
        self.0.directory.load_full()
    }

    /// The groups at a moment: they are known when they are so.
    pub(super) async fn directory_at(
        &self,
        moment: AccessMoment,
    ) -> Result<Arc<Directory>, ServiceError> {
        let at = moment.known_at.map_or(moment.at, |known| known.min(moment.at));
        let rows = self.0.store.groups_at(Some(at)).await?;
        Ok(Arc::new(blocking(move || made(&rows)).await?))
    }

    /// Replaces the groups of one directory.
    pub async fn import_groups(
        &self,
        directory: &str,
        groups: Vec<Group>,
        by: &str,
        now: Timestamp,
    ) -> Result<Import, ServiceError> {
        check_name("the directory", directory)?;
        let groups = blocking(move || merged(groups)).await?;
        let memberships = groups.iter().map(|group| group.users.len() + group.groups.len()).sum();
        let bytes = serde_json::to_vec(&groups)
            .map_err(|error| ServiceError::Internal(format!("groups as JSON: {error}")))?;
        let all = self.0.store.groups_at(None).await?;
        let others = all.into_iter().filter(|row| row.directory != directory);
        let mut others: Vec<DirectoryRow> = others.collect();
        if others.len() >= MAX_DIRECTORIES {
            let why =
                format!("there are {MAX_DIRECTORIES} directories already: replace one of them");
            return Err(ServiceError::Exhausted(why));
        }
        others.push(DirectoryRow {
            directory: directory.to_owned(),
            imported_at: now,
            until: None,
            imported_by: by.to_owned(),
            digest: hanse_domain::ids::Digest::of(&bytes),
            bytes: bytes.clone().into(),
        });
        // All of them together must be usable before one of them is kept.
        blocking(move || made(&others)).await?;
        let changed = self.0.store.import_groups(directory, &bytes, by, now).await?;
        if changed {
            tracing::info!(
                directory,
                groups = groups.len(),
                memberships,
                "{by} imported {} groups of {directory}",
                groups.len()
            );
            self.follow_all().await?;
        }
        Ok(Import { groups: groups.len(), memberships, changed })
    }

    /// The groups at a moment, now for `None`: by directory and name.
    pub async fn groups(
        &self,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Vec<ImportedGroup>, ServiceError> {
        let question = Question { at, ..Question::default() };
        let history_from = self.0.store.access_history_from().await?;
        let moment = scope::moment(&question, history_from, now)?;
        let rows = self.0.store.groups_at(moment.map(|moment| moment.at)).await?;
        let mut all = Vec::new();
        for row in rows {
            for group in groups_of(&row)? {
                all.push(ImportedGroup {
                    directory: row.directory.clone(),
                    imported_at: row.imported_at,
                    imported_by: row.imported_by.clone(),
                    group,
                });
            }
        }
        Ok(all)
    }

    /// Takes over what was imported, here or at another hub. Says whether something changed.
    pub async fn follow_directories(&self) -> Result<bool, ServiceError> {
        let digests = self.0.store.group_digests().await?;
        let known = || self.0.directories.lock().unwrap_or_else(PoisonError::into_inner);
        if *known() == digests {
            return Ok(false);
        }
        let rows = self.0.store.groups_at(None).await?;
        let directory = blocking(move || made(&rows)).await?;
        self.0.directory.store(Arc::new(directory));
        *known() = digests;
        Ok(true)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| super::source::broke(&error))?
}

fn made(rows: &[DirectoryRow]) -> Result<Directory, ServiceError> {
    let mut all = Vec::new();
    for row in rows {
        let groups = groups_of(row)?;
        all.extend(groups.into_iter().map(|group| (group.group, group.users, group.groups)));
    }
    Directory::new(all).map_err(ServiceError::invalid)
}

fn groups_of(row: &DirectoryRow) -> Result<Vec<Group>, ServiceError> {
    serde_json::from_slice(&row.bytes).map_err(|error| {
        ServiceError::Internal(format!("the groups of {} are damaged: {error}", row.directory))
    })
}

/// By name, each once, with its members in order and each once.
fn merged(groups: Vec<Group>) -> Result<Vec<Group>, ServiceError> {
    let mut all: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for group in groups {
        check_name("a group", &group.group)?;
        for user in &group.users {
            check_name("a user", user)?;
        }
        for inner in &group.groups {
            check_name("a group", inner)?;
        }
        let (users, inner) = all.entry(group.group).or_default();
        users.extend(group.users);
        inner.extend(group.groups);
    }
    if all.len() > MOST_GROUPS {
        return Err(ServiceError::invalid(format!("more than {MOST_GROUPS} groups")));
    }
    let made = all.into_iter().map(|(group, (users, groups))| Group {
        group,
        users: users.into_iter().collect(),
        groups: groups.into_iter().collect(),
    });
    Ok(made.collect())
}

fn check_name(what: &str, name: &str) -> Result<(), ServiceError> {
    let why = if name.is_empty() {
        "without a name"
    } else if name.len() > MAX_NAME_BYTES {
        "with a name of more than 1024 bytes"
    } else if name.contains(char::is_control) {
        "with a control character in its name"
    } else {
        return Ok(());
    };
    Err(ServiceError::invalid(format!("{what} {why}")))
}
