//! From the arguments to an exit code.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::args::{Cli, Command, Global};
use crate::config::{Config, Context};
use crate::failure::{Exit, Failure, Outcome};
use crate::hub::Hub;
use crate::{editor, output};

/// What a command needs to know besides its own arguments.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) config_path: PathBuf,
    pub(crate) context: Option<String>,
    /// The path was named, by an option or the environment.
    config_given: bool,
}

impl Session {
    fn new(global: &Global) -> Self {
        Self {
            config_path: global.config_path(),
            context: global.context.clone(),
            config_given: global.given_config().is_some(),
        }
    }

    pub(crate) fn config(&self) -> Outcome<Config> {
        Config::load(&self.config_path)
    }

    /// The configuration of a command that needs a hub: a file that was named must be there.
    pub(crate) fn config_with_hub(&self) -> Outcome<Config> {
        let config = self.config()?;
        if self.config_given && config.contexts.is_empty() && !self.config_path.exists() {
            let path = self.config_path.display();
            return Err(Failure::new("not-logged-in", format!("{path} does not exist"))
                .why("--config or HANSE_CONFIG names it")
                .hint("name another, or make it: hanse context import FILE")
                .exit(Exit::NOT_LOGGED_IN));
        }
        Ok(config)
    }

    /// The chosen context of a command that can do without one: nothing only when there is no
    /// configuration and neither it nor a context was named.
    pub(crate) fn context_if_any(&self) -> Outcome<Option<Context>> {
        let named = self.config_given || self.context.is_some();
        let config = self.config_with_hub()?;
        if !named && !self.config_path.exists() {
            return Ok(None);
        }
        config.context(self.context.as_deref()).cloned().map(Some)
    }

    /// Connects to the hub of the chosen context.
    pub(crate) async fn hub(&self) -> Outcome<Hub> {
        let config = self.config_with_hub()?;
        Hub::connect(config.context(self.context.as_deref())?, &self.config_path).await
    }
}

/// Runs the command line.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let command = Cli::command().bin_name(bin_name(args.first()));
    let parsed =
        command.try_get_matches_from(&args).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::CANCELLED.0));
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(Err(Failure::io("no runtime could be started", &error))),
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = dispatch(cli) => outcome,
            failure = interrupted() => Err(failure),
        }
    });
    // A prompt may still hold a thread that reads stdin: it does not keep the process.
    runtime.shutdown_background();
    end(outcome)
}

/// Returns at Ctrl-C, unless it was meant for the editor that has the terminal.
async fn interrupted() -> Failure {
    loop {
        match tokio::signal::ctrl_c().await {
            Ok(()) if editor::is_editing() => {}
            Ok(()) => return Failure::interrupted(),
            Err(error) => return Failure::io("signals cannot be received", &error),
        }
    }
}

/// As `kubectl-hanse`, the program is a plugin, and its users type `kubectl hanse`.
fn bin_name(program: Option<&OsString>) -> &'static str {
    let stem = program.and_then(|program| Path::new(program).file_stem());
    if stem.is_some_and(|stem| stem == "kubectl-hanse") { "kubectl hanse" } else { "hanse" }
}

fn end(outcome: Outcome) -> ExitCode {
    let exit = outcome.unwrap_or_else(|failure| {
        if !failure.is_quiet() {
            output::note(&failure.to_string());
        }
        failure.exit_code()
    });
    ExitCode::from(exit.0)
}

async fn dispatch(cli: Cli) -> Outcome {
    let session = Session::new(&cli.global);
    match cli.command {
        Command::Init(args) => args.run(&session).await,
        Command::Plan(args) => args.run(&session).await,
        Command::Apply(args) => args.run(&session).await,
        Command::Diff(args) => args.run(&session).await.map_err(Failure::of_comparison),
        Command::Get(args) => args.run(&session).await,
        Command::Describe(args) => args.run(&session).await,
        Command::Edit(args) => args.run(&session).await,
        Command::Delete(args) => args.run(&session).await,
        Command::Sign(args) => args.run(&session).await,
        Command::Proposals(args) => args.run(&session).await,
        Command::Trust(command) => command.run(&session).await,
        Command::Secret(command) => command.run(&session).await,
        Command::Explain(args) => args.run(),
        Command::Cluster(command) => command.run(&session).await,
        Command::JoinToken(command) => command.run(&session).await,
        Command::Drift(args) => args.run(&session).await.map_err(Failure::of_comparison),
        Command::WhoCan(args) => args.run(&session).await,
        Command::WhatCan(args) => args.run(&session).await,
        Command::CanI(args) => args.run(&session).await.map_err(Failure::of_comparison),
        Command::Access(command) => command.run(&session).await,
        Command::Report(command) => command.run(&session).await,
        Command::Groups(command) => command.run(&session).await,
        Command::Revisions(args) => args.run(&session).await,
        Command::Wait(args) => args.run(&session).await,
        Command::Check(args) => args.run(&session).await,
        Command::Auth(command) => command.run(&session).await,
        Command::Context(command) => command.run(&session),
        Command::Completion(args) => args.run(),
        Command::Man(args) => args.run(),
        Command::Version(args) => args.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_names_the_program_as_it_is_typed() {
        for (program, expected) in [
            ("hanse", "hanse"),
            ("/usr/local/bin/kubectl-hanse", "kubectl hanse"),
            ("kubectl-hanse.exe", "kubectl hanse"),
            ("", "hanse"),
        ] {
            assert_eq!(bin_name(Some(&program.into())), expected);
        }
    }
}
