//! The program: `init`, `serve`, `dev` and `user`.
//!
//! ```text
//! init ─▶ DIR/{ca.crt, ca.key, hub.json, hanse.db, admin.yaml, admin.key}
//! serve ─▶ settings (flags, HANSE_*, hub.json) ─▶ wire ─▶ until SIGTERM
//! dev ─▶ init in a temporary folder ─▶ serve on loopback
//! ```

mod context_file;
mod dev;
mod failure;
mod init;
mod logging;
mod serve;
mod settings;
mod trust;
mod user;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use failure::Failure;
use logging::LogFormat;

/// The hub of Hanse: holds what a fleet of clusters has agreed on and delivers each cluster its share.
#[derive(Debug, Parser)]
#[command(name = "hanse-control-plane", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How log lines are written.
    #[arg(long, global = true, value_enum, default_value_t, env = "HANSE_LOG_FORMAT")]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a hub: its certificate authority, its database and the first administrator.
    Init(init::Init),
    /// Runs the hub until it is told to stop.
    Serve(serve::Serve),
    /// Runs a hub for trying out: on loopback, with everything in a temporary folder.
    Dev(dev::Dev),
    /// People that may call the hub.
    #[command(subcommand)]
    User(user::User),
}

/// Where the hub's files are.
#[derive(Clone, Debug, Args)]
struct Dir {
    /// The hub's folder.
    #[arg(long = "dir", value_name = "DIR", env = "HANSE_DIR")]
    path: PathBuf,
}

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    logging::init(cli.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Err(error) => Err(Failure::new("cannot start").why(error)),
        Ok(runtime) => {
            let outcome = runtime.block_on(dispatch(cli.command));
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
            outcome
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody to tell when that is closed.
            let _ = writeln!(std::io::stderr().lock(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Init(init) => init.run().await,
        Command::Serve(serve) => serve.run().await,
        Command::Dev(dev) => dev.run().await,
        Command::User(user) => user.run().await,
    }
}

/// Writes to stdout; a reader that went away is no error.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
