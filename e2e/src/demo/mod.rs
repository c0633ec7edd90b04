//! The demo: starts everything, tells the story, then stays up until Ctrl-C.

mod contexts;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use hanse_e2e::story::{self, Place, Printing, Step, Story};
use hanse_e2e::{Agent, Hub, binary};
use hanse_testbed::{Options, Testbed};

/// Tells the story of a federation on real clusters
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Args {
    /// Folder for everything that the demo makes; emptied at the start
    #[arg(long, env = "DEMO_DIR", default_value = "demo-data")]
    dir: PathBuf,
    /// End after the story, with exit code 0 only if every step was really observed
    #[arg(long, env = "DEMO_EXIT", value_parser = clap::builder::FalseyValueParser::new())]
    exit: bool,
    /// Existing kubeconfig contexts to use instead of new clusters, separated by spaces
    #[arg(long, env = "CONTEXTS", default_value = "")]
    contexts: String,
}

pub(crate) async fn main() -> ExitCode {
    let args = Args::parse();
    let ended = tokio::select! {
        ended = run(&args) => ended,
        _ = tokio::signal::ctrl_c() => {
            anstream::eprintln!("\nended; everything that the demo started is gone");
            return ExitCode::from(130);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!(
                "\nerror: {error:#}\nhint: what each program printed is in {}",
                args.dir.display()
            );
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    let begin = Instant::now();
    let (dir, _lock) = fresh(&args.dir)?;
    let names: Vec<&str> = args.contexts.split_whitespace().collect();
    let testbed = if names.is_empty() {
        anstream::println!(
            "Starting three Kubernetes clusters: etcd, kube-apiserver and kube-controller-manager each …"
        );
        let testbed = Testbed::up(Options::new(dir.join("clusters"), 3)).await?;
        anstream::println!(
            "√ three clusters of Kubernetes {} are ready after {:.1} s",
            testbed.kubernetes(),
            begin.elapsed().as_secs_f32()
        );
        Some(testbed)
    } else {
        None
    };
    let clusters = match &testbed {
        Some(testbed) => contexts::of_testbed(testbed, &dir).await?,
        None => contexts::existing(&names, &dir).await?,
    };
    let (hub, _) = Hub::init(&dir.join("hub"), None).await?;
    hub.start().await?;
    anstream::println!("√ a hub listens on https://{}, on SQLite, with its own CA", hub.people());

    let hanse = hub.hanse()?;
    let last = clusters.len() - 1;
    let places = clusters
        .iter()
        .enumerate()
        .map(|(index, (agent, client))| Place {
            agent,
            client: client.clone(),
            production: last == 0 || index < last,
        })
        .collect();
    let story = Story { hanse: &hanse, hub: &hub, places, examples: story::examples() };
    let mut narrator = Printing::default();
    for step in Step::ALL {
        story.take(step, &mut narrator).await?;
    }
    anstream::println!(
        "\n\x1b[1mThe story took {:.0} s, and every step was observed.\x1b[0m",
        begin.elapsed().as_secs_f32()
    );
    if args.exit {
        return Ok(());
    }
    what_next(&dir, &hub, testbed.as_ref(), &clusters)?;
    std::future::pending().await
}

/// An empty folder, and the lock that keeps others out of it. One that a demo still uses is left alone.
fn fresh(dir: &Path) -> Result<(PathBuf, File)> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    if lock.try_lock().is_err() {
        bail!(
            "another demo uses {}: end it with Ctrl-C, or take another folder: \
             make demo DEMO_DIR=demo-2",
            dir.display()
        );
    }
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            std::fs::remove_dir_all(&path)
                .with_context(|| format!("cannot empty {}", path.display()))?;
        } else if path.file_name().is_some_and(|name| name != "lock") {
            std::fs::remove_file(&path)?;
        }
    }
    Ok((dir.canonicalize()?, lock))
}

fn what_next(
    dir: &Path,
    hub: &Hub,
    testbed: Option<&Testbed>,
    clusters: &[(Agent, kube::Client)],
) -> Result<()> {
    let programs = binary("hanse")?;
    let programs = programs.parent().context("no folder")?;
    anstream::println!("\nIt all stays up. In another terminal:\n");
    anstream::println!(
        "  export PATH={}:$PATH HANSE_CONFIG={} HANSE_AGE_IDENTITY={}",
        programs.display(),
        hub.config().display(),
        hub.author().join("config/hanse/age.key").display()
    );
    anstream::println!("  hanse cluster list                     # who is in the fleet");
    anstream::println!("  hanse get all                          # what was agreed on");
    anstream::println!(
        "  hanse drift --watch                    # leave it open, and edit something:"
    );
    if let Some(cluster) = testbed.and_then(|testbed| testbed.clusters().first()) {
        anstream::println!(
            "  kubectl --kubeconfig {} -n payments delete rolebinding hanse:ns:payments-team",
            cluster.kubeconfig().display()
        );
    }
    if let Some((agent, _)) = clusters.last() {
        anstream::println!(
            "  hanse cluster label {} env=prod   # watch it get its share",
            agent.cluster()
        );
    }
    anstream::println!("  hanse revisions                        # who changed what, when and why");
    anstream::println!(
        "  hanse who-can get secrets -n payments  # in every cluster, and by which path"
    );
    anstream::println!("  hanse access explain group:oidc:payments list pods -n payments");
    anstream::println!("  hanse access escalations               # who could become what");
    anstream::println!("  hanse report access --out access.html  # a page to print");
    anstream::println!("  hanse secret get {} --reveal  # you are its owner", story::SECRET);
    anstream::println!(
        "  hanse trust show                       # whose signatures count for what"
    );
    anstream::println!("\nWhat each program printed is in {}.", dir.display());
    if testbed.is_none() {
        anstream::println!("To take the agents out of your clusters afterwards:");
        for (agent, _) in clusters {
            anstream::println!(
                "  C=\"kubectl --context {}\"; \
                 $C delete validatingadmissionpolicybinding,validatingadmissionpolicy hanse-fence-guard \
                 hanse-fence-ceiling; $C delete clusterrolebinding,clusterrole hanse-agent hanse-ceiling; \
                 $C delete crd ceilings.fence.hanse.dev; $C delete namespace hanse-agent",
                agent.cluster()
            );
        }
    }
    anstream::println!("\nCtrl-C ends everything that the demo started.");
    Ok(())
}
