//! P4: one changed binding → seen by a watch in the cluster. P12b: what that costs the hub's CPU.
//!
//! ```text
//! Commit sent ─ acknowledged (durable) ┄ the agent has written it into its ledger ┄ seen by a watch
//! ```

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::floor::{Disk, Floor};
use crate::output::Progress;
use crate::process;
use crate::report::{Figure, Report};
use crate::sight::{self, BindingSight};
use crate::stats::{Samples, ms};
use crate::world::{self, CHANGED, GROUP, NAMESPACE, PREFIX, World};

#[derive(Default)]
struct Measured {
    floor: Samples,
    disk: Samples,
    acknowledged: Samples,
    ledger: Samples,
    seen: Samples,
    after_acknowledged: Samples,
}

pub(crate) async fn measure(
    world: &mut World,
    repetitions: usize,
    report: &mut Report,
) -> Result<()> {
    let mut floor = Floor::new(&world.client).await?;
    let mut disk = Disk::new(world.federation.hub.dir())?;
    let mut bindings = sight::bindings(&world.client, NAMESPACE).await?;
    let mut ledger = sight::ledger(&world.client).await?;
    let name = format!("{PREFIX}{CHANGED}");
    let mut measured = Measured::default();
    let mut progress = Progress::new("P4, P12b: a changed binding", repetitions);
    world::settle().await;
    let (cpu_before, began) = (process::cpu(world.hub_pid)?, Instant::now());
    for repetition in 0..repetitions {
        measured.floor.push(floor.apply().await?);
        measured.disk.push(disk.sync()?);
        world::settle().await;

        let group = if repetition % 2 == 0 { "bench:b" } else { GROUP };
        let (change, request) = world.admin.propose(&world::binding(CHANGED, group, "Enforce"))?;
        let generation = change.statement.number.0;
        bindings.clear();
        ledger.clear();
        let sent = Instant::now();
        world.admin.commit(request).await?;
        let acknowledged = Instant::now();
        let is_new = |sight: &BindingSight| sight.name == name && sight.subjects == [group];
        let (seen, _) = bindings.until(is_new).await?;
        let (written, _) = ledger.until(|held| *held == generation).await?;
        world.admin.landed(change);

        measured.acknowledged.push(acknowledged.duration_since(sent));
        measured.ledger.push(written.duration_since(sent));
        measured.seen.push(seen.duration_since(sent));
        measured.after_acknowledged.push(seen.saturating_duration_since(acknowledged));
        world::settle().await;
        progress.done(repetition);
    }
    let cpu = process::cpu(world.hub_pid)?.saturating_sub(cpu_before);
    measured.tell(report);
    tell_cpu(cpu, began.elapsed(), repetitions, report);
    Ok(())
}

impl Measured {
    fn tell(&self, report: &mut Report) {
        report.figures.extend([
            Figure::latency("P4", "Commit sent → a watch in the cluster sees it", &self.seen)
                .over(&self.floor),
            Figure::latency("", "  Commit sent → acknowledged, durable", &self.acknowledged)
                .over(&self.disk),
            Figure::latency(
                "",
                "  Commit sent → in the agent's ledger (seen by a watch)",
                &self.ledger,
            ),
            Figure::latency(
                "",
                "  Commit acknowledged → a watch sees it",
                &self.after_acknowledged,
            )
            .over(&self.floor),
        ]);
        let what = ("P4", "change → seen in the cluster");
        report.judge(what, "first", &self.seen, (12.0, Some(25.0)));
        report.judge(what, "then", &self.seen, (7.0, Some(15.0)));
        report.notes.push(
            "P4 floor: a server-side apply of an equal binding → its watch event; of the \
             acknowledgement: 4 KiB written and synced beside the hub's database"
                .to_owned(),
        );
    }
}

fn tell_cpu(cpu: Duration, elapsed: Duration, repetitions: usize, report: &mut Report) {
    let count = u32::try_from(repetitions.max(1)).unwrap_or(u32::MAX);
    let each = ms(cpu / count);
    let what = "hub CPU for one change to one cluster";
    report.figures.push(Figure::single("P12b", what, "ms", each));
    report.judge_number(("P12b", what), "first", (each, 3.0, "ms"));
    report.judge_number(("P12b", what), "then", (each, 1.0, "ms"));
    report.notes.push(format!(
        "P12b: {} ms of CPU in {:.1} s over {repetitions} changes, everything in the hub's process \
         counted; the clock has steps of 10 ms",
        cpu.as_millis(),
        elapsed.as_secs_f64()
    ));
}
