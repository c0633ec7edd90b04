//! A real cluster, a stage in it for each edge, and what the engine says of those who act there.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use hanse_domain::access::directory::Directory;
use hanse_domain::access::escalation::{Edge, Escalation, Filter, Target, escalations};
use hanse_domain::access::subject::Subject;
use hanse_domain::kinds::invariant::Goal;
use hanse_e2e::raw::{Answer, Caller};
use hanse_e2e::{inventory, poll};
use hanse_testbed::Cluster;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

pub(crate) const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
/// What is in the Secret `prize` of every vault.
const PRIZE: &str = "Z29sZA==";

pub(crate) struct World<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) admin: Caller,
}

/// Where one edge is tried: a namespace with the service account `strong`, which may read the Secrets of
/// another, the vault.
pub(crate) struct Stage<'w> {
    pub(crate) world: &'w World<'w>,
    pub(crate) namespace: String,
    pub(crate) vault: String,
}

impl<'c> World<'c> {
    /// With two nodes, as which nobody runs.
    pub(crate) async fn build(cluster: &'c Cluster) -> Result<Self> {
        let world = Self { cluster, admin: Caller::new(cluster.client().await?) };
        for node in ["n1", "n2"] {
            world.admin.create("/api/v1/nodes", &json!({"metadata": {"name": node}})).await?;
        }
        Ok(world)
    }

    /// A stage for one edge.
    pub(crate) async fn stage(&self, name: &str) -> Result<Stage<'_>> {
        let namespace = format!("on-{name}");
        let vault = format!("{namespace}-vault");
        let stage = Stage { world: self, namespace, vault };
        let Stage { namespace, vault, .. } = &stage;
        for name in [namespace, vault] {
            self.admin.create("/api/v1/namespaces", &json!({"metadata": {"name": name}})).await?;
        }
        for name in ["strong", "weak"] {
            let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
            self.admin.create(&accounts, &json!({"metadata": {"name": name}})).await?;
        }
        let prize = json!({"metadata": {"name": "prize"}, "data": {"is": PRIZE}});
        self.admin.create(&format!("/api/v1/namespaces/{vault}/secrets"), &prize).await?;
        let reads =
            json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]);
        let strong = json!({"kind": "ServiceAccount", "name": "strong", "namespace": namespace});
        stage.bind("strong", &strong, Some(vault), &reads).await?;
        // Every namespace has this one sooner or later; pods without another name need it.
        for name in [namespace, vault] {
            let path = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
            poll::until("the service account default", || async {
                Ok(self.admin.send("GET", &path, None).await?.is_ok().then_some(()))
            })
            .await?;
        }
        Ok(stage)
    }

    /// Whoever has a certificate with this name.
    pub(crate) async fn user(&self, name: &str, group: Option<&str>) -> Result<Caller> {
        Ok(Caller::new(self.cluster.client_for(name, group).await?))
    }

    /// Whoever has this token.
    pub(crate) async fn token(&self, token: &str) -> Result<Caller> {
        Ok(Caller::new(self.cluster.client_with_token(token).await?))
    }

    /// Whoever has this certificate and its key, both in base64.
    pub(crate) async fn certificate(&self, certificate: &str, key: &str) -> Result<Caller> {
        let mut kubeconfig = Kubeconfig::read_from(self.cluster.kubeconfig())?;
        for user in &mut kubeconfig.auth_infos {
            user.auth_info = Some(AuthInfo {
                client_certificate_data: Some(certificate.to_owned()),
                client_key_data: Some(key.to_owned().into()),
                ..AuthInfo::default()
            });
        }
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        Ok(Caller::new(Client::try_from(config)?))
    }

    /// All that the engine says of one user.
    pub(crate) async fn escalations(&self, user: &str, holders: bool) -> Result<Vec<Escalation>> {
        let cluster = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".parse()?;
        let index = inventory::index(&self.admin, cluster).await?;
        let subjects = Some(BTreeSet::from([Subject::User(user.to_owned())]));
        let filter = Filter { subjects, holders, ..Filter::default() };
        Ok(escalations(&index, cluster, &Directory::default(), &filter))
    }
}

impl Stage<'_> {
    /// The user of this stage who can, or only almost.
    pub(crate) fn name(&self, who: &str) -> String {
        format!("{who}-{}", self.namespace)
    }

    pub(crate) async fn user(&self, who: &str) -> Result<Caller> {
        self.world.user(&self.name(who), None).await
    }

    /// The user name of the service account `strong`.
    pub(crate) fn strong(&self) -> String {
        format!("system:serviceaccount:{}:strong", self.namespace)
    }

    /// The path of something in the stage's namespace.
    pub(crate) fn core(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// The path of RBAC objects in the vault.
    pub(crate) fn vault_rbac(&self, rest: &str) -> String {
        format!("{RBAC}/namespaces/{}/{rest}", self.vault)
    }

    /// Gives a user of the stage these rules, in one namespace or in the cluster, and waits until the
    /// authoriser knows.
    pub(crate) async fn grant(&self, who: &str, at: Option<&str>, rules: Value) -> Result<()> {
        let user = json!({"kind": "User", "name": self.name(who)});
        self.bind(&self.name(who), &user, at, &rules).await?;
        let last = rules.as_array().and_then(|rules| rules.last()).context("no rules")?;
        let word = |field: &str| last.pointer(&format!("/{field}/0")).and_then(Value::as_str);
        let resource = word("resources").unwrap_or_default();
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let review = json!({"spec": {"user": self.name(who), "resourceAttributes": {
            "namespace": at, "verb": word("verbs"), "group": word("apiGroups"),
            "resource": resource, "subresource": subresource, "name": word("resourceNames"),
        }}});
        poll::until(&format!("the authoriser lets {who} do it"), || async {
            let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            let answer = self.world.admin.create(path, &review).await?;
            Ok((answer.pointer("/status/allowed") == Some(&json!(true))).then_some(()))
        })
        .await?;
        Ok(())
    }

    async fn bind(&self, name: &str, whom: &Value, at: Option<&str>, rules: &Value) -> Result<()> {
        let (kind, of_roles, of_bindings, place) = match at {
            Some(namespace) => {
                ("Role", "roles", "rolebindings", format!("/namespaces/{namespace}"))
            }
            None => ("ClusterRole", "clusterroles", "clusterrolebindings", String::new()),
        };
        let admin = &self.world.admin;
        let role = json!({"metadata": {"name": name}, "rules": rules});
        admin.create(&format!("{RBAC}{place}/{of_roles}"), &role).await?;
        let role = json!({"kind": kind, "name": name});
        let binding = json!({"metadata": {"name": name}, "roleRef": role, "subjects": [whom]});
        admin.create(&format!("{RBAC}{place}/{of_bindings}"), &binding).await?;
        Ok(())
    }

    /// The target of most stages.
    pub(crate) fn secrets(&self) -> Target {
        Target::Secrets(Some(self.vault.clone()))
    }

    /// The engine names this path to the target, and none of this sort for who almost can.
    pub(crate) async fn named(&self, target: &Target, edges: &[Edge]) -> Result<()> {
        self.named_for("able", target, edges).await?;
        self.unnamed(target.goal()).await
    }

    pub(crate) async fn named_for(&self, who: &str, target: &Target, edges: &[Edge]) -> Result<()> {
        let all = self.world.escalations(&self.name(who), true).await?;
        let path = all.iter().find(|escalation| escalation.target == *target);
        let path = path.with_context(|| format!("{who} is not named for {target}: {all:#?}"))?;
        let mut steps: Vec<Edge> = path.steps.iter().map(|step| step.edge).collect();
        // The last step says what whoever was reached has.
        if steps.len() > 1 {
            steps.pop_if(|edge| *edge == Edge::Has);
        }
        ensure!(steps == edges, "another path: {path:#?}");
        Ok(())
    }

    async fn unnamed(&self, goal: Goal) -> Result<()> {
        let all = self.world.escalations(&self.name("near"), true).await?;
        let found = all.iter().find(|escalation| escalation.target.goal() == goal);
        ensure!(found.is_none(), "near is named: {found:#?}");
        Ok(())
    }

    /// Whoever it is now reads the prize: at once, or when the authoriser knows of the change.
    pub(crate) async fn wins(&self, who: &Caller) -> Result<()> {
        poll::until("the prize is read", || async {
            let answer = self.prize(who).await?;
            let value = answer.body.pointer("/data/is").and_then(Value::as_str);
            if value == Some(PRIZE) { Ok(Some(())) } else { anyhow::bail!("{}", answer.message()) }
        })
        .await?;
        Ok(())
    }

    /// A try to read the prize.
    pub(crate) async fn prize(&self, who: &Caller) -> Result<Answer> {
        who.send("GET", &format!("/api/v1/namespaces/{}/secrets/prize", self.vault), None).await
    }
}

/// The API server's authorisation refused it; nothing else did.
pub(crate) fn refused(answer: &Answer) -> Result<()> {
    ensure!(answer.is_forbidden(), "not refused: {} {}", answer.code, answer.message());
    Ok(())
}

/// Rules, shortly: group, resource, verbs, names.
pub(crate) fn rule(group: &str, resource: &str, verbs: &[&str], names: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": [resource], "verbs": verbs, "resourceNames": names})
}
