//! What an answer says of a cluster beside what was asked: how much is known of it, and what could not
//! be seen.

use hanse_domain::access::checkpoint;
use jiff::{SignedDuration, Timestamp};

use super::held::told;
use super::{AccessService, Asked, AskedCluster};
use crate::service::ServiceError;

/// A part of an answer.
#[derive(Clone, Debug)]
pub enum Part<T> {
    /// Something of the cluster whose view comes next.
    Item(T),
    /// Ends a cluster.
    View(View),
}

/// How much is known of a cluster at the moment of a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub cluster: String,
    /// Whether its agent saw it at that moment.
    pub covered: bool,
    /// The last moment up to then at which it did.
    pub seen_until: Option<Timestamp>,
    /// "Pod: pods is forbidden"
    pub unseen: Vec<String>,
    /// How many objects are not in the inventory.
    pub skipped: u32,
    /// What the answer could not see, for a person.
    pub caveats: Vec<String>,
    /// How much was sent for it.
    pub count: u64,
}

/// An authoriser that is not RBAC leaves no trace in what agents see.
const RBAC_ONLY: &str = "only RBAC is looked at: other authorisers, admission policies and webhooks of \
                         the cluster are not seen";
/// Since when a cluster's agent may have been silent while another hub hears it.
const ELSEWHERE: SignedDuration = SignedDuration::from_mins(2);

impl AccessService {
    /// The view of a cluster for which so much was sent.
    pub(super) async fn view(
        &self,
        asked: &Asked,
        cluster: &AskedCluster,
        count: u64,
    ) -> Result<View, ServiceError> {
        let mut view = View { cluster: cluster.name.clone(), count, ..View::default() };
        view.caveats.push(RBAC_ONLY.to_owned());
        if asked.by_labels && asked.moment.is_some() {
            let why = "clusters are chosen by the labels that they have now";
            view.caveats.push(why.to_owned());
        }
        match asked.moment {
            None => self.view_now(&mut view, asked, cluster).await?,
            Some(_) => self.view_past(&mut view, asked, cluster).await?,
        }
        Ok(view)
    }

    async fn view_now(
        &self,
        view: &mut View,
        asked: &Asked,
        cluster: &AskedCluster,
    ) -> Result<(), ServiceError> {
        if let Some(why) = self.damaged(cluster.id) {
            view.caveats.push(format!("what the hub has of this cluster cannot be read: {why}"));
            return Ok(());
        }
        let held = self.0.held().get(&cluster.id).cloned();
        let Some(held) = held.filter(|held| held.learned_at.is_some()) else {
            view.caveats
                .push("nothing is known of this cluster: its agent has not reported".into());
            return Ok(());
        };
        view.skipped = held.skipped;
        view.unseen = told(&held.unseen);
        view.covered = held.is_live(asked.now);
        view.seen_until = if let Some(said) = &held.said {
            Some(said.covered.until)
        } else {
            let row = self.0.store.coverage_before(cluster.id, asked.now, None).await?;
            row.map(|row| row.until)
        };
        if !view.covered {
            view.caveats.push(self.stale(view.seen_until, asked, cluster).await?);
        }
        if held.unreachable.is_some() {
            view.caveats.push(
                "the agent has objects that the hub refuses: what it signed and what is answered here \
                 differ"
                    .to_owned(),
            );
        } else if let Some(Err(why)) = held.said.as_ref().map(|said| &said.signed) {
            view.caveats.push(format!("no agent has signed for this state: {why}"));
        }
        self.incomplete(view);
        Ok(())
    }

    async fn stale(
        &self,
        seen: Option<Timestamp>,
        asked: &Asked,
        cluster: &AskedCluster,
    ) -> Result<String, ServiceError> {
        let row = self.0.store.cluster(cluster.id).await?;
        let heard = row.and_then(|row| row.last_seen);
        let elsewhere = self.0.sessions.seen(cluster.id).is_none()
            && heard.is_some_and(|heard| asked.now.duration_since(heard) < ELSEWHERE);
        let since = seen.map_or_else(
            || "it was not seen yet".to_owned(),
            |seen| format!("it was last seen at {seen:.0}"),
        );
        Ok(if elsewhere {
            format!("{since}, as far as this hub knows; its agent speaks to another hub")
        } else {
            format!("{since}: what changed since then is not known")
        })
    }

    async fn view_past(
        &self,
        view: &mut View,
        asked: &Asked,
        cluster: &AskedCluster,
    ) -> Result<(), ServiceError> {
        let Some(moment) = asked.moment else { return Ok(()) };
        let store = &self.0.store;
        let row = store.coverage_before(cluster.id, moment.at, moment.known_at).await?;
        // What was said since the last write counts, too.
        let said = self.0.held().get(&cluster.id).and_then(|held| held.seen(asked.now));
        let said = said.filter(|said| {
            let until = said.until.min(moment.at);
            said.from <= moment.at && moment.known_at.is_none_or(|known| known >= until)
        });
        let until = row.map(|row| row.until).max(said.map(|said| said.until));
        view.seen_until = until.map(|until| until.min(moment.at));
        view.covered = until.is_some_and(|until| until >= moment.at);
        if !view.covered {
            let why = match view.seen_until {
                Some(seen) => format!(
                    "the agent did not see the cluster at that moment: what is answered is how it was \
                     at {seen:.0}, with what was found out later"
                ),
                None => "the cluster was not seen before that moment".to_owned(),
            };
            view.caveats.push(why);
        }
        let signed = self.signed_before(cluster.id, moment.at).await?;
        let read =
            signed.as_ref().and_then(|row| checkpoint::Checkpoint::decode(&row.checkpoint).ok());
        match read {
            Some(said) => {
                view.skipped = said.skipped;
                view.unseen = told(&said.unseen);
            }
            None if view.covered => {
                view.caveats.push("no agent has signed for the state at that moment".to_owned());
            }
            None => {}
        }
        if let Some(from) = asked.history_from.filter(|_| !view.covered) {
            view.caveats.push(format!("what was before {from:.0} is not kept"));
        }
        self.incomplete(view);
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "the views belong together")]
    fn incomplete(&self, view: &mut View) {
        if view.skipped > 0 {
            view.caveats.push(format!(
                "{} objects of the cluster are not in its inventory: too large, too many or malformed",
                view.skipped
            ));
        }
        if !view.unseen.is_empty() {
            let unseen = view.unseen.join("; ");
            view.caveats.push(format!("some kinds of object cannot be seen: {unseen}"));
        }
    }
}
