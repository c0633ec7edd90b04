//! A history as rows of a database, so that the real hub serves what the thief wrote.

use anyhow::{Context as _, Result};
use hanse_control_plane::store::{BundleRow, NewStatement, StatementRow, Store};
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{ClusterId, Digest, RevisionNumber};
use jiff::Timestamp;

use super::past::Past;

impl Past {
    /// Writes the statements after a number into a database that ends there.
    pub async fn write(&self, store: &Store, after: u64) -> Result<()> {
        for number in after + 1..=self.number() {
            store.append(&self.rows(number)?).await?;
        }
        Ok(())
    }

    fn rows(&self, number: u64) -> Result<NewStatement> {
        let said = self.at(number)?;
        let statement = Statement::decode(&said.bytes)?;
        let changes = said.changes.0.iter();
        let leaves: Vec<(String, Option<Digest>)> =
            changes.map(|(subject, change)| (subject.to_string(), change.after)).collect();
        let mut contents = Vec::new();
        for digest in leaves.iter().filter_map(|(_, after)| *after) {
            let bytes = self.contents.get(&digest).context("a content")?;
            contents.push((digest, bytes.clone().into()));
        }
        let mut bundles = Vec::new();
        for (cluster, manifest) in &said.manifests {
            if manifest.newest() == statement.number {
                contents.push((manifest.digest(), manifest.encode().into()));
                bundles.push(self.bundle_row(number, *cluster)?);
            }
        }
        let row = StatementRow {
            number: statement.number,
            digest: Digest::of(&said.bytes),
            leaf_hash: Statement::leaf_hash(&said.bytes),
            bytes: said.bytes.clone().into(),
            signatures: said.signatures.clone().into(),
            changes: said.changes.encode().into(),
            signed_by: "admin".to_owned(),
            author: "admin".to_owned(),
            time: statement.time,
            recorded_at: Timestamp::now(),
            clusters_changed: u32::try_from(bundles.len())?,
        };
        Ok(NewStatement { row, contents, leaves, bundles })
    }

    fn bundle_row(&self, number: u64, cluster: ClusterId) -> Result<BundleRow> {
        let said = self.at(number)?;
        let manifest = said.manifests.get(&cluster).context("no such cluster")?.digest();
        let proof = said.inclusion(cluster)?;
        Ok(BundleRow {
            cluster,
            generation: RevisionNumber(number),
            manifest,
            leaf_index: proof.leaf_index,
            tree_size: proof.tree_size,
            path: proof.path,
        })
    }
}
