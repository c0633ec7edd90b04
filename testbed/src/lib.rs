//! Real Kubernetes clusters and databases for tests, the demo and benchmarks.
//!
//! ```text
//! Testbed ─┬─ Cluster ─┬─ kube-apiserver          Postgres ── postgres
//!          │           └─ kube-controller-manager
//!          └─ etcd (one for all clusters, or one for each)
//! ```
//!
//! Each box on the right is a [`Process`]: its output in a log file, and gone when whoever started
//! it is gone, even by SIGKILL. Hubs and agents are started as processes too, by the tests.
//!
//! What does not belong here: anything that knows Hanse. Linux only.

#![forbid(unsafe_code)]

mod audit;
pub mod cli;
mod cluster;
mod control_plane;
mod error;
mod etcd;
mod kube_binary;
mod kubeconfig;
mod manifest;
mod pki;
pub mod ports;
mod postgres;
mod process;
mod service;
mod testbed;

pub use audit::AuditEvent;
pub use cluster::{Cluster, ClusterRecord};
pub use control_plane::ADMIN;
pub use error::{Error, Result};
pub use etcd::EtcdRecord;
pub use kube_binary::{KUBE_VARIABLE, locate as locate_kube};
pub use manifest::Manifest;
pub use postgres::Postgres;
pub use process::{Identity, Lifetime, Process};
pub use service::{Service, ServiceRecord};
pub use testbed::{Options, Testbed};
