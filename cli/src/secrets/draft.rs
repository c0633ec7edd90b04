//! A new version of a secret, sealed and not committed yet.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Fleet, Member};
use hanse_domain::history::changes::WrapRef;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::Digest;
use hanse_sealing::{Recipient, SecretContext, VersionIdentity, wrap};

use super::stale;
use crate::change::{self, Order};
use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::output;

/// How often one hears how far it is.
const PROGRESS: Duration = Duration::from_secs(1);
const MAX_NAMED: usize = 8;

/// A document with its key, for the clusters that it will be placed on.
#[derive(Debug)]
pub(crate) struct Draft {
    document: Arc<Document>,
    /// The document that it comes after.
    before: Option<Digest>,
    wraps: Wraps,
    /// Clusters that cannot have it yet, as of the last base.
    without: RefCell<Vec<String>>,
}

impl Draft {
    pub(super) fn new(
        document: Arc<Document>,
        before: Option<Digest>,
        context: SecretContext,
        key: VersionIdentity,
    ) -> Self {
        let without = RefCell::default();
        Self { document, before, wraps: Wraps::new(context, key), without }
    }

    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    pub(crate) fn version(&self) -> u64 {
        self.wraps.context.version
    }

    /// The document and a wrapped key for each of its clusters. Errors: somebody else was faster.
    fn edits(&self, fleet: &Fleet, command: &str) -> Outcome<Vec<Edit>> {
        let reference = &self.document.reference;
        let now = fleet.documents().get(reference).map(|held| held.document.digest);
        if now != self.before {
            return Err(stale(&reference.name, command));
        }
        let members = fleet.selected(&self.document);
        let mut edits = self.wraps.for_members(&members)?;
        *self.without.borrow_mut() = without_recipient(&members);
        edits.push(Edit::Put(Arc::clone(&self.document)));
        Ok(edits)
    }

    /// Commits it. `command`: how to make it again.
    pub(crate) async fn commit(&self, hub: &Hub, order: &Order<'_>, command: &str) -> Outcome {
        let name = &self.document.reference.name;
        let mut args = order.args.clone();
        args.message =
            args.message.or_else(|| Some(format!("version {} of secret {name}", self.version())));
        let order = Order { args: &args, ..order.clone() };
        let done = change::make(hub, &order, |fleet| self.edits(fleet, command)).await?;
        say_without(name, &self.without.borrow());
        Ok(done)
    }
}

/// The key of one version, wrapped to each recipient once, however often a change is planned anew.
#[derive(Debug)]
pub(crate) struct Wraps {
    context: SecretContext,
    key: VersionIdentity,
    made: RefCell<BTreeMap<Recipient, Vec<u8>>>,
}

impl Wraps {
    pub(crate) fn new(context: SecretContext, key: VersionIdentity) -> Self {
        Self { context, key, made: RefCell::default() }
    }

    /// A wrapped key for each cluster whose recipient the roster names.
    pub(crate) fn for_members(&self, members: &[&Member]) -> Outcome<Vec<Edit>> {
        let all = members.iter().filter(|member| member.entry.recipient.is_some()).count();
        let mut edits = Vec::with_capacity(all + 1);
        let mut shown = Instant::now();
        for member in members {
            let Some(text) = &member.entry.recipient else {
                continue;
            };
            edits.push(Edit::PutWrap(Arc::new(self.for_member(member, text)?)));
            if shown.elapsed() >= PROGRESS {
                shown = Instant::now();
                output::note(&format!("{}: sealed {}/{all}…", self.context.name, edits.len()));
            }
        }
        Ok(edits)
    }

    fn for_member(&self, member: &Member, recipient: &str) -> Outcome<Wrap> {
        let secret = self.context.name.clone();
        let failed = |why: String| {
            let cluster = &member.entry.name;
            Failure::new("not-sealed", format!("{secret} cannot be sealed to cluster {cluster}"))
                .why(why)
                .hint(format!("its recipient in the roster is {recipient}"))
        };
        let parsed: Recipient = recipient
            .parse()
            .map_err(|e: hanse_sealing::InvalidRecipient| failed(e.to_string()))?;
        let mut made = self.made.borrow_mut();
        if !made.contains_key(&parsed) {
            let key = wrap(&self.key, &self.context, &parsed);
            made.insert(parsed.clone(), key.map_err(|error| failed(error.to_string()))?);
        }
        let key = made.get(&parsed).cloned().unwrap_or_default();
        Ok(Wrap {
            reference: WrapRef { secret: secret.clone(), cluster: member.entry.id },
            version: self.context.version,
            recipient: recipient.to_owned(),
            key,
        })
    }
}

/// Clusters to which nothing can be sealed yet.
pub(crate) fn without_recipient(members: &[&Member]) -> Vec<String> {
    let without = members.iter().filter(|member| member.entry.recipient.is_none());
    without.map(|member| member.entry.name.clone()).collect()
}

/// Names the clusters to which nothing can be sealed yet, and what helps.
pub(crate) fn say_without(secret: &str, clusters: &[String]) {
    let Some(first) = clusters.first() else {
        return;
    };
    let named: Vec<&str> = clusters.iter().take(MAX_NAMED).map(String::as_str).collect();
    let more = match clusters.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    output::warn(&format!(
        "secret {secret} is pending for {}{more}: the roster names no age recipient there yet. Once its \
         agent has offered one: hanse cluster accept {first}, then hanse secret reseal {secret}",
        named.join(", ")
    ));
}
