//! `hanse access`: effective access explained, compared and watched.

mod diff;
mod escalations;
mod explain;
mod matrix;
mod status;
mod violations;
mod watch;

use clap::Subcommand;

use crate::app::Session;
use crate::failure::{Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Explain whether somebody can do something, and why
    Explain(explain::Args),
    /// Show who can do what, subjects by clusters or namespaces
    Matrix(matrix::Args),
    /// Show which access came and went between two moments
    Diff(diff::Args),
    /// List who reaches cluster-admin, secrets or a node, and by which steps
    Escalations(escalations::Args),
    /// List what violates invariants
    Violations(violations::Args),
    /// Show how well the access of each cluster is known
    Status(status::Args),
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Explain(args) => args.run(session).await,
            Self::Matrix(args) => args.run(session).await,
            Self::Diff(args) => args.run(session).await.map_err(Failure::of_comparison),
            Self::Escalations(args) => args.run(session).await,
            Self::Violations(args) => args.run(session).await.map_err(Failure::of_comparison),
            Self::Status(args) => args.run(session).await,
        }
    }
}
