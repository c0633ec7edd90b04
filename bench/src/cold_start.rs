//! P8: from a database to an index that answers: what a hub does before it can be asked who may do
//! what. In this process, with the store and the index of the hub, on SQLite. The floor is one pass
//! over the bytes of the database's file, which the system has in memory in both cases.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hanse_control_plane::store::{
    AccessChange, AccessContents, AccessReport, EnrolmentRow, Sighting, Store, Writer,
};
use hanse_domain::access::index::Index;
use hanse_domain::access::object::Origin;
use hanse_domain::ids::{ClusterId, Digest};
use jiff::{Span, Timestamp};

use crate::access_fleet::{Size, cluster, objects};
use crate::output::{self, Progress};
use crate::report::{Figure, Report, number};
use crate::stats::Samples;

/// 114 cluster roles, 50 namespaces with what is in them, and bindings: 1,000 rows a cluster.
const FLEET: Size = Size { clusters: 1_000, bindings: 486, namespaces: 50, contents: 2_000 };
const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);
const REPETITIONS: usize = 5;
/// Clusters are read by so many tasks, as there are connections to spare.
const READERS: usize = 2;

pub(crate) async fn measure(dir: &Path, report: &mut Report) -> Result<()> {
    let file = dir.join("access.db");
    let url = format!("sqlite:{}", file.display());
    let rows = fill(&url).await?;
    let (mut floor, mut started) = (Samples::default(), Samples::default());
    for _ in 0..REPETITIONS {
        floor.push(pass_over(&file)?);
        let began = Instant::now();
        let index = start(&url).await?;
        started.push(began.elapsed());
        let bindings = index.footprint().bindings;
        if bindings < FLEET.clusters * FLEET.bindings / 2 {
            bail!("only {bindings} bindings came out of the database");
        }
    }
    let what = "cold start: database → index";
    report.figures.push(Figure::latency("P8", what, &started).over(&floor));
    report.judge(("P8", what), "first", &started, (5_000.0, None));
    report.judge(("P8", what), "then", &started, (1_000.0, None));
    report.notes.push(format!(
        "P8: {rows} rows of {} clusters in a database of {} MiB, opened, read by {READERS} tasks and \
         indexed. Floor: one pass over the file",
        FLEET.clusters,
        number(f64::from(u32::try_from(file.metadata()?.len() >> 20)?)),
    ));
    Ok(())
}

/// Opens the database and indexes all that it holds.
async fn start(url: &str) -> Result<Index> {
    let store = Store::open(url).await?;
    let index = Arc::new(Mutex::new(Index::default()));
    let clusters: Vec<ClusterId> =
        store.access_roots().await?.into_iter().map(|row| row.cluster).collect();
    let mut readers = tokio::task::JoinSet::new();
    for part in clusters.chunks(clusters.len().div_ceil(READERS).max(1)) {
        readers.spawn(read(store.clone(), part.to_vec(), Arc::clone(&index)));
    }
    while let Some(done) = readers.join_next().await {
        done??;
    }
    store.close().await;
    let index = Arc::into_inner(index).context("a reader still has the index")?;
    Ok(index.into_inner().unwrap_or_else(PoisonError::into_inner))
}

async fn read(store: Store, clusters: Vec<ClusterId>, index: Arc<Mutex<Index>>) -> Result<()> {
    let mut contents = AccessContents::default();
    for cluster in clusters {
        let held = store.current_access(cluster, &mut contents).await?;
        let objects = held.into_iter().map(|state| (state.key, state.content));
        index.lock().unwrap_or_else(PoisonError::into_inner).load(cluster, objects);
    }
    Ok(())
}

/// As agents report their clusters for the first time. Gives how many rows there are.
async fn fill(url: &str) -> Result<usize> {
    output::say("putting a database of 1,000 clusters together");
    let store = Store::open(url).await?;
    let mut progress = Progress::new("recording a cluster's first report", FLEET.clusters);
    let mut rows = 0;
    for n in 0..FLEET.clusters {
        let cluster = join(&store, n).await?;
        let changes: Vec<AccessChange> = objects(FLEET, n)
            .enumerate()
            .map(|(at, (key, content))| {
                let origin = Origin {
                    uid: format!("{n:08}-{at:08}"),
                    created_at: Some(NOW),
                    changed_at: Some(NOW),
                    manager: "kubectl-client-side-apply".to_owned(),
                    source: String::new(),
                    revision: None,
                };
                AccessChange { key, seen: Some((Arc::new(content), origin)), at: NOW }
            })
            .collect();
        let report = AccessReport {
            changes,
            whole_buckets: BTreeSet::new(),
            gone_at: NOW,
            unseen: BTreeMap::new(),
            skipped: 0,
        };
        let writer = Writer { cluster, stream: 1 };
        let recorded = store.record_access(writer, &report, &Sighting::default(), NOW).await?;
        rows += usize::try_from(recorded.objects)?;
        progress.done(n);
    }
    store.close().await;
    Ok(rows)
}

async fn join(store: &Store, n: usize) -> Result<ClusterId> {
    let name = format!("cluster-{n:05}");
    let token = Digest::of(name.as_bytes());
    let until = NOW.checked_add(Span::new().hours(1))?;
    let enrolment = EnrolmentRow {
        cluster_uid: name.clone(),
        agent_version: String::new(),
        kubernetes_version: String::new(),
        certificate_fingerprint: Digest::of(b"certificate"),
        certificate_expires_at: until,
        recipient: String::new(),
        recipient_vouch: Vec::new(),
    };
    store.invite(&name, &token, cluster(n), "bench", NOW, until).await?;
    let enrolled = store.enrol(&token, &name, &enrolment, NOW).await?;
    Ok(enrolled.context("the cluster cannot join")?.id)
}

fn pass_over(file: &Path) -> Result<Duration> {
    let began = Instant::now();
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.read_to_end(&mut bytes)?;
    std::hint::black_box(bytes.iter().fold(0_u8, |all, byte| all ^ byte));
    Ok(began.elapsed())
}
