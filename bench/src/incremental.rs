//! What a change of three clusters costs in fleets of 100, 1,000 and 10,000: it must be what three
//! cost. In this process, without a cluster or a hub: the same code that an author's machine and the
//! hub run. Each round makes the same change in every fleet, one right after the other, so that noise
//! meets them alike, and what counts is how the medians relate.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use hanse_domain::change::Change;
use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Everything, Fleet};
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_domain::plan::{self, PlanError};
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;
use jiff::Timestamp;

use crate::output;
use crate::report::{Figure, Report};
use crate::stats::{Samples, ms};
use crate::synthetic::{EVERYWHERE, GROUP, binding, cluster, document, of_group, role};

const SIZES: [usize; 3] = [100, 1_000, 10_000];
/// Documents of each kind that every cluster has.
const SHARED: usize = 5;
/// A tree of 10,000 leaves is twice as high as one of 100; what costs more walks over the fleet.
const MOST: f64 = 2.0;
const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);
/// Signs nothing here, but a trust root needs one.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdcZQTHE0zWCAiZtxpy5o1g3r31XcR/MYxW2buEFIeu";

/// The parts of one change, in turn.
const PARTS: [&str; 2] = ["author: plan, propose", "hub: check, verify, proofs"];

/// A fleet and what changes in it have cost.
struct Subject {
    clusters: usize,
    fleet: Fleet,
    costs: [Samples; PARTS.len()],
}

/// Measures `repetitions` changes in each fleet.
pub(crate) fn measure(repetitions: usize, report: &mut Report) -> Result<()> {
    output::say("putting fleets of 100, 1,000 and 10,000 clusters together");
    let mut subjects = Vec::new();
    for clusters in SIZES {
        subjects.push(Subject { clusters, fleet: fleet(clusters)?, costs: Default::default() });
    }
    let mut progress = output::Progress::new("changes of three clusters", repetitions);
    for round in 0..repetitions {
        for subject in &mut subjects {
            subject.change(round)?;
        }
        progress.done(round);
    }
    for (part, name) in PARTS.iter().enumerate() {
        let medians: Vec<(usize, f64)> = subjects
            .iter()
            .filter_map(|subject| {
                let samples = subject.costs.get(part)?;
                let what = format!("{name}, {} clusters", subject.clusters);
                report.figures.push(Figure::latency("", &what, samples).in_micros());
                Some((subject.clusters, ms(samples.median())))
            })
            .collect();
        let (Some((small, least)), Some((large, most))) = (medians.first(), medians.last()) else {
            bail!("nothing was measured");
        };
        let what = format!("{name}: {large} clusters over {small}");
        report.judge_number(("", &what), "first", (most / least, MOST, "×"));
    }
    report.notes.push(format!(
        "incremental: each change puts a role that {GROUP} clusters of the fleet have; besides these \
         there is a role and a binding for every {GROUP} clusters, and {} documents on all. Signatures \
         and the store are not in it",
        3 * SHARED
    ));
    Ok(())
}

impl Subject {
    /// One change of one group, as an author makes it and as the hub takes it.
    fn change(&mut self, round: usize) -> Result<()> {
        let group = (round * 7919 + 13) % (self.clusters / GROUP);
        let document = team_role(group, round)?;
        let base = &self.fleet;
        let started = Instant::now();
        let edits = vec![Edit::Put(document.into())];
        let plan = plan::plan(base, edits, NOW).map_err(|errors| refused(&errors))?;
        let proposed = Change::propose(base, plan.edits, "measure", NOW)?;
        let author = started.elapsed();
        let (bytes, changes) = (&proposed.bytes, proposed.changes.encode());
        let started = Instant::now();
        let change = Change::check(base, bytes, &changes, &proposed.contents)?;
        let errors = plan::verify(&change.fleet, &change.edits);
        let proofs = change.fleet.inclusions(&change.touched);
        let hub = started.elapsed();
        if !errors.is_empty() {
            return Err(refused(&errors));
        }
        if proofs.len() != GROUP {
            bail!("the change touched {} clusters and not {GROUP}", proofs.len());
        }
        self.fleet = change.fleet;
        for (samples, cost) in self.costs.iter_mut().zip([author, hub]) {
            samples.push(cost);
        }
        Ok(())
    }
}

fn refused(errors: &[PlanError]) -> anyhow::Error {
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("the change is refused: {}", text.join("; "))
}

/// A fleet with as many clusters, in groups, and documents for all and for each group.
fn fleet(clusters: usize) -> Result<Fleet> {
    let number = RevisionNumber(1);
    let mut held = Everything::default();
    for n in 0..clusters {
        held.roster.push((cluster(n)?, number));
    }
    for n in 0..SHARED {
        let documents = [
            document("FederatedNamespace", &format!("shared-{n}"), EVERYWHERE, "")?,
            role(&format!("shared-{n}"), EVERYWHERE, 0)?,
            shared_binding(&format!("shared-{n}"), EVERYWHERE, n)?,
        ];
        held.documents.extend(documents.map(|document| (document, number)));
    }
    for group in 0..clusters / GROUP {
        let documents = [team_role(group, usize::MAX)?, team_binding(group)?];
        held.documents.extend(documents.map(|document| (document, number)));
    }
    let key = KEY.parse().context("the key cannot be read")?;
    let chain = RootChain::begin(TrustRoot::single([1; 32], "bench".parse()?, key))?;
    Ok(Fleet::assemble(chain, number, Digest::of(b"history"), held))
}

/// A role of one group; each form has other rules.
fn team_role(group: usize, form: usize) -> Result<Document> {
    role(&format!("team-{group}"), &of_group(group), form)
}

fn team_binding(group: usize) -> Result<Document> {
    shared_binding(&format!("team-{group}"), &of_group(group), group % SHARED)
}

/// A binding to a role that every cluster has.
fn shared_binding(name: &str, placement: &str, role: usize) -> Result<Document> {
    binding(name, placement, &format!("shared-{role}"), name)
}
