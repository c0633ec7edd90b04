//! A change that somebody proposed: what the hub keeps of it, checked on this machine's own fleet.

use std::collections::BTreeSet;
use std::sync::Arc;

use hanse_domain::authorise::authorise;
use hanse_domain::change::{Change, ChangeError};
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::{Changes, Subject, Transition};
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::statement::Statement;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::Digest;
use hanse_domain::parse::parse_document;
use hanse_domain::trust::root::KeyName;
use hanse_domain::trust::signature;
use hanse_proto::admin as proto;
use hanse_proto::admin::change::Action;
use hanse_proto::admin::{CommitRequest, GetProposalRequest, Proposal};

use crate::failure::{Failure, Outcome};
use crate::hub::Hub;

/// Fewest digits by which a proposal can be named.
const MIN_DIGITS: usize = 8;

/// How many digits a whole digest has.
const ALL_DIGITS: usize = 64;

/// A proposal, as the hub has it.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    /// What the hub says of it.
    said: Proposal,
    /// The digest of its statement, as it was computed here.
    pub(crate) digest: Digest,
    pub(crate) statement: Statement,
    pub(crate) request: CommitRequest,
}

/// Whether a digest that a person gave is all of it: only then they have said which one they mean.
pub(crate) fn is_whole(digest: &str) -> bool {
    digest.len() == ALL_DIGITS
}

/// Checks the digest, or its beginning, as a person types it.
pub(crate) fn digest(text: &str) -> Result<String, String> {
    let text = text.strip_prefix("sha256:").unwrap_or(text).to_lowercase();
    if !(MIN_DIGITS..=ALL_DIGITS).contains(&text.len())
        || !text.chars().all(|c| c.is_ascii_hexdigit())
    {
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
        let statement =
            Statement::decode(&request.statement).map_err(|e| untrusted(&e.to_string()))?;
        let said = answer.proposal.unwrap_or_default();
        Ok(Self { said, digest: found, statement, request })
    }

    /// Who has signed it, with a key of the trust root in force. Errors: nobody has, or there is a
    /// signature of something else.
    pub(crate) fn signers(&self, base: &Fleet) -> Outcome<BTreeSet<KeyName>> {
        let CommitRequest { statement, signatures, .. } = &self.request;
        let keys = if signatures.is_empty() {
            BTreeSet::new()
        } else {
            signature::signers(statement, signatures).map_err(|e| untrusted(&e.to_string()))?
        };
        let names = base.trust.current().root.names_of(&keys);
        if names.is_empty() {
            return Err(untrusted("nobody whom the trust root names has signed it"));
        }
        Ok(names)
    }

    /// What was checked here, in place of what the hub says of it. Only who sent it, and when, is the
    /// hub's word.
    pub(crate) fn verified(&self, base: &Fleet) -> Outcome<Proposal> {
        let signed_by = self.signers(base)?.iter().map(ToString::to_string).collect();
        let changes = self.changes(base)?;
        let (stale, missing) = match self.open(base) {
            Ok(change) => {
                let refused = authorise(base, &change, &self.request.signatures).err();
                (false, refused.map(|refused| refused.to_string()).unwrap_or_default())
            }
            Err(failure) if failure.code() == "stale" => (true, String::new()),
            Err(failure) => return Err(failure),
        };
        Ok(Proposal {
            digest: self.digest.to_string(),
            number: self.statement.number.0,
            stale,
            author: self.said.author.clone(),
            message: self.statement.message.clone(),
            proposed_at: self.said.proposed_at,
            changes: changes.0.iter().map(listed).collect(),
            signed_by,
            missing,
        })
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
        let changes = self.changes(base)?;
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

    /// The list of what it changes, as it was signed.
    fn changes(&self, base: &Fleet) -> Outcome<Changes> {
        let changes =
            Changes::decode(&self.request.changes).map_err(|e| untrusted(&e.to_string()))?;
        if changes.root() != self.statement.changes || self.statement.fleet != base.id() {
            return Err(untrusted("its list of changes is another, or it is of another fleet"));
        }
        Ok(changes)
    }

    fn contents(&self) -> Vec<Vec<u8>> {
        self.request.contents.iter().map(|content| content.to_vec()).collect()
    }
}

fn listed((subject, transition): (&Subject, &Transition)) -> proto::Change {
    let action = match (transition.before, transition.after) {
        (None, _) => Action::Add,
        (Some(_), Some(_)) => Action::Change,
        (Some(_), None) => Action::Remove,
    };
    let digest = |digest: Option<Digest>| digest.map(|d| d.to_string()).unwrap_or_default();
    proto::Change {
        action: action.into(),
        subject: subject.to_string(),
        digest_before: digest(transition.before),
        digest_after: digest(transition.after),
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
