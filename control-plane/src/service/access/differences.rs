//! Which access came and went between two moments, whatever brought and took it. What is kept while
//! both sides are compared is a fingerprint of each grant, not the grants.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures::Stream;
use hanse_domain::access::directory::Directory;
use hanse_domain::access::index::Index;
use hanse_domain::access::query::{self, Grant};
use hanse_domain::access::request::{Request, Scope};
use hanse_domain::ids::{ClusterId, Digest};

use super::questions::each_scope;
use super::source::{Source, Visit};
use super::{AccessService, Asked, AskedCluster, Granted, Part, View, answer};
use crate::metrics::Asking;
use crate::service::ServiceError;
use crate::store::AccessContents;

/// Grants of one cluster that are compared.
const MOST: usize = 5_000_000;

/// Half of a digest: enough that no two grants share one by chance.
type Print = [u8; 16];

/// Something that came or went.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Whether it came.
    pub added: bool,
    /// What.
    pub granted: Granted,
}

/// What is compared.
#[derive(Clone)]
struct What {
    request: Option<Arc<Request>>,
    scopes: Arc<Vec<Scope>>,
    cluster: ClusterId,
}

impl AccessService {
    /// What differs between the same question at two moments: all grants of a request, or without one
    /// all rules of all subjects that bindings name.
    pub fn differences(
        &self,
        before: Asked,
        after: Asked,
        request: Option<Request>,
    ) -> impl Stream<Item = Result<Part<Difference>, ServiceError>> + Send + 'static {
        let service = self.clone();
        let request = request.map(Arc::new);
        answer(move |sink| async move {
            let _asking = service.0.metrics.asking(Asking::Differences);
            let mut contents = AccessContents::default();
            for cluster in &after.clusters {
                let (request, scopes) = (request.clone(), Arc::new(after.scopes()));
                let what = What { request, scopes, cluster: cluster.id };
                let old = service.source(cluster.id, before.moment, &mut contents).await?;
                let new = service.source(cluster.id, after.moment, &mut contents).await?;
                let directories = [&before.directory, &after.directory].map(Arc::clone);
                let [old_directory, new_directory] = directories;
                let turn = service.turn().await?;
                let had = prints(&old, &what, &old_directory).await?;
                let has = prints(&new, &what, &new_directory).await?;
                drop(turn);
                let sides = [
                    (false, &before, old, old_directory, has),
                    (true, &after, new, new_directory, had),
                ];
                let mut count = 0;
                for (added, asked, source, directory, other) in sides {
                    let what = what.clone();
                    let turn = service.turn().await?;
                    let pages = source.walk(cluster.id, turn, move |index, visit| {
                        grants(index, &what, &directory, &mut |grant| {
                            if other.contains(&print(&grant)) {
                                return ControlFlow::Continue(());
                            }
                            visit(grant)
                        })
                    });
                    drop(source);
                    let make = |granted| Difference { added, granted };
                    count += service.send(asked, cluster, pages, &sink, make).await?;
                }
                let view = service.view_of_both(&before, &after, cluster, count).await?;
                sink.send(Part::View(view)).await?;
            }
            Ok(())
        })
    }
}

impl AccessService {
    /// The later view, with what could not be seen at the earlier moment alone: what was not known then
    /// looks like something that came.
    async fn view_of_both(
        &self,
        before: &Asked,
        after: &Asked,
        cluster: &AskedCluster,
        count: u64,
    ) -> Result<View, ServiceError> {
        let earlier = self.view(before, cluster, 0).await?;
        let mut view = self.view(after, cluster, count).await?;
        let at = before.moment.map_or(before.now, |moment| moment.at);
        let only = earlier.caveats.into_iter().filter(|caveat| !view.caveats.contains(caveat));
        let only: Vec<String> = only.map(|caveat| format!("at {at:.0}, {caveat}")).collect();
        view.caveats.extend(only);
        view.covered &= earlier.covered;
        Ok(view)
    }
}

fn grants(
    index: &Index,
    what: &What,
    directory: &Directory,
    visit: Visit<'_, Grant>,
) -> ControlFlow<()> {
    each_scope(&what.scopes, visit, |scope, visit| match &what.request {
        Some(request) => {
            query::who_can(index, what.cluster, request, scope, directory, false, visit)
        }
        None => query::all_grants(index, what.cluster, scope, visit),
    })
}

async fn prints(
    source: &Source,
    what: &What,
    directory: &Arc<Directory>,
) -> Result<BTreeSet<Print>, ServiceError> {
    let (what, directory) = (what.clone(), Arc::clone(directory));
    let all = source.study(what.cluster, move |index| {
        let mut all = BTreeSet::new();
        let whole = grants(index, &what, &directory, &mut |grant| {
            all.insert(print(&grant));
            if all.len() > MOST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        whole.is_continue().then_some(all)
    });
    all.await?.ok_or_else(|| {
        let why = format!("more than {MOST} grants in one cluster: ask about fewer namespaces");
        ServiceError::Exhausted(why)
    })
}

fn print(grant: &Grant) -> Print {
    // The text of each part is quoted, so that no two grants have one text.
    let text = format!("{grant:?}");
    let digest = Digest::of(text.as_bytes());
    let mut print = Print::default();
    for (to, from) in print.iter_mut().zip(digest.0) {
        *to = from;
    }
    print
}
