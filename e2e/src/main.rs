//! `make demo`: three real clusters, a hub, three agents, and a story that is checked as it is told.

mod demo;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    demo::main().await
}
