//! The command line of `hanse-agent`.

mod check;
mod check_steps;
mod join;
mod join_fence;
mod join_steps;
mod recipient;
mod run;
mod settings;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::kube::client::Access;
use crate::logging::{self, LogFormat};
use crate::terminal;

/// The agent of one cluster in a Hanse fleet.
///
/// It dials out to the hub, applies what the fleet has agreed on for its cluster, and reports every
/// difference between that and what is there.
#[derive(Debug, Parser)]
#[command(name = "hanse-agent", version, max_term_width = 100)]
struct Cli {
    #[arg(help = "How log lines look; HANSE_LOG filters them, such as HANSE_LOG=debug")]
    #[arg(long, global = true, value_enum, default_value_t, env = "HANSE_LOG_FORMAT")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Let a cluster join the fleet, with its administrator's kubeconfig
    Join(Box<join::JoinArgs>),
    /// Run the agent
    Run(run::RunArgs),
    /// Look whether everything that the agent needs is there
    Check(check::CheckArgs),
    /// Show to whom secrets for the cluster are sealed, or make another key for that
    Recipient(recipient::RecipientArgs),
    /// Renew the token of the agent's account, with the administrator's kubeconfig
    Token(token::TokenArgs),
}

/// The administrator's access to the cluster.
#[derive(Debug, Args)]
struct AdminAccess {
    /// The administrator's kubeconfig [default: $KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context in it [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl AdminAccess {
    fn access(&self) -> Access {
        Access::Kubeconfig { file: self.kubeconfig.clone(), context: self.context.clone() }
    }

    /// As it was typed, for a command to paste.
    fn as_flags(&self) -> String {
        let file = self.kubeconfig.as_ref().map(|f| format!(" --kubeconfig {}", quote(f)));
        let context = self.context.as_ref().map(|c| format!(" --context {c}"));
        [file, context].into_iter().flatten().collect()
    }
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = if matches!(cli.command, Command::Run(_)) { "info" } else { "error" };
    logging::start(cli.log_format, filter);
    // One provider for everything that speaks TLS; a second call would change nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match start(cli.command) {
        Ok(code) => code,
        Err(error) => {
            terminal::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?;
    let code = runtime.block_on(async {
        match command {
            Command::Join(args) => join::join(*args).await.map(|()| ExitCode::SUCCESS),
            Command::Run(args) => run::run(args).await.map(|()| ExitCode::SUCCESS),
            Command::Check(args) => check::check(args).await,
            Command::Recipient(args) => {
                recipient::recipient(args).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Token(args) => token::token(args).await.map(|()| ExitCode::SUCCESS),
        }
    });
    // What is cut off here has been waited for already.
    runtime.shutdown_background();
    code
}

/// A path as a shell takes it.
fn quote(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quote("/a/b-c".as_ref()), "/a/b-c");
        assert_eq!(quote("/a b/it's".as_ref()), r"'/a b/it'\''s'");
    }
}
