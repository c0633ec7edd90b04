//! Stores what agents report.

use jiff::Timestamp;
use sqlx::QueryBuilder;

use super::super::backend::{Dialect, run_tx};
use super::super::clusters::admit;
use super::super::columns::{int, micros, optional_micros};
use super::super::{Store, StoreError, Writer};
use super::decide::{Known, Report};
use super::{DriftRow, Occurrence, Stored};

/// Reports whose objects and ids are looked up in one statement.
const LOOKUP: usize = 1_000;
/// Rows that are written in one statement, 17 binds each.
const WRITE: usize = 1_000;

/// Chooses the columns of [`Stored`] from the rows that one join finds.
macro_rules! stored {
    ($before:literal, $from:literal) => {
        concat!(
            $before,
            " SELECT d.id, d.api_version, d.kind, d.namespace, d.name, d.class, d.state, d.source, \
             d.fields, d.manager, d.since, d.detected_at, d.resolved_at, d.message, d.updated_by, \
             d.resolved_by FROM ",
            $from
        )
    };
}

/// What [`LOOKUP`] reports are about: the row of each id, whatever that id did to it, and what
/// stands of each object. Each is completed by the cluster. CROSS JOIN makes SQLite begin with the
/// reports: a cluster's history may be long.
const JOINS: [&str; 4] = [
    stored!(")", "reports r CROSS JOIN drift d WHERE d.id = r.id AND d.cluster_id = "),
    stored!(
        " UNION ALL",
        "reports r CROSS JOIN drift d WHERE d.updated_by = r.id AND d.cluster_id = "
    ),
    stored!(
        " UNION ALL",
        "reports r CROSS JOIN drift d WHERE d.resolved_by = r.id AND d.cluster_id = "
    ),
    stored!(
        " UNION ALL",
        "reports r CROSS JOIN drift d WHERE d.api_version = r.api_version AND d.kind = r.kind \
         AND d.namespace = r.namespace AND d.name = r.name AND d.state = 1 AND d.cluster_id = "
    ),
];

impl Store {
    /// Records the newest state of some objects of a cluster, and returns the rows that changed, as
    /// they are now. Open for an object of which nothing stands begins an occurrence; for one that
    /// stands it changes it, id and `detected_at` stay. Corrected or cleared ends what stands, and
    /// where nothing does is kept as an occurrence that began and ended between two reports. A
    /// report that arrives twice changes nothing.
    ///
    /// [`StoreError::CutOff`] for a cluster that has not joined or is revoked,
    /// [`StoreError::Superseded`] when a newer stream has written.
    pub async fn record_drift(
        &self,
        by: Writer,
        changes: &[Occurrence],
    ) -> Result<Vec<DriftRow>, StoreError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.report_drift(by, Report::Changes, changes).await
    }

    /// Records all that stands in a cluster: what stood and is not in it is cleared at `now`.
    /// Returns the rows that changed, as they are now.
    pub async fn replace_open_drift(
        &self,
        by: Writer,
        standing: &[Occurrence],
        now: Timestamp,
    ) -> Result<Vec<DriftRow>, StoreError> {
        self.report_drift(by, Report::Picture(now), standing).await
    }

    async fn report_drift(
        &self,
        by: Writer,
        report: Report,
        changes: &[Occurrence],
    ) -> Result<Vec<DriftRow>, StoreError> {
        let cluster = by.cluster;
        run_tx!(self, "report-drift", ReadCommitted, |tx, Db| {
            admit!(tx, Db, by);

            let mut rows: Vec<Stored> = Vec::new();
            if report != Report::Changes {
                let standing = stored!("", "drift d WHERE d.cluster_id = $1 AND d.state = 1");
                rows = sqlx::query_as(standing).bind(cluster.0).fetch_all(&mut *tx).await?;
            }
            for chunk in changes.chunks(LOOKUP) {
                let mut query = QueryBuilder::<Db>::new(
                    "WITH reports (id, api_version, kind, namespace, name) AS (",
                );
                query.push_values(chunk, |mut values, change| {
                    let object = &change.object;
                    values.push_bind(change.id).push_bind(&object.api_version);
                    values.push_bind(&object.kind).push_bind(&object.namespace);
                    values.push_bind(&object.name);
                });
                for join in JOINS {
                    query.push(join).push_bind(cluster.0);
                }
                let persistent = chunk.len() == 1;
                let found = query.build_query_as().persistent(persistent);
                rows.extend(found.fetch_all(&mut *tx).await?);
            }

            let changed = Known::of(rows).decide(report, changes);
            let rows: Vec<Stored> = changed.iter().map(|change| change.row.clone()).collect();
            for chunk in rows.chunks(WRITE) {
                QueryBuilder::<Db>::new(
                    "INSERT INTO drift (cluster_id, id, api_version, kind, namespace, name, class, \
                     state, source, fields, manager, since, detected_at, resolved_at, message, \
                     updated_by, resolved_by) ",
                )
                .push_values(chunk, |mut values, row| {
                    let now = &row.occurrence;
                    values.push_bind(cluster.0).push_bind(now.id);
                    values.push_bind(&now.object.api_version).push_bind(&now.object.kind);
                    values.push_bind(&now.object.namespace).push_bind(&now.object.name);
                    values.push_bind(now.class).push_bind(now.state).push_bind(&now.source);
                    values.push_bind(&now.fields).push_bind(&now.manager);
                    values.push_bind(optional_micros(now.since)).push_bind(micros(now.detected_at));
                    values.push_bind(optional_micros(now.resolved_at)).push_bind(&now.message);
                    values.push_bind(row.updated_by).push_bind(row.resolved_by);
                })
                .push(
                    " ON CONFLICT (cluster_id, id) DO UPDATE SET class = excluded.class, \
                     state = excluded.state, source = excluded.source, fields = excluded.fields, \
                     manager = excluded.manager, since = excluded.since, \
                     resolved_at = excluded.resolved_at, message = excluded.message, \
                     updated_by = excluded.updated_by, resolved_by = excluded.resolved_by",
                )
                .build()
                .persistent(chunk.len() == 1)
                .execute(&mut *tx)
                .await?;
            }
            let seen = changed.into_iter().filter(|change| change.seen);
            let seen = seen.map(|change| DriftRow { cluster, occurrence: change.row.occurrence });
            Ok(seen.collect())
        })
    }
}
