//! What becomes of what watches bring: the core gets whole objects, the inventory gets sights.

use std::fmt::Debug;
use std::time::Duration;

use ::kube::api::{ApiResource, DynamicObject};
use ::kube::core::GroupVersionKind;
use ::kube::runtime::watcher;
use ::kube::{Client, Resource};
use hanse_domain::access::object::AccessKind;
use hanse_domain::object::{MANAGED_LABEL, ObjectKind, ObjectRef};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::pruned::Pruned;
use super::{FIRST_DELAY, LONGEST_DELAY, NobodyListens, is_labelled};
use crate::backoff::Backoff;
use crate::core::io::{Failure, Input, Live};
use crate::inventory::{self, Sight};
use crate::kube::apply::Applier;
use crate::kube::{live, resource};

/// Objects of a list that is not streamed come in pages of so many, whole.
const WORKLOADS_PER_PAGE: u32 = 100;

/// What a watch brings.
pub(super) enum News<I> {
    /// Everything that is there.
    Listed(Vec<I>),
    /// An object came or changed.
    Seen(I),
    /// An object went.
    Gone(I),
    /// What happens is not seen, since now.
    Interrupted(Failure),
    /// It is still not seen.
    Blind(Failure),
    /// It is seen again; a list follows.
    Sighted,
}

/// Who gets it.
pub(super) trait Consumer {
    /// As the API server sends it.
    type Object: Resource<DynamicType = ApiResource>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + 'static;
    /// As it is kept until it is told.
    type Item: Send;

    /// Of the kind.
    fn name(&self) -> &'static str;
    fn resource(&self) -> ApiResource;
    fn config(&self) -> watcher::Config;
    fn item(&self, object: Self::Object) -> Option<Self::Item>;
    /// Whether a failure is told to people here.
    fn is_outage(&self, failure: &Failure) -> bool;
    fn tell(
        &self,
        news: News<Self::Item>,
    ) -> impl Future<Output = Result<(), NobodyListens>> + Send;
}

/// The core.
pub(super) struct ForCore {
    pub(super) client: Client,
    pub(super) kind: ObjectKind,
    pub(super) inputs: mpsc::Sender<Input>,
}

impl Consumer for ForCore {
    type Object = DynamicObject;
    type Item = Live;

    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn resource(&self) -> ApiResource {
        resource(self.kind)
    }

    fn config(&self) -> watcher::Config {
        let config = watcher::Config::default();
        if is_labelled(self.kind) {
            config.labels(&format!("{MANAGED_LABEL}=true"))
        } else {
            config
        }
    }

    fn item(&self, object: DynamicObject) -> Option<Live> {
        live(self.kind, slim(self.kind, object))
    }

    fn is_outage(&self, _failure: &Failure) -> bool {
        true
    }

    async fn tell(&self, news: News<Live>) -> Result<(), NobodyListens> {
        let input = match news {
            News::Listed(objects) => Input::Listed(self.kind, objects),
            News::Seen(object) => Input::Seen(object),
            News::Gone(object) => self.gone(object.reference).await,
            News::Interrupted(failure) => Input::Interrupted(self.kind, failure),
            News::Blind(failure) => Input::Blind(self.kind, failure),
            News::Sighted => Input::Sighted(self.kind),
        };
        self.inputs.send(input).await.map_err(|_| NobodyListens)
    }
}

impl ForCore {
    /// What a deletion means.
    async fn gone(&self, reference: ObjectRef) -> Input {
        if !is_labelled(reference.kind) {
            return Input::Gone(reference);
        }
        let applier = Applier::new(self.client.clone());
        let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
        loop {
            match applier.read(&reference).await {
                Ok(Some(object)) => return Input::Seen(object),
                Ok(None) | Err(Failure::Refused(_)) => return Input::Gone(reference),
                Err(Failure::Unavailable(why) | Failure::Conflict(why)) => {
                    tracing::debug!("{reference} cannot be looked at: {why}");
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
    }
}

/// Leaves out what is heavy and of no use in access that is not ours: which single fields somebody
/// owns, and kubectl's copy of the object. Who wrote it and when stays.
fn slim(kind: ObjectKind, mut object: DynamicObject) -> DynamicObject {
    let ours = object.metadata.name.as_deref().is_some_and(|name| name.starts_with("hanse:"));
    if kind.is_access() && !ours {
        for entry in object.metadata.managed_fields.iter_mut().flatten() {
            entry.fields_v1 = None;
        }
        if let Some(annotations) = &mut object.metadata.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    object
}

/// The inventory, for kinds that the core has no use for.
pub(super) struct ForInventory {
    pub(super) kind: AccessKind,
    pub(super) inputs: mpsc::Sender<inventory::Input>,
}

impl Consumer for ForInventory {
    type Object = Pruned;
    type Item = Sight;

    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn resource(&self) -> ApiResource {
        let (group, version, name, plural) = self.kind.resource();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, name), plural)
    }

    fn config(&self) -> watcher::Config {
        let config = watcher::Config::default().page_size(WORKLOADS_PER_PAGE);
        if self.kind == AccessKind::Pod {
            // What ended runs as nobody: the API server keeps it to itself.
            config.fields("status.phase!=Succeeded,status.phase!=Failed")
        } else {
            config
        }
    }

    fn item(&self, object: Pruned) -> Option<Sight> {
        Sight::of(self.kind, &object.body)
    }

    /// An administrator may not want the agent to see these: the inventory says so.
    fn is_outage(&self, failure: &Failure) -> bool {
        !matches!(failure, Failure::Refused(_))
    }

    async fn tell(&self, news: News<Sight>) -> Result<(), NobodyListens> {
        let kind = self.kind;
        let input = match news {
            // The list says it.
            News::Sighted => return Ok(()),
            News::Listed(sights) => inventory::Input::Listed(kind, sights),
            News::Seen(sight) => inventory::Input::Seen(sight),
            News::Gone(sight) => inventory::Input::Gone(sight.key),
            News::Interrupted(failure) | News::Blind(failure) => inventory::blind(kind, &failure),
        };
        self.inputs.send(input).await.map_err(|_| NobodyListens)
    }
}

/// For a watch that is renewed before load balancers cut it.
pub(super) fn renewed(config: watcher::Config, every: Duration) -> watcher::Config {
    watcher::Config { timeout: u32::try_from(every.as_secs()).ok(), ..config }
}
