//! Under which conditions a run was made, so that figures of two runs are not compared blindly.

use std::path::Path;

/// Lines for the head of the result; `dir` is the folder of the cluster and the hub, if there are any.
pub(crate) fn of(dir: Option<&Path>) -> Vec<String> {
    let build = if cfg!(debug_assertions) {
        "DEBUG build: the figures say little about Hanse"
    } else {
        "release build"
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let sharing =
        if dir.is_some() { ", shared with the cluster, its etcd and this program" } else { "" };
    let mut lines = vec![format!("{build}; {cores} cores{sharing}")];
    lines.extend(dir.map(|dir| {
        format!(
            "1 cluster with its own etcd, which does not sync; hub on SQLite, which syncs each commit, \
             on {}",
            filesystem(dir).as_deref().unwrap_or("an unknown file system")
        )
    }));
    lines.push(format!("load average at the start: {}", load()));
    lines
}

/// Over 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_ascii_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The type of the file system that a folder is on: the longest mount point above it.
fn filesystem(dir: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    type_of(&mounts, &dir.canonicalize().ok()?)
}

fn type_of(mounts: &str, dir: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    mounts
        .filter(|(point, _)| dir.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\ntmpfs /tmpx ramfs rw 0 0\n";
        assert_eq!(type_of(mounts, Path::new("/tmp/x")).as_deref(), Some("tmpfs"));
        assert_eq!(type_of(mounts, Path::new("/var")).as_deref(), Some("ext4"));
    }
}
