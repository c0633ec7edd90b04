//! What a change would do to the access of the clusters that it touches: taken as they are now.

use std::sync::Arc;

use futures::Stream;
use hanse_domain::access::directory::Directory;
use hanse_domain::access::index::Index;
use hanse_domain::access::preview::{Declared, Effect, preview};
use hanse_domain::fleet::Fleet;
use hanse_domain::ids::ClusterId;
use hanse_domain::render::{Rendering, render};
use jiff::Timestamp;

use super::invariants::{Placed, placed};
use super::provenance::Sources;
use super::source::Source;
use super::violations::Violation;
use super::{AccessService, Asked, AskedCluster, Escalation, Places, View, answer};
use crate::metrics::Asking;
use crate::service::ServiceError;
use crate::service::fleet::Submission;

/// A part of what a change would do.
#[derive(Clone, Debug)]
pub enum Previewed {
    /// A path that it opens.
    Opened(Escalation),
    /// A path that it closes.
    Closed(Escalation),
    /// A violation that it brings.
    Violated(Violation),
    /// A violation that it takes away.
    Resolved(Violation),
    /// Ends a cluster.
    View(View),
}

impl AccessService {
    /// Checks a change as a commit would, then says what it does to each cluster that it touches.
    pub async fn preview(
        &self,
        submission: Submission,
        now: Timestamp,
    ) -> Result<impl Stream<Item = Result<Previewed, ServiceError>> + Send + 'static, ServiceError>
    {
        let change = self.0.fleet.try_out(&submission).await?;
        let before = self.0.fleet.current();
        let mut clusters: Vec<AskedCluster> = change
            .touched
            .iter()
            .filter_map(|id| {
                let member = change.fleet.member(*id)?;
                Some(AskedCluster { name: member.entry.name.clone(), id: *id })
            })
            .collect();
        clusters.sort();
        let after = Arc::new(change.fleet);
        let service = self.clone();
        let asked = Asked {
            clusters,
            places: Places::Everywhere,
            moment: None,
            now,
            directory: self.directory(),
            history_from: None,
            by_labels: false,
        };
        Ok(answer(move |sink| async move {
            let _asking = service.0.metrics.asking(Asking::Preview);
            for cluster in &asked.clusters {
                let turn = service.turn().await?;
                let (id, before, after) = (cluster.id, Arc::clone(&before), Arc::clone(&after));
                let directory = Arc::clone(&asked.directory);
                let source = Source::Live(service.clone());
                let effect = source
                    .study(id, move |index| {
                        compare(index, id, [&before.fleet, &*after], &directory, now)
                    })
                    .await?;
                drop(turn);
                let Effect { opened, closed, violated, resolved } = effect;
                let count = opened.len() + closed.len() + violated.len() + resolved.len();
                let mut sources = Sources::default();
                for (paths, make) in
                    [(opened, Previewed::Opened as fn(_) -> _), (closed, Previewed::Closed)]
                {
                    for path in service.traced(&asked, cluster, &mut sources, paths).await? {
                        sink.send(make(path)).await?;
                    }
                }
                for (all, make) in
                    [(violated, Previewed::Violated as fn(_) -> _), (resolved, Previewed::Resolved)]
                {
                    for violation in all {
                        let made = Violation::expected(cluster, violation);
                        sink.send(make(made)).await?;
                    }
                }
                let view = service.view(&asked, cluster, count as u64).await?;
                sink.send(Previewed::View(view)).await?;
            }
            Ok(())
        }))
    }
}

fn compare(
    index: &Index,
    cluster: ClusterId,
    fleets: [&Fleet; 2],
    directory: &Directory,
    now: Timestamp,
) -> Effect {
    let [before, after] = fleets.map(|fleet| declared(fleet, cluster, now));
    let (old, new): (Vec<_>, Vec<_>) = (before.1.named().collect(), after.1.named().collect());
    preview(
        index,
        cluster,
        Declared { rendering: &before.0, invariants: &old },
        Declared { rendering: &after.0, invariants: &new },
        directory,
    )
}

fn declared(fleet: &Fleet, cluster: ClusterId, now: Timestamp) -> (Rendering, Placed) {
    match fleet.member(cluster) {
        Some(member) => {
            (render(fleet.placed_on(member), &member.entry.labels, now), placed(fleet, member))
        }
        None => (Rendering::default(), Placed::default()),
    }
}
