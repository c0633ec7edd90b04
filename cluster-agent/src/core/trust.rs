//! Whom the agent believes, and how far it has followed the history. It begins with nothing but the
//! digest that the join command pinned.

use std::sync::Arc;

use hanse_domain::history::log::LogHead;
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::walk::{self, RootRefusal, RootStep};

use super::ledger::{Ledger, RecordedLog, RecordedRoot};

/// The trust roots and the history that are believed.
#[derive(Debug)]
pub(super) struct Trust {
    /// Digest of the first trust root, from the join command.
    pinned: Digest,
    /// Nothing before the first trust root was sent.
    pub(super) chain: Option<RootChain>,
    /// What later statements must extend.
    pub(super) head: LogHead,
}

impl Trust {
    /// As the ledger has it. What cannot be read there is asked for anew, from the pinned digest on; without a history in it, the
    /// one of the join counts.
    pub(super) fn restore(pinned: Digest, joined: LogHead, ledger: &Ledger) -> Self {
        let chain = ledger.roots.split_first().and_then(|(first, later)| {
            let mut chain = walk::begin(pinned, first.text.as_bytes()).ok()?;
            for root in later {
                let decoded = TrustRoot::decode(root.text.as_bytes()).ok()?;
                chain = chain.followed_by(Arc::new(decoded), RevisionNumber(root.since)).ok()?;
            }
            Some(chain)
        });
        let root = ledger.log.root.parse().ok();
        let head = root.map(|root| LogHead { size: ledger.log.size, root });
        Self { pinned, chain, head: head.unwrap_or(joined) }
    }

    /// The newest version that is known; 0 for none.
    pub(super) fn version(&self) -> u64 {
        self.chain.as_ref().map_or(0, |chain| chain.current().root.version)
    }

    /// Walks on as far as the steps lead. What is known already is passed over.
    pub(super) fn walk(&mut self, first: &[u8], steps: &[RootStep]) -> Result<bool, RootRefusal> {
        let before = self.version();
        if self.chain.is_none() {
            self.chain = Some(walk::begin(self.pinned, first)?);
        }
        for step in steps {
            let Some(chain) = &self.chain else { break };
            let known = |root: &[u8]| {
                let digest = Digest::of(root);
                chain.versions().any(|version| version.digest == digest)
            };
            if known(&step.root) {
                continue;
            }
            let (chain, head) = walk::step(chain, self.head, step)?;
            (self.chain, self.head) = (Some(chain), head);
        }
        Ok(self.version() != before)
    }

    /// Writes it into a ledger.
    pub(super) fn record(&self, ledger: &mut Ledger) {
        let versions = self.chain.iter().flat_map(RootChain::versions);
        ledger.roots = versions
            .map(|version| RecordedRoot {
                since: version.since.0,
                text: String::from_utf8_lossy(&version.root.encode()).into_owned(),
            })
            .collect();
        ledger.log = RecordedLog { size: self.head.size, root: self.head.root.to_string() };
    }
}
