//! The hub is stolen before the viewer's eyes.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use hanse_domain::fleet::Edit;
use hanse_domain::ids::ClusterId;
use hanse_domain::parse::parse_document;
use hanse_proto::agent::session_response::Message;
use hanse_signing::{Key, KeyFile, make_key_file};
use serde_json::Value;

use super::{INTRUDER, Narrator, Place, Story};
use crate::look;
use crate::thief::{Past, Thief, bundle};

/// What the thief would like.
const LOOT: &str = "apiVersion: hanse.dev/v1alpha1
kind: FederatedRoleBinding
metadata:
  name: loot
spec:
  placement:
    clusterSelector: {}
  roleRef: {kind: ClusterRole, name: cluster-admin}
  subjects:
    - {kind: User, name: mallory}
  clusterWide: true
";
const LOOT_BINDING: &str = "hanse:cluster:loot";

impl Story<'_> {
    pub(super) async fn theft(&self, tell: &mut dyn Narrator) -> Result<()> {
        tell.step(
            "Somebody steals the hub",
            "Its process, its database, its TLS keys and its certificate authority: the thief is the hub\n\
             now, and every agent connects to the thief.",
        );
        let loot = self.hub.dir().with_extension("stolen");
        tell.types("kill -9 <hub>; cp -r <the hub's folder> loot; ./evil-hub --with loot");
        let ids = self.ids().await?;
        let mut thief = Thief::steal(self.hub, &loot).await?;
        let told = self.rob(&mut thief, &loot, &ids, tell).await;
        thief.leave().await;
        self.hub.start().await?;
        told?;
        self.hanse.ok(&["wait", "--all", "--for=synced", "--timeout", "60s"]).await?;
        tell.sees("the real hub is back, and every cluster is as declared", None);
        self.types(tell, &["cluster", "list"]).await
    }

    async fn rob(
        &self,
        thief: &mut Thief,
        loot: &std::path::Path,
        ids: &[ClusterId],
        tell: &mut dyn Narrator,
    ) -> Result<()> {
        let (files, bytes) = self.search(loot)?;
        tell.sees(&format!("the loot does not have the password: {files} files, {bytes} kB"), None);
        let key = thiefs_key(loot)?;
        let past = thief.past.clone();
        let draft = past.draft(vec![Edit::Put(Arc::new(parse_document(LOOT.as_bytes())?))])?;
        let unsigned = past.and_as_signed(draft.clone(), Vec::new());
        let forged = past.and(draft, &[&key])?;
        for (place, id) in self.places.iter().zip(ids) {
            tell.types(&format!(
                "evil-hub grant cluster-admin to {INTRUDER} in {}",
                place.agent.cluster()
            ));
            self.push(thief, place, *id, &unsigned, "no signature", tell).await?;
            self.push(thief, place, *id, &forged, "the thief's own signature", tell).await?;
        }
        if let [first, .., last] = ids {
            let place = self.places.last().context("no last cluster")?;
            let cluster = self.places.first().context("no first cluster")?.agent.cluster();
            tell.types(&format!(
                "evil-hub send the bundle of {cluster}, secrets and all, to {}",
                place.agent.cluster()
            ));
            let known = thief.known(*last).await?;
            let member = past.fleet.member(*first).context("no such member")?;
            let offer = past.as_of(member.generation.0)?.offer(*first, known)?;
            self.refused(thief, place, *last, &[bundle(&offer)], "", tell).await?;
        }
        Ok(())
    }

    async fn push(
        &self,
        thief: &mut Thief,
        place: &Place<'_>,
        id: ClusterId,
        past: &Past,
        how: &str,
        tell: &mut dyn Narrator,
    ) -> Result<()> {
        let messages = past.messages(id, thief.known(id).await?)?;
        self.refused(thief, place, id, &messages, &format!(" with {how}"), tell).await
    }

    /// Shows something to an agent, which must refuse it and leave its cluster as it was.
    async fn refused(
        &self,
        thief: &mut Thief,
        place: &Place<'_>,
        id: ClusterId,
        messages: &[Message],
        how: &str,
        tell: &mut dyn Narrator,
    ) -> Result<()> {
        let start = Instant::now();
        let cluster = place.agent.cluster();
        let applied = thief.show(id, messages).await?;
        if applied.refused_condition == 0 {
            bail!("{cluster} took it{how}: {applied:?}");
        }
        if look::has_cluster_role_binding(&place.client, LOOT_BINDING).await? {
            bail!("{cluster} has the thief's binding");
        }
        tell.sees(
            &format!("{cluster} refuses it{how}: {}", applied.message),
            Some(start.elapsed()),
        );
        thief.calm(id).await
    }

    /// The clusters' ids, in the order of the places.
    async fn ids(&self) -> Result<Vec<ClusterId>> {
        let list = self.hanse.json(&["cluster", "list", "-o", "json"]).await?;
        let clusters = list.get("clusters").and_then(Value::as_array).context("no clusters")?;
        let id = |place: &Place<'_>| {
            let name = Some(place.agent.cluster());
            let text =
                |cluster: &Value, key| cluster.get(key).and_then(Value::as_str).map(str::to_owned);
            let found = clusters.iter().find(|c| text(c, "name").as_deref() == name);
            let id = found.and_then(|cluster| text(cluster, "id")).context("no such cluster")?;
            anyhow::Ok(id.parse()?)
        };
        self.places.iter().map(id).collect()
    }
}

fn thiefs_key(loot: &std::path::Path) -> Result<Key> {
    let path = loot.join("thief.key");
    if !path.exists() {
        make_key_file(&path, "thief", None)?;
    }
    Ok(KeyFile::read(&path)?.open(None)?)
}
