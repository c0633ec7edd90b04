//! Connections to an API server, and what must be known of the cluster behind it.

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use super::writers::Writers;
use super::{CallError, within};

/// A connection on which an answer is awaited and that is silent for so long is dead. The API server sends
/// a bookmark on each watch about every minute, whether anything happens or not.
pub const SILENCE: Duration = Duration::from_secs(100);

/// Where the address and the credentials of the API server come from.
#[derive(Clone, Debug)]
pub enum Access {
    /// A kubeconfig; `$KUBECONFIG` or `~/.kube/config` when no file is given.
    Kubeconfig {
        /// The file.
        file: Option<PathBuf>,
        /// The context in it; its current one when nothing is given.
        context: Option<String>,
    },
    /// The pod's service account.
    InCluster,
}

/// A kubeconfig or a service account that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The kubeconfig.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] Box<kube::config::KubeconfigError>),
    /// The service account's files.
    #[error("the pod's service account cannot be used")]
    InCluster(#[source] Box<kube::config::InClusterError>),
    /// The client.
    #[error("the client for the API server cannot be made")]
    Client(#[source] Box<kube::Error>),
}

impl Access {
    /// Reads the configuration. Nothing is asked of the API server.
    pub async fn config(&self) -> Result<Config, AccessError> {
        let kubeconfig = |e| AccessError::Kubeconfig(Box::new(e));
        let mut config = match self {
            Self::Kubeconfig { file, context } => {
                let options =
                    KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
                match file {
                    Some(file) => {
                        let read = Kubeconfig::read_from(file).map_err(kubeconfig)?;
                        Config::from_custom_kubeconfig(read, &options).await
                    }
                    None => Config::from_kubeconfig(&options).await,
                }
                .map_err(kubeconfig)?
            }
            Self::InCluster => {
                Config::incluster().map_err(|e| AccessError::InCluster(Box::new(e)))?
            }
        };
        // Who retries what is decided by the core and by the watches.
        config.default_retry = false;
        config.read_timeout = Some(SILENCE);
        // What counts is the time since the question, not since the connection was idle.
        config.reset_reader_on_write = true;
        let agent =
            http::HeaderValue::from_static(concat!("hanse-agent/", env!("CARGO_PKG_VERSION")));
        config.headers.push((http::header::USER_AGENT, agent));
        Ok(config)
    }

    /// A client. Nothing is asked of the API server yet.
    pub async fn client(&self) -> Result<Client, AccessError> {
        let client = |e| AccessError::Client(Box::new(e));
        Client::try_from(self.config().await?).map_err(client)
    }

    /// Clients for everything that the agent does. Nothing is asked of the API server yet.
    pub async fn writers(&self) -> Result<Writers, AccessError> {
        Writers::new(self.config().await?)
    }
}

/// What is told to the hub about a cluster, and what decides how it is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterFacts {
    /// UID of the namespace kube-system, which is the cluster's for as long as it lives.
    pub uid: String,
    /// "v1.36.3"
    pub version: String,
    /// Whether an initial list can be had as a stream, by default since Kubernetes 1.34
    /// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists>).
    pub streaming_lists: bool,
}

impl ClusterFacts {
    /// Asks the API server.
    pub async fn read(client: &Client) -> Result<Self, CallError> {
        let namespaces = Api::<Namespace>::all(client.clone());
        let system = within(namespaces.get("kube-system")).await?;
        let version = within(client.apiserver_version()).await?;
        let minor: String = version.minor.chars().take_while(char::is_ascii_digit).collect();
        Ok(Self {
            uid: system.metadata.uid.unwrap_or_default(),
            version: version.git_version,
            streaming_lists: minor.parse::<u32>().is_ok_and(|minor| minor >= 34),
        })
    }

    /// 36 of "v1.36.3"; 0 when there is none.
    pub fn minor(&self) -> u32 {
        self.version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or_default()
    }
}
