//! Who reaches what, by which path.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::Stream;
use hanse_domain::access::escalation::{self, Edge, Filter, Target, escalations};
use hanse_domain::access::invariant::is_system;
use hanse_domain::access::query::Grant;
use hanse_domain::access::subject::Subject;
use hanse_domain::kinds::invariant::Goal;

use super::provenance::Sources;
use super::source::PAGE;
use super::{AccessService, Asked, AskedCluster, Granted, Part, Places, answer};
use crate::metrics::Asking;
use crate::service::ServiceError;
use crate::store::AccessContents;

/// A path in a cluster.
#[derive(Clone, Debug)]
pub struct Escalation {
    /// The cluster's name.
    pub cluster: String,
    /// Who.
    pub subject: Subject,
    /// What is reached.
    pub target: Target,
    /// How.
    pub steps: Vec<Step>,
}

/// A step of a path, with where the right to it comes from.
#[derive(Clone, Debug)]
pub struct Step {
    /// What sort of step it is.
    pub edge: Edge,
    /// Who makes it.
    pub from: Subject,
    /// Whom they become by it.
    pub to: Option<Subject>,
    /// Where.
    pub namespace: Option<String>,
    /// In words.
    pub text: String,
    /// What makes it possible.
    pub granted: Granted,
}

/// Which paths are asked for.
#[derive(Clone, Debug)]
pub struct Reach {
    /// From these; from everybody when there are none.
    pub subjects: BTreeSet<Subject>,
    /// To these.
    pub goals: BTreeSet<Goal>,
    /// Also those of the control plane.
    pub system: bool,
}

impl AccessService {
    /// Everybody's shortest path to each target. Of namespaces that are named, only their Secrets count.
    pub fn escalations(
        &self,
        asked: Asked,
        reach: Reach,
    ) -> impl Stream<Item = Result<Part<Escalation>, ServiceError>> + Send + 'static {
        let service = self.clone();
        let filter = Arc::new(Filter {
            subjects: (!reach.subjects.is_empty()).then_some(reach.subjects),
            goals: reach.goals,
            namespaces: match &asked.places {
                Places::Namespaces(names) => Some(names.clone()),
                Places::Cluster | Places::Everywhere => None,
            },
            holders: true,
        });
        let system = reach.system || filter.subjects.is_some();
        answer(move |sink| async move {
            let _asking = service.0.metrics.asking(Asking::Escalations);
            let mut contents = AccessContents::default();
            for cluster in &asked.clusters {
                let turn = service.turn().await?;
                let source = service.source(cluster.id, asked.moment, &mut contents).await?;
                let (id, filter) = (cluster.id, Arc::clone(&filter));
                let directory = Arc::clone(&asked.directory);
                let mut found = source
                    .study(id, move |index| escalations(index, id, &directory, &filter))
                    .await?;
                drop((turn, source));
                found.retain(|path| system || !is_system(&path.subject));
                let count = found.len() as u64;
                let mut sources = Sources::default();
                while !found.is_empty() {
                    let rest = found.split_off(found.len().min(PAGE));
                    let page = std::mem::replace(&mut found, rest);
                    for path in service.traced(&asked, cluster, &mut sources, page).await? {
                        sink.send(Part::Item(path)).await?;
                    }
                }
                sink.send(Part::View(service.view(&asked, cluster, count).await?)).await?;
            }
            Ok(())
        })
    }

    /// Paths with where their steps come from.
    pub(super) async fn traced(
        &self,
        asked: &Asked,
        cluster: &AskedCluster,
        sources: &mut Sources,
        paths: Vec<escalation::Escalation>,
    ) -> Result<Vec<Escalation>, ServiceError> {
        let grants: Vec<Grant> =
            paths.iter().flat_map(|path| &path.steps).map(|step| step.grant.clone()).collect();
        let mut granted = self.granted(asked, cluster, sources, grants).await?.into_iter();
        let traced = paths.into_iter().map(|path| Escalation {
            cluster: cluster.name.clone(),
            subject: path.subject,
            target: path.target,
            // As many as there are steps, in their order.
            steps: path.steps.into_iter().zip(granted.by_ref()).map(Step::of).collect(),
        });
        Ok(traced.collect())
    }
}

impl Step {
    fn of((step, granted): (escalation::Step, Granted)) -> Self {
        let escalation::Step { edge, from, to, namespace, text, grant: _ } = step;
        Self { edge, from, to, namespace, text, granted }
    }
}
