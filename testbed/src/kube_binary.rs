//! Where the binary is that holds etcd, kube-apiserver and kube-controller-manager.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::error::{Context, Error, Result};

/// Names a binary to use instead of the one that `build.sh` makes.
pub const KUBE_VARIABLE: &str = "HANSE_TESTBED_KUBE";

static FOUND: OnceCell<PathBuf> = OnceCell::const_new();

/// The binary's path. Where it is missing it is built: five minutes, with progress on stderr.
pub async fn locate() -> Result<PathBuf> {
    FOUND.get_or_try_init(find).await.cloned()
}

async fn find() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(KUBE_VARIABLE).map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        return Err(Error::new(
            "cannot find Kubernetes for the testbed",
            format!("{KUBE_VARIABLE} names {}, which is not a file", path.display()),
        )
        .hint(format!("unset {KUBE_VARIABLE} && make testbed")));
    }
    build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("build.sh")).await
}

async fn build(script: &Path) -> Result<PathBuf> {
    let failed = |why: String| {
        Error::new("cannot build Kubernetes for the testbed", why).hint("make testbed")
    };
    if !script.is_file() {
        let why = format!("{} is not there any more", script.display());
        return Err(failed(why).hint(format!(
            "set {KUBE_VARIABLE} to the binary that `testbed/build.sh` prints, or build this program again"
        )));
    }
    let output = Command::new(script)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .path("run", script)?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end());
    if !output.status.success() {
        return Err(failed(format!("{} ended with {}", script.display(), output.status)));
    }
    if !path.is_file() {
        return Err(failed(format!("{} printed no path of a file", script.display())));
    }
    Ok(path)
}
