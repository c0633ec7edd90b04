//! `hanse describe`: one thing in full.

mod cluster;
mod document;

use crate::app::Session;
use crate::commands::{get, revisions};
use crate::failure::{Exit, Failure, Outcome};
use crate::kinds::Resource;
use crate::output;
use crate::text::escape;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// KIND NAME or KIND/NAME
    #[arg(value_name = "KIND NAME", required = true)]
    what: Vec<String>,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let (resource, names) = get::named(&self.what)?;
        if names.is_empty() {
            return Err(Failure::usage("name what to describe: KIND NAME or KIND/NAME"));
        }
        let hub = session.hub().await?;
        let mut parts = Vec::new();
        for name in &names {
            parts.push(match resource {
                Resource::Documents(kind) => document::describe(&hub, kind, name).await?,
                Resource::Clusters => cluster::describe(&hub, name).await?,
                Resource::Revisions => {
                    let number = name.parse().map_err(|_| {
                        Failure::usage(format!("`{name}` is not a revision's number"))
                    })?;
                    let answer = revisions::one(&hub, number).await?;
                    revisions::describe(&answer, &revisions::names(&hub, &answer).await)
                }
                Resource::All | Resource::Drift => {
                    return Err(Failure::usage(
                        "only documents, clusters and revisions can be described",
                    ));
                }
            });
        }
        output::data(&parts.join("\n"))?;
        Ok(Exit::OK)
    }
}

/// Lines of "Key:  value", with everything escaped.
pub(crate) fn pairs(pairs: &[(String, String)]) -> String {
    let label = |key: &str| {
        if key.is_empty() { String::new() } else { format!("{key}:") }
    };
    let width = pairs.iter().map(|(key, _)| key.chars().count() + 3).max().unwrap_or(0);
    let lines = pairs.iter().map(|(key, value)| {
        let line = format!("{:<width$}{}", label(key), escape(value));
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}
