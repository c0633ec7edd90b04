//! Both answers to each question, forward and in reverse.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _};
use hanse_domain::access::object::AccessKey;
use hanse_domain::access::query::Grant;

use crate::ask::{Question, What};
use crate::engine::Engine;
use crate::server::{AT_ONCE, Listing, Server, Verdict};
use crate::who::Who;

/// Most of those whom the engine lists beside those who asked, about whom the API server is asked too.
const LISTED: usize = 4;

/// What was asked so far.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) written: usize,
    pub(crate) refused: usize,
    pub(crate) decisions: usize,
    pub(crate) allowed: usize,
    /// Comparisons of a subject with a list of who can.
    pub(crate) listed: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, refused, decisions, allowed, listed } = self;
        write!(
            f,
            "{decisions} decisions, {allowed} of them yes; {listed} places in lists of who can; \
             {written} objects written, {refused} refused"
        )
    }
}

/// Where engine and API server differ.
pub(crate) struct Mismatch {
    what: What,
    who: Who,
    verdict: Verdict,
    engine: String,
    grants: Vec<Grant>,
}

/// The API server and both engines in the same state.
pub(crate) struct Round<'r> {
    pub(crate) server: &'r Server,
    pub(crate) fresh: &'r Engine,
    pub(crate) followed: &'r Engine,
}

impl Round<'_> {
    pub(crate) async fn ask(
        &self,
        questions: &[Question],
        tally: &mut Tally,
    ) -> Result<Vec<Mismatch>> {
        let lists: Vec<_> = questions.iter().map(|q| self.followed.who_can(&q.what)).collect();
        let mut pairs = Vec::new();
        for (question, rows) in questions.iter().zip(&lists) {
            let fresh = self.fresh.who_can(&question.what);
            assert_eq!(*rows, fresh, "who can {:?}, followed and fresh", question.what);
            let asked = question.who.iter().cloned();
            let known: BTreeSet<_> = question.who.iter().map(|who| &who.plain).collect();
            let more = rows.iter().map(crate::who::of_row);
            let more = more.filter(|who| !known.contains(&who.plain)).take(LISTED);
            pairs.extend(asked.chain(more).map(|who| (&question.what, rows, who)));
        }
        let verdicts = futures::stream::iter(pairs)
            .map(|(what, rows, who)| async move {
                let verdict = self.server.review(what, &who).await?;
                anyhow::Ok((what, rows, who, verdict))
            })
            .buffered(AT_ONCE);
        let verdicts: Vec<_> = verdicts.try_collect().await?;
        let mut out = Vec::new();
        for (what, rows, who, verdict) in verdicts {
            tally.decisions += 1;
            tally.allowed += usize::from(verdict.allowed);
            let among = self.followed.is_among(rows, &who);
            tally.listed += usize::from(among.is_some());
            let grants = self.followed.paths(what, &who);
            let engine = self.disagrees(what, &who, &verdict, among, &grants);
            if let Some(engine) = engine {
                out.push(Mismatch { what: what.clone(), who, verdict, engine, grants });
            }
        }
        Ok(out)
    }

    /// What the engine says that the API server does not.
    fn disagrees(
        &self,
        what: &What,
        who: &Who,
        verdict: &Verdict,
        among: Option<bool>,
        grants: &[Grant],
    ) -> Option<String> {
        let answers = [
            ("from the snapshot", self.fresh.allows(what, who)),
            ("change by change", self.followed.allows(what, who)),
            ("by its paths", !grants.is_empty()),
            ("by its list of who can", among.unwrap_or(verdict.allowed)),
        ];
        let wrong: Vec<String> = answers
            .iter()
            .filter(|(_, answer)| *answer != verdict.allowed)
            .map(|(how, answer)| format!("{answer} {how}"))
            .collect();
        if !wrong.is_empty() {
            return Some(wrong.join(", "));
        }
        // The API server names the first binding that it came upon; it must be one of the paths.
        let named = verdict.reason.starts_with("RBAC: allowed by ");
        let is_named =
            |grant: &Grant| reason(grant).is_some_and(|r| verdict.reason.starts_with(&r));
        (named && !grants.iter().any(is_named)).then(|| "yes by other bindings alone".to_owned())
    }
}

/// How the API server begins to name a grant.
fn reason(grant: &Grant) -> Option<String> {
    let (binding, role) = (grant.binding.as_ref()?, grant.role.as_ref()?);
    let name = match binding.namespace.as_str() {
        "" => binding.name.clone(),
        namespace => format!("{}/{namespace}", binding.name),
    };
    Some(format!("RBAC: allowed by {} {name:?} of {} {:?} to ", binding.kind, role.kind, role.name))
}

impl Mismatch {
    /// The question, both answers, and the one binding and role that one of them goes by.
    pub(crate) fn show(&self, listing: &Listing) -> String {
        let Self { what, who, verdict, engine, grants } = self;
        let mut out = format!(
            "{what:?}\nby {who:?}\nAPI server: {} {}\nengine: {engine}\n",
            verdict.allowed, verdict.reason
        );
        let mut by: BTreeSet<&AccessKey> = BTreeSet::new();
        for grant in grants {
            by.extend(grant.binding.iter().chain(&grant.role));
        }
        by.extend(listing.keys().filter(|key| is_named(key, &verdict.reason)));
        for key in by {
            let mut object = listing.get(key).cloned().unwrap_or_default();
            if let Some(metadata) = object.get_mut("metadata").and_then(|m| m.as_object_mut()) {
                metadata
                    .retain(|field, _| matches!(field.as_str(), "name" | "namespace" | "labels"));
            }
            let _ = writeln!(out, "{key}: {object}");
        }
        out
    }
}

/// Whether a reason of the API server names the object.
fn is_named(key: &AccessKey, reason: &str) -> bool {
    let name = match key.namespace.as_str() {
        "" => format!("{} {:?} ", key.kind, key.name),
        namespace => format!("{} {:?} ", key.kind, format!("{}/{namespace}", key.name)),
    };
    let role = format!("of {} {:?} to ", key.kind, key.name);
    reason.contains(&name) || reason.contains(&role)
}
