//! `hanse plan`: what files would change, cluster by cluster. Nothing is changed.

use std::path::{Path, PathBuf};

use hanse_domain::fleet::Edit;

use crate::access::preview::{self, Preview};
use crate::app::Session;
use crate::change;
use crate::failure::{Exit, Failure, Outcome};
use crate::files::Files;
use crate::output;
use crate::plan_file::PlanFile;
use crate::{fleet, plan_json, plan_view};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only there for a better error
    #[arg(hide = true, value_name = "FILE")]
    stray: Vec<PathBuf>,

    #[command(flatten)]
    files: Files,

    /// Write the plan to a file, for `hanse apply FILE`
    #[arg(short, long = "out", value_name = "FILE")]
    out: Option<PathBuf>,

    /// Why, for the history; part of the plan in a file
    #[arg(short, long, value_name = "TEXT", requires = "out")]
    message: Option<String>,

    /// Show the plan as JSON
    #[arg(long)]
    json: bool,

    /// Exit with 2 when something would change
    #[arg(long)]
    detailed_exitcode: bool,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        if let Some(path) = self.stray.first() {
            let path = path.display();
            return Err(Failure::usage(format!("`{path}` is not expected here"))
                .hint(format!("files are named with -f: hanse plan -f {path}")));
        }
        if let Some(path) = &self.out {
            refuse_format(path)?;
        }
        let edits: Vec<Edit> = self
            .files
            .documents()?
            .into_iter()
            .map(|document| Edit::Put(document.into()))
            .collect();
        let hub = session.hub().await?;
        let base = fleet::fetch(&hub).await?;
        let mut plan = change::planned(&base, edits)?;
        change::warn_of_ceilings(&hub, &mut plan).await;
        let changes = !plan.edits.is_empty();
        let message = self.message.unwrap_or_else(|| change::subjects(&base, &plan.edits));
        let change =
            if changes { Some(change::written(&base, &plan.edits, &message)?) } else { None };
        let access = match &change {
            Some(change) => preview::of(&hub, change, &mut plan).await,
            None => Preview::default(),
        };
        if self.json {
            output::json_as_written(&plan_json::show(&base, &plan, &access)?)?;
        } else {
            output::data(&plan_view::show(&base, &plan, &access))?;
        }
        if let Some(path) = &self.out {
            let change = change.ok_or_else(|| {
                Failure::new("no-changes", "there is nothing to write to the plan file")
                    .why("the fleet is like these files already")
            })?;
            PlanFile::of(&base, &change)?.store(path)?;
            output::note(&format!("next: hanse apply {}", path.display()));
        }
        Ok(if changes && self.detailed_exitcode { Exit::CANCELLED } else { Exit::OK })
    }
}

/// Other commands have `-o FORMAT`; here it is a file, and hardly one with such a name.
fn refuse_format(out: &Path) -> Outcome<()> {
    let word = out.to_str().unwrap_or_default();
    if !matches!(word, "json" | "yaml" | "table" | "wide" | "name" | "text") {
        return Ok(());
    }
    Err(Failure::usage(format!("`-o {word}` would write the plan to a file called {word}"))
        .hint(format!("`--json` prints the plan as data; a file by that name: `-o ./{word}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_no_file() {
        let code = |out: &str| refuse_format(Path::new(out)).err().map(|f| f.exit_code());
        for word in ["json", "yaml", "table", "wide", "name"] {
            assert_eq!(code(word), Some(Exit::CANCELLED), "{word}");
        }
        for file in ["./json", "plan.json", "names"] {
            assert_eq!(code(file), None, "{file}");
        }
    }
}
