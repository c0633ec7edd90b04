//! Where the programs are: beside the one that asks.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

/// The path of one of the workspace's programs.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    // A test lies in `deps/`, one below.
    let found = own.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|p| p.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!("the program {name} is not built\nhint: cargo build --workspace --bins"),
    }
}
