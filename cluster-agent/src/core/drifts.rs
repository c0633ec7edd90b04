//! The drift that stands, and what the hub has not been told of it yet. The newest state of each
//! object is kept, never a queue of all its states; what was put right meanwhile is kept too, up to a
//! bound.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hanse_domain::document::DocumentRef;
use hanse_domain::drift::Finding;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::object::ObjectRef;
use jiff::Timestamp;
use uuid::Uuid;

use super::io::{DriftRecord, DriftState, Report};

/// Most items in one report.
pub const MAX_REPORT_ITEMS: usize = 500;
/// Most drift that is kept at once; what is beyond is not reported until some of it goes.
const MAX_OPEN: usize = 50_000;
/// Most resolved drift that waits for the hub; the oldest goes first.
const MAX_RESOLVED: usize = 2_000;

/// One sight of drift.
#[derive(Debug)]
pub(super) struct Sight<'s> {
    pub(super) object: &'s ObjectRef,
    /// The resource version that was seen; nothing for an object that is not there.
    pub(super) version: Option<&'s str>,
    pub(super) source: Option<&'s DocumentRef>,
    pub(super) finding: Finding,
    /// Why it is not put right.
    pub(super) message: String,
}

/// Open drift and what is to be reported.
#[derive(Debug, Default)]
pub(super) struct Drifts {
    open: BTreeMap<ObjectRef, DriftRecord>,
    changed: BTreeSet<ObjectRef>,
    resolved: VecDeque<DriftRecord>,
    /// What a full picture has still to send.
    full: Option<Full>,
    sequence: u64,
    in_flight: Option<InFlight>,
}

#[derive(Debug)]
struct Full {
    rest: Vec<ObjectRef>,
    begun: bool,
}

#[derive(Debug)]
struct InFlight {
    sequence: u64,
    objects: BTreeSet<ObjectRef>,
    resolved: usize,
    /// What is left of a full picture behind this report; nothing when it was none.
    full: Option<Full>,
}

impl Drifts {
    /// How much of it stands.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Remembers drift; returns whether it is news.
    pub(super) fn open(&mut self, cluster: ClusterId, sight: Sight<'_>, now: Timestamp) -> bool {
        let Sight { object, version, source, finding, message } = sight;
        if let Some(record) = self.open.get_mut(object) {
            if record.finding == finding && record.message == message {
                return false;
            }
            let news = record.finding.class != finding.class;
            record.finding = finding;
            record.message = message;
            self.changed.insert(object.clone());
            return news;
        }
        if self.open.len() >= MAX_OPEN {
            return false;
        }
        let id = match version {
            Some(version) => occurrence_id(cluster, object, version),
            None => occurrence_id(cluster, object, &now.to_string()),
        };
        let record = DriftRecord {
            id,
            object: object.clone(),
            source: source.cloned(),
            finding,
            detected_at: now,
            state: DriftState::Open,
            message,
        };
        self.open.insert(object.clone(), record);
        self.changed.insert(object.clone());
        true
    }

    /// The drift of an object, if there is some.
    pub(super) fn of(&self, object: &ObjectRef) -> Option<&DriftRecord> {
        self.open.get(object)
    }

    /// Ends the drift of an object; returns what it was.
    pub(super) fn resolve(
        &mut self,
        object: &ObjectRef,
        state: DriftState,
    ) -> Option<&DriftRecord> {
        let record = self.open.remove(object)?;
        self.changed.remove(object);
        if self.resolved.len() >= MAX_RESOLVED {
            self.resolved.pop_front();
            // The report in flight counts from the front.
            if let Some(in_flight) = &mut self.in_flight {
                in_flight.resolved = in_flight.resolved.saturating_sub(1);
            }
        }
        self.resolved.push_back(DriftRecord { state, message: String::new(), ..record });
        self.resolved.back()
    }

    /// Over the ids of what is open, in the order that the hub uses too.
    pub(super) fn digest(&self) -> Digest {
        let mut records: Vec<&DriftRecord> = self.open.values().collect();
        let key = |r: &DriftRecord| {
            (
                r.object.kind.name(),
                r.object.namespace.clone().unwrap_or_default(),
                r.object.name.clone(),
            )
        };
        records.sort_by_key(|record| key(record));
        hanse_domain::drift::drift_digest(records.iter().map(|record| record.id.as_str()))
    }

    /// The hub is there (again). What was in flight may be lost and is sent again.
    pub(super) fn connected(&mut self, all_wanted: bool) {
        if let Some(lost) = self.in_flight.take() {
            self.changed.extend(lost.objects);
        }
        self.full = all_wanted
            .then(|| Full { rest: self.open.keys().rev().cloned().collect(), begun: false });
    }

    /// The hub has stored a report.
    pub(super) fn stored(&mut self, sequence: u64) {
        if let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.sequence == sequence)
        {
            self.resolved.drain(..in_flight.resolved.min(self.resolved.len()));
            self.full = in_flight.full.filter(|full| !full.begun || !full.rest.is_empty());
        }
    }

    /// The next report, unless one is in flight or there is nothing to say: first what was resolved,
    /// then a full picture if one is wanted, then what changed.
    pub(super) fn next_report(&mut self) -> Option<Report> {
        if self.in_flight.is_some() {
            return None;
        }
        let (mut items, mut objects) = (Vec::new(), BTreeSet::new());
        let (mut first, mut last, mut rest) = (false, false, None);
        if !self.resolved.is_empty() {
            items = self.resolved.iter().take(MAX_REPORT_ITEMS).cloned().collect();
            // The full picture waits behind it.
            rest = self.full.take();
        } else if let Some(mut full) = self.full.take() {
            first = !full.begun;
            full.begun = true;
            while items.len() < MAX_REPORT_ITEMS
                && let Some(object) = full.rest.pop()
            {
                items.extend(self.open.get(&object).cloned());
                self.changed.remove(&object);
                objects.insert(object);
            }
            last = full.rest.is_empty();
            rest = Some(full);
        } else {
            while items.len() < MAX_REPORT_ITEMS
                && let Some(object) = self.changed.pop_first()
            {
                items.extend(self.open.get(&object).cloned());
                objects.insert(object);
            }
            if items.is_empty() {
                return None;
            }
        }
        self.sequence += 1;
        let resolved = if objects.is_empty() && !first { items.len() } else { 0 };
        self.in_flight = Some(InFlight { sequence: self.sequence, objects, resolved, full: rest });
        Some(Report::Drift { sequence: self.sequence, items, first, last })
    }
}

/// A UUID (version 8, RFC 9562) of an occurrence, made from what was seen: the same again when an
/// agent that restarted sees the same drift.
fn occurrence_id(cluster: ClusterId, object: &ObjectRef, seen: &str) -> String {
    let digest = Digest::of(format!("{cluster}\n{object}\n{seen}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(digest.0.get(..16).unwrap_or(&[0; 16]));
    Uuid::new_v8(bytes).hyphenated().to_string()
}
