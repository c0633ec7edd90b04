//! Who can do what: the questions that are answered with grants.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use futures::Stream;
use hanse_domain::access::index::Index;
use hanse_domain::access::object::AccessKey;
use hanse_domain::access::query::{self, Asker, Grant, VisitGrant};
use hanse_domain::access::request::{Request, Scope};
use hanse_domain::access::subject::{Identity, Subject};
use hanse_domain::ids::ClusterId;

use super::answer::Sink;
use super::provenance::Sources;
use super::source::{Pages, Visit};
use super::{AccessService, Asked, AskedCluster, Part, Provenance, answer};
use crate::metrics::Asking;
use crate::service::ServiceError;
use crate::store::AccessContents;

/// Paths of one decision.
const MOST_PATHS: usize = 100;

/// A grant in a cluster, and where its binding comes from.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The cluster's name.
    pub cluster: String,
    /// The path.
    pub grant: Grant,
    /// Of the binding.
    pub provenance: Option<Provenance>,
}

/// Whether somebody may do something in one place.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The cluster's name.
    pub cluster: String,
    /// `None`: in the cluster as a whole.
    pub namespace: Option<String>,
    /// Whether they may.
    pub allowed: bool,
    /// By which paths; at most 100.
    pub grants: Vec<Granted>,
    /// What is near, when they may not.
    pub nearest: Vec<Granted>,
}

impl AccessService {
    /// Who can do something. `direct`: only whom bindings name.
    pub fn who_can(
        &self,
        asked: Asked,
        request: Request,
        direct: bool,
    ) -> impl Stream<Item = Result<Part<Granted>, ServiceError>> + Send + 'static {
        let directory = Arc::clone(&asked.directory);
        self.grants(asked, Asking::WhoCan, move |index, cluster, scope, visit| {
            query::who_can(index, cluster, &request, scope, &directory, direct, visit)
        })
    }

    /// What a subject can do; with more groups than it is known to have.
    pub fn what_can(
        &self,
        asked: Asked,
        subject: &Subject,
        groups: Vec<String>,
    ) -> impl Stream<Item = Result<Part<Granted>, ServiceError>> + Send + 'static {
        let identity = Identity::of(subject, &asked.directory).with_groups(groups);
        self.grants(asked, Asking::WhatCan, move |index, cluster, scope, visit| {
            query::what_can(index, cluster, &identity, scope, visit)
        })
    }

    fn grants(
        &self,
        asked: Asked,
        asking: Asking,
        walk: impl Fn(&Index, ClusterId, &Scope, VisitGrant<'_>) -> ControlFlow<()>
        + Clone
        + Send
        + Sync
        + 'static,
    ) -> impl Stream<Item = Result<Part<Granted>, ServiceError>> + Send + 'static {
        let service = self.clone();
        answer(move |sink| async move {
            let _asking = service.0.metrics.asking(asking);
            let mut contents = AccessContents::default();
            for cluster in &asked.clusters {
                let turn = service.turn().await?;
                let source = service.source(cluster.id, asked.moment, &mut contents).await?;
                let (id, scopes, walk) = (cluster.id, asked.scopes(), walk.clone());
                let pages = source.walk(id, turn, move |index, visit: Visit<'_, Grant>| {
                    each_scope(&scopes, visit, |scope, visit| walk(index, id, scope, visit))
                });
                // What is made of the past is large, and clients are slow.
                drop(source);
                let count = service.send(&asked, cluster, pages, &sink, |grant| grant).await?;
                sink.send(Part::View(service.view(&asked, cluster, count).await?)).await?;
            }
            Ok(())
        })
    }

    /// Sends what a walk finds, with where it comes from. Returns how much that was.
    pub(super) async fn send<T>(
        &self,
        asked: &Asked,
        cluster: &AskedCluster,
        mut pages: Pages<Grant>,
        sink: &Sink<Part<T>>,
        make: impl Fn(Granted) -> T,
    ) -> Result<u64, ServiceError> {
        let mut sources = Sources::default();
        let mut count = 0;
        while let Some(page) = pages.next().await? {
            for granted in self.granted(asked, cluster, &mut sources, page).await? {
                sink.send(Part::Item(make(granted))).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Grants with where their bindings come from.
    pub(super) async fn granted(
        &self,
        asked: &Asked,
        cluster: &AskedCluster,
        sources: &mut Sources,
        grants: Vec<Grant>,
    ) -> Result<Vec<Granted>, ServiceError> {
        let bindings: BTreeSet<&AccessKey> =
            grants.iter().filter_map(|grant| grant.binding.as_ref()).collect();
        let known = self.provenance(asked, cluster, sources, bindings).await?;
        let granted = grants.into_iter().map(|grant| {
            let provenance = grant.binding.as_ref().and_then(|binding| known.get(binding)).cloned();
            Granted { cluster: cluster.name.clone(), grant, provenance }
        });
        Ok(granted.collect())
    }

    /// Whether a subject can do something, and each path that allows it. Asked about all namespaces,
    /// the first decision is about the cluster as a whole, and the others are about the namespaces
    /// where role bindings allow it.
    pub fn decisions(
        &self,
        asked: Asked,
        request: Request,
        subject: &Subject,
        groups: Vec<String>,
    ) -> impl Stream<Item = Result<Part<Decision>, ServiceError>> + Send + 'static {
        let identity = Arc::new(Identity::of(subject, &asked.directory).with_groups(groups));
        let request = Arc::new(request);
        let service = self.clone();
        answer(move |sink| async move {
            let _asking = service.0.metrics.asking(Asking::Decisions);
            let mut contents = AccessContents::default();
            for cluster in &asked.clusters {
                let turn = service.turn().await?;
                let source = service.source(cluster.id, asked.moment, &mut contents).await?;
                let (id, scopes) = (cluster.id, asked.scopes());
                let (identity, request) = (Arc::clone(&identity), Arc::clone(&request));
                let decided = source
                    .look(move |index| {
                        let decide = |scope: &Scope| decide(index, id, &identity, &request, scope);
                        scopes.iter().flat_map(decide).collect::<Vec<_>>()
                    })
                    .await?;
                drop((turn, source));
                let (mut sources, mut count) = (Sources::default(), 0);
                for made in decided {
                    count += 1;
                    let allowed = !made.grants.is_empty();
                    let grants =
                        service.granted(&asked, cluster, &mut sources, made.grants).await?;
                    let nearest =
                        service.granted(&asked, cluster, &mut sources, made.nearest).await?;
                    let (cluster, namespace) = (cluster.name.clone(), made.namespace);
                    let decision = Decision { cluster, namespace, allowed, grants, nearest };
                    sink.send(Part::Item(decision)).await?;
                }
                sink.send(Part::View(service.view(&asked, cluster, count).await?)).await?;
            }
            Ok(())
        })
    }
}

/// Asks for one scope after another; what holds in the whole cluster is said once.
pub(super) fn each_scope(
    scopes: &[Scope],
    visit: Visit<'_, Grant>,
    mut walk: impl FnMut(&Scope, VisitGrant<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for (index, scope) in scopes.iter().enumerate() {
        walk(scope, &mut |grant| {
            if index > 0 && grant.namespace.is_none() {
                return ControlFlow::Continue(());
            }
            visit(grant)
        })?;
    }
    ControlFlow::Continue(())
}

struct Decided {
    namespace: Option<String>,
    grants: Vec<Grant>,
    nearest: Vec<Grant>,
}

fn decide(
    index: &Index,
    cluster: ClusterId,
    identity: &Identity,
    request: &Request,
    scope: &Scope,
) -> Vec<Decided> {
    let mut places: BTreeMap<Option<String>, Vec<Grant>> = BTreeMap::new();
    let everywhere = *scope == Scope::AllNamespaces;
    let namespace = match scope {
        Scope::Namespace(namespace) => Some(namespace.clone()),
        Scope::Cluster | Scope::AllNamespaces => None,
    };
    places.insert(namespace.clone(), Vec::new());
    let mut asker = Asker::new(identity.clone());
    let mut question = query::Question::new(request.clone());
    let _ = question.paths(index, cluster, scope, &mut asker, &mut |answer| {
        let grant = answer.grant();
        let place = if everywhere { grant.namespace.clone() } else { namespace.clone() };
        let grants = places.entry(place).or_default();
        // Which of more is there is not said: a decision is no list.
        if grants.len() < MOST_PATHS {
            grants.push(grant);
        }
        ControlFlow::Continue(())
    });
    let made = places.into_iter().map(|(namespace, mut grants)| {
        grants.sort_unstable();
        let scope = if everywhere { &Scope::Cluster } else { scope };
        let nearest = if grants.is_empty() {
            query::nearest(index, cluster, identity, request, scope)
        } else {
            Vec::new()
        };
        Decided { namespace, grants, nearest }
    });
    made.collect()
}
