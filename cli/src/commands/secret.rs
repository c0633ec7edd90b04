//! `hanse secret`: secrets that are sealed here and opened in the clusters. No value is ever an
//! argument, and none is shown but by `get --reveal` and in the editor of `edit`.

mod delete;
mod edit;
mod get;
mod history;
mod identity;
mod list;
mod recipients;
mod reseal;
mod rotate;
mod set;

use clap::Subcommand;

use crate::app::Session;
use crate::failure::Outcome;
use crate::secrets;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  printf %s \"$PASSWORD\" | hanse secret set db -n shop -l env=prod password=-
  hanse secret set web -n shop --all-clusters --tls-cert web.crt --tls-key web.key
  hanse secret get db --reveal password        as an owner
  hanse secret reseal --all                    for clusters that joined since

Values are sealed on this machine: the hub stores what it cannot open.")]
pub(crate) enum Command {
    /// Make a secret, or give it new values
    Set(set::Args),
    /// Show a secret; its values to an owner who asks for them
    Get(get::Args),
    /// List the secrets
    List(list::Args),
    /// Change the values in an editor
    Edit(edit::Args),
    /// Seal the values anew under a new key, some of them replaced
    Rotate(rotate::Args),
    /// Seal to the clusters that came later
    Reseal(reseal::Args),
    /// Show and change who can open a secret
    Recipients(recipients::Args),
    /// Show which versions there were, and who signed them
    History(history::Args),
    /// Show your age identity's public half; make one when there is none
    Identity(identity::Args),
    /// Take secrets away from all their clusters
    Delete(delete::Args),
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        self.names().into_iter().try_for_each(|name| secrets::check_name(name))?;
        match self {
            Self::Set(args) => args.run(session).await,
            Self::Get(args) => args.run(session).await,
            Self::List(args) => args.run(session).await,
            Self::Edit(args) => args.run(session).await,
            Self::Rotate(args) => args.run(session).await,
            Self::Reseal(args) => args.run(session).await,
            Self::Recipients(args) => args.run(session).await,
            Self::History(args) => args.run(session).await,
            Self::Identity(args) => args.run().await,
            Self::Delete(args) => args.run(session).await,
        }
    }

    /// The secrets that are named.
    fn names(&self) -> Vec<&String> {
        match self {
            Self::Set(args) => vec![&args.name],
            Self::Get(args) => vec![&args.name],
            Self::Edit(args) => vec![&args.name],
            Self::Rotate(args) => vec![&args.name],
            Self::Recipients(args) => vec![&args.name],
            Self::History(args) => vec![&args.name],
            Self::Reseal(args) => args.names.iter().collect(),
            Self::Delete(args) => args.names.iter().collect(),
            Self::List(_) | Self::Identity(_) => Vec::new(),
        }
    }
}
