//! From a verified certificate to a [`Caller`]: who may go on, asked for each request and, for
//! streams, again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hanse_domain::ids::{ClusterId, Digest};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::ServiceError;
use crate::auth::{Caller, Peer, Role, UserName};
use crate::store::{ClusterRow, Store, UserRow};

/// How long a person's row is believed.
const BELIEVED: Duration = Duration::from_secs(5);
/// People that are remembered at once.
const REMEMBERED: usize = 1_024;

/// How often it is noted that a replaced certificate is shown.
const NOTED: SignedDuration = SignedDuration::from_mins(1);

/// Looks callers up. Clones share what they remember.
#[derive(Clone)]
pub struct Callers {
    store: Store,
    people: Arc<Mutex<HashMap<UserName, Remembered>>>,
}

/// A caller, and what was read to know it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Who calls.
    pub caller: Caller,
    /// The cluster's row, for an agent.
    pub cluster: Option<ClusterRow>,
}

impl From<Caller> for Known {
    fn from(caller: Caller) -> Self {
        Self { caller, cluster: None }
    }
}

struct Remembered {
    at: Instant,
    row: Option<UserRow>,
}

impl Callers {
    /// From the database.
    pub fn new(store: Store) -> Self {
        Self { store, people: Arc::default() }
    }

    /// Who a peer is now, with the row of a cluster. An expired, unknown or revoked identity is `Unauthenticated`.
    pub async fn caller(&self, peer: &Peer, now: Timestamp) -> Result<Known, ServiceError> {
        if !peer.is_valid_at(now) {
            return Err(unauthenticated("the certificate has expired"));
        }
        match peer {
            Peer::Anonymous => Ok(Caller::Anonymous.into()),
            Peer::Agent { cluster, fingerprint, .. } => {
                let row = self.cluster(*cluster, fingerprint, now).await?;
                Ok(Known { caller: Caller::Agent(*cluster), cluster: Some(row) })
            }
            Peer::User { name, fingerprint, .. } => {
                let row = self.person(name).await?;
                let row = row.filter(|row| row.revoked_at.is_none());
                let role = match row {
                    Some(row) if row.fingerprint == *fingerprint => role(row.role),
                    Some(_) | None => {
                        return Err(unauthenticated(
                            "this certificate is not known, or not any more",
                        ));
                    }
                };
                let name = name.clone();
                Ok(Caller::User { name, role }.into())
            }
        }
    }

    /// The row of a cluster whose agent shows a certificate that is good now.
    pub async fn cluster(
        &self,
        cluster: ClusterId,
        fingerprint: &Digest,
        now: Timestamp,
    ) -> Result<ClusterRow, ServiceError> {
        let row = self.store.cluster(cluster).await?;
        let row = row.filter(|row| row.joined_at.is_some());
        let row = row.ok_or_else(|| unauthenticated("this cluster is not known"))?;
        if row.revoked_at.is_some() {
            return Err(unauthenticated("this cluster was revoked"));
        }
        if !row.shows(fingerprint) {
            self.replaced(&row, now).await?;
            return Err(unauthenticated("this certificate was replaced by a newer one"));
        }
        Ok(row)
    }

    /// Somebody has a certificate of this cluster that its agent has replaced.
    async fn replaced(&self, row: &ClusterRow, now: Timestamp) -> Result<(), ServiceError> {
        let noted = |at| now.duration_since(at) < NOTED;
        if row.clone_seen.is_some_and(noted) {
            return Ok(());
        }
        tracing::warn!(
            cluster.id = %row.id,
            "a certificate of cluster {} ({}) was shown that had been replaced: its identity may be \
             cloned",
            row.name, row.id
        );
        Ok(self.store.note_clone(row.id, now).await?)
    }

    async fn person(&self, name: &UserName) -> Result<Option<UserRow>, ServiceError> {
        let now = Instant::now();
        {
            let people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = people.get(name)
                && now.duration_since(known.at) < BELIEVED
            {
                return Ok(known.row.clone());
            }
        }
        let row = self.store.user(name.as_str()).await?;
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        if people.len() >= REMEMBERED {
            people.clear();
        }
        let known = Remembered { at: now, row: row.clone() };
        people.insert(name.clone(), known);
        Ok(row)
    }
}

fn role(role: crate::store::Role) -> Role {
    match role {
        crate::store::Role::Administrator => Role::Administrator,
        crate::store::Role::Viewer => Role::Viewer,
    }
}

fn unauthenticated(why: &str) -> ServiceError {
    ServiceError::Unauthenticated(why.to_owned())
}
