//! What the kernel says of a process: its CPU time and its memory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// `USER_HZ`, which is 100 on every Linux that this runs on (proc(5)).
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of all threads, also of those that have ended, in steps of 10 ms.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks(&stat).with_context(|| format!("cannot understand the stat of {pid}"))?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// utime + stime: fields 14 and 15. The name, field 2, may hold spaces and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) rss: u64,
    /// Pages that are shared with other processes count in part.
    pub(crate) pss: u64,
}

/// How much memory a process has now.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let bytes = |key: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    let found = bytes("Rss:").zip(bytes("Pss:"));
    found.map(|(rss, pss)| Memory { rss, pss }).context("no Rss and Pss in smaps_rollup")
}

/// The hub that serves from this folder.
pub(crate) fn hub(dir: &Path) -> Result<u32> {
    let serves = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let args: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let program = args.first().map(|arg| Path::new(OsStr::from_bytes(arg)).file_name());
        program.flatten() == Some(OsStr::new("hanse-control-plane"))
            && args.contains(&b"serve".as_slice())
            && args.contains(&dir.as_os_str().as_bytes())
    };
    std::fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .find(serves)
        .context("the hub's process is not there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_spaces() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 5 0 99 1 2";
        assert_eq!(ticks(stat), Some(42));
    }

    #[test]
    fn this_process_has_memory() {
        let own = memory(std::process::id()).ok();
        assert!(own.is_some_and(|own| own.rss >= own.pss && own.pss > 0), "{own:?}");
    }
}
