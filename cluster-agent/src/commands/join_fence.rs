//! The part of `join` that puts the fence into the cluster.
//!
//! ```text
//! namespace → kind Ceiling → Ceiling, if there is none → policies → rights of the model → proof
//! ```
//!
//! The rights come after what bounds them. The proof is made as the agent, with dry runs: what a
//! version number promises is not believed.

use std::time::Duration;

use anyhow::Context as _;
use hanse_domain::ceiling::Ceiling;
use kube::Client;
use kube::api::DynamicObject;

use super::AdminAccess;
use super::join::{FenceArgs, FenceMode, ModelChoice};
use super::join_steps::{Steps, refused};
use crate::fence::{self, FenceReport, Level};
use crate::kube::client::ClusterFacts;
use crate::kube::install;
use crate::kube::writers::Model;
use crate::terminal::{self, Failed, Mark};

/// New rights and policies are enforced about a second after they were written.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(500);
/// The first minor version of Kubernetes with constrained impersonation by default.
const IMPERSONATE_MINOR: u32 = 36;

/// The Ceiling that the administrator gave, if any.
pub(super) fn read_ceiling(args: &FenceArgs) -> anyhow::Result<Option<DynamicObject>> {
    let Some(text) = read_text(args)? else { return Ok(None) };
    let bad = |error: install::InstallError| {
        Failed::new("this is no Ceiling", error)
            .hint("for one to begin with: hanse-agent join … --fence print")
    };
    let ceiling = install::ceiling(&text).map_err(bad)?;
    install::ceiling_spec(&ceiling).map_err(bad)?;
    Ok(Some(ceiling))
}

fn read_text(args: &FenceArgs) -> anyhow::Result<Option<String>> {
    let Some(file) = &args.ceiling else { return Ok(None) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the Ceiling in {}", file.display()))?;
    Ok(Some(text))
}

/// Prints everything, for a person to look at and to apply: with the Ceiling that was given, or the one
/// that the cluster has, or the shipped one.
pub(super) async fn print(admin: &AdminAccess, args: &FenceArgs) -> anyhow::Result<()> {
    let client: Client = admin.access().client().await?;
    let facts = ClusterFacts::read(&client).await.map_err(|error| {
        Failed::new("the cluster cannot be looked at", error)
            .hint(format!("kubectl{} get namespace kube-system", admin.as_flags()))
    })?;
    let model = match args.model {
        ModelChoice::Bind => Model::Bind,
        ModelChoice::Impersonate => Model::Impersonate,
        ModelChoice::Auto => by_version(&facts),
    };
    let text = match read_ceiling(args)? {
        Some(_) => read_text(args)?,
        None => install::ceiling_text(&client).await.map_err(|e| refused(&e))?,
    };
    terminal::data(&install::manifests(model, text.as_deref())?);
    terminal::note(&format!(
        "this is all that join would install, in the model {model}. Look through it, change the \
         Ceiling as you see fit, then:\n  kubectl apply{} -f FILE\n  and the same join command with \
         --fence apply --model {model}, which leaves your Ceiling as it is",
        admin.as_flags()
    ));
    Ok(())
}

/// Installs namespace, fence and rights, and sees that they hold.
pub(super) async fn install(
    steps: &Steps,
    args: &FenceArgs,
    given: Option<&DynamicObject>,
) -> anyhow::Result<()> {
    steps.apply(&install::base()?).await?;
    let first = match args.model {
        ModelChoice::Bind => Model::Bind,
        ModelChoice::Impersonate => Model::Impersonate,
        ModelChoice::Auto => by_version(&steps.cluster),
    };
    let default = install::default_ceiling()?;
    let wanted = given.unwrap_or(&default);
    if args.fence == FenceMode::None {
        return unfenced(steps, first, &install::ceiling_spec(wanted)?).await;
    }
    steps.apply(&install::definition()?).await?;
    let ceiling = ceiling(steps, wanted).await?;
    steps.apply(&install::policies()?).await?;
    rights(steps, first, &ceiling).await?;
    if steps.dry_run {
        return Ok(());
    }
    let mut report = proof(steps).await?;
    if first == Model::Impersonate && args.model == ModelChoice::Auto && !report.broken().is_empty()
    {
        let why = report.broken().join("; ");
        let text = format!("this API server cannot do the model impersonate ({why}); taking bind");
        terminal::step(Mark::Warning, &text);
        rights(steps, Model::Bind, &ceiling).await?;
        report = proof(steps).await?;
    }
    tell(&report, &ceiling)
}

async fn unfenced(steps: &Steps, model: Model, ceiling: &Ceiling) -> anyhow::Result<()> {
    rights(steps, model, ceiling).await?;
    terminal::step(
        Mark::Warning,
        "THERE IS NO FENCE: whoever gets hold of the agent's token can make themselves \
         administrator of this cluster, and nothing in it stops a hub that lies to the agent but the \
         agent itself. To put it right, join again with --fence apply",
    );
    Ok(())
}

async fn ceiling(steps: &Steps, wanted: &DynamicObject) -> anyhow::Result<Ceiling> {
    if steps.dry_run {
        steps.apply(std::slice::from_ref(wanted)).await?;
        return Ok(install::ceiling_spec(wanted)?);
    }
    let (found, made) =
        install::ensure_ceiling(&steps.client, wanted).await.map_err(|e| refused(&e))?;
    let text = if made {
        "Ceiling hanse is made; it is yours to change: kubectl edit ceiling hanse"
    } else {
        "Ceiling hanse is there already, and stays as it is"
    };
    terminal::step(Mark::Good, text);
    Ok(install::ceiling_spec(&found)?)
}

async fn rights(steps: &Steps, model: Model, ceiling: &Ceiling) -> anyhow::Result<()> {
    steps.apply(&install::rights(model, ceiling)?).await?;
    if steps.dry_run {
        return Ok(());
    }
    for gone in install::remove_other(&steps.client, model).await.map_err(|e| refused(&e))? {
        terminal::step(Mark::Good, &format!("{gone} of the other model is removed"));
    }
    Ok(())
}

/// Looks at the fence as the agent, until it stands or has had its time.
async fn proof(steps: &Steps) -> anyhow::Result<FenceReport> {
    let agent = steps.as_agent().await?;
    let mut attempts = 0;
    loop {
        let looked = fence::check(&agent).await;
        attempts += 1;
        match looked {
            Ok(report) if report.broken().is_empty() || attempts >= ATTEMPTS => return Ok(report),
            Err(error) if attempts >= ATTEMPTS => {
                return Err(Failed::new("the fence cannot be looked at", error)
                    .hint("kubectl get --raw /readyz")
                    .into());
            }
            Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn tell(report: &FenceReport, ceiling: &Ceiling) -> anyhow::Result<()> {
    let broken = report.broken();
    if !broken.is_empty() {
        return Err(Failed::new("the fence does not stand", broken.join("; "))
            .hint(
                "look at what else changes admission here: kubectl get \
                   validatingadmissionpolicybindings,validatingwebhookconfigurations",
            )
            .into());
    }
    for finding in report.findings.iter().filter(|finding| finding.level == Level::Warning) {
        let why = finding.why.as_deref().unwrap_or_default();
        terminal::step(Mark::Warning, &format!("{}: {why}", finding.check));
    }
    let text = format!("the fence stands (model {}); its Ceiling lets the fleet do:", report.model);
    terminal::step(Mark::Good, &text);
    for line in ceiling.in_words() {
        terminal::note(&format!("    {line}"));
    }
    Ok(())
}

fn by_version(facts: &ClusterFacts) -> Model {
    if facts.minor() >= IMPERSONATE_MINOR { Model::Impersonate } else { Model::Bind }
}
