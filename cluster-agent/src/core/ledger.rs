//! What an agent keeps in its cluster: the last bundle that it accepted, whole, so that it enforces
//! it also when it starts while the hub is away; and the uids of what it made, so that it removes
//! nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use hanse_domain::bundle::VerifiedBundle;
use hanse_domain::document::Document;
use hanse_domain::history::log::LogHead;
use hanse_domain::history::manifest::Manifest;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::statement::Statement;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::{ClusterId, Digest, Generation, RevisionNumber};
use hanse_domain::object::{ObjectKind, ObjectRef};
use hanse_domain::parse;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The content of the ledger, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ledger {
    /// Generation of the bundle.
    pub generation: u64,
    /// Statement, manifest, roster entry and documents, each as it was received.
    pub statement: String,
    /// In its canonical encoding.
    pub manifest: String,
    /// The roster entry, the documents and the wrapped keys, in the manifest's order.
    pub contents: Vec<String>,
    /// The trust roots that were accepted, oldest first.
    #[serde(default)]
    pub roots: Vec<RecordedRoot>,
    /// The history that was accepted.
    #[serde(default)]
    pub log: RecordedLog,
    /// What was made, with uids.
    pub objects: Vec<Recorded>,
    /// What is to be removed and is not yet.
    pub removals: Vec<RecordedRemoval>,
    /// The generation at which some of `removals` wait for a confirmation; 0 when none does.
    pub waiting_at: u64,
}

/// A trust root that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedRoot {
    /// The statement that put it in place; 0 for the first.
    pub since: u64,
    /// In its canonical encoding.
    pub text: String,
}

/// How far the history was followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedLog {
    /// How many statements.
    pub size: u64,
    /// Merkle tree hash over them, hexadecimal; empty for none.
    pub root: String,
}

/// An object that the agent made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// As in `kind:`.
    pub kind: String,
    /// Absent for cluster-scoped objects.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
    /// Digest of what was applied; empty for a removal.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub applied: String,
    /// Digest of what the API server made of it, in our fields; empty for a removal.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub fields: String,
    /// `metadata.resourceVersion` of a Secret as it was last written; empty for everything else.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub version: String,
}

/// An object that is to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedRemoval {
    /// Which one; with an empty uid when an apply's answer did not come.
    pub object: Recorded,
    /// Whether it goes without waiting.
    pub confirmed: bool,
    /// When it goes at the latest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<Timestamp>,
}

impl Recorded {
    /// Records an object by its uid alone.
    pub fn new(object: &ObjectRef, uid: &str) -> Self {
        Self {
            kind: object.kind.name().to_owned(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            uid: uid.to_owned(),
            applied: String::new(),
            fields: String::new(),
            version: String::new(),
        }
    }

    /// Which object it is; nothing for a kind that this version does not know.
    pub fn reference(&self) -> Option<ObjectRef> {
        let kind = ObjectKind::ALL.into_iter().find(|kind| kind.name() == self.kind)?;
        Some(ObjectRef { kind, namespace: self.namespace.clone(), name: self.name.clone() })
    }
}

/// A ledger that cannot be used. The agent then asks for its bundle anew and removes nothing.
#[derive(Debug, thiserror::Error)]
#[error("the ledger cannot be read: {0}")]
pub struct BadLedger(String);

impl Ledger {
    /// Records a bundle.
    pub fn of(bundle: &VerifiedBundle) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let documents = bundle.documents.iter().map(|(document, _)| text(&document.bytes));
        Self {
            generation: bundle.generation.0,
            statement: text(&bundle.statement),
            manifest: text(&bundle.manifest.encode()),
            contents: std::iter::once(text(&bundle.entry.encode()))
                .chain(documents)
                .chain(bundle.wraps.values().map(|wrap| text(&wrap.encode())))
                .collect(),
            ..Self::default()
        }
    }

    /// The bundle, with every digest checked again; nothing before the first one.
    pub fn bundle(&self) -> Result<Option<VerifiedBundle>, BadLedger> {
        if self.generation == 0 {
            return Ok(None);
        }
        let bad = |error: &dyn std::fmt::Display| BadLedger(error.to_string());
        let manifest = Manifest::decode(self.manifest.as_bytes()).map_err(|e| bad(&e))?;
        Statement::decode(self.statement.as_bytes()).map_err(|e| bad(&e))?;
        let by_digest: BTreeMap<Digest, &str> =
            self.contents.iter().map(|c| (Digest::of(c.as_bytes()), c.as_str())).collect();
        let find = |digest: Digest| {
            by_digest
                .get(&digest)
                .map(|content| content.as_bytes())
                .ok_or_else(|| BadLedger(format!("the content {digest} is missing")))
        };
        let entry = ClusterEntry::decode(find(manifest.entry.digest)?).map_err(|e| bad(&e))?;
        let mut documents: Vec<(Arc<Document>, RevisionNumber)> = Vec::new();
        for pin in manifest.documents.values() {
            let document = parse::parse_document(find(pin.digest)?).map_err(|e| bad(&e))?;
            documents.push((Arc::new(document), pin.number));
        }
        let mut wraps = BTreeMap::new();
        for (secret, pin) in &manifest.wraps {
            let wrap = Wrap::decode(find(pin.digest)?).map_err(|e| bad(&e))?;
            wraps.insert(secret.clone(), Arc::new(wrap));
        }
        let root = self.log.root.parse().map_err(|e| bad(&e))?;
        Ok(Some(VerifiedBundle {
            generation: RevisionNumber(self.generation),
            digest: manifest.digest(),
            statement: self.statement.clone().into_bytes(),
            manifest,
            entry,
            documents,
            wraps,
            head: LogHead { size: self.log.size, root },
        }))
    }

    /// Whether it is of another cluster or another fleet: what it says of generations is then no
    /// business of this one.
    pub fn is_foreign(&self, cluster: ClusterId, fleet: Digest) -> bool {
        let manifest = Manifest::decode(self.manifest.as_bytes());
        let statement = Statement::decode(self.statement.as_bytes());
        manifest.is_ok_and(|manifest| manifest.cluster != cluster)
            || statement.is_ok_and(|statement| statement.fleet != fleet)
    }

    /// Generation and digest; nothing before the first bundle.
    pub fn held(&self) -> Option<(Generation, Digest)> {
        let digest = Digest::of(self.manifest.as_bytes());
        (self.generation > 0).then_some((RevisionNumber(self.generation), digest))
    }
}
