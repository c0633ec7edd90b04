//! The gRPC API: one RPC a file, and nothing decided here that a service decides.
//!
//! ```text
//! TLS connection ─▶ guard (who? may they?) ─▶ OpContext ─▶ handler ─▶ service
//!                     │ no                                  │ convert: proto ↔ domain
//!                     └──────────────▶ status ◀─────────────┘ ServiceError → tonic::Status
//! ```
//!
//! `hanse.admin.v1` and `hanse.enroll.v1` are served where people connect, `hanse.agent.v1` where
//! agents do. A method without a row in `permissions.txt` never reaches a handler.

pub mod admin;
pub mod agent;
pub mod context;
mod convert;
pub mod enroll;
pub mod guard;
mod lease;
pub mod server;
pub mod status;

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use hanse_domain::ids::Digest;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::auth::TrustDomain;
use crate::service::access::AccessService;
use crate::service::callers::Callers;
use crate::service::clusters::ClusterService;
use crate::service::delivery::DeliveryService;
use crate::service::drift::DriftService;
use crate::service::dry_run::DryRuns;
use crate::service::enrolment::Enrolment;
use crate::service::fleet::FleetService;
use crate::service::sessions::Sessions;
use crate::store::Store;

/// Everything that handlers reach. Clones share it.
#[derive(Clone)]
pub struct Services {
    /// For what is only read: revisions and contents.
    pub store: Store,
    /// The fleet.
    pub fleet: FleetService,
    /// Bundles for clusters.
    pub delivery: DeliveryService,
    /// Live agents.
    pub sessions: Sessions,
    /// What a person sees of clusters.
    pub clusters: ClusterService,
    /// Drift.
    pub drift: DriftService,
    /// Dry runs.
    pub dry_runs: DryRuns,
    /// Certificates for clusters.
    pub enrolment: Enrolment,
    /// Who can do what in the clusters.
    pub access: AccessService,
    /// Who calls.
    pub callers: Callers,
    /// What does not change while the hub runs.
    pub hub: Arc<HubInfo>,
    /// Watches that may be open at once.
    pub watches: Arc<Semaphore>,
    /// Full pictures of drift in several parts that may be under way at once.
    pub pictures: Arc<Semaphore>,
    /// The same of access.
    pub inventories: Arc<Semaphore>,
    /// Cancelled when streams should end.
    pub soft: CancellationToken,
}

/// What does not change while the hub runs.
#[derive(Clone, Debug)]
pub struct HubInfo {
    /// Digest of the fleet's first trust root.
    pub fleet_id: Digest,
    /// Of every identity.
    pub trust_domain: TrustDomain,
    /// "sqlite" or "postgres".
    pub database: &'static str,
    /// Hash of the CA's key, which joining agents compare.
    pub ca_hash: String,
    /// When the CA's certificate ends.
    pub ca_expires_at: Timestamp,
    /// When this hub started.
    pub started_at: Timestamp,
    /// Where clusters join, as "host:port".
    pub people_address: String,
    /// Where agents connect, as "host:port".
    pub agents_address: String,
}

/// What a streaming RPC answers with.
pub type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
