//! What a person in the cluster should see: Kubernetes Events in the agent's namespace. Best effort,
//! bounded and rate limited; the log has them all.
//! Source: <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>.

use std::time::Duration;

use hanse_domain::drift::DriftClass;
use hanse_domain::object::ObjectRef;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{NAMESPACE, SERVICE_ACCOUNT, within};
use crate::core::io::Notice;

const QUEUE: usize = 64;
/// Events that may be written at once, and how fast the right to one comes back.
const EVENT_RATE: (u32, Duration) = (20, Duration::from_secs(3));
/// The same for log lines: a cluster with 10,000 foreign bindings must not fill a disk.
const LOG_RATE: (u32, Duration) = (50, Duration::from_secs(1));
/// A note may have 1,024 bytes.
const MAX_NOTE_BYTES: usize = 1000;

/// Where notices go.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Sender<Notice>,
    log: Rate,
    silent: bool,
}

impl Events {
    /// The place to put notices, and the task that writes them.
    pub fn new(
        client: Client,
        soft: CancellationToken,
    ) -> (Self, impl Future<Output = Result<(), std::convert::Infallible>>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        (Self { queue, log: Rate::new(LOG_RATE), silent: false }, write(client, receiver, soft))
    }

    /// Logs a notice and, if there is room, has an Event written. Never waits.
    pub fn tell(&mut self, notice: Notice) {
        let Text { reason, warning, note, .. } = Text::of(&notice);
        let silent = !self.log.allows();
        if silent && !self.silent {
            tracing::warn!("more notices than can be logged; HANSE_LOG=debug shows them all");
        }
        self.silent = silent;
        match (silent, warning) {
            (true, _) => tracing::debug!(reason, "{note}"),
            (false, true) => tracing::warn!(reason, "{note}"),
            (false, false) => tracing::info!(reason, "{note}"),
        }
        // Full: the log has it.
        let _ = self.queue.try_send(notice);
    }
}

/// Which words a notice becomes.
struct Text {
    reason: &'static str,
    action: &'static str,
    warning: bool,
    note: String,
    about: Option<ObjectRef>,
}

impl Text {
    fn of(notice: &Notice) -> Self {
        let make = |reason, action, warning, note: String, about: Option<&ObjectRef>| Self {
            reason,
            action,
            warning,
            note: crate::terminal::plain(&note),
            about: about.cloned(),
        };
        match notice {
            Notice::BundleApplied(generation) => {
                let note = format!("generation {generation} is applied");
                make("BundleApplied", "Apply", false, note, None)
            }
            Notice::BundleRefused(condition, why) => {
                let note = format!("a bundle fails {condition} and is refused: {why}");
                make("BundleRefused", "Verify", true, note, None)
            }
            Notice::TrustRootChanged(version) => {
                let note = format!("version {version} of the trust root is in force");
                make("TrustRootChanged", "Verify", false, note, None)
            }
            Notice::FenceBroken(why) => {
                let note = format!("nothing is written until the fence stands: {why}");
                make("FenceBroken", "Observe", true, note, None)
            }
            Notice::FenceStands => {
                make("FenceStands", "Observe", false, "the fence stands".to_owned(), None)
            }
            Notice::DriftSeen(object, class, manager) => {
                let note = format!("{object} {}{}", drift(*class), by(manager.as_deref()));
                make("DriftSeen", "Observe", true, note, Some(object))
            }
            Notice::DriftCorrected(object, class, manager) => {
                let was = drift(*class);
                let note = format!("{object} {was}{} and was put right", by(manager.as_deref()));
                make("DriftCorrected", "Apply", false, note, Some(object))
            }
            Notice::ObjectRefused(object, why) => {
                let note = format!("{object} is refused by the API server: {why}");
                make("ObjectRefused", "Apply", true, note, Some(object))
            }
            Notice::RemovalsWaiting(count) => {
                let note = format!("{count} removals wait for a confirmation");
                make("RemovalsWaiting", "Remove", true, note, None)
            }
            Notice::Removed(object) => {
                make("Removed", "Remove", false, format!("{object} is removed"), Some(object))
            }
        }
    }
}

const fn drift(class: DriftClass) -> &'static str {
    match class {
        DriftClass::Modified => "was modified",
        DriftClass::Missing => "went missing",
        DriftClass::Conflicting => "is applied differently",
        DriftClass::Unmanaged => "gives access that nobody declared",
    }
}

fn by(manager: Option<&str>) -> String {
    manager.map(|manager| format!(" by {manager}")).unwrap_or_default()
}

async fn write(
    client: Client,
    mut notices: mpsc::Receiver<Notice>,
    soft: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let events = Api::<Event>::namespaced(client, NAMESPACE);
    let mut rate = Rate::new(EVENT_RATE);
    loop {
        let notice = tokio::select! {
            () = soft.cancelled() => return Ok(()),
            notice = notices.recv() => notice,
        };
        let Some(notice) = notice else {
            // The loop is gone, and with it soon this task.
            soft.cancelled().await;
            return Ok(());
        };
        if !rate.allows() {
            continue;
        }
        let event = event(Text::of(&notice));
        if let Err(error) = within(events.create(&PostParams::default(), &event)).await {
            tracing::debug!("an Event cannot be written: {error}");
        }
    }
}

/// So many at once, and then one each time that the right to one has come back.
#[derive(Debug)]
struct Rate {
    burst: u32,
    refill: Duration,
    left: u32,
    since: Instant,
}

impl Rate {
    fn new((burst, refill): (u32, Duration)) -> Self {
        Self { burst, refill, left: burst, since: Instant::now() }
    }

    fn allows(&mut self) -> bool {
        let earned = self.since.elapsed().as_nanos() / self.refill.as_nanos().max(1);
        if earned > 0 {
            self.since = Instant::now();
            let earned = u32::try_from(earned).unwrap_or(self.burst);
            self.left = self.left.saturating_add(earned).min(self.burst);
        }
        let allows = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allows
    }
}

fn event(text: Text) -> Event {
    let mut note = text.note;
    note.truncate(note.floor_char_boundary(MAX_NOTE_BYTES));
    // An Event lives in the namespace of what it regards, and this is the only one that we write to.
    let regarding = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("ServiceAccount".to_owned()),
        name: Some(SERVICE_ACCOUNT.to_owned()),
        namespace: Some(NAMESPACE.to_owned()),
        ..ObjectReference::default()
    };
    let related = text.about.map(|about| ObjectReference {
        api_version: Some(about.kind.api_version()),
        kind: Some(about.kind.name().to_owned()),
        name: Some(crate::terminal::plain(&about.name)),
        namespace: about.namespace,
        ..ObjectReference::default()
    });
    Event {
        metadata: ObjectMeta {
            generate_name: Some("hanse-agent-".to_owned()),
            ..ObjectMeta::default()
        },
        action: Some(text.action.to_owned()),
        reason: Some(text.reason.to_owned()),
        note: Some(note),
        type_: Some(if text.warning { "Warning" } else { "Normal" }.to_owned()),
        event_time: Some(MicroTime(Timestamp::now())),
        reporting_controller: Some("hanse.dev/agent".to_owned()),
        reporting_instance: Some("hanse-agent".to_owned()),
        regarding: Some(regarding),
        related,
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_a_trickle() {
        let mut rate = Rate::new(EVENT_RATE);
        let allowed = (0..100).filter(|_| rate.allows()).count();
        assert_eq!(allowed, 20);
        tokio::time::advance(EVENT_RATE.1 * 2).await;
        let allowed = (0..100).filter(|_| rate.allows()).count();
        assert_eq!(allowed, 2);
    }
}
