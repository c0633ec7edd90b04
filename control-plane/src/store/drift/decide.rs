//! What a report changes. Pure: the same stored rows and the same report give the same answer.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::{DriftState, ObjectKey, Occurrence, Stored};

/// What a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The newest state of some objects.
    Changes,
    /// All that stands; what is not in it went away, at this time.
    Picture(Timestamp),
}

/// What the database knows of the report's objects and ids.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The rows, by id.
    rows: BTreeMap<Uuid, Stored>,
    /// The open row of each object.
    open: BTreeMap<ObjectKey, Uuid>,
    /// Ids of reports → the row that each is or went into.
    reports: BTreeMap<Uuid, Uuid>,
    /// Rows to write → whether a person sees that they changed.
    changed: BTreeMap<Uuid, bool>,
}

/// A row as a report leaves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// To be written.
    pub(super) row: Stored,
    /// It says something else than before; not only that it goes by another id at the agent now.
    pub(super) seen: bool,
}

impl Known {
    pub(super) fn of(rows: impl IntoIterator<Item = Stored>) -> Self {
        let mut known = Self::default();
        for row in rows {
            known.put(row);
        }
        known
    }

    /// The rows as the report leaves them, those that it changes alone.
    pub(super) fn decide(mut self, report: Report, changes: &[Occurrence]) -> Vec<Change> {
        let mut standing = BTreeSet::new();
        for change in changes {
            match change.state {
                DriftState::Open => {
                    standing.insert(&change.object);
                    self.open(report, change);
                }
                DriftState::Corrected | DriftState::Cleared => self.resolve(change),
            }
        }
        if let Report::Picture(now) = report {
            let gone: Vec<Uuid> = self
                .open
                .iter()
                .filter(|(object, _)| !standing.contains(object))
                .map(|(_, id)| *id)
                .collect();
            for id in gone {
                self.alter(id, |row| {
                    row.occurrence.state = DriftState::Cleared;
                    row.occurrence.resolved_at = Some(now);
                });
            }
        }
        let written = self.changed;
        let change = |(id, row)| Some(Change { seen: *written.get(&id)?, row });
        let mut changes: Vec<Change> = self.rows.into_iter().filter_map(change).collect();
        changes.sort_by(|a, b| a.row.write_order(&b.row));
        changes
    }

    fn open(&mut self, report: Report, change: &Occurrence) {
        let reported = self.reports.get(&change.id).copied();
        let standing = self.open.get(&change.object).copied();
        match (standing, reported) {
            (None, None) => {
                let occurrence = Occurrence { resolved_at: None, ..change.clone() };
                self.changed.insert(change.id, true);
                self.put(Stored { occurrence, updated_by: None, resolved_by: None });
            }
            // A picture is the truth now: what it says stands does, also what was resolved.
            (None, Some(id)) if report != Report::Changes => self.alter(id, |row| {
                if row.occurrence.object == change.object {
                    row.occurrence.state = DriftState::Open;
                    row.occurrence.resolved_at = None;
                    row.resolved_by = None;
                    row.update(change);
                }
            }),
            // An old report once more.
            (None, Some(_)) => {}
            (Some(id), Some(other)) if id != other && report == Report::Changes => {}
            (Some(id), _) => self.alter(id, |row| row.update(change)),
        }
    }

    fn resolve(&mut self, change: &Occurrence) {
        let reported = self.reports.get(&change.id).copied();
        let resolved_at = Some(change.resolved_at.unwrap_or(change.detected_at));
        match (self.open.get(&change.object).copied(), reported) {
            (Some(id), reported) if reported.is_none_or(|reported| reported == id) => {
                self.alter(id, |row| {
                    // Who last changed it stays known beside who ended it.
                    let updated_by = row.updated_by;
                    row.update(change);
                    row.updated_by = updated_by;
                    row.occurrence.state = change.state;
                    row.occurrence.resolved_at = resolved_at;
                    row.resolved_by = Some(change.id);
                });
            }
            (None, None) => {
                let occurrence = Occurrence { resolved_at, ..change.clone() };
                self.changed.insert(change.id, true);
                self.put(Stored { occurrence, updated_by: None, resolved_by: None });
            }
            // An old report once more.
            (_, Some(_)) | (Some(_), None) => {}
        }
    }

    fn put(&mut self, row: Stored) {
        let id = row.occurrence.id;
        for report in [Some(id), row.updated_by, row.resolved_by].into_iter().flatten() {
            self.reports.insert(report, id);
        }
        match row.occurrence.state {
            DriftState::Open => {
                self.open.insert(row.occurrence.object.clone(), id);
            }
            DriftState::Corrected | DriftState::Cleared => {
                if self.open.get(&row.occurrence.object) == Some(&id) {
                    self.open.remove(&row.occurrence.object);
                }
            }
        }
        self.rows.insert(id, row);
    }

    fn alter(&mut self, id: Uuid, alter: impl FnOnce(&mut Stored)) {
        let Some(row) = self.rows.get(&id) else {
            return;
        };
        let mut altered = row.clone();
        alter(&mut altered);
        let seen = altered.occurrence != row.occurrence;
        if seen || altered.updated_by != row.updated_by {
            *self.changed.entry(id).or_default() |= seen;
            self.put(altered);
        }
    }
}

impl Stored {
    /// Takes what a later report says, and keeps what makes it the same occurrence.
    fn update(&mut self, change: &Occurrence) {
        // The id by which the agent knows it now: after a restart, it makes another one.
        self.updated_by = (change.id != self.occurrence.id).then_some(change.id);
        self.occurrence = Occurrence {
            id: self.occurrence.id,
            detected_at: self.occurrence.detected_at,
            state: self.occurrence.state,
            resolved_at: self.occurrence.resolved_at,
            ..change.clone()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DriftClass;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    fn occurrence(id: u128, name: &str, state: DriftState) -> Occurrence {
        Occurrence {
            id: Uuid::from_u128(id),
            object: ObjectKey {
                api_version: "rbac.authorization.k8s.io/v1".into(),
                kind: "ClusterRole".into(),
                namespace: String::new(),
                name: name.into(),
            },
            class: DriftClass::Modified,
            state,
            source: "FederatedRole/payments".into(),
            fields: "[]".into(),
            manager: String::new(),
            since: None,
            detected_at: at(i64::try_from(id).unwrap_or_default()),
            resolved_at: (state != DriftState::Open).then(|| at(1_000)),
            message: format!("report {id}"),
        }
    }

    /// What is stored after the reports, one after another.
    fn after(reports: &[(Report, &[Occurrence])]) -> BTreeMap<Uuid, Stored> {
        let mut rows = BTreeMap::new();
        for (report, changes) in reports {
            let known = Known::of(rows.values().cloned());
            for Change { row, .. } in known.decide(*report, changes) {
                rows.insert(row.occurrence.id, row);
            }
        }
        rows
    }

    #[test]
    fn a_whole_report_that_arrives_twice_changes_nothing() {
        use DriftState::{Cleared, Corrected, Open};
        let first = [occurrence(1, "a", Open)];
        let second = [
            occurrence(2, "a", Open),
            occurrence(3, "a", Corrected),
            occurrence(4, "b", Cleared),
            occurrence(5, "b", Open),
        ];
        let once = after(&[(Report::Changes, &first), (Report::Changes, &second)]);
        let known = Known::of(once.values().cloned());
        assert_eq!(known.decide(Report::Changes, &second), []);
        assert_eq!(once.len(), 3);
        let states: Vec<_> = once.values().map(|row| row.occurrence.state).collect();
        assert_eq!(states, [Corrected, Cleared, Open]);
    }

    #[test]
    fn the_picture_opens_again_what_stands() {
        use DriftState::{Cleared, Open};
        let change = [occurrence(1, "a", Open)];
        let rows = after(&[
            (Report::Changes, &change),
            (Report::Picture(at(9)), &[]),
            (Report::Picture(at(10)), &change),
        ]);
        let states: Vec<_> = rows.values().map(|row| row.occurrence.state).collect();
        assert_eq!(states, [Open]);
        let cleared = after(&[(Report::Changes, &change), (Report::Picture(at(9)), &[])]);
        let row = cleared.values().next().map(|row| &row.occurrence);
        assert_eq!(row.map(|row| (row.state, row.resolved_at)), Some((Cleared, Some(at(9)))));
    }
}
