//! What a change of three clusters costs in fleets of 100, 1,000 and 10,000: it must be what three
//! cost. In this process, without a cluster or a hub: the same code that an author's machine and the
//! hub run. Each round makes the same change in every fleet, one right after the other, so that noise
//! meets them alike, and what counts is how the medians relate.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hanse_domain::change::Change;
use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Everything, Fleet};
use hanse_domain::history::roster::{ClusterEntry, Labels};
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_domain::parse::parse_document;
use hanse_domain::plan::{self, PlanError};
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;
use jiff::Timestamp;

use crate::output;
use crate::report::{Figure, Report};
use crate::stats::{Samples, ms};

const SIZES: [usize; 3] = [100, 1_000, 10_000];
/// Clusters that share the label of a group; a change is about one group.
const GROUP: usize = 3;
/// Documents of each kind that every cluster has.
const EVERYWHERE: usize = 5;
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
                report.figures.push(figure(name, subject.clusters, samples));
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
        3 * EVERYWHERE
    ));
    Ok(())
}

fn figure(name: &str, clusters: usize, samples: &Samples) -> Figure {
    let micro = |duration: Duration| ms(duration) * 1000.0;
    Figure {
        unit: "µs",
        median: micro(samples.median()),
        p99: Some(micro(samples.p99())),
        ..Figure::latency("", &format!("{name}, {clusters} clusters"), samples)
    }
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
    let everywhere = "{clusterSelector: {}}";
    for n in 0..EVERYWHERE {
        let documents = [
            document("FederatedNamespace", &format!("shared-{n}"), everywhere, "")?,
            role(&format!("shared-{n}"), everywhere, 0)?,
            binding(&format!("shared-{n}"), everywhere, n)?,
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

fn cluster(n: usize) -> Result<ClusterEntry> {
    let id = format!("0192f0c1-0000-7000-8000-{n:012x}").parse()?;
    let env = if n.is_multiple_of(4) { "prod" } else { "dev" };
    let pairs = [
        ("env", env.to_owned()),
        ("region", format!("r{}", n % 12)),
        ("group", format!("g{}", n / GROUP)),
    ];
    let labels: Labels = pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(ClusterEntry::new(id, format!("cluster-{n}"), labels))
}

fn of_group(group: usize) -> String {
    format!("{{clusterSelector: {{matchLabels: {{group: g{group}}}}}}}")
}

/// A role of one group; each form has other rules.
fn team_role(group: usize, form: usize) -> Result<Document> {
    role(&format!("team-{group}"), &of_group(group), form)
}

fn team_binding(group: usize) -> Result<Document> {
    binding(&format!("team-{group}"), &of_group(group), group % EVERYWHERE)
}

fn role(name: &str, placement: &str, form: usize) -> Result<Document> {
    let rules = format!(
        "  rules:\n  - {{apiGroups: [\"\"], resources: [pods], verbs: [get], resourceNames: [p{form}]}}\n"
    );
    document("FederatedRole", name, placement, &rules)
}

fn binding(name: &str, placement: &str, role: usize) -> Result<Document> {
    let spec = format!(
        "  roleRef: {{kind: FederatedRole, name: shared-{role}}}\n  subjects:\n  \
         - {{kind: Group, name: {name}}}\n  namespaces: [shared-0]\n"
    );
    document("FederatedRoleBinding", name, placement, &spec)
}

fn document(kind: &str, name: &str, placement: &str, spec: &str) -> Result<Document> {
    let text = format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  \
         placement: {placement}\n{spec}"
    );
    parse_document(text.as_bytes()).with_context(|| format!("{kind}/{name} is not valid"))
}
