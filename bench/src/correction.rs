//! P5b: somebody edits a binding → a watch sees the declared state again. Isolated edits, and edits
//! one right after the other, which is what a controller that fights back looks like.

use std::time::{Duration, Instant};

use anyhow::Result;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;

use crate::drift::EDITOR;
use crate::floor::{Floor, edit, subject};
use crate::output::Progress;
use crate::report::{Figure, Report};
use crate::sight::{self, BindingSight, Sights};
use crate::stats::Samples;
use crate::world::{self, GROUP, NAMESPACE, PREFIX, SERIES, World};

/// Between isolated edits.
const PAUSE: Duration = Duration::from_millis(200);
/// Edits one right after the other, before as many floor probes.
const BLOCK: usize = 20;

pub(crate) async fn measure(world: &World, repetitions: usize, report: &mut Report) -> Result<()> {
    let [isolated, repeated] = SERIES;
    let mut bench = Bench {
        api: Api::namespaced(world.client.clone(), NAMESPACE),
        bindings: sight::bindings(&world.client, NAMESPACE).await?,
        floor: Floor::new(&world.client).await?,
    };

    let (mut floor, mut corrected) = (Samples::default(), Samples::default());
    let mut progress = Progress::new("P5b: put right, isolated", repetitions);
    for repetition in 0..repetitions {
        floor.push(bench.floor.edit_and_answer().await?);
        tokio::time::sleep(PAUSE).await;
        corrected.push(bench.correction(&world::enforced(isolated, repetition), repetition).await?);
        world::settle().await;
        progress.done(repetition);
    }
    tell(report, "isolated", &corrected, &floor);

    let (mut floor, mut corrected) = (Samples::default(), Samples::default());
    let mut progress = Progress::new("P5b: put right, repeated", repetitions);
    for first in (0..repetitions).step_by(BLOCK) {
        let block = first..repetitions.min(first + BLOCK);
        for _ in block.clone() {
            floor.push(bench.floor.edit_and_answer().await?);
        }
        for repetition in block {
            let name = world::enforced(repeated, repetition);
            corrected.push(bench.correction(&name, repetition).await?);
            progress.done(repetition);
        }
        world::settle().await;
    }
    tell(report, "repeated", &corrected, &floor);
    report.notes.push(format!(
        "P5b floor: edit → watch event → a server-side apply in answer → watch event. Isolated: {} ms \
         apart; repeated: {BLOCK} edits, each as soon as the one before is put right, then {BLOCK} \
         floor probes, and so on",
        PAUSE.as_millis()
    ));
    Ok(())
}

fn tell(report: &mut Report, how: &str, corrected: &Samples, floor: &Samples) {
    let figure = format!("drift written → a watch sees it put right, {how}");
    report.figures.push(Figure::latency("P5b", &figure, corrected).over(floor));
    let what = format!("drift → put right, {how}");
    report.judge(("P5b", &what), "first", corrected, (12.0, Some(25.0)));
    report.judge(("P5b", &what), "then", corrected, (6.0, None));
}

struct Bench {
    api: Api<RoleBinding>,
    bindings: Sights<BindingSight>,
    floor: Floor,
}

impl Bench {
    async fn correction(&mut self, binding: &str, repetition: usize) -> Result<Duration> {
        let name = format!("{PREFIX}{binding}");
        let intruder = format!("mallory-{repetition}");
        let edited = [subject("Group", GROUP), subject("User", &intruder)];
        self.bindings.clear();
        let start = Instant::now();
        edit(&self.api, &name, EDITOR, &edited).await?;
        let is_edited =
            |sight: &BindingSight| sight.name == name && sight.subjects.contains(&intruder);
        self.bindings.until(is_edited).await?;
        let is_right = |sight: &BindingSight| sight.name == name && sight.subjects == [GROUP];
        let (seen, _) = self.bindings.until(is_right).await?;
        Ok(seen.duration_since(start))
    }
}
