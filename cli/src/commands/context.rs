//! `hanse context`: which hub one works with.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::app::Session;
use crate::config::{self, Config, FleetPin};
use crate::failure::{Exit, Failure, Outcome};
use crate::output;
use crate::table::Table;
use crate::text::escape;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the contexts
    List,
    /// Make a context the current one
    Use {
        /// Its name
        name: String,
    },
    /// Print the current context's name
    Current,
    /// Add the contexts of a file, such as the admin.yaml of `hanse-control-plane init`
    #[command(after_help = "\
A context names the fleet that it means, by the digest of its first trust root: a hub that shows
another is not believed. A context that names none takes the first that its hub shows, and keeps it;
--fleet says from the beginning which one is meant.")]
    Import {
        /// The file
        file: PathBuf,
        /// Replace contexts that have the same names
        #[arg(long)]
        replace: bool,
        /// The fleet that is meant, as `hanse init` and `hanse trust show` print it
        #[arg(long, value_name = "sha256:…", value_parser = fleet)]
        fleet: Option<FleetPin>,
    },
    /// Forget a context
    Remove {
        /// Its name
        name: String,
    },
}

impl Command {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let mut config = session.config()?;
        match self {
            Self::List => list(&config)?,
            Self::Current => {
                output::line(&escape(&config.context(session.context.as_deref())?.name))?;
            }
            Self::Use { name } => {
                config.context(Some(&name))?;
                config.current_context.clone_from(&name);
                config.store(&session.config_path)?;
                output::note(&format!("the current context is `{}`", escape(&name)));
            }
            Self::Import { file, replace, fleet } => {
                import(session, config, &file, replace, fleet)?;
            }
            Self::Remove { name } => {
                config.context(Some(&name))?;
                config.contexts.retain(|context| context.name != name);
                if config.current_context == name {
                    config.current_context.clear();
                    output::note("it was the current one; choose another: hanse context use NAME");
                }
                config.store(&session.config_path)?;
                output::note(&format!("context `{}` is forgotten", escape(&name)));
            }
        }
        Ok(Exit::OK)
    }
}

fn list(config: &Config) -> Outcome<()> {
    let mut table = Table::new(["CURRENT", "NAME", "SERVER"]);
    for context in &config.contexts {
        let current = if context.name == config.current_context { "*" } else { "" };
        table.row([current.to_owned(), context.name.clone(), context.server.clone()]);
    }
    if table.is_empty() {
        output::note("there are no contexts; add one: hanse context import FILE");
        return Ok(());
    }
    output::data(&table.to_string())
}

fn fleet(text: &str) -> Result<FleetPin, String> {
    FleetPin::try_from(text.to_owned())
}

fn import(
    session: &Session,
    mut config: Config,
    file: &Path,
    replace: bool,
    fleet: Option<FleetPin>,
) -> Outcome<()> {
    if !file.exists() {
        return Err(Failure::new("file", format!("{} does not exist", file.display())));
    }
    let mut other = Config::load(file)?;
    if other.contexts.is_empty() {
        return Err(Failure::new("config", format!("there is no context in {}", file.display())));
    }
    if config::is_exposed(file) {
        output::warn(&format!(
            "others can read {}, and a private key is in it: chmod 600",
            file.display()
        ));
    }
    for context in &mut other.contexts {
        match (context.fleet, fleet) {
            (Some(named), Some(meant)) if named != meant => {
                let why = format!("it names {}", String::from(named));
                let what = format!("the file is of another fleet than {}", String::from(meant));
                return Err(Failure::new("other-fleet", what)
                    .why(why)
                    .hint("ask whoever set the hub up; nothing was imported"));
            }
            (None, Some(_)) => context.fleet = fleet,
            (Some(_) | None, _) => {}
        }
        match context.fleet {
            Some(pin) => output::note(&format!(
                "context `{}` means the fleet {}",
                escape(&context.name),
                String::from(pin)
            )),
            None => output::note(&format!(
                "context `{}` does not say which fleet it means: the first that its hub shows is taken",
                escape(&context.name)
            )),
        }
    }
    let names = config.import(other, replace)?;
    config.store(&session.config_path)?;
    output::note(&format!("imported {}", escape(&names.join(", "))));
    output::note(&format!("the current context is `{}`", escape(&config.current_context)));
    output::note("next: hanse check");
    Ok(())
}
