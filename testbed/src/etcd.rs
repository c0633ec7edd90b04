//! An etcd of one member on the loopback, for one cluster or shared by several.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};
use crate::pki::{Authority, Pair, Purpose};
use crate::service::{Service, ServiceRecord};

const AUTHORITY: &str = "etcd-ca";

/// What `testbed.json` says of an etcd.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EtcdRecord {
    /// Where clients reach it.
    pub url: String,
    /// Its certificates and its data.
    pub dir: PathBuf,
    /// The program.
    pub service: ServiceRecord,
}

/// A running or stopped etcd.
#[derive(Debug)]
pub(crate) struct Etcd {
    url: String,
    dir: PathBuf,
    service: Service,
}

/// What a client of etcd needs.
#[derive(Debug, Clone)]
pub(crate) struct EtcdAccess {
    pub(crate) url: String,
    pub(crate) ca: PathBuf,
    pub(crate) client: Pair,
}

impl Etcd {
    /// Prepares an empty etcd in `dir`, on these ports for clients and peers. Nothing is started.
    pub(crate) fn prepare(kube: &Path, dir: &Path, client: u16, peer: u16) -> Result<Self> {
        let data = dir.join("data");
        if data.exists() {
            fs::remove_dir_all(&data).path("empty", &data)?;
        }
        fs::create_dir_all(dir).path("make", dir)?;
        let authority = Authority::create(&dir.join("pki"), AUTHORITY)?;
        let pair = authority.issue("etcd", "etcd", &Purpose::Peer)?;
        authority.issue("client", "kube-apiserver", &Purpose::Client(None))?;

        let (url, peers) =
            (format!("https://127.0.0.1:{client}"), format!("https://127.0.0.1:{peer}"));
        let (ca, cert, key) = (authority.cert().display(), pair.cert.display(), pair.key.display());
        let command = vec![
            kube.display().to_string(),
            "etcd".into(),
            "--name=testbed".into(),
            format!("--data-dir={}", data.display()),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=testbed={peers}"),
            "--client-cert-auth".into(),
            format!("--trusted-ca-file={ca}"),
            format!("--cert-file={cert}"),
            format!("--key-file={key}"),
            "--peer-client-cert-auth".into(),
            format!("--peer-trusted-ca-file={ca}"),
            format!("--peer-cert-file={cert}"),
            format!("--peer-key-file={key}"),
            // A test that loses its data when the machine does has lost nothing.
            "--unsafe-no-fsync".into(),
            "--log-level=warn".into(),
        ];
        let service = Service::new("etcd", command, dir.join("etcd.log"));
        Ok(Self { url, dir: dir.into(), service })
    }

    pub(crate) fn from_record(record: EtcdRecord) -> Self {
        Self { url: record.url, dir: record.dir, service: Service::from_record(record.service) }
    }

    pub(crate) fn record(&self) -> EtcdRecord {
        EtcdRecord { url: self.url.clone(), dir: self.dir.clone(), service: self.service.record() }
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    pub(crate) fn access(&self) -> EtcdAccess {
        let pki = self.dir.join("pki");
        EtcdAccess {
            url: self.url.clone(),
            ca: Pair::at(&pki, AUTHORITY).cert,
            client: Pair::at(&pki, "client"),
        }
    }
}
