//! Who could read the secret, asked of the past.

use anyhow::{Context as _, Result, bail};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::steps::is_about;
use super::{BACKDOOR, INTRUDER, NAMESPACE, Narrator, SECRET, Story};
use crate::poll;

/// How long before an edit was seen it surely had not been made.
const BEFORE: SignedDuration = SignedDuration::from_secs(3);

impl Story<'_> {
    pub(super) async fn ask(&self, tell: &mut dyn Narrator) -> Result<()> {
        let place = self.places.get(1).or_else(|| self.places.first()).context("no cluster")?;
        let cluster = place.agent.cluster();
        tell.step(
            "Who could read the secret, before the edit and after it?",
            "The hub has kept what each agent saw of its cluster's access, by the moment. An auditor asks\n\
             about the time before somebody made that binding behind the hub's back, and about the time\n\
             when it was there: who, by which binding to which role, and who declared it.",
        );
        let (before, after) = self.around_the_backdoor(cluster).await?;
        let had = self.shows_readers(tell, cluster, before).await?;
        if had.is_some() {
            bail!("{INTRUDER} could read it before the edit: {had:?}");
        }
        tell.sees(
            &format!("before the edit, {INTRUDER} could not read {SECRET} in {cluster}"),
            None,
        );
        let had = self.shows_readers(tell, cluster, after).await?;
        let Some(grant) = had else { bail!("nobody knows that {INTRUDER} could read it") };
        let name = |pointer| grant.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if (name("/binding/name"), name("/role/name")) != (BACKDOOR, "cluster-admin") {
            bail!("{INTRUDER} could read it by something else: {grant}");
        }
        tell.sees(&format!("after it, {INTRUDER} could, by {BACKDOOR} to cluster-admin"), None);
        poll::until("nobody can by now who should not", || async {
            let now = self.reads(cluster, Timestamp::now()).await?;
            Ok(now.is_none().then_some(()))
        })
        .await?;
        tell.sees(&format!("and now {INTRUDER} cannot: the binding is gone"), None);
        Ok(())
    }

    /// A moment before anybody made the binding, and one at which it was there, as the history of the
    /// drift has it.
    async fn around_the_backdoor(&self, cluster: &str) -> Result<(Timestamp, Timestamp)> {
        let drift = self.hanse.drift(true).await?;
        let time = |drift: &Value, end: &str| -> Option<Timestamp> {
            drift.get(end).and_then(Value::as_str)?.parse().ok()
        };
        let spans: Vec<(Timestamp, Timestamp)> = drift
            .iter()
            .filter(|drift| is_about(drift, cluster, BACKDOOR))
            .filter_map(|drift| Some((time(drift, "detectedAt")?, time(drift, "resolvedAt")?)))
            .collect();
        let first = spans.iter().map(|(from, _)| *from).min().context("no such drift")?;
        let (from, until) = spans.into_iter().max().context("no such drift")?;
        Ok((first - BEFORE, from + from.duration_until(until) / 2))
    }

    /// Types the question, and looks for the intruder in the answer.
    async fn shows_readers(
        &self,
        tell: &mut dyn Narrator,
        cluster: &str,
        at: Timestamp,
    ) -> Result<Option<Value>> {
        let at_text = at.to_string();
        let args = ["who-can", "get", "secrets", SECRET, "-n", NAMESPACE, "--clusters", cluster];
        self.types(tell, &[&args[..], &["--at", &at_text]].concat()).await?;
        self.reads(cluster, at).await
    }

    /// By what the intruder can read the secret, if at all.
    async fn reads(&self, cluster: &str, at: Timestamp) -> Result<Option<Value>> {
        let at = at.to_string();
        let args = ["who-can", "get", "secrets", SECRET, "-n", NAMESPACE, "--clusters", cluster];
        let answer = self.hanse.json(&[&args[..], &["--at", &at, "-o", "json"]].concat()).await?;
        let grants = answer.get("grants").and_then(Value::as_array).context("no grants")?;
        let is_theirs = |grant: &&Value| {
            grant.pointer("/subject/name").and_then(Value::as_str) == Some(INTRUDER)
        };
        Ok(grants.iter().find(is_theirs).cloned())
    }
}
