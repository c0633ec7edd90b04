//! The command line: global options and the commands.

use std::path::PathBuf;

use clap::builder::TypedValueParser as _;
use clap::{Parser, Subcommand};

use crate::commands::{
    access, apply, auth, can_i, check, cluster, completion, context, delete, describe, diff, drift,
    edit, explain, get, groups, init, join_token, man, plan, proposals, report, revisions, secret,
    sign, trust, version, wait, what_can, who_can,
};
use crate::config;

/// Who may do what, over a whole fleet of Kubernetes clusters
#[derive(Debug, Parser)]
#[command(name = "hanse", version, propagate_version = false, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 cancelled or not understood, 4 not logged in; \
    diff, drift and access violations: 0 none, 1 some, above 1 failed; can-i: 0 yes, 1 no."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// Context to use instead of the current one
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(crate) context: Option<String>,

    /// File with the contexts; ~/.config/hanse/config.yaml by default
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "HANSE_CONFIG",
        value_parser = clap::builder::OsStringValueParser::new().map(PathBuf::from),
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) config: Option<PathBuf>,
}

impl Global {
    pub(crate) fn config_path(&self) -> PathBuf {
        let env = |name: &str| std::env::var_os(name).map(PathBuf::from);
        self.given_config().cloned().unwrap_or_else(|| config::default_path(env))
    }

    /// The file that was named; an empty name is none.
    pub(crate) fn given_config(&self) -> Option<&PathBuf> {
        self.config.as_ref().filter(|path| !path.as_os_str().is_empty())
    }
}

/// The commands, in the order in which one meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the first trust root of a new fleet, and a key to sign with
    Init(init::Args),
    /// Show what files would change, cluster by cluster
    Plan(plan::Args),
    /// Make the fleet as files say
    Apply(apply::Args),
    /// Show how files differ from what the fleet has
    Diff(diff::Args),
    /// List documents, clusters, revisions or drift
    Get(get::Args),
    /// Show one thing in full
    Describe(describe::Args),
    /// Change a document in an editor
    Edit(edit::Args),
    /// Take documents away
    Delete(delete::Args),
    /// Sign a change that somebody else proposed
    Sign(sign::Args),
    /// See what waits for the signatures of others
    Proposals(proposals::Args),
    /// See and change whose signatures the fleet believes
    #[command(subcommand)]
    Trust(trust::Command),
    /// Seal secrets to clusters, and open them as an owner
    #[command(subcommand)]
    Secret(Box<secret::Command>),
    /// Explain the fields of a kind
    Explain(explain::Args),
    /// See and change which clusters belong to the fleet
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Let a cluster join
    #[command(subcommand)]
    JoinToken(join_token::Command),
    /// Show what is not as agreed
    Drift(drift::Args),
    /// List who can do something, where, and why
    WhoCan(who_can::Args),
    /// List what somebody can do
    WhatCan(what_can::Args),
    /// Say whether somebody can do something; exit with 1 when not
    CanI(can_i::Args),
    /// Explain, compare and watch who can do what
    #[command(subcommand)]
    Access(access::Command),
    /// Report who could do what, with evidence that others can verify
    #[command(subcommand)]
    Report(Box<report::Command>),
    /// Tell and see who is in which group of people
    #[command(subcommand)]
    Groups(groups::Command),
    /// Show the history
    Revisions(revisions::Args),
    /// Wait for clusters
    Wait(wait::Args),
    /// See whether everything is in order
    Check(check::Args),
    /// See who one is and what one may do
    #[command(subcommand)]
    Auth(auth::Command),
    /// Choose between hubs
    #[command(subcommand)]
    Context(context::Command),
    /// Print the completion script of a shell
    Completion(completion::Args),
    /// Print the manual pages
    Man(man::Args),
    /// Print the version
    Version(version::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn help(command: &mut clap::Command, path: &str, out: &mut String) {
        use std::fmt::Write as _;
        let text = command.render_help().to_string();
        let text: Vec<&str> = text.lines().map(str::trim_end).collect();
        let _ = writeln!(out, "$ {path} --help\n{}\n", text.join("\n").trim_end());
        let names: Vec<String> = command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
            .map(|sub| sub.get_name().to_owned())
            .collect();
        for name in names {
            if let Some(sub) = command.find_subcommand_mut(&name) {
                help(sub, &format!("{path} {name}"), out);
            }
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_of_every_command() {
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut out = String::new();
        help(&mut command, "hanse", &mut out);
        insta::assert_snapshot!(out);
    }

    #[test]
    fn waiting_can_be_turned_off() {
        for (given, expected) in
            [(vec![], true), (vec!["--wait"], true), (vec!["--wait=false"], false)]
        {
            let words = [vec!["hanse", "delete", "role", "x"], given].concat();
            let cli = Cli::try_parse_from(words).ok();
            let waits = cli.and_then(|cli| {
                if let Command::Delete(args) = cli.command { Some(args.commit.wait) } else { None }
            });
            assert_eq!(waits, Some(expected));
        }
    }
}
