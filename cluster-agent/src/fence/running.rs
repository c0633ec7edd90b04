//! The check of a running agent. Watches poke it, so that a changed policy, binding, Ceiling or right
//! is seen within seconds and nothing is polled; a slow round besides proves what no watch tells.
//!
//! ```text
//! watch × 5 ──┐
//! run ────────┼─poke─► check (at most every 5 s; every 5 min anyway) ──► FenceState
//! timer ──────┘
//! ```

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use hanse_domain::object::ObjectKind;
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{FenceState, check};
use crate::backoff::Backoff;
use crate::core::io::Live;
use crate::kube::install::{self, InstallError};
use crate::kube::observe::WATCH_TIMEOUT;
use crate::kube::writers::{CEILING_USER, Writers};
use crate::kube::{NAMESPACE, SERVICE_ACCOUNT};
use crate::metrics::{FenceCheck, Metrics};

/// Rights and probes are looked at anew after this, whatever the watches say.
const ROUND: Duration = Duration::from_mins(5);
/// The same while a watch is not there, and while the agent waits for its fence: that a right is gone
/// wakes nobody.
const SHORT_ROUND: Duration = Duration::from_secs(30);
/// Least time between two rounds, however often something changes.
const AT_LEAST: Duration = Duration::from_secs(5);
/// Changes that come together are looked at together.
const SETTLE: Duration = Duration::from_millis(500);
/// How long the first look waits for the watches to begin.
const FIRST_LISTS: Duration = Duration::from_secs(2);
/// The API server does not answer.
const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(20);
const WATCH_DELAY: Duration = Duration::from_secs(1);
const LONGEST_WATCH_DELAY: Duration = Duration::from_mins(1);

/// Wakes the check.
#[derive(Clone, Debug, Default)]
pub struct Poke(Arc<Notify>);

impl Poke {
    /// Something changed that has to do with the fence.
    pub fn now(&self) {
        self.0.notify_one();
    }

    /// A role or a binding changed: whether that may change what the agent's account may do.
    pub fn saw(&self, object: &Live) {
        if concerns_agent(object) {
            self.now();
        }
    }
}

/// What the check runs with.
pub struct FenceWatch {
    /// Whose rights are looked at.
    pub writers: Writers,
    /// Whether the administrator lets the agent write without a fence.
    pub allow_unfenced: bool,
    /// Wakes it.
    pub poke: Poke,
    /// Where the result goes.
    pub publish: watch::Sender<FenceState>,
    /// Where it is counted.
    pub metrics: Metrics,
}

impl FenceWatch {
    /// Checks until it is asked to end.
    pub async fn run(self, soft: CancellationToken) -> Result<(), InstallError> {
        let mut objects = install::policies()?;
        objects.push(install::default_ceiling()?);
        let sight = Sight::new(objects.len());
        let watches = futures::future::join_all(objects.iter().map(|o| self.watch(o, &sight)));
        tokio::select! {
            () = soft.cancelled() => Ok(()),
            never = watches => never.into_iter().collect(),
            () = self.rounds(&sight) => Ok(()),
        }
    }

    async fn rounds(&self, sight: &Sight) {
        // What the watches begin with is then no change, and nothing is looked at twice.
        let _ = tokio::time::timeout(FIRST_LISTS, sight.all_listed.notified()).await;
        sight.looked.store(true, Ordering::Release);
        let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
        loop {
            let begin = Instant::now();
            let wait = match check(&self.writers).await {
                Ok(report) => {
                    backoff.reset();
                    let state = report.state(self.allow_unfenced);
                    let broken = matches!(state, FenceState::Broken(_));
                    self.tell(state);
                    if broken || sight.is_partial() { SHORT_ROUND } else { ROUND }
                }
                Err(error) => {
                    // What was known stays: without an answer nothing can be written either.
                    tracing::debug!("the fence cannot be looked at: {error}");
                    self.metrics.fence_checked(FenceCheck::Unanswered);
                    backoff.next_delay()
                }
            };
            tokio::select! {
                () = self.poke.0.notified() => {
                    tokio::time::sleep(SETTLE).await;
                    tokio::time::sleep_until(begin + AT_LEAST).await;
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn tell(&self, state: FenceState) {
        let stands = matches!(state, FenceState::Standing { .. });
        self.metrics.set_fence_standing(stands);
        self.metrics.fence_checked(if stands { FenceCheck::Standing } else { FenceCheck::Broken });
        let changed = self.publish.send_if_modified(|known| {
            let changed = *known != state;
            known.clone_from(&state);
            changed
        });
        if !changed {
            return;
        }
        match state {
            FenceState::Standing { model, ceiling } => tracing::info!(
                "the fence stands (model {model}); the Ceiling is of generation {}",
                ceiling.generation
            ),
            FenceState::Broken(why) => tracing::error!(
                "the fence does not stand, and nothing is written until it does: {}. See: \
                 hanse-agent check",
                why.join("; ")
            ),
            FenceState::Unfenced(why) => tracing::warn!(
                "the agent runs without a fence, as it was told to: {}",
                why.join("; ")
            ),
            FenceState::Unknown => {}
        }
    }

    /// Pokes when one object of the fence is another than before.
    async fn watch(&self, object: &DynamicObject, sight: &Sight) -> Result<(), InstallError> {
        let (api, name) = install::api_of(self.writers.own(), object)?;
        let config = watcher::Config {
            timeout: u32::try_from(WATCH_TIMEOUT.as_secs()).ok(),
            ..watcher::Config::default().fields(&format!("metadata.name={name}"))
        };
        self.follow(watcher::watcher(api, config), sight).await;
        Ok(())
    }

    async fn follow(
        &self,
        events: impl Stream<Item = watcher::Result<Event<DynamicObject>>>,
        sight: &Sight,
    ) {
        let mut events = pin!(events);
        let mut backoff = Backoff::new(WATCH_DELAY, LONGEST_WATCH_DELAY);
        let mut sighted = false;
        let mut seen: Option<Option<String>> = None;
        let mut listed = None;
        while let Some(event) = events.next().await {
            let now = match event {
                Err(error) => {
                    tracing::debug!("an object of the fence cannot be watched: {error}");
                    if std::mem::take(&mut sighted) {
                        sight.blind.fetch_add(1, Ordering::AcqRel);
                    }
                    tokio::time::sleep(backoff.next_delay()).await;
                    continue;
                }
                Ok(Event::Init) => {
                    listed = None;
                    continue;
                }
                Ok(Event::InitApply(object)) => {
                    listed = version(&object);
                    continue;
                }
                Ok(Event::InitDone) => listed.take(),
                Ok(Event::Apply(object)) => version(&object),
                Ok(Event::Delete(_)) => None,
            };
            backoff.reset();
            let same = seen.replace(now.clone()) == Some(now);
            if !std::mem::replace(&mut sighted, true) {
                sight.gained();
            }
            if !same && sight.looked.load(Ordering::Acquire) {
                self.poke.now();
            }
        }
    }
}

/// How much the watches see.
struct Sight {
    /// Watches that are not there.
    blind: AtomicUsize,
    all_listed: Notify,
    /// The first round has begun.
    looked: AtomicBool,
}

impl Sight {
    fn new(watches: usize) -> Self {
        Self {
            blind: AtomicUsize::new(watches),
            all_listed: Notify::new(),
            looked: AtomicBool::new(false),
        }
    }

    fn gained(&self) {
        if self.blind.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_listed.notify_one();
        }
    }

    fn is_partial(&self) -> bool {
        self.blind.load(Ordering::Acquire) > 0
    }
}

fn version(object: &DynamicObject) -> Option<String> {
    let spec = object.metadata.generation?;
    let uid = object.metadata.uid.as_deref()?;
    Some(format!("{uid} {spec} {}", object.metadata.deletion_timestamp.is_some()))
}

/// Bindings whose subjects have the agent among them, and roles that are not the fleet's.
fn concerns_agent(object: &Live) -> bool {
    match object.reference.kind {
        ObjectKind::ClusterRoleBinding | ObjectKind::RoleBinding => {
            let subjects = object.body.get("subjects").and_then(Value::as_array);
            subjects.into_iter().flatten().any(is_agent)
        }
        ObjectKind::ClusterRole => !object.reference.name.starts_with("hanse:"),
        ObjectKind::Role => object.reference.namespace.as_deref() == Some(NAMESPACE),
        ObjectKind::Namespace
        | ObjectKind::ResourceQuota
        | ObjectKind::LimitRange
        | ObjectKind::NetworkPolicy
        | ObjectKind::Secret => false,
    }
}

fn is_agent(subject: &Value) -> bool {
    let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or_default();
    let name = text("name");
    match text("kind") {
        "ServiceAccount" => text("namespace") == NAMESPACE && name == SERVICE_ACCOUNT,
        "User" => {
            name == CEILING_USER
                || name == format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}")
        }
        "Group" => {
            name == "system:authenticated"
                || name == "system:serviceaccounts"
                || name == format!("system:serviceaccounts:{NAMESPACE}")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use hanse_domain::object::ObjectRef;
    use serde_json::json;

    use super::*;

    fn concerns(kind: ObjectKind, name: &str, body: Value) -> bool {
        concerns_agent(&Live {
            reference: ObjectRef::cluster(kind, name),
            uid: "uid".to_owned(),
            resource_version: "1".to_owned(),
            body,
        })
    }

    #[test]
    fn only_what_may_change_the_agents_rights_wakes_the_check() {
        let binding = |subject: Value| {
            let body = json!({ "subjects": [{ "kind": "User", "name": "alice" }, subject] });
            concerns(ObjectKind::ClusterRoleBinding, "any", body)
        };
        let group = |name: &str| json!({ "kind": "Group", "name": name });
        let account = |namespace: &str| json!({ "kind": "ServiceAccount", "name": "agent", "namespace": namespace });
        assert!(binding(account("hanse-agent")));
        assert!(binding(group("system:authenticated")));
        assert!(binding(group("system:serviceaccounts:hanse-agent")));
        assert!(binding(json!({ "kind": "User", "name": "hanse:ceiling" })));
        assert!(!binding(account("other")));
        assert!(!binding(group("devs")));
        assert!(concerns(ObjectKind::ClusterRole, "hanse-agent", json!({})));
        assert!(!concerns(ObjectKind::ClusterRole, "hanse:ns:dev", json!({})));
        assert!(!concerns(ObjectKind::Namespace, "hanse-agent", json!({})));
    }
}
