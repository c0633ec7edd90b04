//! `hanse report`: reports with their evidence.

mod access;
mod verify;

use clap::Subcommand;

use crate::app::Session;
use crate::failure::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Report who could do what, at a moment or in a period, with evidence
    Access(access::Args),
    /// Verify a report's bundle, without a hub and without a network
    Verify(verify::Args),
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Access(args) => args.run(session).await,
            Self::Verify(args) => args.run(session).await,
        }
    }
}
