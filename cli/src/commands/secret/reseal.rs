//! `hanse secret reseal`: wraps the keys of versions that are there to clusters that came later.

use std::collections::BTreeMap;

use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::ids::Digest;
use hanse_domain::plan;

use crate::app::Session;
use crate::change::{self, CommitArgs, Confirm, Order};
use crate::failure::{Exit, Failure, Outcome};
use crate::secrets::draft::{Wraps, say_without, without_recipient};
use crate::secrets::identity::{IdentityArgs, Opener};
use crate::text::count;
use crate::{fleet, output, secrets};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A cluster that joined, was labelled or made itself a new recipient since a secret was sealed cannot
open it. An owner seals it to all such clusters at once: the values and their version stay.

Examples:
  hanse secret reseal db
  hanse secret reseal --all")]
pub(crate) struct Args {
    /// Their names
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub(super) names: Vec<String>,

    /// Every secret that you own
    #[arg(long, conflicts_with = "names")]
    all: bool,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    commit: CommitArgs,
}

/// A secret's key, of the document that it was taken from.
struct Opened {
    document: Digest,
    wraps: Wraps,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        let base = fleet::fetch(&hub).await?;
        let waiting = self.waiting(&base)?;
        if waiting.is_empty() {
            output::note("every cluster that can have them can open them: nothing is to be done");
            return Ok(Exit::OK);
        }
        let opener = self.identity.open().await?;
        let keys = self.open(&opener, &base, &waiting)?;
        let mut args = self.commit.clone();
        let names: Vec<&str> = keys.keys().map(String::as_str).collect();
        args.message = args.message.or_else(|| Some(format!("reseal {}", shortened(&names))));
        let order = Order::new(&args, Confirm::Risks);
        change::make(&hub, &order, |fleet| edits(fleet, &keys)).await
    }

    /// Secrets that are not sealed to a cluster to which they could be.
    fn waiting<'f>(&self, base: &'f Fleet) -> Outcome<Vec<&'f Document>> {
        let mut waiting = Vec::new();
        let mut look = |document: &'f Document| {
            let pending: Vec<_> = plan::pending(base, document).collect();
            let without = without_recipient(&pending);
            if pending.len() > without.len() {
                waiting.push(document);
            }
            say_without(&document.reference.name, &without);
        };
        if self.all {
            secrets::all(base).for_each(|(held, _)| look(&held.document));
        }
        for name in &self.names {
            look(&secrets::held(base, name)?.document);
        }
        Ok(waiting)
    }

    /// The keys of those that this person owns. Of `--all`, others are left to their owners.
    fn open(
        &self,
        opener: &Opener,
        base: &Fleet,
        waiting: &[&Document],
    ) -> Outcome<BTreeMap<String, Opened>> {
        let mut keys = BTreeMap::new();
        let mut others = Vec::new();
        for document in waiting {
            let name = &document.reference.name;
            if self.all && !opener.owns(document) {
                others.push(name.as_str());
                continue;
            }
            let key = opener.key(base.id(), document)?;
            let context = secrets::context(base.id(), name, secrets::spec(document)?);
            let wraps = Wraps::new(context, key);
            keys.insert(name.clone(), Opened { document: document.digest, wraps });
        }
        let left = format!("{}: {}", count(others.len(), "secret"), shortened(&others));
        if keys.is_empty() {
            return Err(Failure::new("not-an-owner", "you own none of the secrets that wait")
                .why(left)
                .hint("hanse secret recipients NAME names the owners"));
        }
        if !others.is_empty() {
            output::warn(&format!("left to their owners, {left}"));
        }
        Ok(keys)
    }
}

/// The wrapped keys that are missing in this fleet.
fn edits(fleet: &Fleet, opened: &BTreeMap<String, Opened>) -> Outcome<Vec<Edit>> {
    let mut edits = Vec::new();
    for (name, Opened { document, wraps }) in opened {
        let now = fleet.documents().get(&secrets::reference(name)).map(|held| &held.document);
        let Some(secret) = now.filter(|now| now.digest == *document) else {
            return Err(secrets::stale(name, &format!("reseal {name}")));
        };
        let pending: Vec<_> = plan::pending(fleet, secret).collect();
        edits.extend(wraps.for_members(&pending)?);
    }
    Ok(edits)
}

fn shortened(names: &[&str]) -> String {
    const MOST: usize = 8;
    let shown = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
