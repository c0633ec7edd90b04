//! P5: somebody edits a binding → the hub has recorded it and tells whoever watches. The document says
//! `drift: Report`, so that nothing is put right meanwhile.

use std::time::Instant;

use anyhow::Result;
use hanse_proto::admin::Drift;
use hanse_proto::admin::drift::State;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;

use crate::floor::{Floor, edit, subject};
use crate::output::Progress;
use crate::report::{Figure, Report};
use crate::sight::{self, BindingSight};
use crate::stats::{Samples, ms};
use crate::world::{self, GROUP, NAMESPACE, PREFIX, REPORTED, World};

/// Who the intruder's editor says it is.
pub(crate) const EDITOR: &str = "kubectl-edit";

pub(crate) async fn measure(world: &World, repetitions: usize, report: &mut Report) -> Result<()> {
    let mut floor = Floor::new(&world.client).await?;
    let api = Api::<RoleBinding>::namespaced(world.client.clone(), NAMESPACE);
    let mut bindings = sight::bindings(&world.client, NAMESPACE).await?;
    let mut reports = world.admin.watch_drift().await?;
    let name = format!("{PREFIX}{REPORTED}");
    let is = |drift: &Drift, state: State| {
        drift.state() == state && drift.object.as_ref().is_some_and(|object| object.name == name)
    };
    let (mut probes, mut own, mut known, mut after) =
        (Samples::default(), Samples::default(), Samples::default(), Samples::default());
    let mut progress = Progress::new("P5: drift → the hub knows", repetitions);
    for repetition in 0..repetitions {
        probes.push(floor.edit().await?);
        world::settle().await;

        let intruder = format!("mallory-{repetition}");
        let edited = [subject("Group", GROUP), subject("User", &intruder)];
        bindings.clear();
        reports.clear();
        let start = Instant::now();
        edit(&api, &name, EDITOR, &edited).await?;
        let is_edited =
            |sight: &BindingSight| sight.name == name && sight.subjects.contains(&intruder);
        let (seen, _) = bindings.until(is_edited).await?;
        let (told, _) = reports.until(|drift| is(drift, State::Open)).await?;
        own.push(seen.duration_since(start));
        known.push(told.duration_since(start));
        after.push(told.saturating_duration_since(seen));

        edit(&api, &name, EDITOR, &[subject("Group", GROUP)]).await?;
        reports.until(|drift| is(drift, State::Cleared)).await?;
        world::settle().await;
        progress.done(repetition);
    }
    report.figures.extend([
        Figure::latency("P5", "drift written → WatchDrift at the hub tells it", &known)
            .over(&probes),
        Figure::latency("", "  drift written → a raw watch sees the same write", &own)
            .over(&probes),
        Figure::latency("", "  a raw watch sees it → WatchDrift tells it", &after),
    ]);
    report.judge(("P5", "drift → the hub has the report"), "first", &known, (15.0, Some(40.0)));
    let over = ms(known.median()) - ms(probes.median());
    report.judge_number(("P5", "drift → report, p50 over the floor's"), "then", (over, 5.0, "ms"));
    report.notes.push(
        "P5 floor: an equal edit of another binding → its watch event. Between repetitions the edit is \
         taken back and the hub has cleared it"
            .to_owned(),
    );
    Ok(())
}
