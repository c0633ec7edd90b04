//! A change that somebody proposed: what the hub keeps of it, checked on this machine's own fleet.

use std::sync::Arc;

use hanse_domain::change::{Change, ChangeError};
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::{Changes, Subject};
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::statement::Statement;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::Digest;
use hanse_domain::parse::parse_document;
use hanse_proto::admin::{CommitRequest, GetProposalRequest, Proposal};

use crate::failure::{Failure, Outcome};
use crate::hub::Hub;

/// Fewest digits by which a proposal can be named.
const MIN_DIGITS: usize = 8;

/// A proposal, as the hub has it.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    /// What the hub says of it.
    pub(crate) said: Proposal,
    /// The digest of its statement, as it was computed here.
    pub(crate) digest: Digest,
    pub(crate) request: CommitRequest,
}

/// Checks the digest, or its beginning, as a person types it.
pub(crate) fn digest(text: &str) -> Result<String, String> {
    let text = text.strip_prefix("sha256:").unwrap_or(text).to_lowercase();
    if !(MIN_DIGITS..=64).contains(&text.len()) || !text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(format!("a digest, or {MIN_DIGITS} hexadecimal digits of its beginning"));
    }
    Ok(text)
}

impl Proposed {
    /// Asks for a proposal. What comes must have the digest that was asked for.
    pub(crate) async fn fetch(hub: &Hub, digest: &str) -> Outcome<Self> {
        let mut service = hub.fleet_service();
        let request = GetProposalRequest { digest: digest.to_owned() };
        let answer = hub.call(service.get_proposal(request)).await.map_err(|failure| {
            if failure.code() == "not-found" {
                return Failure::new("not-found", format!("no proposal begins with {digest}"))
                    .why("it was committed, or taken back, or never made")
                    .hint("hanse proposals");
            }
            failure
        })?;
        let request = answer.change.unwrap_or_default();
        let found = Digest::of(&request.statement);
        if !found.to_string().starts_with(digest) {
            return Err(untrusted(&format!("the statement that it shows has the digest {found}")));
        }
        Ok(Self { said: answer.proposal.unwrap_or_default(), digest: found, request })
    }

    /// The change on this fleet. Errors: it is stale, or the hub has altered it.
    pub(crate) fn open(&self, base: &Fleet) -> Outcome<Change> {
        let CommitRequest { statement, changes, .. } = &self.request;
        Change::check(base, statement, changes, &self.contents()).map_err(|error| {
            if let ChangeError::Stale { number, current } = error {
                let short = self.digest.short();
                return Failure::new("stale", format!("proposal {short} is on an older fleet: it would be revision {number}, and the fleet is at {current}"))
                    .why("somebody changed the fleet since it was proposed; a signature covers the whole fleet")
                    .hint(format!("make the same edits on the fleet as it is now, and propose them anew: hanse sign --rebase {short}"));
            }
            untrusted(&error.to_string())
        })
    }

    /// What it changes, to be made anew on another fleet. Errors: what it changes is not as it was
    /// when it was proposed.
    pub(crate) fn edits(&self, base: &Fleet) -> Outcome<Vec<Edit>> {
        let broken = |error: &dyn std::error::Error| untrusted(&error.to_string());
        let statement = Statement::decode(&self.request.statement).map_err(|e| broken(&e))?;
        let changes = Changes::decode(&self.request.changes).map_err(|e| broken(&e))?;
        if changes.root() != statement.changes || statement.fleet != base.id() {
            return Err(untrusted("its list of changes is another, or it is of another fleet"));
        }
        let contents = self.contents();
        let mut edits = Vec::new();
        for (subject, transition) in &changes.0 {
            let edit = match transition.after {
                None => removal(subject),
                Some(after) => {
                    let content = contents.iter().find(|content| Digest::of(content) == after);
                    content.and_then(|content| put(subject, content))
                }
            };
            let edit = edit.ok_or_else(|| {
                let what = format!("{subject} cannot be made anew on another fleet");
                Failure::new("stale", what).hint("make the change itself again")
            })?;
            let now = base.transition(&edit).map(|now| now.before);
            if now.is_some_and(|before| before != transition.before) {
                let what = format!("somebody else changed {subject} since this was proposed");
                return Err(Failure::new("stale", what).hint("make the change itself again"));
            }
            edits.push(edit);
        }
        Ok(edits)
    }

    /// Why, in its author's words.
    pub(crate) fn message(&self) -> String {
        Statement::decode(&self.request.statement)
            .map_or_else(|_| self.said.message.clone(), |statement| statement.message)
    }

    fn contents(&self) -> Vec<Vec<u8>> {
        self.request.contents.iter().map(|content| content.to_vec()).collect()
    }
}

fn untrusted(why: &str) -> Failure {
    Failure::new("untrusted-proposal", "what the hub shows is not what was proposed")
        .why(why)
        .hint("nothing was signed; take the proposal back and make the change anew")
}

fn removal(subject: &Subject) -> Option<Edit> {
    match subject {
        Subject::Document(reference) => Some(Edit::Remove(reference.clone())),
        Subject::Cluster(id) => Some(Edit::RemoveCluster(*id)),
        Subject::Wrap(reference) => Some(Edit::RemoveWrap(reference.clone())),
        Subject::TrustRoot => None,
    }
}

/// A trust root names the one before it, so that it has to be made anew by itself.
fn put(subject: &Subject, content: &[u8]) -> Option<Edit> {
    let edit = match subject {
        Subject::Document(_) => Edit::Put(Arc::new(parse_document(content).ok()?)),
        Subject::Cluster(_) => Edit::PutCluster(ClusterEntry::decode(content).ok()?),
        Subject::Wrap(_) => Edit::PutWrap(Arc::new(Wrap::decode(content).ok()?)),
        Subject::TrustRoot => return None,
    };
    (edit.subject() == *subject).then_some(edit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_named_by_their_beginning() {
        assert_eq!(digest("0123ABCD").ok().as_deref(), Some("0123abcd"));
        assert_eq!(digest(&format!("sha256:{}", "0".repeat(64))).ok(), Some("0".repeat(64)));
        for bad in ["", "0123abc", "0123abcg", &"0".repeat(65)] {
            assert!(digest(bad).is_err(), "{bad}");
        }
    }
}
