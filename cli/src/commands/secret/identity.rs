//! `hanse secret identity`: the public half of one's age identity, for others to add as an owner.

use crate::failure::{Exit, Outcome};
use crate::output;
use crate::secrets::identity::IdentityArgs;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
An owner can open, change and reseal a secret. What is printed is for others: give it to an owner,
who adds you with hanse secret recipients SECRET --add-owner NAME=age1…

To protect the file with a passphrase:
  age -p -o sealed.key ~/.config/hanse/age.key && mv sealed.key ~/.config/hanse/age.key")]
pub(crate) struct Args {
    #[command(flatten)]
    identity: IdentityArgs,
}

impl Args {
    pub(crate) async fn run(self) -> Outcome {
        let recipient = self.identity.own_recipient().await?;
        output::line(recipient.as_str())?;
        output::note(&format!("of {}", self.identity.path().display()));
        Ok(Exit::OK)
    }
}
