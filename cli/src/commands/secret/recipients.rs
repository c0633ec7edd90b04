//! `hanse secret recipients`: who can open a secret.

use hanse_domain::document::Document;
use hanse_domain::fleet::{Fleet, Member};
use serde_json::{Value, json};

use crate::app::Session;
use crate::change::{CommitArgs, Confirm, Order};
use crate::failure::{Exit, Failure, Outcome};
use crate::hub::Hub;
use crate::output::{self, TextOrJson};
use crate::secrets::given::{Given, given};
use crate::secrets::identity::IdentityArgs;
use crate::secrets::outline::Outline;
use crate::secrets::owners;
use crate::secrets::states::{self, State};
use crate::table::Table;
use crate::text::or_dash;
use crate::{fleet, secrets};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Another set of owners makes a new version under a new key. An owner who goes has been able to read
the values: give new ones (hanse secret rotate) where that matters.

Examples:
  hanse secret recipients db
  hanse secret recipients db --add-owner team=age1…
  hanse secret recipients db --add-owner bob=@bob.pub --remove-owner carol")]
pub(crate) struct Args {
    /// Its name
    pub(super) name: String,

    /// Let somebody open and change it; may be given several times
    #[arg(long, value_name = "NAME=age1…|NAME=@FILE", value_parser = given)]
    add_owner: Vec<Given>,

    /// Take an owner away; may be given several times
    #[arg(long, value_name = "NAME")]
    remove_owner: Vec<String>,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    commit: CommitArgs,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        let base = fleet::fetch(&hub).await?;
        let document = &secrets::held(&base, &self.name)?.document;
        if self.add_owner.is_empty() && self.remove_owner.is_empty() {
            match self.commit.output {
                TextOrJson::Json => output::json_as_written(&value(&base, document)?)?,
                TextOrJson::Text => output::data(&table(&base, document)?.to_string())?,
            }
            return Ok(Exit::OK);
        }
        self.change(&hub, &base, document).await
    }

    async fn change(&self, hub: &Hub, base: &Fleet, document: &Document) -> Outcome {
        let name = &self.name;
        let mut outline = Outline::of(document)?;
        for gone in &self.remove_owner {
            let before = outline.owners.len();
            outline.owners.retain(|owner| owner.name != *gone);
            if outline.owners.len() == before {
                return Err(Failure::new(
                    "not-found",
                    format!("secret {name} has no owner {gone}"),
                )
                .hint(format!("hanse secret recipients {name}")));
            }
        }
        for owner in owners::read(&self.add_owner)? {
            // Somebody who has a new key has it under the old name.
            outline.owners.retain(|before| before.name != owner.name);
            outline.owners.push(owner);
        }
        if outline.owners.is_empty() {
            return Err(Failure::usage(format!("secret {name} would have no owner"))
                .why("nobody could open it again, or seal it to clusters that come later")
                .hint(format!(
                    "to have it so: hanse secret set {name} --no-owner … on a new one"
                )));
        }
        let data = self.identity.open().await?.open(base.id(), document)?;
        let draft = outline.seal(base.id(), &data)?;
        if !self.remove_owner.is_empty() {
            output::warn(&format!(
                "{} could read the values of version {} and before: change them where they are used, \
                 then hanse secret rotate {name} KEY=@FILE",
                self.remove_owner.join(", "),
                draft.version().saturating_sub(1)
            ));
        }
        let order = Order::new(&self.commit, Confirm::Risks);
        draft.commit(hub, &order, &format!("recipients {name}")).await
    }
}

/// The recipient that can open it on a cluster; else the one that the roster names.
fn recipient(member: &Member, secret: &Document, state: State) -> String {
    let wrap = member.wraps().get(&secret.reference.name);
    let sealed_to = match state {
        State::OldRecipient => wrap.map(|held| held.wrap.recipient.clone()),
        State::Sealed | State::Pending | State::NoRecipient => member.entry.recipient.clone(),
    };
    sealed_to.unwrap_or_default()
}

fn table(base: &Fleet, document: &Document) -> Outcome<Table> {
    let mut table = Table::new(["WHO", "KIND", "RECIPIENT", "STATE"]);
    for owner in &secrets::spec(document)?.owners {
        let cells = [&owner.name, "owner", &owner.recipient, "sealed"];
        table.row(cells.map(str::to_owned));
    }
    for (member, state) in states::of(base, document) {
        table.row([
            member.entry.name.clone(),
            "cluster".to_owned(),
            or_dash(recipient(member, document, state)),
            state.word().to_owned(),
        ]);
    }
    Ok(table)
}

fn value(base: &Fleet, document: &Document) -> Outcome<Value> {
    let owners = secrets::spec(document)?.owners.iter();
    let owners: Vec<Value> =
        owners.map(|owner| json!({ "name": owner.name, "recipient": owner.recipient })).collect();
    let clusters = states::of(base, document).into_iter();
    let clusters: Vec<Value> = clusters
        .map(|(member, state)| {
            json!({
                "name": member.entry.name,
                "recipient": recipient(member, document, state),
                "state": state.word(),
            })
        })
        .collect();
    Ok(json!({ "name": document.reference.name, "owners": owners, "clusters": clusters }))
}
