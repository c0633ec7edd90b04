//! Where and when a question is asked: what is wrong with it is said before any of the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hanse_domain::access::directory::Directory;
use hanse_domain::access::request::Scope;
use hanse_domain::ids::ClusterId;
use hanse_domain::selector::LabelSelector;
use jiff::{SignedDuration, Timestamp};

use super::AccessService;
use crate::service::ServiceError;
use crate::store::AccessMoment;

/// How far the clock of whoever asks may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);
/// Most clusters, and most namespaces, that a question names.
const MOST_NAMED: usize = 10_000;

/// Where and when, as it was asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Names; all that the selector matches when there are none.
    pub clusters: Vec<String>,
    /// Over the labels of clusters.
    pub selector: LabelSelector,
    /// In which namespaces.
    pub places: Places,
    /// The moment; now for `None`.
    pub at: Option<Timestamp>,
    /// As the hub knew it then; as it knows it now for `None`.
    pub known_at: Option<Timestamp>,
}

/// In which namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Places {
    /// In the cluster as a whole.
    #[default]
    Cluster,
    /// In each of these.
    Namespaces(BTreeSet<String>),
    /// Anywhere.
    Everywhere,
}

/// What a question comes down to.
#[derive(Clone, Debug)]
pub struct Asked {
    /// By name, then id.
    pub clusters: Vec<AskedCluster>,
    /// Scopes to ask the engine for, one after the other.
    pub places: Places,
    /// `None`: now.
    pub moment: Option<AccessMoment>,
    /// When it was asked.
    pub now: Timestamp,
    /// The groups of people at that moment.
    pub directory: Arc<Directory>,
    /// What ended before this was forgotten.
    pub history_from: Option<Timestamp>,
    /// Whether clusters were chosen by their labels.
    pub by_labels: bool,
}

/// A cluster that a question is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskedCluster {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: ClusterId,
}

impl Asked {
    /// The moment that is asked about.
    pub fn at(&self) -> Timestamp {
        self.moment.map_or(self.now, |moment| moment.at)
    }

    /// For the engine, in order. From the second on, what holds in the whole cluster was said before.
    pub fn scopes(&self) -> Vec<Scope> {
        match &self.places {
            Places::Cluster => vec![Scope::Cluster],
            Places::Everywhere => vec![Scope::AllNamespaces],
            Places::Namespaces(names) => names.iter().cloned().map(Scope::Namespace).collect(),
        }
    }
}

impl AccessService {
    /// Resolves a question. `InvalidArgument` for a moment in the future or before what is kept,
    /// `NotFound` for a cluster that is not there.
    pub async fn ask(&self, question: Question, now: Timestamp) -> Result<Asked, ServiceError> {
        let history_from = self.0.store.access_history_from().await?;
        let moment = moment(&question, history_from, now)?;
        let by_labels = question.selector != LabelSelector::default();
        let clusters = self.clusters(&question, moment.is_some()).await?;
        let directory = match moment {
            None => self.directory(),
            Some(moment) => self.directory_at(moment).await?,
        };
        let places = question.places;
        Ok(Asked { clusters, places, moment, now, directory, history_from, by_labels })
    }

    async fn clusters(
        &self,
        question: &Question,
        past: bool,
    ) -> Result<Vec<AskedCluster>, ServiceError> {
        if question.clusters.len() > MOST_NAMED {
            return Err(ServiceError::invalid(format!("more than {MOST_NAMED} clusters")));
        }
        let current = self.0.fleet.current();
        let fleet = &current.fleet;
        let mut all: BTreeMap<ClusterId, String> = fleet
            .matching(&question.selector)
            .filter(|member| past || !self.0.is_revoked(member.entry.id))
            .map(|member| (member.entry.id, member.entry.name.clone()))
            .collect();
        let chosen: BTreeSet<&str> = question.clusters.iter().map(String::as_str).collect();
        // Clusters that have left keep their past, and have no labels any more.
        if past && question.selector == LabelSelector::default() {
            let known: BTreeSet<ClusterId> =
                self.0.store.access_roots().await?.iter().map(|row| row.cluster).collect();
            let left = self.0.store.clusters().await?;
            for row in left.into_iter().filter(|row| known.contains(&row.id)) {
                all.entry(row.id).or_insert(row.name);
            }
        }
        if !chosen.is_empty() {
            all.retain(|_, name| chosen.contains(name.as_str()));
        }
        let found: BTreeSet<&str> = all.values().map(String::as_str).collect();
        if let Some(missing) = chosen.into_iter().find(|name| !found.contains(name)) {
            return Err(self.not_here(missing, question, past).await?);
        }
        let mut clusters: Vec<AskedCluster> =
            all.into_iter().map(|(id, name)| AskedCluster { name, id }).collect();
        clusters.sort();
        Ok(clusters)
    }

    async fn not_here(
        &self,
        name: &str,
        question: &Question,
        past: bool,
    ) -> Result<ServiceError, ServiceError> {
        let fleet = &self.0.fleet.current().fleet;
        let why = if fleet.member_named(name).is_some()
            && question.selector != LabelSelector::default()
        {
            format!("the labels of cluster {name} do not match the selector")
        } else if self.0.store.clusters().await?.iter().any(|row| row.name == name) {
            let more = if past { "" } else { "; ask about a moment when it was" };
            format!("cluster {name} is not in the fleet now{more}")
        } else {
            format!("there is no cluster {name}")
        };
        Ok(ServiceError::NotFound(why))
    }
}

/// The moment that is asked about, `None` for now.
pub(super) fn moment(
    question: &Question,
    history_from: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<AccessMoment>, ServiceError> {
    let latest = now.saturating_add(AHEAD).unwrap_or(now);
    for (name, time) in [("at", question.at), ("known_at", question.known_at)] {
        let Some(time) = time else { continue };
        if time > latest {
            let why = format!("`{name}` is in the future: {time}; the hub's clock says {now:.0}");
            return Err(ServiceError::invalid(why));
        }
        if let Some(from) = history_from
            && time < from
        {
            let why = format!(
                "what was before {from:.0} is not kept any more, and `{name}` is {time}: ask about a \
                 later moment (how long it is kept is the hub's setting --access-history-days)"
            );
            return Err(ServiceError::invalid(why));
        }
    }
    if question.at.is_none() && question.known_at.is_none() {
        return Ok(None);
    }
    let at = question.at.unwrap_or(now).min(now);
    Ok(Some(AccessMoment { at, known_at: question.known_at }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn ask(at: Option<&str>, known_at: Option<&str>) -> Result<Option<AccessMoment>, ServiceError> {
        let time = |text: &str| text.parse().unwrap();
        let question =
            Question { at: at.map(time), known_at: known_at.map(time), ..Question::default() };
        moment(&question, Some(time("2026-01-01T00:00:00Z")), time("2026-03-03T12:00:00Z"))
    }

    #[test]
    fn moments_within_what_is_kept_can_be_asked_about() {
        assert_eq!(ask(None, None).unwrap(), None);
        let at = ask(Some("2026-03-03T12:00:30Z"), None).unwrap().unwrap();
        assert_eq!(at.at.to_string(), "2026-03-03T12:00:00Z");
        let known = ask(None, Some("2026-02-01T00:00:00Z")).unwrap().unwrap();
        assert_eq!(known.at.to_string(), "2026-03-03T12:00:00Z");
        assert!(ask(Some("2026-01-01T00:00:00Z"), None).is_ok());
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        for (at, known_at, why) in [
            (Some("2026-03-03T12:01:01Z"), None, "`at` is in the future"),
            (None, Some("2027-01-01T00:00:00Z"), "`known_at` is in the future"),
            (Some("2025-12-31T23:59:59Z"), None, "what was before 2026-01-01T00:00:00Z"),
            (None, Some("2025-06-01T00:00:00Z"), "`known_at` is 2025-06-01T00:00:00Z"),
        ] {
            let error = ask(at, known_at).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
