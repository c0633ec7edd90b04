//! `hanse get`: lists documents, clusters, revisions or drift.

mod documents;
mod messages;

use crate::app::Session;
use crate::failure::{Failure, Outcome};
use crate::kinds::{KINDS, Resource};
use crate::output::Format;
use crate::selector;

#[derive(Debug, clap::Args)]
#[command(after_help = "Kinds: namespaces (fns), roles (frole), bindings (frb), secrets (fsec), \
    invariants (ai); all for every document; clusters; revisions; drift.")]
pub(crate) struct Args {
    /// KIND, KIND NAME… or KIND/NAME
    #[arg(value_name = "KIND NAME", required = true)]
    what: Vec<String>,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,

    /// Only what has these labels, such as env=prod,region in (eu,us),!legacy
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let (resource, names) = named(&self.what)?;
        let selector = self.selector.as_deref().map(selector::parse).transpose()?;
        if selector.is_some() && matches!(resource, Resource::Revisions | Resource::Drift) {
            return Err(Failure::usage(
                "revisions and drift have no labels: -l makes no sense here",
            ));
        }
        let hub = session.hub().await?;
        match resource {
            Resource::All => {
                documents::get(&hub, None, &names, selector.as_ref(), self.output).await
            }
            Resource::Documents(kind) => {
                documents::get(&hub, Some(kind), &names, selector.as_ref(), self.output).await
            }
            Resource::Clusters => {
                messages::clusters(&hub, &names, selector.as_ref(), self.output).await
            }
            Resource::Revisions => messages::revisions(&hub, &names, self.output).await,
            Resource::Drift => messages::drift(&hub, &names, self.output).await,
        }
    }
}

pub(super) fn named(words: &[String]) -> Outcome<(Resource, Vec<String>)> {
    let nothing = || {
        Failure::usage("name a kind")
            .hint(format!("kinds are {KINDS}, all, clusters, revisions, drift"))
    };
    let (first, rest) = words.split_first().ok_or_else(nothing)?;
    if let Some((kind, name)) = first.split_once('/') {
        let resource = Resource::parse(kind)?;
        let mut names = vec![name.to_owned()];
        for word in rest {
            match word.split_once('/') {
                Some((other, name)) if Resource::parse(other)? == resource => {
                    names.push(name.to_owned());
                }
                _ => {
                    return Err(Failure::usage("several things in KIND/NAME must be of one kind"));
                }
            }
        }
        return Ok((resource, names));
    }
    Ok((Resource::parse(first)?, rest.to_vec()))
}
