//! One cluster: an API server and a controller manager over an etcd.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde::{Deserialize, Serialize};

use crate::audit::{self, AuditEvent};
use crate::control_plane::{self, Layout};
use crate::error::{Context, Error, Result};
use crate::etcd::Etcd;
use crate::service::{Service, ServiceRecord};

/// How long a cluster may take until it is ready. Two seconds are usual; several clusters that start
/// on a busy machine take their time.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// What `testbed.json` says of a cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// Its name, which is its kubeconfig context too.
    pub name: String,
    /// The API server's address.
    pub url: String,
    /// The API server's port.
    pub port: u16,
    /// The admin's kubeconfig.
    pub kubeconfig: PathBuf,
    /// One JSON line for each answered request.
    pub audit_log: PathBuf,
    /// Which of the testbed's etcds it lives in: an index into `etcds`.
    pub etcd: usize,
    /// The API server.
    pub apiserver: ServiceRecord,
    /// The controller manager.
    pub controller_manager: ServiceRecord,
}

/// A cluster, running or stopped. Its address and its kubeconfig stay valid over stop and start.
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
    etcd: Arc<Etcd>,
    /// Other clusters live in the same etcd, so it stays when this one stops.
    etcd_is_shared: bool,
    apiserver: Service,
    controller_manager: Service,
}

impl Cluster {
    /// Prepares an empty cluster. Nothing is started.
    pub(crate) fn prepare(
        kube: &Path,
        layout: Layout,
        etcd: Arc<Etcd>,
        etcd_is_shared: bool,
    ) -> Result<Self> {
        let (apiserver, controller_manager) =
            control_plane::prepare(kube, &layout, &etcd.access())?;
        Ok(Self { layout, etcd, etcd_is_shared, apiserver, controller_manager })
    }

    pub(crate) fn from_record(
        root: &Path,
        record: ClusterRecord,
        etcd: Arc<Etcd>,
        etcd_is_shared: bool,
    ) -> Self {
        Self {
            layout: Layout::new(root, &record.name, record.port),
            etcd,
            etcd_is_shared,
            apiserver: Service::from_record(record.apiserver),
            controller_manager: Service::from_record(record.controller_manager),
        }
    }

    pub(crate) fn record(&self, etcd: usize) -> ClusterRecord {
        ClusterRecord {
            name: self.layout.name.clone(),
            url: self.url(),
            port: self.layout.port,
            kubeconfig: self.layout.kubeconfig.clone(),
            audit_log: self.audit_log(),
            etcd,
            apiserver: self.apiserver.record(),
            controller_manager: self.controller_manager.record(),
        }
    }

    /// Its name, which is its kubeconfig context too.
    pub fn name(&self) -> &str {
        &self.layout.name
    }

    /// The API server's address.
    pub fn url(&self) -> String {
        self.layout.url()
    }

    /// The API server's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.layout.port
    }

    /// The admin's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.layout.kubeconfig
    }

    /// The folder with its certificates and logs.
    pub fn dir(&self) -> &Path {
        &self.layout.dir
    }

    /// The API server, to freeze it or to look at its log.
    pub fn apiserver(&self) -> &Service {
        &self.apiserver
    }

    /// The controller manager.
    pub fn controller_manager(&self) -> &Service {
        &self.controller_manager
    }

    pub(crate) fn etcd(&self) -> &Arc<Etcd> {
        &self.etcd
    }

    /// A client of the admin, in the group `system:masters`.
    pub async fn client(&self) -> Result<Client> {
        let kubeconfig =
            Kubeconfig::read_from(self.kubeconfig()).path("read", self.kubeconfig())?;
        client(config(kubeconfig).await?)
    }

    /// A client of a user who has a certificate, and whatever RBAC gives to this name and group.
    pub async fn client_for(&self, user: &str, group: Option<&str>) -> Result<Client> {
        let text = self.kubeconfig_for(user, group)?;
        client(
            config(Kubeconfig::from_yaml(&text).doing(|| "cannot use a kubeconfig".into())?)
                .await?,
        )
    }

    /// A client of whoever has this bearer token, such as a service account.
    pub async fn client_with_token(&self, token: &str) -> Result<Client> {
        let mut kubeconfig =
            Kubeconfig::read_from(self.kubeconfig()).path("read", self.kubeconfig())?;
        for user in &mut kubeconfig.auth_infos {
            user.auth_info = Some(kube::config::AuthInfo {
                token: Some(token.to_owned().into()),
                ..Default::default()
            });
        }
        client(config(kubeconfig).await?)
    }

    /// The text of a kubeconfig for a user as `client_for` has it.
    pub fn kubeconfig_for(&self, user: &str, group: Option<&str>) -> Result<String> {
        self.layout.kubeconfig_for(user, group)
    }

    /// The audit log: one JSON line for each answered request.
    pub fn audit_log(&self) -> PathBuf {
        self.layout.audit_log()
    }

    /// What the audit log holds, oldest first. What was answered before the call is in it.
    pub async fn audit(&self) -> Result<Vec<AuditEvent>> {
        self.audit_since(0).await
    }

    /// How far the audit log has come, for `audit_since`: a number of bytes.
    pub fn audit_mark(&self) -> u64 {
        std::fs::metadata(self.audit_log()).map_or(0, |metadata| metadata.len())
    }

    /// What the audit log holds after the mark.
    pub async fn audit_since(&self, mark: u64) -> Result<Vec<AuditEvent>> {
        let log = self.audit_log();
        tokio::task::spawn_blocking(move || audit::read(&log, mark))
            .await
            .doing(|| "cannot read the audit log".into())?
    }

    /// Whether the API server and the controller manager run.
    pub fn is_running(&self) -> bool {
        self.services().all(Service::is_running)
    }

    /// Starts what does not run of it, and waits until it is ready.
    pub async fn start(&self) -> Result<()> {
        self.launch()?;
        self.ready().await
    }

    pub(crate) fn launch(&self) -> Result<()> {
        self.etcd.service().start()?;
        self.apiserver.start()?;
        self.controller_manager.start()
    }

    /// Ends it in good order. Its data stays. An etcd that other clusters use keeps running.
    pub async fn stop(&self) -> Result<()> {
        self.controller_manager.stop().await?;
        self.apiserver.stop().await?;
        if !self.etcd_is_shared {
            self.etcd.service().stop().await?;
        }
        Ok(())
    }

    /// Ends it as a power cut would (SIGKILL). An etcd that other clusters use keeps running.
    pub async fn kill(&self) -> Result<()> {
        self.controller_manager.kill().await?;
        self.apiserver.kill().await?;
        if !self.etcd_is_shared {
            self.etcd.service().kill().await?;
        }
        Ok(())
    }

    /// Freezes the API server: connections stay open and nothing answers.
    pub fn freeze(&self) -> Result<()> {
        self.apiserver.process().map_or(Ok(()), |process| process.stop())
    }

    /// Lets a frozen API server go on.
    pub fn thaw(&self) -> Result<()> {
        self.apiserver.process().map_or(Ok(()), |process| process.cont())
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        [self.etcd.service(), &self.apiserver, &self.controller_manager].into_iter()
    }

    /// Waits until requests are answered, RBAC's own roles are there and controllers have worked.
    async fn ready(&self) -> Result<()> {
        let client = self.client().await?;
        let mut missing = String::from("it was not asked");
        let answered = async {
            loop {
                // It gives up on an API server that is slow to start, as one on a busy machine is.
                if let Err(error) = self.controller_manager.check() {
                    missing = error.to_string();
                    tokio::time::sleep(POLL).await;
                    let _ = self.controller_manager.start();
                }
                // Someone else may have the port, and accept connections without a word.
                match tokio::time::timeout(ANSWER, self.unready(&client)).await {
                    Ok(Ok(None)) => return,
                    Ok(Ok(Some(what))) => missing = what.into(),
                    Ok(Err(error)) => missing = error.to_string(),
                    Err(_) => missing = "it does not answer".into(),
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::select! {
            () = answered => return Ok(()),
            error = self.ended() => return Err(error),
            () = tokio::time::sleep(PATIENCE) => (),
        }
        let why = format!("after {} s: {missing}", PATIENCE.as_secs());
        Err(Error::new(format!("{} does not become ready", self.name()), why)
            .hint(format!("read the logs in {}", self.dir().display())))
    }

    /// Waits until etcd or the API server does not run, and says which.
    async fn ended(&self) -> Error {
        loop {
            let needed = [self.etcd.service(), &self.apiserver];
            if let Some(error) = needed.into_iter().find_map(|service| service.check().err()) {
                return error;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn unready(&self, client: &Client) -> kube::Result<Option<&'static str>> {
        let request = http::Request::get("/readyz").body(vec![]).map_err(kube::Error::HttpError)?;
        client.request_text(request).await?;
        let namespaces = Api::<Namespace>::all(client.clone());
        if namespaces.get_opt("default").await?.is_none() {
            return Ok(Some("the namespace `default` is missing"));
        }
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
        if accounts.get_opt("default").await?.is_none() {
            return Ok(Some("the service account `default` is missing"));
        }
        Ok(None)
    }
}

async fn config(kubeconfig: Kubeconfig) -> Result<Config> {
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .doing(|| "cannot use a kubeconfig".into())
}

fn client(config: Config) -> Result<Client> {
    Client::try_from(config).doing(|| "cannot make a Kubernetes client".into())
}
