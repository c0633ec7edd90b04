//! Asks agents for a checkpoint of the present, where the one of the last minute is too old.

use std::collections::BTreeSet;
use std::time::Duration;

use hanse_domain::ids::ClusterId;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep, timeout_at};

use super::AccessService;

/// How long an answer waits for what agents sign.
const PATIENCE: Duration = Duration::from_secs(2);
/// An agent is asked no more than once in that time.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// How long to wait for a word before looking whether one may ask.
const LOOK: Duration = Duration::from_millis(100);

impl AccessService {
    /// Asks those of the clusters whose agents have not signed for a moment yet. Returns by when they
    /// should have.
    pub(super) fn ask_agents(
        &self,
        clusters: impl IntoIterator<Item = ClusterId>,
        at: Timestamp,
    ) -> Instant {
        for cluster in clusters {
            if self.is_due(cluster, at) {
                self.ask_agent(cluster);
            }
        }
        Instant::now() + PATIENCE
    }

    /// Waits until the agent of a cluster that is live here has signed for a moment.
    pub(super) async fn signed_for(&self, cluster: ClusterId, at: Timestamp, deadline: Instant) {
        let signed = async {
            loop {
                let spoke = self.0.spoke.notified();
                if !self.is_due(cluster, at) {
                    return;
                }
                self.ask_agent(cluster);
                tokio::select! {
                    () = spoke => {}
                    () = sleep(LOOK) => {}
                }
            }
        };
        // Without it the answer says how much is proven.
        let _ = timeout_at(deadline, signed).await;
    }

    /// Asks agents that spoke before their clusters were accepted.
    pub(super) fn ask_accepted(&self, members: &BTreeSet<ClusterId>, now: Timestamp) {
        let behind: Vec<ClusterId> = {
            let held = self.0.held();
            let new = held.iter().filter(|(_, held)| held.behind && held.said.is_none());
            new.map(|(cluster, _)| *cluster).filter(|cluster| members.contains(cluster)).collect()
        };
        for cluster in behind {
            self.0.sessions.ask_inventory(cluster, now, PAUSE);
        }
    }

    fn ask_agent(&self, cluster: ClusterId) {
        self.0.sessions.ask_inventory(cluster, Timestamp::now(), PAUSE);
    }

    fn is_due(&self, cluster: ClusterId, at: Timestamp) -> bool {
        let now = Timestamp::now();
        let held = self.0.held();
        let live = held.get(&cluster).filter(|held| held.is_live(now));
        let said = live.and_then(|held| held.said.as_ref());
        said.is_some_and(|said| said.covered.until < at && said.signed.is_ok())
    }
}
