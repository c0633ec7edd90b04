//! The program `testbed`. Paths go to stdout, everything for people to stderr.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};

use crate::cluster::Cluster;
use crate::error::{Context, Error, Result};
use crate::manifest::{Lock, Manifest};
use crate::process::Lifetime;
use crate::testbed::{Options, Testbed};

/// Real Kubernetes clusters for trying things out: etcd, kube-apiserver and kube-controller-manager.
#[derive(Debug, Parser)]
#[command(name = "testbed", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start clusters and print the paths of their kubeconfigs
    Up {
        /// How many: cluster-1, cluster-2 and so on
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=50))]
        clusters: u16,
        #[command(flatten)]
        place: Place,
        /// Keep all clusters in one etcd: fewer processes, and one fault for all
        #[arg(long)]
        shared_etcd: bool,
        /// Stay in the foreground and end the clusters with this program
        #[arg(long)]
        foreground: bool,
    },
    /// End all clusters and remove their files
    Down {
        #[command(flatten)]
        place: Place,
    },
    /// Make an outage: end one cluster and keep its data
    Stop {
        /// The cluster's name
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// End an outage: start a stopped cluster
    Start {
        /// The cluster's name
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Say what runs
    Status {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The testbed's folder
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Runs the program that the arguments of this process ask for.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .doing(|| "cannot start".into())
        .and_then(|runtime| runtime.block_on(run(arguments.command)));
    match done {
        Ok(code) => code,
        Err(error) => {
            explain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up { clusters, place, shared_etcd, foreground } => {
            let lifetime = if foreground { Lifetime::Guarded } else { Lifetime::Detached };
            let mut options = Options::new(place.dir, clusters.into());
            options.shared_etcd = shared_etcd;
            options.lifetime = lifetime;
            return up(options).await;
        }
        Command::Down { place } => down(&place.dir).await?,
        Command::Stop { name, place } => stop(&name, &place.dir).await?,
        Command::Start { name, place } => start(&name, &place.dir).await?,
        Command::Status { place } => status(&place.dir)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn up(options: Options) -> Result<ExitCode> {
    let (count, dir) = (options.names.len(), options.dir.clone());
    if Manifest::read(&dir)?.is_some_and(|there| !there.is_abandoned()) {
        up_again(&dir, count).await?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("starting {} in {}", clusters(count), dir.display()));
    let begun = Instant::now();
    let lifetime = options.lifetime;
    let testbed = tokio::select! {
        testbed = Testbed::up(options) => testbed?,
        () = interrupted() => {
            say("interrupted: what was being started has ended");
            if let Some(left) = Manifest::read(&dir)? {
                left.remove(&dir)?;
            }
            return Ok(ExitCode::from(130));
        }
    };
    let seconds = begun.elapsed().as_secs_f32();
    say(&format!(
        "{} of Kubernetes {} ready after {seconds:.1} s",
        clusters(count),
        testbed.kubernetes()
    ));
    print_kubeconfigs(&testbed)?;
    next_steps(&testbed);
    if lifetime == Lifetime::Guarded {
        say("in the foreground: Ctrl-C ends the clusters");
        tokio::select! { () = interrupted() => (), () = all_ended(&testbed) => () }
        say("ending the clusters");
        testbed.down().await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Someone else ended the clusters.
async fn all_ended(testbed: &Testbed) {
    while testbed.clusters().iter().any(Cluster::is_running) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What is there stays; what does not run of it is started.
async fn up_again(dir: &Path, count: usize) -> Result<()> {
    let (_lock, testbed) = open(dir).await?;
    let there = testbed.clusters().len();
    if there != count {
        let why = format!("a testbed of {} is there", clusters(there));
        return Err(Error::new(
            format!("cannot start {} in {}", clusters(count), dir.display()),
            why,
        )
        .hint(format!("testbed down --dir {}", dir.display())));
    }
    let stopped: Vec<_> = testbed.clusters().iter().filter(|c| !c.is_running()).collect();
    if stopped.is_empty() {
        say(&format!("{} already running in {}", clusters(count), dir.display()));
    } else {
        let names: Vec<_> = stopped.iter().map(|cluster| cluster.name()).collect();
        changeable(&testbed)?;
        say(&format!("a testbed is there; starting what is stopped: {}", names.join(", ")));
        testbed.start(stopped).await?;
    }
    print_kubeconfigs(&testbed)?;
    next_steps(&testbed);
    Ok(())
}

async fn down(dir: &Path) -> Result<()> {
    if Manifest::read(dir)?.is_none() {
        say(&format!("no testbed in {}: nothing to end", dir.display()));
        say(&format!("next: testbed up --clusters 2 --dir {}", dir.display()));
        return Ok(());
    }
    let (_lock, testbed) = open(dir).await?;
    let count = testbed.clusters().len();
    say(&format!("ending {} in {}", clusters(count), dir.display()));
    testbed.down().await?;
    say(&format!("done; next: testbed up --clusters {count} --dir {}", dir.display()));
    Ok(())
}

async fn stop(name: &str, dir: &Path) -> Result<()> {
    let (_lock, testbed) = open(dir).await?;
    let cluster = testbed.cluster(name)?;
    changeable(&testbed)?;
    cluster.stop().await?;
    testbed.save()?;
    say(&format!("{name} is stopped; its data stays"));
    say(&format!("next: testbed start {name} --dir {}", dir.display()));
    Ok(())
}

async fn start(name: &str, dir: &Path) -> Result<()> {
    let (_lock, testbed) = open(dir).await?;
    let cluster = testbed.cluster(name)?;
    changeable(&testbed)?;
    if cluster.is_running() {
        say(&format!("{name} is running already"));
    } else {
        let begun = Instant::now();
        testbed.start([cluster]).await?;
        say(&format!("{name} is ready after {:.1} s", begun.elapsed().as_secs_f32()));
    }
    say(&format!("next: kubectl --kubeconfig {} get namespaces", cluster.kubeconfig().display()));
    Ok(())
}

fn status(dir: &Path) -> Result<()> {
    let testbed = Testbed::attach(dir)?;
    let mut lines = vec![format!("Kubernetes {} in {}", testbed.kubernetes(), dir.display())];
    for cluster in testbed.clusters() {
        let state = if cluster.is_running() { "running" } else { "stopped" };
        let (name, url, kubeconfig) = (cluster.name(), cluster.url(), cluster.kubeconfig());
        lines.push(format!("{name}\t{state}\t{url}\t{}", kubeconfig.display()));
    }
    print(&lines)?;
    next_steps(&testbed);
    Ok(())
}

/// The testbed in the folder, with nobody else changing it.
async fn open(dir: &Path) -> Result<(Lock, Testbed)> {
    Testbed::attach(dir)?;
    let lock = Lock::take(dir).await?;
    Ok((lock, Testbed::attach(dir)?))
}

/// Only the program that guards clusters may start and stop them.
fn changeable(testbed: &Testbed) -> Result<()> {
    if testbed.lifetime() == Lifetime::Detached {
        return Ok(());
    }
    let dir = testbed.dir().display();
    Err(Error::new(
        format!("cannot stop or start clusters in {dir}"),
        "they belong to the program that runs them in the foreground",
    )
    .hint(format!("end that program, then: testbed down --dir {dir}")))
}

fn next_steps(testbed: &Testbed) {
    let dir = testbed.dir().display();
    let Some(first) = testbed.clusters().first() else {
        return;
    };
    say(&format!("try:  kubectl --kubeconfig {} get namespaces", first.kubeconfig().display()));
    say(&format!("then: testbed stop {} --dir {dir}", first.name()));
    say(&format!("end:  testbed down --dir {dir}"));
}

fn print_kubeconfigs(testbed: &Testbed) -> Result<()> {
    let paths = testbed.clusters().iter().map(Cluster::kubeconfig);
    print(&paths.map(|path| path.display().to_string()).collect::<Vec<_>>())
}

/// Data, for a program that reads it. One that stops reading has what it wants.
fn print(lines: &[String]) -> Result<()> {
    let text = lines.join("\n") + "\n";
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.doing(|| "cannot write to stdout".into()),
    }
}

/// For people. Nobody to read it is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn explain(error: &Error) {
    say(&format!("error: {}", error.what()));
    say(&format!("why: {}", error.why()));
    if let Some(hint) = error.help() {
        say(&format!("hint: {hint}"));
    }
}

fn clusters(count: usize) -> String {
    if count == 1 { "1 cluster".into() } else { format!("{count} clusters") }
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
}
