//! The live agents: one stream for each cluster identity, and ways to reach it.
//!
//! ```text
//! begin ─▶ Session ──(dropped)──▶ gone, last seen noted
//!            ▲  a second one of the same identity ends the first (superseded)
//!            │  revocation ends it; the hub's shutdown too
//!            └─ dry runs, at most a few at once
//! ```
//!
//! Nothing here is durable and nothing queues without bound: an agent that missed something looks at
//! the newest state when it wakes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hanse_domain::ids::{ClusterId, Digest, Generation};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, broadcast, mpsc, watch};

use super::delivery::Bundle;

/// Dry runs that one agent may have before it.
const DRY_RUNS: usize = 4;
/// Clusters that a watcher may lag behind by before it looks at all of them.
const EVENTS: usize = 1_024;

/// How long it is shown that two agents had one identity.
const CONTESTED: SignedDuration = SignedDuration::from_mins(5);

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Another stream with the same identity began.
    Superseded,
    /// The cluster was revoked.
    Revoked,
}

/// What an agent is asked to try.
#[derive(Debug)]
pub struct DryRunAsk {
    /// To be given back.
    pub id: u64,
    /// The bundle as it would be.
    pub bundle: Box<Bundle>,
}

/// What is known of a live agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// From its Hello.
    pub agent_version: String,
    /// From its Hello.
    pub kubernetes_version: String,
    /// The generation that it holds, where that is newer than what this hub has.
    pub ahead: Option<Generation>,
}

/// All live agents. Clones share them.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    live: Mutex<Registry>,
    events: broadcast::Sender<ClusterId>,
    flush: Notify,
}

#[derive(Default)]
struct Registry {
    next: u64,
    live: BTreeMap<ClusterId, Live>,
    /// When clusters were last heard from, for those that went and are not written yet.
    unwritten: BTreeMap<ClusterId, Timestamp>,
    /// When two agents last had the identity of a cluster at once.
    contested: BTreeMap<ClusterId, Timestamp>,
}

struct Live {
    number: u64,
    /// Of the certificate that it showed.
    fingerprint: Digest,
    end: watch::Sender<Option<End>>,
    wake: Arc<Notify>,
    inventory: Arc<Notify>,
    /// When it was asked for its inventory last.
    asked: Option<Timestamp>,
    dry_runs: mpsc::Sender<DryRunAsk>,
    seen: Seen,
    /// When it last said something.
    heard: Timestamp,
    /// `heard` as it is in the database.
    written: Option<Timestamp>,
}

/// One live stream, for as long as it is not dropped.
pub struct Session {
    cluster: ClusterId,
    number: u64,
    sessions: Sessions,
    end: watch::Receiver<Option<End>>,
    wake: Arc<Notify>,
    inventory: Arc<Notify>,
    dry_runs: mpsc::Receiver<DryRunAsk>,
}

/// What comes to a stream from the hub's side.
#[derive(Debug)]
pub enum Call {
    /// Something may be there to deliver.
    Wake,
    /// The agent should sign for its inventory now.
    Inventory,
    /// A bundle is to be tried.
    DryRun(DryRunAsk),
    /// The stream has to end.
    End(End),
}

impl Default for Sessions {
    fn default() -> Self {
        Self(Arc::new(Inner {
            live: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
            flush: Notify::new(),
        }))
    }
}

impl Sessions {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a stream the one of its cluster; an older one ends.
    pub fn begin(&self, cluster: ClusterId, fingerprint: Digest, now: Timestamp) -> Session {
        let (end, ended) = watch::channel(None);
        let (dry_runs, asked) = mpsc::channel(DRY_RUNS);
        let wake = Arc::new(Notify::new());
        let inventory = Arc::new(Notify::new());
        let mut registry = self.registry();
        registry.next += 1;
        let number = registry.next;
        let live = Live {
            number,
            fingerprint,
            end,
            wake: Arc::clone(&wake),
            inventory: Arc::clone(&inventory),
            asked: None,
            dry_runs,
            seen: Seen::default(),
            heard: now,
            written: None,
        };
        let older = registry.live.insert(cluster, live);
        // An agent that renewed its certificate begins with it before the old stream is gone.
        if older.as_ref().is_some_and(|older| older.fingerprint == fingerprint) {
            registry.contest(cluster, now);
        }
        drop(registry);
        if let Some(older) = older {
            tracing::warn!(
                cluster.id = %cluster,
                "cluster {cluster} began a second stream; the first one ends"
            );
            older.end.send_replace(Some(End::Superseded));
        }
        self.changed(cluster);
        let sessions = self.clone();
        Session { cluster, number, sessions, end: ended, wake, inventory, dry_runs: asked }
    }

    /// Notes that another agent has a cluster's identity, elsewhere.
    pub fn contest(&self, cluster: ClusterId, now: Timestamp) {
        self.registry().contest(cluster, now);
        self.changed(cluster);
    }

    /// Whether two agents had a cluster's identity at once within the last five minutes.
    pub fn is_contested(&self, cluster: ClusterId, now: Timestamp) -> bool {
        let since = self.registry().contested.get(&cluster).copied();
        since.is_some_and(|since| now.duration_since(since) < CONTESTED)
    }

    /// Ends a cluster's stream, if it has one here.
    pub fn revoke(&self, cluster: ClusterId) {
        if let Some(live) = self.registry().live.get(&cluster) {
            live.end.send_replace(Some(End::Revoked));
        }
    }

    /// Wakes the streams of these clusters: each has a new bundle.
    pub fn wake<'c>(&self, clusters: impl IntoIterator<Item = &'c ClusterId>) {
        let watched = self.0.events.receiver_count() > 0;
        let registry = self.registry();
        for cluster in clusters {
            if let Some(live) = registry.live.get(cluster) {
                live.wake.notify_one();
            }
            if watched {
                self.changed(*cluster);
            }
        }
    }

    /// Wakes every stream: there is something for all of them.
    pub fn wake_all(&self) {
        for live in self.registry().live.values() {
            live.wake.notify_one();
        }
    }

    /// What is known of a cluster's agent; `None` when it is not connected here.
    pub fn seen(&self, cluster: ClusterId) -> Option<Seen> {
        self.registry().live.get(&cluster).map(|l| l.seen.clone())
    }

    /// The clusters that are connected here.
    pub fn connected(&self) -> Vec<ClusterId> {
        self.registry().live.keys().copied().collect()
    }

    /// Asks a cluster's agent to try a bundle. `false`: it is not connected, or busy with others.
    pub fn ask(&self, cluster: ClusterId, ask: DryRunAsk) -> bool {
        let sender = self.registry().live.get(&cluster).map(|l| l.dry_runs.clone());
        sender.is_some_and(|sender| sender.try_send(ask).is_ok())
    }

    /// Asks a cluster's agent to sign for its inventory now, unless it was asked within a pause.
    pub fn ask_inventory(&self, cluster: ClusterId, now: Timestamp, pause: SignedDuration) {
        if let Some(live) = self.registry().live.get_mut(&cluster)
            && live.asked.is_none_or(|asked| now.duration_since(asked).abs() >= pause)
        {
            live.asked = Some(now);
            live.inventory.notify_one();
        }
    }

    /// Something about a cluster changed: whoever watches looks again.
    pub fn changed(&self, cluster: ClusterId) {
        // No watcher is no error.
        let _ = self.0.events.send(cluster);
    }

    /// The clusters of which something changed, from now on.
    pub fn events(&self) -> broadcast::Receiver<ClusterId> {
        self.0.events.subscribe()
    }

    /// Waits until an agent went.
    pub async fn gone(&self) {
        self.0.flush.notified().await;
    }

    /// What is to be written of when clusters were last heard from. A stream that said nothing since
    /// the last time costs nothing.
    pub fn take_unwritten(&self) -> Vec<(ClusterId, Timestamp)> {
        let mut registry = self.registry();
        let mut all = std::mem::take(&mut registry.unwritten);
        for (cluster, live) in &mut registry.live {
            if live.written != Some(live.heard) {
                live.written = Some(live.heard);
                all.insert(*cluster, live.heard);
            }
        }
        all.into_iter().collect()
    }

    /// Gives back what could not be written.
    pub fn give_back(&self, all: Vec<(ClusterId, Timestamp)>) {
        let mut registry = self.registry();
        for (cluster, at) in all {
            let kept = registry.unwritten.entry(cluster).or_insert(at);
            *kept = (*kept).max(at);
        }
    }
}

impl Registry {
    fn contest(&mut self, cluster: ClusterId, now: Timestamp) {
        self.contested.retain(|_, since| now.duration_since(*since) < CONTESTED);
        self.contested.insert(cluster, now);
    }
}

impl Session {
    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Notes that the agent said something.
    pub fn heard(&self, now: Timestamp) {
        self.with(|live| live.heard = now);
    }

    /// Notes what the agent said about itself.
    pub fn set_seen(&self, seen: Seen) {
        let changed = self.with(|live| {
            let changed = live.seen != seen;
            live.seen = seen;
            changed
        });
        if changed == Some(true) {
            self.sessions.changed(self.cluster);
        }
    }

    /// Why the stream has to end now, if it has.
    pub fn ended(&self) -> Option<End> {
        *self.end.borrow()
    }

    /// Waits for what comes from the hub's side. A wakeup stands for any number of them.
    pub async fn next(&mut self) -> Call {
        loop {
            if let Some(end) = *self.end.borrow_and_update() {
                return Call::End(end);
            }
            tokio::select! {
                changed = self.end.changed() => if changed.is_err() {
                    // The registry lets go of an entry only for a newer one.
                    return Call::End(End::Superseded);
                },
                () = self.wake.notified() => return Call::Wake,
                () = self.inventory.notified() => return Call::Inventory,
                Some(ask) = self.dry_runs.recv() => return Call::DryRun(ask),
            }
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Live) -> T) -> Option<T> {
        let mut registry = self.sessions.registry();
        let live = registry.live.get_mut(&self.cluster)?;
        (live.number == self.number).then(|| f(live))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut registry = self.sessions.registry();
        let ours = registry.live.get(&self.cluster);
        if ours.is_some_and(|live| live.number == self.number) {
            if let Some(live) = registry.live.remove(&self.cluster) {
                registry.unwritten.insert(self.cluster, live.heard);
            }
            drop(registry);
            self.sessions.0.flush.notify_one();
            self.sessions.changed(self.cluster);
        }
    }
}
