//! `hanse-agent check`: what is there, what is missing, and what to do about it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{check_steps, run};
use crate::identity::Identity;
use crate::terminal::{self, Mark};

/// How `check` is called.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The directory that `join` wrote
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// A kubeconfig with the agent's rights [default: the one in the directory]
    #[arg(long, value_name = "FILE", conflicts_with = "in_cluster")]
    kubeconfig: Option<PathBuf>,
    /// Use the pod's service account
    #[arg(long)]
    in_cluster: bool,
    /// The form of the output
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Text,
    Json,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) section: &'static str,
    pub(super) check: String,
    pub(super) result: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Good,
    Warning,
    Bad,
}

/// All findings, in order.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn good(&mut self, section: &'static str, check: impl Into<String>) {
        self.push(section, check.into(), Verdict::Good, None, None);
    }

    pub(super) fn warning(
        &mut self,
        section: &'static str,
        check: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (why, hint) = (Some(why.into()), Some(hint.into()));
        self.push(section, check.into(), Verdict::Warning, why, hint);
    }

    pub(super) fn bad(
        &mut self,
        section: &'static str,
        check: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (why, hint) = (Some(why.into()), Some(hint.into()));
        self.push(section, check.into(), Verdict::Bad, why, hint);
    }

    fn push(
        &mut self,
        section: &'static str,
        check: String,
        result: Verdict,
        why: Option<String>,
        hint: Option<String>,
    ) {
        self.0.push(Finding { section, check, result, why, hint });
    }

    fn has_failed(&self) -> bool {
        self.0.iter().any(|finding| finding.result == Verdict::Bad)
    }

    fn show(&self) {
        let mut section = "";
        for finding in &self.0 {
            if finding.section != section {
                section = finding.section;
                terminal::data(&format!("\n{section}\n{}", "-".repeat(section.len())));
            }
            let mark = match finding.result {
                Verdict::Good => Mark::Good,
                Verdict::Warning => Mark::Warning,
                Verdict::Bad => Mark::Bad,
            };
            terminal::data_step(mark, &finding.check);
            if let Some(why) = &finding.why {
                terminal::data(&format!("    why: {why}"));
            }
            if let Some(hint) = &finding.hint {
                terminal::data(&format!("    hint: {hint}"));
            }
        }
        let text = if self.has_failed() { "\nsome checks failed" } else { "\nall is well" };
        terminal::data(text);
    }
}

pub(super) async fn check(args: CheckArgs) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    let identity: Option<Identity> =
        check_steps::identity(&args.dir, args.in_cluster, &mut findings);
    if let Some(identity) = &identity {
        check_steps::hub(identity, &mut findings).await;
    }
    let access = run::access(&args.dir, args.kubeconfig.clone(), args.in_cluster);
    check_steps::cluster(&access, identity.as_ref(), &args.dir, &mut findings).await;
    match args.output {
        Output::Text => findings.show(),
        Output::Json => {
            let ok = !findings.has_failed();
            let json = serde_json::json!({ "ok": ok, "checks": findings.0 });
            terminal::data(&format!("{json:#}"));
        }
    }
    Ok(if findings.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
