//! Looks for many values at once in files, in folders and in the memory of a process.

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use hanse_probes::canary::{Encoding, find, needles};

/// Read at once.
const CHUNK: usize = 1 << 20;
/// More address space than a hub that is well takes.
const MAX_MEMORY: u64 = 16 << 30;

/// A secret value that is nowhere else in the world.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    pub(crate) name: &'static str,
    pub(crate) value: Vec<u8>,
}

/// Every value in every encoding, by the first two bytes of how it is written.
pub(crate) struct Search {
    canaries: Vec<Canary>,
    needles: Vec<(usize, Encoding, Vec<u8>)>,
    by_start: Vec<Vec<usize>>,
    leaks: RefCell<Vec<String>>,
}

impl Search {
    pub(crate) fn of(canaries: Vec<Canary>) -> Self {
        let mut all = Vec::new();
        let mut by_start = vec![Vec::new(); 1 << 16];
        for (index, canary) in canaries.iter().enumerate() {
            for (encoding, needle) in needles(&canary.value) {
                by_start[start(&needle)].push(all.len());
                all.push((index, encoding, needle));
            }
        }
        Self { canaries, needles: all, by_start, leaks: RefCell::default() }
    }

    /// Which value is in there, and how it is written.
    pub(crate) fn find(&self, haystack: &[u8]) -> Option<String> {
        for (at, pair) in haystack.windows(2).enumerate() {
            for index in &self.by_start[start(pair)] {
                let (canary, encoding, needle) = &self.needles[*index];
                if haystack[at..].starts_with(needle) {
                    let canary = &self.canaries[*canary];
                    assert!(find(haystack, &canary.value).is_some(), "both searches agree");
                    return Some(format!("{} as {encoding:?}", canary.name));
                }
            }
        }
        None
    }

    /// Nothing of it may be in there.
    pub(crate) fn absent(&self, place: &str, haystack: &[u8]) {
        if let Some(found) = self.find(haystack) {
            self.leaks.borrow_mut().push(format!("{found} in {place}"));
        }
    }

    /// Where it was found nonetheless.
    pub(crate) fn leaks(self) -> Vec<String> {
        self.leaks.into_inner()
    }

    /// Nothing of it may be in any file below a folder; returns how many bytes there were.
    pub(crate) fn absent_below(&self, folder: &Path) -> Result<usize> {
        let mut bytes = 0;
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let kind = fs::symlink_metadata(&path)?.file_type();
            if kind.is_dir() {
                bytes += self.absent_below(&path)?;
            } else if kind.is_file() {
                let content = fs::read(&path)?;
                self.absent(&path.display().to_string(), &content);
                bytes += content.len();
            }
        }
        Ok(bytes)
    }

    /// Nothing of it may be in what a process can write to; returns how many bytes there were.
    pub(crate) fn absent_in_memory(&self, place: &str, pid: u32) -> Result<usize> {
        let mut bytes = 0;
        each_chunk(pid, |chunk| {
            bytes += chunk.len();
            self.absent(place, chunk);
        })?;
        Ok(bytes)
    }
}

/// Whether a process has this in its memory.
pub(crate) fn memory_has(pid: u32, text: &[u8]) -> Result<bool> {
    let mut has = false;
    each_chunk(pid, |chunk| has = has || chunk.windows(text.len()).any(|window| window == text))?;
    Ok(has)
}

fn start(needle: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([needle[0], needle[1]]))
}

/// Everything that a process can write to, in pieces that overlap by more than a needle. Pages that
/// were never used are left out.
fn each_chunk(pid: u32, mut look: impl FnMut(&[u8])) -> Result<()> {
    const OVERLAP: usize = 4096;
    let zeros = vec![0; CHUNK];
    let mut buffer = vec![0; CHUNK];
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut total = 0;
    for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights) = fields.next().zip(fields.next()).context("no map")?;
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').context("no range")?;
        let (mut at, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
        total += to - at;
        ensure!(total <= MAX_MEMORY, "the process {pid} has more than {MAX_MEMORY} bytes");
        while at < to {
            let length = usize::try_from((to - at).min(CHUNK as u64))?;
            // What went away meanwhile, and what belongs to a device, cannot be read.
            let Ok(read) = memory.read_at(&mut buffer[..length], at) else { break };
            if buffer[..read] != zeros[..read] {
                look(&buffer[..read]);
            }
            if read == 0 || at + read as u64 >= to {
                break;
            }
            at += read.saturating_sub(OVERLAP).max(1) as u64;
        }
    }
    Ok(())
}
