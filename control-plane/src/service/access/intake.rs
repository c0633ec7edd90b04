//! What an agent reports: stored, then indexed, then acknowledged. A report that says the root alone
//! costs nothing while both sides have the same.

use std::collections::BTreeSet;

use bytes::Bytes;
use hanse_domain::access::checkpoint::{self, Checkpoint};
use hanse_domain::access::inventory::{BUCKETS, Inventory};
use hanse_domain::ids::{ClusterId, Digest};
use jiff::{SignedDuration, Timestamp};

use super::AccessService;
use super::held::{Held, Said};
use crate::service::ServiceError;
use crate::store::{
    AccessChange, AccessContents, AccessReport, CheckpointRow, CoverageRow, Recorded, Sighting,
    Writer,
};

/// How far the clock of a cluster may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// A whole report.
#[derive(Debug)]
pub struct Told {
    /// In the order in which they happened.
    pub changes: Vec<AccessChange>,
    /// Buckets that are sent whole.
    pub buckets: BTreeSet<u8>,
    /// Objects that cannot be kept.
    pub refused: u32,
    /// Of the state before the changes.
    pub closed: Option<Signed>,
    /// Of the state after them.
    pub current: Signed,
}

/// A checkpoint as it came.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The checkpoint.
    pub checkpoint: Bytes,
    /// A public key and a signature.
    pub signature: Bytes,
}

/// What the agent is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Both sides have the same.
    Stored,
    /// They have not: all bucket digests of this side, one behind the other.
    Wanted(Vec<u8>),
}

/// A checkpoint that is about this cluster, and whether it proves something.
struct Read {
    said: Checkpoint,
    signed: Result<CheckpointRow, String>,
}

impl AccessService {
    /// Takes a report. `InvalidArgument` for checkpoints that are not this cluster's.
    pub async fn take(
        &self,
        by: Writer,
        told: Told,
        now: Timestamp,
    ) -> Result<Reply, ServiceError> {
        let cluster = by.cluster;
        let recipient = {
            let current = self.0.fleet.current();
            current.fleet.member(cluster).map(|member| member.entry.recipient.clone())
        };
        let is_member = recipient.is_some();
        let recipient = recipient.flatten();
        let read = |signed: &Signed| {
            read(signed, self.0.fleet.current().fleet.id(), cluster, recipient.as_deref(), now)
        };
        let current = read(&told.current)?;
        let closed = told.closed.as_ref().map(read).transpose()?;

        let _gate = self.0.gate(cluster).await;
        let mut held = self.0.held().get(&cluster).cloned().unwrap_or_else(Held::empty);
        if !is_member {
            // Nothing is kept of it until somebody accepts it: then it is asked.
            held.behind = held.root != current.said.root;
            self.0.held().insert(cluster, held);
            return Ok(Reply::Stored);
        }
        let unchanged = told.changes.is_empty()
            && told.buckets.is_empty()
            && told.refused == 0
            && held.learned_at.is_some()
            && held.unseen == current.said.unseen
            && (held.skipped == current.said.skipped || held.unreachable.is_some());
        if unchanged {
            let same = held.root == current.said.root;
            if !same && held.unreachable != Some(current.said.root) {
                return self.wanted(cluster).await;
            }
            let covered = current.covered(None, now);
            let covered = self.goes_on(by, &mut held, covered, now).await?;
            self.saw(by, held, current, covered, false, now).await?;
            return Ok(Reply::Stored);
        }
        let (was, answers) = (held.learned_at, !told.buckets.is_empty());
        let refused = told.refused;
        // Both sides had the same before, or have it now: nothing is missing in what was seen.
        let goes_on =
            answers || closed.as_ref().is_some_and(|closed| closed.said.root == held.root);
        let covered = current.covered(closed.as_ref().filter(|_| goes_on), now);
        self.write_held(by, &mut held, now).await?;
        let covered = self.goes_on(by, &mut held, covered, now).await?;
        let settles = covered.filter(|_| goes_on);
        let recorded = self.record(by, told, &current, closed.as_ref(), settles, now).await?;
        self.index(cluster, was, &recorded).await?;
        held.root = recorded.root;
        held.objects = recorded.objects;
        held.skipped = current.said.skipped.saturating_add(refused);
        held.unseen.clone_from(&current.said.unseen);
        held.learned_at = Some(recorded.learned_at);
        let same = recorded.root == current.said.root;
        // Asked for once more, it would send the same.
        let settled = same || answers || refused > 0;
        held.unreachable = (settled && !same).then_some(current.said.root);
        if held.unreachable.is_some() {
            tracing::warn!(
                cluster.id = %cluster,
                refused,
                "cluster {cluster} has an inventory that this hub cannot have in full: {refused} of its \
                 objects are refused"
            );
        }
        if settled {
            self.saw(by, held, current, covered, settles.is_some(), now).await?;
            return Ok(Reply::Stored);
        }
        self.0.held().insert(cluster, held);
        self.wanted(cluster).await
    }

    /// The stream of a cluster's agent ended: what it said last is to be written.
    pub fn hung_up(&self, by: Writer) {
        if let Some(held) = self.0.held().get_mut(&by.cluster)
            && let Some(said) = held.said.as_mut().filter(|said| said.by == by)
        {
            said.live = false;
        }
    }

    /// Writes what agents saw and what is due; all that is not written yet when the hub goes.
    pub async fn write_sightings(&self, all: bool, now: Timestamp) {
        let due: Vec<Unwritten> = {
            let held = self.0.held();
            let said = held.values().filter_map(|held| held.said.as_ref());
            said.filter(|said| if all { said.is_unwritten() } else { said.is_due(now) })
                .map(Unwritten::of)
                .collect()
        };
        self.write_all(due, now).await;
    }

    /// Writes what the agent of one cluster saw last.
    pub(super) async fn write_sighting(&self, cluster: ClusterId, now: Timestamp) {
        let due = {
            let held = self.0.held();
            let said = held.get(&cluster).and_then(|held| held.said.as_ref());
            said.filter(|said| said.is_unwritten()).map(Unwritten::of)
        };
        self.write_all(due, now).await;
    }

    async fn write_all(&self, due: impl IntoIterator<Item = Unwritten>, now: Timestamp) {
        for Unwritten(by, until, sighting) in due {
            if let Err(error) = self.0.store.extend_access(by, &sighting, now).await {
                let cluster = by.cluster;
                tracing::debug!(cluster.id = %cluster, %error, "what the agent saw is not written");
            }
            // An older stream has nothing to say any more, and what failed comes with the next word.
            self.written(by, until);
        }
    }

    fn written(&self, by: Writer, until: Timestamp) {
        if let Some(held) = self.0.held().get_mut(&by.cluster)
            && let Some(said) = held.said.as_mut().filter(|said| said.by == by)
        {
            said.written = said.written.max(Some(until));
        }
    }

    /// What the hub has, so that the agent sends what it lacks, after a while.
    pub async fn wanted(&self, cluster: ClusterId) -> Result<Reply, ServiceError> {
        self.0.held().entry(cluster).or_insert_with(Held::empty).behind = true;
        let buckets = match self.0.store.access_buckets(cluster).await? {
            Some(buckets) => buckets,
            None => Inventory::default().buckets().iter().flat_map(|bucket| bucket.0).collect(),
        };
        if buckets.len() != BUCKETS * 32 {
            return Err(ServiceError::Internal(format!("the buckets of {cluster} are damaged")));
        }
        Ok(Reply::Wanted(buckets))
    }

    async fn record(
        &self,
        by: Writer,
        told: Told,
        current: &Read,
        closed: Option<&Read>,
        covered: Option<CoverageRow>,
        now: Timestamp,
    ) -> Result<Recorded, ServiceError> {
        let report = AccessReport {
            changes: told.changes,
            whole_buckets: told.buckets,
            gone_at: if is_ahead(&current.said, now) {
                current.said.from.min(now)
            } else {
                current.said.from
            },
            unseen: current.said.unseen.clone(),
            skipped: current.said.skipped.saturating_add(told.refused),
        };
        let signed = [closed, Some(current)].into_iter().flatten();
        let sighting = Sighting {
            checkpoints: signed.filter_map(|read| read.signed.as_ref().ok().cloned()).collect(),
            covered,
        };
        self.0.metrics.inventory_report(report.changes.len());
        Ok(self.0.store.record_access(by, &report, &sighting, now).await?)
    }

    /// Writes what was said before, while it still counts.
    async fn write_held(
        &self,
        by: Writer,
        held: &mut Held,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        if let Some(said) = held.said.as_mut().filter(|said| said.is_unwritten()) {
            // Also of a stream that ended: it may not write any more.
            self.0.store.extend_access(by, &said.sighting(), now).await?;
            said.written = Some(said.covered.until);
        }
        Ok(())
    }

    /// What was covered by what was said before and by this without a gap. What an agent says of the
    /// time before its stream counts where it goes on with what was covered last, and nowhere else.
    async fn goes_on(
        &self,
        by: Writer,
        held: &mut Held,
        covered: Option<CoverageRow>,
        now: Timestamp,
    ) -> Result<Option<CoverageRow>, ServiceError> {
        let Some(mut covered) = covered else { return Ok(None) };
        let before = held.said.as_ref().filter(|said| said.by == by).map(|said| said.covered);
        if let Some(before) = before.filter(|before| before.until >= covered.from) {
            covered.from = before.from;
            return Ok(Some(covered));
        }
        self.write_held(by, held, now).await?;
        let last = self.0.store.coverage(by.cluster, None, 1).await?.pop();
        covered.from = match last.filter(|last| last.until >= covered.from) {
            Some(last) => last.from,
            None => covered.from.max(began(by)).min(covered.until),
        };
        Ok(Some(covered))
    }

    /// `was`: up to when the index had what the store has.
    async fn index(
        &self,
        cluster: ClusterId,
        was: Option<Timestamp>,
        recorded: &Recorded,
    ) -> Result<(), ServiceError> {
        let is_indexed = self.0.read(|index| index.clusters().any(|indexed| indexed == cluster));
        let mut contents = AccessContents::default();
        if (was.is_some() && !is_indexed) || (was.is_none() && recorded.before.is_some()) {
            return self.load_cluster(cluster, &mut contents).await;
        }
        if let Some(since) = was.filter(|_| was != recorded.before) {
            // Another hub learned something in between.
            return self.learn(cluster, since, &mut contents).await;
        }
        self.put(cluster, recorded.changed.clone()).await
    }

    /// Keeps what an agent said, and writes it the first time on a stream.
    async fn saw(
        &self,
        by: Writer,
        mut held: Held,
        current: Read,
        covered: Option<CoverageRow>,
        written: bool,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        held.behind = false;
        let Some(covered) = covered else {
            let why = current.signed.err().unwrap_or_default();
            tracing::warn!(
                cluster.id = %by.cluster,
                "what cluster {} says of its inventory proves nothing: {why}", by.cluster
            );
            self.0.held().insert(by.cluster, held);
            return Ok(());
        };
        let before = held.said.take().filter(|said| said.by == by);
        let until = written.then_some(covered.until);
        let written = until.max(before.and_then(|before| before.written));
        let mut said = Said { by, covered, signed: current.signed, written, live: true };
        if said.written.is_none() {
            self.0.store.extend_access(by, &said.sighting(), now).await?;
            said.written = Some(covered.until);
        }
        held.said = Some(said);
        self.0.held().insert(by.cluster, held);
        self.0.spoke.notify_waiters();
        Ok(())
    }
}

/// When a stream began, by the hub's clock.
fn began(by: Writer) -> Timestamp {
    let micros = i64::try_from(by.stream).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN)
}

/// What an agent saw and what is not written.
struct Unwritten(Writer, Timestamp, Sighting);

impl Unwritten {
    fn of(said: &Said) -> Self {
        Self(said.by, said.covered.until, said.sighting())
    }
}

impl Read {
    /// What the agent saw without a gap; nothing when its clock cannot be believed.
    fn covered(&self, closed: Option<&Self>, now: Timestamp) -> Option<CoverageRow> {
        if is_ahead(&self.said, now) {
            return None;
        }
        let from = closed.map_or(self.said.from, |closed| closed.said.from.min(self.said.from));
        Some(CoverageRow { from, until: self.said.until })
    }
}

fn is_ahead(said: &Checkpoint, now: Timestamp) -> bool {
    said.until.duration_since(now) > AHEAD
}

/// Reads a checkpoint, and says whether it proves anything.
fn read(
    came: &Signed,
    fleet: Digest,
    cluster: ClusterId,
    recipient: Option<&str>,
    now: Timestamp,
) -> Result<Read, ServiceError> {
    let said = Checkpoint::decode(&came.checkpoint).map_err(ServiceError::invalid)?;
    if said.fleet != fleet || said.cluster != cluster {
        return Err(ServiceError::invalid("the checkpoint is of another cluster or fleet"));
    }
    let signed = match recipient {
        None => Err("the cluster is not accepted, or has no recipient in the roster".to_owned()),
        Some(_) if came.signature.is_empty() => Err("it is not signed".to_owned()),
        Some(_) if is_ahead(&said, now) => Err(format!(
            "it ends at {}, and the hub's clock says {now:.0}: a clock is wrong",
            said.until
        )),
        Some(recipient) => checkpoint::verify(recipient, &came.checkpoint, &came.signature)
            .map_err(|error| error.to_string())
            .map(|_| CheckpointRow {
                root: said.root,
                from: said.from,
                until: said.until,
                checkpoint: came.checkpoint.clone(),
                signature: came.signature.clone(),
            }),
    };
    Ok(Read { said, signed })
}
