//! `testbed`: real Kubernetes clusters from the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    hanse_testbed::cli::main()
}
