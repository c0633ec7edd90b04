//! A bundle manifest: the ordered list of what one cluster must hold. Its digest is the cluster's
//! leaf under the fleet root.
//!
//! ```text
//! hanse manifest v1
//! cluster 0192f0c1-2a3b-7c4d-8e5f-60718293a4b5
//! entry <digest> 3
//! document FederatedNamespace/payments <digest> 4
//! wrap db-password <digest> 4
//! ```
//!
//! The number behind a digest is that of the statement that last changed it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::changes::{Subject, WrapRef};
use super::encoding::{Lines, Malformed, words};
use super::merkle;
use crate::document::DocumentRef;
use crate::ids::{ClusterId, Digest, RevisionNumber};
use crate::names;

const WHAT: &str = "manifest";
const HEADER: &str = "hanse manifest v1";
/// Most bytes that a manifest may have: about 30,000 documents in one cluster.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// A digest and the statement that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Of the exact bytes.
    pub digest: Digest,
    /// The statement that last changed them.
    pub number: RevisionNumber,
}

/// What one cluster must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Whose it is.
    pub cluster: ClusterId,
    /// The cluster's own roster entry.
    pub entry: Pin,
    /// The documents that are placed there.
    pub documents: BTreeMap<DocumentRef, Pin>,
    /// The keys of secrets that are wrapped to the cluster, by the secret's name.
    pub wraps: BTreeMap<String, Pin>,
}

impl Manifest {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = format!("{HEADER}\ncluster {}\n", self.cluster);
        let _ = writeln!(out, "entry {} {}", self.entry.digest, self.entry.number);
        for (reference, pin) in &self.documents {
            let _ = writeln!(out, "document {reference} {} {}", pin.digest, pin.number);
        }
        for (secret, pin) in &self.wraps {
            let _ = writeln!(out, "wrap {secret} {} {}", pin.digest, pin.number);
        }
        out.into_bytes()
    }

    /// Reads a manifest. Errors: not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::open(WHAT, HEADER, bytes, MAX_MANIFEST_BYTES)?;
        let cluster = lines.field("cluster")?.parse().map_err(|e| lines.fail(e))?;
        let entry = lines.field("entry")?;
        let [digest, number] = words(entry).ok_or_else(|| lines.fail("a digest and a number"))?;
        let entry = pin(&lines, digest, number)?;
        let mut documents = BTreeMap::new();
        while let Some(value) = lines.optional("document") {
            let [reference, digest, number] =
                words(value).ok_or_else(|| lines.fail("a document, a digest and a number"))?;
            let reference: DocumentRef = reference.parse().map_err(|e| lines.fail(e))?;
            documents.insert(reference, pin(&lines, digest, number)?);
        }
        let mut wraps = BTreeMap::new();
        while let Some(value) = lines.optional("wrap") {
            let [secret, digest, number] =
                words(value).ok_or_else(|| lines.fail("a secret, a digest and a number"))?;
            names::check_dns_subdomain(secret).map_err(|e| lines.fail(e))?;
            wraps.insert(secret.to_owned(), pin(&lines, digest, number)?);
        }
        lines.end()?;
        let manifest = Self { cluster, entry, documents, wraps };
        if manifest.encode() == bytes {
            Ok(manifest)
        } else {
            Err(Malformed { what: WHAT, why: "not in canonical order or form".to_owned() })
        }
    }

    /// The bundle's digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// Every digest that the manifest names: the entry's, then the documents', then the wraps'.
    pub fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        self.pins().map(|(_, pin)| pin.digest)
    }

    /// Everything that the manifest names: the entry, then the documents, then the wraps.
    pub fn pins(&self) -> impl Iterator<Item = (Subject, Pin)> + '_ {
        let documents = self.documents.iter();
        let wraps = self.wraps.iter().map(|(secret, pin)| {
            (Subject::Wrap(WrapRef { secret: secret.clone(), cluster: self.cluster }), *pin)
        });
        std::iter::once((Subject::Cluster(self.cluster), self.entry))
            .chain(documents.map(|(reference, pin)| (Subject::Document(reference.clone()), *pin)))
            .chain(wraps)
    }

    /// What it says of a subject.
    pub fn pin(&self, subject: &Subject) -> Option<Pin> {
        match subject {
            Subject::Cluster(id) => (*id == self.cluster).then_some(self.entry),
            Subject::Document(reference) => self.documents.get(reference).copied(),
            Subject::Wrap(WrapRef { secret, cluster }) => {
                let wrap = self.wraps.get(secret).copied();
                wrap.filter(|_| *cluster == self.cluster)
            }
            Subject::TrustRoot => None,
        }
    }

    /// The number of the newest thing in it.
    pub fn newest(&self) -> RevisionNumber {
        self.pins().map(|(_, pin)| pin.number).max().unwrap_or_default()
    }
}

fn pin(lines: &Lines<'_>, digest: &str, number: &str) -> Result<Pin, Malformed> {
    Ok(Pin {
        digest: digest.parse().map_err(|e| lines.fail(e))?,
        number: RevisionNumber(number.parse().map_err(|e| lines.fail(e))?),
    })
}

/// The leaf hash of one cluster under the fleet root: over the cluster's id (16 bytes) and the
/// manifest's digest (32 bytes). Leaves are ordered by id.
pub fn fleet_leaf(cluster: ClusterId, manifest: Digest) -> Digest {
    let mut leaf = [0; 48];
    let (id, digest) = leaf.split_at_mut(16);
    id.copy_from_slice(cluster.as_bytes());
    digest.copy_from_slice(&manifest.0);
    merkle::leaf_hash(&leaf)
}
