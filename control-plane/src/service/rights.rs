//! Who may replace or take away a document must have the right to the one that is there. An agent
//! that was away knows the one that it holds, and not those that came and went since: where the right
//! to the one that it holds does not do, it is shown all of them that its cluster had to hold.

use hanse_domain::document::{DocumentRef, Kind};
use hanse_domain::history::changes::{Subject, WrapRef};
use hanse_domain::history::manifest::Manifest;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{Digest, Generation, RevisionNumber};
use hanse_domain::parse;
use hanse_domain::trust::authority::Signed;

use super::ServiceError;
use super::evidence::{Held, Witnesses, no_bundle};

/// What became of a document in between.
pub(super) struct Between {
    pub(super) number: RevisionNumber,
    pub(super) document: Subject,
    /// The bytes that this cluster then held; `None` where the document left it.
    pub(super) bytes: Option<Digest>,
}

impl Witnesses<'_> {
    /// The statements in between, as far as they changed what this cluster had to hold: bytes that were
    /// placed on others only are not its own, and it is shown that it held nothing then.
    pub(super) async fn in_between(
        &self,
        generation: Generation,
        held: Held<'_>,
        successors: &[(RevisionNumber, Subject)],
    ) -> Result<Vec<Between>, ServiceError> {
        let mut between = Vec::new();
        if successors.is_empty() || self.follows(generation, held.manifest) {
            return Ok(between);
        }
        for (number, subject) in successors {
            let Some(reference) = document_of(subject) else {
                continue;
            };
            let document = Subject::Document(reference);
            let (text, since) = (document.to_string(), held.since);
            let all = self.store.leaves_between(&text, since, *number).await?;
            if all.is_empty() || self.has_the_right(*number, held, subject, &document).await? {
                continue;
            }
            // Since when it is there, as far as was seen.
            let mut there = Some(held.since);
            for (of, _) in all {
                let manifest = self.manifest_at(of).await?;
                match (manifest.pin(&document), there) {
                    (Some(pin), _) if pin.number == of => {
                        let (document, bytes) = (document.clone(), Some(pin.digest));
                        between.push(Between { number: of, document, bytes });
                        there = Some(of);
                    }
                    // It is from before the cluster was taken out of the roster.
                    (Some(_), _) => {
                        let number = self.removed_before(of).await?;
                        between.extend(number.map(|number| Between {
                            number,
                            document: document.clone(),
                            bytes: None,
                        }));
                        there = None;
                    }
                    (None, Some(low)) => {
                        let gone = self.gone_since(low, of, vec![document.clone()]).await?;
                        between.extend(gone.into_iter().map(|(number, _)| Between {
                            number,
                            document: document.clone(),
                            bytes: None,
                        }));
                        there = None;
                    }
                    (None, None) => {}
                }
            }
        }
        Ok(between)
    }

    /// The last statement before another that took the cluster out of the roster.
    async fn removed_before(
        &self,
        number: RevisionNumber,
    ) -> Result<Option<RevisionNumber>, ServiceError> {
        let own = Subject::Cluster(self.cluster).to_string();
        // The statement itself may be the one.
        let entries = self.store.leaves_between(&own, RevisionNumber(0), number.next()).await?;
        let removed = entries.into_iter().rev().find(|(_, entry)| entry.is_none());
        Ok(removed.map(|(number, _)| number))
    }

    /// What the cluster had to hold after a statement, whether that changed it or not.
    async fn manifest_at(&self, number: RevisionNumber) -> Result<Manifest, ServiceError> {
        let row = self.store.bundle_at(self.cluster, number).await?;
        let row = row.ok_or_else(|| no_bundle(self.cluster, number))?;
        self.manifest_of(&row).await
    }

    /// Whether a bundle comes right after the one with this manifest.
    fn follows(&self, generation: Generation, held: &Manifest) -> bool {
        let recent = self.current.recent.iter().find(|landed| landed.said.number == generation);
        let before = recent.and_then(|landed| landed.before.get(&self.cluster));
        before.is_some_and(|(_, before)| **before == *held)
    }

    /// Whether the signers of a statement may take away the document that is held, where they have to.
    async fn has_the_right(
        &self,
        number: RevisionNumber,
        held: Held<'_>,
        subject: &Subject,
        document: &Subject,
    ) -> Result<bool, ServiceError> {
        let said = self.said(number).await?;
        let changed = said.transition(subject).or_else(|| said.transition(document));
        let (Some(pin), Some(_)) = (held.manifest.pin(document), changed) else {
            return Ok(true);
        };
        let old = self.store.content(&pin.digest).await?;
        let old = old.and_then(|bytes| parse::parse_document(&bytes).ok());
        let statement = Statement::decode(&said.statement).ok();
        let Some((old, statement)) = old.zip(statement) else {
            return Ok(false);
        };
        let trust = &self.current.fleet.trust;
        let signed = Signed::check(trust, &statement, &said.statement, &said.signatures);
        Ok(signed.is_ok_and(|signed| signed.may_remove(&old).is_ok()))
    }
}

/// The document whose right counts for a subject.
fn document_of(subject: &Subject) -> Option<DocumentRef> {
    match subject {
        Subject::Document(reference) => Some(reference.clone()),
        Subject::Wrap(WrapRef { secret, .. }) => {
            Some(DocumentRef { kind: Kind::FederatedSecret, name: secret.clone() })
        }
        Subject::Cluster(_) | Subject::TrustRoot => None,
    }
}
