//! What the hub remembers, on SQLite or PostgreSQL behind one [`Store`].
//!
//! ```text
//! service ──▶ Store ──▶ run_tx!/read! ──▶ SQLite: one writer, a few readers, a file
//!                                    └──▶ PostgreSQL: a pool, shared by several hubs
//! ```
//!
//! One concern a file: [`history`] appends statements and reads them back, with the contents,
//! leaves and bundles that came with each; `proposals` what waits for signatures; `clusters` and `enrolment` keep who joined; `drift` and
//! `access` what agents saw, `groups` who is in which. Migrations are in `migrations/`, append-only and forward only. What a row means is
//! not decided here: the services above verify, this keeps.
//!
//! Times come back in whole microseconds, the resolution that both databases keep. Every list has a
//! limit or says in its documentation what bounds it.

#![allow(clippy::doc_markdown, reason = "SQLite and PostgreSQL are names, not code")]

mod access;
mod backend;
mod bundles;
mod clusters;
mod columns;
mod contents;
mod drift;
mod enrolment;
mod error;
mod fleet;
mod follow;
mod groups;
mod history;
mod leaves;
mod location;
mod postgres;
mod proposals;
mod schema;
mod sqlite;
mod users;

pub use self::access::{
    AccessChange, AccessChanges, AccessContents, AccessMoment, AccessReport, AccessState,
    CheckpointRow, CoverageRow, InventoryRow, MAX_ACCESS_NAME_BYTES, NewViolation, ProvenanceRow,
    Recorded, SeenRow, Settled, Sighting, Standing, VersionCursor, VersionRow, ViolationCursor,
    ViolationFilter, ViolationPage, ViolationRow,
};
use self::backend::Backend;
pub use self::bundles::BundleRow;
pub use self::clusters::{AppliedRow, ClusterRow, FenceRow, ProblemRow, Writer};
pub use self::drift::{
    DriftClass, DriftCursor, DriftFilter, DriftPage, DriftRow, DriftState, ObjectKey, Occurrence,
};
pub use self::enrolment::EnrolmentRow;
pub use self::error::{OpenError, StoreError};
pub use self::fleet::FleetRow;
pub use self::follow::HeadHints;
pub use self::groups::{DirectoryRow, MAX_DIRECTORIES};
pub use self::history::{NewStatement, StatementRow};
pub use self::leaves::{LeafRow, Leaves};
use self::location::Location;
pub use self::proposals::{MostOpen, ProposalRow};
pub use self::users::{Role, UserRow};

/// The hub's database. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Backend,
}

impl Store {
    /// Opens the database at `sqlite:PATH`, a plain path or `postgres://…`, makes what is missing
    /// and brings an older schema up to date. Several hubs may open one PostgreSQL at once.
    ///
    /// A database that this program does not know is refused before anything is written to it:
    /// [`StoreError::SchemaTooNew`], or [`StoreError::Open`] with what to do about it.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let backend = match Location::parse(url)? {
            Location::File(path) => Backend::Sqlite(sqlite::open(&path).await?),
            Location::Server(options) => Backend::Postgres(postgres::open(*options).await?),
        };
        Ok(Self { backend })
    }

    /// Waits for what runs, then lets go of the database. Every later call fails.
    pub async fn close(&self) {
        self.backend.close().await;
    }
}
