//! What happens in each step.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use serde_json::Value;

use super::{BACKDOOR, BINDING, GROUP, INTRUDER, NAMESPACE, Narrator, Place, ROLE, Step, Story};
use crate::{look, poll};

impl Story<'_> {
    /// Takes one step. Errors: something that the story promises was not seen.
    pub async fn take(&self, step: Step, tell: &mut dyn Narrator) -> Result<()> {
        match step {
            Step::Join => self.join(tell).await,
            Step::Declare => self.declare(tell).await,
            Step::Seal => self.seal(tell).await,
            Step::Theft => self.theft(tell).await,
            Step::Tamper => self.tamper(tell).await,
            Step::Backdoor => self.backdoor(tell).await,
            Step::Outage => self.outage(tell).await,
            Step::Ask => self.ask(tell).await,
        }
    }

    pub(super) async fn types(&self, tell: &mut dyn Narrator, args: &[&str]) -> Result<()> {
        tell.types(&format!(
            "hanse {}",
            args.join(" ").replace(&self.examples, "examples/payments")
        ));
        let printed = self.hanse.ok(args).await?;
        tell.prints(&printed);
        Ok(())
    }

    fn first(&self) -> Result<&Place<'_>> {
        self.places.first().context("a story needs a cluster")
    }

    async fn join(&self, tell: &mut dyn Narrator) -> Result<()> {
        tell.step(
            "The clusters join",
            "The hub makes a single-use token for each; the cluster's administrator joins with it, which\n\
             also pins whom the cluster believes and puts up a fence around the agent. From then on the\n\
             agent dials out over mutual TLS. Who is in the fleet is signed, and so are the labels.",
        );
        let mut first = true;
        for place in &self.places {
            let name = place.agent.cluster();
            let label = if place.production { "env=prod" } else { "env=staging" };
            if !place.agent.is_joined() {
                tell.types(&format!("hanse join-token create {name}"));
                tell.types(&format!(
                    "hanse-agent join --cluster {name} --hub {} --ca-hash sha256:… --fleet sha256:… \
                     --token-file -",
                    self.hub.people()
                ));
                let printed = place.agent.join(self.hanse, &[label]).await?;
                if first {
                    tell.prints(&printed);
                }
                tell.types(&format!("hanse cluster accept {name} --label {label}"));
                tell.types(&format!("hanse-agent run --dir …/{name} &"));
                first = false;
            }
            if !place.agent.is_running() {
                place.agent.start()?;
            }
        }
        self.hanse.ok(&["wait", "--all", "--for=synced", "--timeout", "60s"]).await?;
        self.types(tell, &["cluster", "list"]).await?;
        for place in &self.places {
            let namespace = look::has_namespace(&place.client, "hanse-agent").await?;
            if !namespace {
                bail!("{}: the agent's namespace is not there", place.agent.cluster());
            }
        }
        tell.sees("every cluster is connected and in the roster", None);
        Ok(())
    }

    async fn declare(&self, tell: &mut dyn Narrator) -> Result<()> {
        tell.step(
            "Access is declared once, for every production cluster",
            "A namespace with its guard rails, a role, and a binding for the payments team. The plan is\n\
             shown before anything changes.",
        );
        self.types(tell, &["plan", "-f", &self.examples]).await?;
        let start = Instant::now();
        let message = "Give the payments team its namespace";
        let args = ["apply", "-f", &self.examples, "--yes", "-m", message];
        tell.types(&format!("hanse apply -f examples/payments --yes -m \"{message}\""));
        let mut printed = self.hanse.ok(&args).await?;
        // It shows the plan once more; what is new comes behind it.
        if let Some((_, behind)) = printed.stderr.split_once("Plan: ") {
            printed.stderr = behind.split_inclusive('\n').skip(1).collect();
        }
        tell.prints(&printed);
        for place in &self.places {
            let cluster = place.agent.cluster();
            if place.production {
                self.is_declared(place).await?;
                let what = format!(
                    "{cluster}: its own API server says that {GROUP} may list pods in {NAMESPACE}"
                );
                tell.sees(&what, Some(start.elapsed()));
            } else {
                let there = look::has_namespace(&place.client, NAMESPACE).await?
                    || look::has_cluster_role(&place.client, ROLE).await?
                    || look::may(&place.client, GROUP, "list", "pods", NAMESPACE).await?;
                if there {
                    bail!("{cluster} has something that is placed elsewhere");
                }
                tell.sees(
                    &format!("{cluster}: nothing of it is there; it is not production"),
                    None,
                );
            }
        }
        Ok(())
    }

    /// Waits until a production cluster is as the examples say.
    pub async fn is_declared(&self, place: &Place<'_>) -> Result<Duration> {
        let what = format!("{} is as declared", place.agent.cluster());
        let ((), after) = poll::until(&what, || async {
            let client = &place.client;
            let namespace = look::has_namespace(client, NAMESPACE).await?;
            let role = look::has_cluster_role(client, ROLE).await?;
            let subjects = look::subjects(client, NAMESPACE, BINDING).await?;
            let bound = subjects.is_some_and(|subjects| subjects == [GROUP]);
            let may = bound && look::may(client, GROUP, "list", "pods", NAMESPACE).await?;
            Ok((namespace && role && may).then_some(()))
        })
        .await?;
        Ok(after)
    }

    async fn tamper(&self, tell: &mut dyn Narrator) -> Result<()> {
        let place = self.first()?;
        let cluster = place.agent.cluster();
        tell.step(
            "Somebody edits the binding behind the hub's back",
            "With rights in one cluster, somebody adds a user of their own. The agent watches, reports\n\
             what it was and who did it, and puts it right.",
        );
        tell.types(&format!(
            "kubectl -n {NAMESPACE} edit rolebinding {BINDING}   # in {cluster}, + User {INTRUDER}"
        ));
        let mut reports = self.hanse.watch_drift().await?;
        let mut sights = look::watch_binding(&place.client, NAMESPACE, BINDING);
        sights.next().await.context("no watch")?;
        let start = Instant::now();
        look::add_subject(&place.client, NAMESPACE, BINDING, INTRUDER).await?;
        let restored = async {
            let mut intruded = false;
            while let Some(subjects) = sights.next().await {
                intruded |= subjects.iter().any(|subject| subject == INTRUDER);
                if intruded && subjects == [GROUP] {
                    return Ok(start.elapsed());
                }
            }
            bail!("the watch of {cluster} ended")
        };
        let reported = async {
            let report = reports.next(|drift| is_about(drift, cluster, BINDING)).await?;
            anyhow::Ok((report, start.elapsed()))
        };
        let both = async { tokio::try_join!(restored, reported) };
        let (restored, (report, reported)) = tokio::time::timeout(poll::PATIENCE, both)
            .await
            .context("the drift was not put right")??;
        let manager = report.get("manager").and_then(Value::as_str).unwrap_or_default();
        if manager != "kubectl-edit" {
            bail!("the hub does not know who it was: {report}");
        }
        let mut sights = [
            (restored, format!("{cluster}: {INTRUDER} is gone from the binding")),
            (reported, format!("the hub knows of it, and that the field manager was {manager}")),
        ];
        sights.sort();
        for (after, what) in sights {
            tell.sees(&what, Some(after));
        }
        self.drift_history(cluster, BINDING, "STATE_CORRECTED").await?;
        self.types(tell, &["drift", "--history"]).await
    }

    /// Waits until the hub's history has a drift in this state.
    async fn drift_history(&self, cluster: &str, object: &str, state: &str) -> Result<()> {
        poll::until("the hub has it in its history", || async {
            let drift = self.hanse.drift(true).await?;
            let found = drift.iter().any(|drift| {
                is_about(drift, cluster, object)
                    && drift.get("state").and_then(Value::as_str) == Some(state)
            });
            Ok(found.then_some(()))
        })
        .await?;
        Ok(())
    }

    async fn backdoor(&self, tell: &mut dyn Narrator) -> Result<()> {
        let place = self.places.get(1).map_or_else(|| self.first(), Ok)?;
        let cluster = place.agent.cluster();
        tell.step(
            "Somebody makes access that nobody declared",
            "Not ours to remove, and just what an auditor wants to know of: a binding to cluster-admin\n\
             that appears in a cluster is reported as unmanaged.",
        );
        tell.types(&format!("kubectl create clusterrolebinding {BACKDOOR} --clusterrole=cluster-admin --user={INTRUDER}   # in {cluster}"));
        look::remove_backdoor(&place.client, BACKDOOR).await?;
        let mut reports = self.hanse.watch_drift().await?;
        let start = Instant::now();
        look::make_backdoor(&place.client, BACKDOOR, INTRUDER).await?;
        let report = reports.next(|drift| is_about(drift, cluster, BACKDOOR)).await?;
        if report.get("class").and_then(Value::as_str) != Some("CLASS_UNMANAGED") {
            bail!("the hub takes it for something else: {report}");
        }
        tell.sees("the hub lists it as unmanaged, with what it grants", Some(start.elapsed()));
        tell.types("hanse drift");
        tell.prints(&self.hanse.run(&["drift"]).await?);
        if !look::has_cluster_role_binding(&place.client, BACKDOOR).await? {
            bail!("the agent removed what is not the federation's");
        }
        tell.types(&format!("kubectl delete clusterrolebinding {BACKDOOR}   # in {cluster}"));
        look::remove_backdoor(&place.client, BACKDOOR).await?;
        poll::until("the hub forgets it", || async {
            Ok((self.hanse.run(&["drift"]).await?.code == 0).then_some(()))
        })
        .await?;
        tell.sees("its administrator removes it, and the hub's list is empty again", None);
        Ok(())
    }

    async fn outage(&self, tell: &mut dyn Narrator) -> Result<()> {
        let place = self.first()?;
        let cluster = place.agent.cluster();
        tell.step(
            "The hub is away, and the clusters stay true",
            "The hub is killed. The same edit again: the agent puts it right by itself, and reports it\n\
             when the hub is back.",
        );
        tell.types("kill -9 <hub>");
        self.hub.kill().await?;
        let away_since = jiff::Timestamp::now();
        tell.types(&format!(
            "kubectl -n {NAMESPACE} edit rolebinding {BINDING}   # in {cluster}, + User {INTRUDER}"
        ));
        let start = Instant::now();
        look::add_subject(&place.client, NAMESPACE, BINDING, INTRUDER).await?;
        self.is_declared(place).await?;
        tell.sees(&format!("{cluster}: put right without the hub"), Some(start.elapsed()));
        let before = jiff::Timestamp::now();
        self.hub.start().await?;
        self.hanse.ok(&["wait", "--all", "--for=synced", "--timeout", "60s"]).await?;
        poll::until("the hub learns of it", || async {
            let drift = self.hanse.drift(true).await?;
            let detected =
                drift.iter().filter(|drift| is_about(drift, cluster, BINDING)).any(|drift| {
                    let time = drift.get("detectedAt").and_then(Value::as_str);
                    time.and_then(|time| time.parse::<jiff::Timestamp>().ok())
                        .is_some_and(|at| at >= away_since && at <= before)
                });
            Ok(detected.then_some(()))
        })
        .await?;
        tell.sees("the hub is back and has it in its history", None);
        self.types(tell, &["check"]).await
    }
}

pub(super) fn is_about(drift: &Value, cluster: &str, object: &str) -> bool {
    drift.get("cluster").and_then(Value::as_str) == Some(cluster)
        && drift.pointer("/object/name").and_then(Value::as_str) == Some(object)
}
