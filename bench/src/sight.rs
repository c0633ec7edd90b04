//! What is seen, with the moment at which it arrived here: events are taken in by a task of their own,
//! so that what the benchmark does meanwhile does not delay their time stamps.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long something may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);
const BUFFER: usize = 4096;

/// Sights of one kind, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Sights<T> {
    what: &'static str,
    events: mpsc::Receiver<(Instant, T)>,
    task: JoinHandle<()>,
}

/// A role binding as a watch shows it.
#[derive(Clone, Debug)]
pub(crate) struct BindingSight {
    pub(crate) name: String,
    pub(crate) subjects: Vec<String>,
}

impl<T: Send + 'static> Sights<T> {
    /// Takes in a stream from now on; its end or failure ends the sights.
    pub(crate) fn of(
        what: &'static str,
        mut stream: impl Stream<Item = T> + Send + Unpin + 'static,
    ) -> Self {
        let (sender, events) = mpsc::channel(BUFFER);
        let task = tokio::spawn(async move {
            while let Some(item) = stream.next().await {
                if sender.send((Instant::now(), item)).await.is_err() {
                    break;
                }
            }
        });
        Self { what, events, task }
    }

    /// Forgets what came until now.
    pub(crate) fn clear(&mut self) {
        while self.events.try_recv().is_ok() {}
    }

    /// The next one that is accepted, and when it came.
    pub(crate) async fn until(&mut self, accept: impl Fn(&T) -> bool) -> Result<(Instant, T)> {
        let next = async {
            while let Some((at, item)) = self.events.recv().await {
                if accept(&item) {
                    return Ok((at, item));
                }
            }
            bail!("{}: the watch ended", self.what)
        };
        tokio::time::timeout(PATIENCE, next)
            .await
            .with_context(|| format!("{}: not seen within {} s", self.what, PATIENCE.as_secs()))?
    }
}

impl<T> Drop for Sights<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Watches the role bindings of a namespace; returns when the watch is up.
pub(crate) async fn bindings(client: &Client, namespace: &str) -> Result<Sights<BindingSight>> {
    let api = Api::<RoleBinding>::namespaced(client.clone(), namespace);
    let sight = |binding: RoleBinding| BindingSight {
        name: binding.name_any(),
        subjects: binding.subjects.unwrap_or_default().into_iter().map(|s| s.name).collect(),
    };
    watch("a role binding", api, watcher::Config::default(), sight).await
}

/// Watches the agent's ledger: the generation that it holds.
pub(crate) async fn ledger(client: &Client) -> Result<Sights<u64>> {
    let api = Api::<ConfigMap>::namespaced(client.clone(), "hanse-agent");
    let config = watcher::Config::default().fields("metadata.name=hanse-ledger");
    let generation = |map: ConfigMap| {
        let text = map.data.unwrap_or_default().remove("generation").unwrap_or_default();
        text.parse().unwrap_or_default()
    };
    watch("the agent's ledger", api, config, generation).await
}

async fn watch<K, T>(
    what: &'static str,
    api: Api<K>,
    config: watcher::Config,
    sight: impl Fn(K) -> T + Send + 'static,
) -> Result<Sights<T>>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
    T: Send + 'static,
{
    let mut events = watcher::watcher(api, config).boxed();
    loop {
        match events.next().await.context("the watch ended")?? {
            Event::InitDone => break,
            Event::Init | Event::InitApply(_) | Event::Apply(_) | Event::Delete(_) => {}
        }
    }
    let sights = events.filter_map(move |event| {
        let sight = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => Some(sight(object)),
            // The watcher begins anew by itself.
            Ok(Event::Init | Event::InitDone | Event::Delete(_)) | Err(_) => None,
        };
        std::future::ready(sight)
    });
    Ok(Sights::of(what, sights))
}
