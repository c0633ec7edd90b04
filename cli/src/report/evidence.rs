//! What is known of one cluster: its objects and how they changed, what its agent signed for, and
//! what the hub says besides. As it is kept in a bundle, one line each:
//!
//! ```text
//! objects.jsonl      {"at":"…","key":{…},"content":{…},"origin":{…}}   without content: it went away
//! checkpoints.jsonl  {"checkpoint":"hanse checkpoint v1\n…","signature":"<base64>"}
//! hub.json           {"covered":true,…}
//! ```
//!
//! Key, content and origin are the canonical JSON that a leaf of the inventory covers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hanse_domain::access::checkpoint::{MAX_CHECKPOINT_BYTES, SIGNATURE_BYTES};
use hanse_domain::access::inventory::Inventory;
use hanse_domain::access::object::{
    AccessContent, AccessKey, MAX_CONTENT_BYTES, MAX_OBJECTS, Origin, leaf,
};
use hanse_domain::ids::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most objects and changes of one cluster in a report.
pub(crate) const MAX_VERSIONS: usize = 2_000_000;
/// Most checkpoints of one cluster in a report.
pub(crate) const MAX_CHECKPOINTS: usize = 200_000;
/// Most bytes of `objects.jsonl`.
pub(crate) const MAX_OBJECTS_BYTES: usize = 256 * 1024 * 1024;
/// Most bytes of `checkpoints.jsonl`.
pub(crate) const MAX_CHECKPOINTS_BYTES: usize = 256 * 1024 * 1024;
/// Most bytes of `hub.json`.
pub(crate) const MAX_HUB_BYTES: usize = 16 * 1024;
/// Most bytes of a line: a content, an origin and a key.
pub(crate) const MAX_LINE_BYTES: usize = MAX_CONTENT_BYTES + 64 * 1024;

/// What is read of a file of lines, and so what is kept for one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) lines: usize,
    pub(crate) line_bytes: usize,
    pub(crate) bytes: usize,
}

/// Of `objects.jsonl`.
pub(crate) const OBJECTS: Limits =
    Limits { lines: MAX_VERSIONS, line_bytes: MAX_LINE_BYTES, bytes: MAX_OBJECTS_BYTES };
/// Of `checkpoints.jsonl`.
pub(crate) const CHECKPOINTS: Limits =
    Limits { lines: MAX_CHECKPOINTS, line_bytes: MAX_LINE_BYTES, bytes: MAX_CHECKPOINTS_BYTES };
const HUB: Limits = Limits { lines: 1, line_bytes: MAX_HUB_BYTES, bytes: MAX_HUB_BYTES };

/// What may still be added to a file, while it is only in memory.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Limits,
    text: Vec<u8>,
}

impl Budget {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self { left: limits, text: Vec::new() }
    }

    /// Whether one more line would be read again.
    #[must_use]
    pub(crate) fn spend(&mut self, value: &impl Serialize) -> bool {
        self.text.clear();
        line(&mut self.text, value);
        let (lines, bytes) =
            (self.left.lines.checked_sub(1), self.left.bytes.checked_sub(self.text.len()));
        let (Some(lines), Some(bytes)) = (lines, bytes) else { return false };
        self.left = Limits { lines, bytes, ..self.left };
        // The end of the line is not part of it.
        self.text.len() <= self.left.line_bytes + 1
    }
}

/// An object as it was from a moment on; gone when it has no content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    /// Since when, as the hub says. Checkpoints bound it.
    pub(crate) at: Timestamp,
    pub(crate) key: AccessKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<AccessContent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
}

/// A checkpoint as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) checkpoint: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// What only the hub says: shown, and never believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HubSays {
    /// Whether it has shown anything of this cluster.
    pub(crate) shown: bool,
    /// Whether the agent saw the cluster at the beginning.
    pub(crate) covered: bool,
    /// The last moment before at which it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen_until: Option<Timestamp>,
    /// Checkpoints that it has sent without a signature.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) unsigned: usize,
    /// Checkpoints that it has sent and that nobody vouched for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) foreign: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One cluster in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) objects: Vec<u8>,
    pub(crate) checkpoints: Vec<u8>,
    pub(crate) hub: Vec<u8>,
}

/// What is known of one cluster in the time asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// First what was there at the beginning, by key; then what changed, by time and key.
    pub(crate) versions: Vec<Version>,
    pub(crate) checkpoints: Vec<Signed>,
    pub(crate) hub: HubSays,
}

impl Version {
    /// What an inventory's root covers; nothing when the object is gone.
    pub(crate) fn leaf(&self) -> Option<Digest> {
        let (content, origin) = (self.content.as_ref()?, self.origin.as_ref()?);
        Some(leaf(&self.key, &Digest::of(&content.encode()), origin))
    }

    fn check(&self) -> Result<(), String> {
        let whole = match (&self.content, &self.origin) {
            (Some(content), Some(_)) => content.fits(self.key.kind),
            (None, _) => true,
            (Some(_), None) => false,
        };
        if whole { Ok(()) } else { Err(format!("{} is not whole", self.key)) }
    }
}

impl Evidence {
    /// From what the hub sent, in its order: puts it into the order of a bundle. Of several versions of
    /// one object at the same moment the last counts.
    pub(crate) fn arranged(
        sent: Vec<Version>,
        checkpoints: Vec<Signed>,
        hub: HubSays,
        (start, end): (Timestamp, Timestamp),
    ) -> Self {
        let mut first: BTreeMap<AccessKey, Version> = BTreeMap::new();
        let mut later: BTreeMap<(Timestamp, AccessKey), Version> = BTreeMap::new();
        for version in sent.into_iter().filter(|version| version.at <= end) {
            if version.at > start {
                later.insert((version.at, version.key.clone()), version);
            } else if version.content.is_some() {
                first.insert(version.key.clone(), version);
            } else {
                first.remove(&version.key);
            }
        }
        let versions = first.into_values().chain(later.into_values()).collect();
        Self { versions, checkpoints, hub }
    }

    /// The files of a bundle; nothing when they are larger than what is read again.
    pub(crate) fn files(&self) -> Option<Files> {
        let files = Files { objects: self.objects(), checkpoints: self.signed(), hub: self.hub() };
        let fits = files.objects.len() <= MAX_OBJECTS_BYTES
            && files.checkpoints.len() <= MAX_CHECKPOINTS_BYTES;
        fits.then_some(files)
    }

    /// The lines of `objects.jsonl`.
    fn objects(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for version in &self.versions {
            line(&mut out, version);
        }
        out
    }

    /// The lines of `checkpoints.jsonl`.
    fn signed(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for signed in self.checkpoints.iter().filter_map(Signed::as_line) {
            line(&mut out, &signed);
        }
        out
    }

    /// `hub.json`.
    fn hub(&self) -> Vec<u8> {
        let mut out = Vec::new();
        line(&mut out, &self.hub);
        out
    }

    /// Reads the three files of a bundle. Errors say which line is wrong.
    pub(crate) fn read(
        Files { objects, checkpoints, hub }: &Files,
        (start, end): (Timestamp, Timestamp),
    ) -> Result<Self, String> {
        let versions: Vec<Version> = lines("objects.jsonl", objects, OBJECTS)?;
        let mut there = 0_usize;
        for (number, version) in versions.iter().enumerate() {
            let wrong = |why: &str| Err(format!("objects.jsonl, line {}: {why}", number + 1));
            if let Err(why) = version.check() {
                return wrong(&why);
            }
            if version.at > end {
                return wrong("it is later than what was asked about");
            }
            if version.at <= start {
                there += 1;
                if version.content.is_none() {
                    return wrong("it was gone before");
                }
            }
        }
        if there > MAX_OBJECTS {
            return Err(format!("objects.jsonl: more than {MAX_OBJECTS} objects at once"));
        }
        let order = |version: &Version| {
            let later = (version.at > start).then_some(version.at);
            (later, version.key.clone())
        };
        if !versions.iter().map(order).is_sorted_by(|a, b| a < b) {
            return Err("objects.jsonl: not in order, or something is there twice".to_owned());
        }
        let signed: Vec<SignedLine> = lines("checkpoints.jsonl", checkpoints, CHECKPOINTS)?;
        let checkpoints = signed.into_iter().map(SignedLine::read).collect::<Result<_, _>>()?;
        let mut hubs: Vec<HubSays> = lines("hub.json", hub, HUB)?;
        let hub = hubs.pop().ok_or("hub.json is empty")?;
        Ok(Self { versions, checkpoints, hub })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedLine {
    checkpoint: String,
    signature: String,
}

impl Signed {
    /// Its line of `checkpoints.jsonl`.
    pub(crate) fn as_line(&self) -> Option<SignedLine> {
        let checkpoint = String::from_utf8(self.checkpoint.clone()).ok()?;
        Some(SignedLine { checkpoint, signature: STANDARD.encode(&self.signature) })
    }
}

impl SignedLine {
    fn read(self) -> Result<Signed, String> {
        let wrong = |why: &str| format!("checkpoints.jsonl: {why}");
        if self.checkpoint.len() > MAX_CHECKPOINT_BYTES {
            return Err(wrong("a checkpoint is too long"));
        }
        let signature =
            STANDARD.decode(&self.signature).map_err(|_| wrong("a signature is not base64"))?;
        if signature.len() != SIGNATURE_BYTES || STANDARD.encode(&signature) != self.signature {
            return Err(wrong("a signature has another form"));
        }
        Ok(Signed { checkpoint: self.checkpoint.into_bytes(), signature })
    }
}

/// Objects and their root, kept as versions are applied.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    inventory: Inventory,
}

impl Objects {
    pub(crate) fn apply(&mut self, version: &Version) {
        self.inventory.set(&version.key, version.leaf());
    }

    pub(crate) fn root(&self) -> Digest {
        self.inventory.root()
    }

    pub(crate) const fn len(&self) -> usize {
        self.inventory.len()
    }
}

/// Values of these types have no maps with keys that are not text, so this cannot fail.
pub(crate) fn line(out: &mut Vec<u8>, value: &impl Serialize) {
    out.extend(serde_json::to_vec(value).unwrap_or_default());
    out.push(b'\n');
}

/// Reads lines of JSON in their one form.
pub(crate) fn lines<T>(file: &str, bytes: &[u8], limits: Limits) -> Result<Vec<T>, String>
where
    T: Serialize + for<'de> Deserialize<'de>,
{
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let all =
        bytes.strip_suffix(b"\n").ok_or_else(|| format!("{file} does not end with a line"))?;
    let mut out = Vec::new();
    let mut again = Vec::new();
    for (number, text) in all.split(|byte| *byte == b'\n').enumerate() {
        let wrong = |why: &dyn std::fmt::Display| format!("{file}, line {}: {why}", number + 1);
        if number >= limits.lines {
            return Err(wrong(&format_args!("more than {} lines", limits.lines)));
        }
        if text.len() > limits.line_bytes {
            return Err(wrong(&"it is too long"));
        }
        let value: T = serde_json::from_slice(text).map_err(|error| wrong(&error))?;
        again.clear();
        line(&mut again, &value);
        if again.strip_suffix(b"\n") != Some(text) {
            return Err(wrong(&"not in its canonical form"));
        }
        out.push(value);
    }
    Ok(out)
}
