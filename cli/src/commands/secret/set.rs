//! `hanse secret set`: makes a secret, or the next version of one.

use std::collections::BTreeSet;

use hanse_domain::document::Document;
use hanse_domain::fleet::Fleet;
use hanse_sealing::shapes::OPAQUE;

use crate::app::Session;
use crate::change::{CommitArgs, Confirm, DryRun, Order};
use crate::failure::{Failure, Outcome};
use crate::secrets::draft::Draft;
use crate::secrets::given::{Given, given};
use crate::secrets::identity::IdentityArgs;
use crate::secrets::outline::Outline;
use crate::secrets::owners::{self, Owner};
use crate::secrets::place::Place;
use crate::secrets::sources::{self, Sources, Values};
use crate::{fleet, output, secrets};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A secret that is there gets all new values, and keeps its namespaces, clusters, type and owners
unless others are given. With --merge, an owner keeps the keys that are not given, too.

Examples:
  printf %s \"$PASSWORD\" | hanse secret set db -n shop -l env=prod password=-
  hanse secret set db password=@new-password.txt
  hanse secret set web -n shop,admin --all-clusters --tls-cert web.crt --tls-key web.key
  hanse secret set pull -n shop --cluster prod-1 --docker-username ci --docker-password-file -
  hanse secret set app -n shop -l env=prod --from-env-file app.env --from-file certs/
  hanse secret set db --merge -l env=prod,region=eu          other clusters, the same values")]
pub(crate) struct Args {
    /// Its name, the same in every cluster
    pub(super) name: String,

    #[command(flatten)]
    sources: Sources,

    #[command(flatten)]
    place: Place,

    /// As in the Secret's `type`; Opaque by default
    #[arg(long = "type", value_name = "TYPE")]
    secret_type: Option<String>,

    /// Who else can open and change it; may be given several times
    #[arg(long, value_name = "NAME=age1…|NAME=@FILE", value_parser = given)]
    owner: Vec<Given>,

    /// Do not own it yourself
    #[arg(long)]
    no_owner: bool,

    /// Keep the keys that are not given; needs an owner's identity
    #[arg(long)]
    merge: bool,

    /// Commit nothing
    #[arg(long, value_enum, default_value_t, value_name = "WHERE",
          num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: DryRun,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    commit: CommitArgs,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let values = self.sources.read(&self.name).await?;
        let hub = session.hub().await?;
        let base = fleet::fetch(&hub).await?;
        let reference = secrets::reference(&self.name);
        let before = base.documents().get(&reference).map(|held| &*held.document);
        let draft = self.draft(&base, before, values).await?;
        let mut confirm = Confirm::Risks;
        if let Some(before) = before {
            say_what_goes(&base, before, draft.document());
            let (keys, some_go) = keys_between(before, draft.document());
            if some_go {
                output::warn(&format!("keys: {keys} (--merge keeps them)"));
                if output::can_ask() {
                    confirm = Confirm::Always;
                }
            }
        }
        let order = Order { dry_run: self.dry_run, ..Order::new(&self.commit, confirm) };
        draft.commit(&hub, &order, &format!("set {} …", self.name)).await
    }

    async fn draft(
        &self,
        base: &Fleet,
        before: Option<&Document>,
        values: Values,
    ) -> Outcome<Draft> {
        let mut outline = match before {
            Some(document) => Outline::of(document)?,
            None => self.first()?,
        };
        let given = values.implied.map(str::to_owned);
        match (&self.secret_type, given) {
            (Some(named), Some(implied)) if *named != implied => {
                return Err(Failure::usage(format!("these values are of the type {implied}"))
                    .hint("leave --type away"));
            }
            (Some(named), _) => outline.secret_type.clone_from(named),
            (None, Some(implied)) => outline.secret_type = implied,
            (None, None) => {}
        }
        if let Some(namespaces) = self.place.namespaces() {
            outline.namespaces = namespaces;
        }
        if let Some(placement) = self.place.placement()? {
            outline.placement = placement;
        }
        let data = match before {
            Some(document) if self.merge => {
                let mut data = self.identity.open().await?.open(base.id(), document)?;
                sources::replace(&mut data, &values.data)?;
                data
            }
            Some(_) | None => values.data,
        };
        self.own(before.is_none(), &mut outline.owners).await?;
        outline.seal(base.id(), &data)
    }

    /// The outline of a secret that is not there yet.
    fn first(&self) -> Outcome<Outline> {
        let new = || format!("secret {} is new", self.name);
        if self.merge {
            return Err(Failure::new(
                "not-found",
                format!("{}: there is nothing to merge with", new()),
            )
            .hint("hanse secret list"));
        }
        let namespaces = self.place.namespaces().ok_or_else(|| {
            Failure::usage(format!("{}: in which namespace does it belong?", new()))
                .hint("-n NAMESPACE; several with commas")
        })?;
        let placement = self.place.placement()?.ok_or_else(|| {
            Failure::usage(format!("{}: to which clusters does it go?", new()))
                .hint("--cluster NAME, -l LABELS or --all-clusters")
        })?;
        Ok(Outline::new(&self.name, placement, namespaces))
    }

    /// Owners: those that are given and the one who does this; or those that were there.
    async fn own(&self, is_new: bool, owners: &mut Vec<Owner>) -> Outcome<()> {
        if self.owner.is_empty() && !is_new {
            if self.no_owner {
                return Err(Failure::usage("--no-owner is for new secrets, or with --owner")
                    .hint(format!("hanse secret recipients {} --remove-owner NAME", self.name)));
            }
            return Ok(());
        }
        let before: BTreeSet<String> = owners.drain(..).map(|owner| owner.name).collect();
        owners.extend(owners::read(&self.owner)?);
        if !self.no_owner {
            let name = owners::own_name(|name| std::env::var(name).ok());
            owners::add_self(owners, self.identity.own_recipient().await?, &name);
        }
        let gone: Vec<&str> = before
            .iter()
            .map(String::as_str)
            .filter(|name| !owners.iter().any(|owner| owner.name == *name))
            .collect();
        if !gone.is_empty() {
            output::warn(&format!("no owner any more of this version: {}", gone.join(", ")));
        }
        if owners.is_empty() {
            output::warn(&format!(
                "secret {} has no owner: nobody can open it but its clusters, and clusters that come \
                 later get it only with new values",
                self.name
            ));
        }
        Ok(())
    }
}

/// What becomes of the keys, as `~ a, + b, - c`, and whether some go.
fn keys_between(before: &Document, after: &Document) -> (String, bool) {
    let keys = |document: &Document| document.secret().map(|s| s.keys.clone()).unwrap_or_default();
    let (before, after) = (keys(before), keys(after));
    let with = |sign: char, keys: Vec<&String>| {
        keys.into_iter().map(|key| format!("{sign} {key}")).collect::<Vec<_>>()
    };
    let gone = with('-', before.iter().filter(|key| !after.contains(*key)).collect());
    let stay = with('~', before.iter().filter(|key| after.contains(*key)).collect());
    let new = with('+', after.iter().filter(|key| !before.contains(*key)).collect());
    let some_go = !gone.is_empty();
    ([stay, new, gone].concat().join(", "), some_go)
}

/// Clusters that do not get the new version, and what follows from it.
fn say_what_goes(base: &Fleet, before: &Document, after: &Document) {
    let had = base.selected(before);
    let gone: Vec<&str> = had
        .iter()
        .filter(|member| !after.selects(&member.entry))
        .map(|member| &*member.entry.name)
        .collect();
    if !gone.is_empty() {
        output::warn(&format!(
            "{} {} to have secret {} any more, and {} had it: a value that was readable there \
             must be changed wherever it is used",
            gone.join(", "),
            if gone.len() == 1 { "is not" } else { "are not" },
            after.reference.name,
            if gone.len() == 1 { "has" } else { "have" },
        ));
    }
    let types = [before, after].map(|d| d.secret().map_or(OPAQUE, |s| &*s.secret_type).to_owned());
    if let [old, new] = &types
        && old != new
    {
        output::note(&format!("the type changes from {old} to {new}: the Secrets are made anew"));
    }
}
