//! `hanse version`: the version of this program. `hanse check` compares it with the hub's.

use serde_json::json;

use crate::failure::{Exit, Outcome};
use crate::output::{self, TextOrJson};

/// This program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOrJson,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        match self.output {
            TextOrJson::Text => output::line(&format!("hanse {VERSION}"))?,
            TextOrJson::Json => output::json(&json!({ "version": VERSION }))?,
        }
        Ok(Exit::OK)
    }
}
