//! `make bench`: what Hanse costs on a real cluster, each figure next to a floor of the same run.
//!
//! ```text
//! World (cluster, hub, agent) ─┬─ change      P4, P12b ─┐
//!                              ├─ drift       P5        │
//!                              ├─ correction  P5b       ├─► Report ─► output
//!                              ├─ idle        P11       │
//!                              └─ reconnect   P7       ─┘
//! floor, sight: what they are compared with, and how arrivals get their time stamps
//! incremental, rotate (P13), verify: what needs no World; synthetic: what they are measured on
//! cold_start (P8), who_can (P9): likewise; access_fleet: what they are measured on
//! ```

mod access_fleet;
mod admin;
mod change;
mod cold_start;
mod conditions;
mod correction;
mod drift;
mod floor;
mod idle;
mod incremental;
mod output;
mod process;
mod proxy;
mod reconnect;
mod report;
mod rotate;
mod sight;
mod stats;
mod synthetic;
mod verify;
mod who_can;
mod world;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;

use report::Report;
use world::World;

/// Measures Hanse on a real cluster, each figure next to a floor of the same run
#[derive(Debug, Parser)]
struct Args {
    /// How often each latency is measured
    #[arg(long, value_name = "N", default_value_t = 200)]
    repetitions: usize,

    /// Measure only these
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    only: Vec<Part>,

    /// Also write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// A change → seen in the cluster; with it P12b
    P4,
    /// Drift → the hub knows
    P5,
    /// Drift → put right
    P5b,
    /// Nothing to do
    P11,
    /// Bytes to reconnect
    P7,
    /// A change in a large fleet and in a small one; needs no cluster
    Incremental,
    /// A new version of a secret for 1,000 clusters; needs no cluster
    P13,
    /// What an agent checks to believe a change; needs no cluster
    Verify,
    /// The access of 1,000 clusters from the database into the hub's memory; needs no cluster
    P8,
    /// Questions over the access of 1,000 clusters with 10,000 bindings each; needs no cluster
    P9,
}

impl Part {
    /// Whether it is measured on a cluster.
    const fn needs_world(self) -> bool {
        !matches!(self, Self::Incremental | Self::P13 | Self::Verify | Self::P8 | Self::P9)
    }
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Whether anything is measured on a cluster.
    fn wants_world(&self) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| part.needs_world())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let dir = tempfile::tempdir().context("cannot make a folder")?;
    let conditions = conditions::of(args.wants_world().then(|| dir.path()));
    let mut report = Report { conditions, ..Report::default() };
    if args.wants(Part::Incremental) {
        incremental::measure(args.repetitions, &mut report)?;
    }
    if args.wants(Part::P13) {
        rotate::measure(args.repetitions, &mut report)?;
    }
    if args.wants(Part::Verify) {
        verify::measure(args.repetitions, &mut report)?;
    }
    if args.wants(Part::P8) {
        cold_start::measure(dir.path(), &mut report).await?;
    }
    if args.wants(Part::P9) {
        who_can::measure(args.repetitions, &mut report)?;
    }
    if args.wants_world() {
        output::say("starting a cluster, a hub and an agent");
        let mut world = World::start(dir.path(), args.repetitions).await?;
        measure(&args, &mut world, &mut report).await?;
    }
    report.conditions.push(format!("load average at the end: {}", conditions::load()));
    output::print(&report);
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

async fn measure(args: &Args, world: &mut World, report: &mut Report) -> Result<()> {
    if args.wants(Part::P4) {
        change::measure(world, args.repetitions, report).await?;
    }
    if args.wants(Part::P5) {
        drift::measure(world, args.repetitions, report).await?;
    }
    if args.wants(Part::P5b) {
        correction::measure(world, args.repetitions, report).await?;
    }
    if args.wants(Part::P11) {
        idle::measure(world, report).await?;
    }
    idle::memory(world, report)?;
    if args.wants(Part::P7) {
        reconnect::measure(world, report).await?;
    }
    Ok(())
}
