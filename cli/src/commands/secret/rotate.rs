//! `hanse secret rotate`: the next version, under a new key.

use crate::app::Session;
use crate::change::{CommitArgs, Confirm, Order};
use crate::failure::{Failure, Outcome};
use crate::secrets::identity::IdentityArgs;
use crate::secrets::outline::Outline;
use crate::secrets::sources::{self, Sources};
use crate::{fleet, output, secrets};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Everything that is sealed is sealed anew, under a new key, to the clusters and owners of now.
Whoever could read a value before still knows it: give a new one where that matters.

Examples:
  openssl rand -hex 32 | hanse secret rotate db password=-
  hanse secret rotate web --tls-cert new.crt --tls-key new.key
  hanse secret rotate db                       a new key for the same values")]
pub(crate) struct Args {
    /// Its name
    pub(super) name: String,

    #[command(flatten)]
    sources: Sources,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    commit: CommitArgs,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let name = &self.name;
        let values = self.sources.read(name).await?;
        let hub = session.hub().await?;
        let base = fleet::fetch(&hub).await?;
        let document = &secrets::held(&base, name)?.document;
        let opener = self.identity.open().await?;
        let mut data = opener.open(base.id(), document)?;
        let absent = values.data.iter().map(|(key, _)| key).find(|key| data.get(key).is_none());
        if let Some(key) = absent {
            let keys: Vec<&str> = data.iter().map(|(key, _)| key).collect();
            return Err(Failure::new("no-such-key", format!("secret {name} has no key {key}"))
                .why(format!("its keys: {}", keys.join(", ")))
                .hint(format!("to add one: hanse secret set {name} --merge {key}=@FILE")));
        }
        sources::replace(&mut data, &values.data)?;
        if values.data.is_empty() {
            output::note("the values stay the same: whoever has read them knows them still");
        }
        let draft = Outline::of(document)?.seal(base.id(), &data)?;
        let order = Order::new(&self.commit, Confirm::Risks);
        draft.commit(&hub, &order, &format!("rotate {name}")).await
    }
}
