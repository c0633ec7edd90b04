//! The real cluster: what is written to it, what it holds, and what its authoriser says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use hanse_domain::access::object::{AccessKey, AccessKind};
use hanse_e2e::raw::{Answer, Caller, segment};
use hanse_e2e::{inventory, poll};
use serde_json::{Value, json};

use crate::aggregation;
use crate::ask::What;
use crate::policy::Round;
use crate::who::Who;
use crate::words::NAMESPACES;

/// How many requests are on their way at once.
pub(crate) const AT_ONCE: usize = 24;
const KINDS: [AccessKind; 6] = [
    AccessKind::Namespace,
    AccessKind::ServiceAccount,
    AccessKind::ClusterRole,
    AccessKind::Role,
    AccessKind::ClusterRoleBinding,
    AccessKind::RoleBinding,
];

/// All objects of a cluster that give access, as the API server serves them.
pub(crate) type Listing = BTreeMap<AccessKey, Value>;

pub(crate) struct Server {
    admin: Caller,
}

/// What the authoriser says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    pub(crate) reason: String,
}

impl Server {
    /// With the namespaces and some of the service accounts.
    pub(crate) async fn prepare(admin: Caller) -> Result<Self> {
        let server = Self { admin };
        for namespace in NAMESPACES {
            let body = json!({"metadata": {"name": namespace}});
            let made = server.admin.send("POST", "/api/v1/namespaces", Some(&body)).await?;
            ensure!(made.is_ok() || made.code == 409, "{}", made.message());
        }
        for (namespace, name) in [("team", "ci"), ("team-a", "ci"), ("ci", "a.b")] {
            let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
            server.admin.create(&path, &json!({"metadata": {"name": name}})).await?;
        }
        server.settle(0).await?;
        Ok(server)
    }

    /// Writes a round. Returns what the API server refused, and why.
    pub(crate) async fn write(&self, round: &Round) -> Result<Vec<String>> {
        let refused = futures::stream::iter(round)
            .map(|(key, body)| async move {
                let answer = self.put(key, body.as_ref()).await?;
                let refused = !(answer.is_ok() || (body.is_none() && answer.code == 404));
                ensure!(!refused || answer.code < 500, "{key}: {}", answer.message());
                anyhow::Ok(refused.then(|| format!("{key}: {}", answer.message())))
            })
            .buffer_unordered(AT_ONCE);
        refused.try_filter_map(async |refused| Ok(refused)).try_collect().await
    }

    async fn put(&self, key: &AccessKey, body: Option<&Value>) -> Result<Answer> {
        let path = path(key);
        let Some(body) = body else { return self.admin.send("DELETE", &path, None).await };
        let answer = self.admin.send("PUT", &path, Some(body)).await?;
        if !answer.message().contains("cannot change roleRef") {
            return Ok(answer);
        }
        self.admin.send("DELETE", &path, None).await?;
        self.admin.send("PUT", &path, Some(body)).await
    }

    /// Waits until the aggregated roles are gathered and the authoriser's caches, one for each kind,
    /// have everything that was written before. Each round has a number of its own.
    pub(crate) async fn settle(&self, round: usize) -> Result<()> {
        poll::until("the cluster roles are aggregated", || async {
            let roles = self.list_of(AccessKind::ClusterRole).await?;
            match aggregation::unsettled(&roles) {
                None => Ok(Some(())),
                Some((sum, wanted)) => bail!("{wanted:#?} are not yet in {sum}"),
            }
        })
        .await?;
        for (key, body) in sentinels(round) {
            let answer = self.put(&key, Some(&body)).await?;
            ensure!(answer.is_ok(), "{key}: {}", answer.message());
        }
        for resource in ["clusterroles", "roles", "clusterrolebindings", "rolebindings"] {
            poll::until("the authoriser has the round", || async {
                let (verb, user) = if resource.ends_with("bindings") {
                    ("ok".to_owned(), format!("sentinel-{round}"))
                } else {
                    (format!("round-{round}"), "sentinel".to_owned())
                };
                let what = What::Resource {
                    verb,
                    group: "sentinel".to_owned(),
                    resource: resource.to_owned(),
                    subresource: String::new(),
                    name: String::new(),
                    namespace: "team".to_owned(),
                };
                let who = Who { user, groups: BTreeSet::new(), plain: None };
                Ok(self.review(&what, &who).await?.allowed.then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Everything that there is.
    pub(crate) async fn list(&self) -> Result<Listing> {
        let mut all = Listing::new();
        for kind in KINDS {
            all.extend(self.list_of(kind).await?);
        }
        Ok(all)
    }

    async fn list_of(&self, kind: AccessKind) -> Result<Listing> {
        let items = inventory::list(&self.admin, kind).await?;
        let text = |item: &Value, pointer| {
            item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Ok(items
            .into_iter()
            .map(|item| {
                let namespace = text(&item, "/metadata/namespace");
                (AccessKey { kind, namespace, name: text(&item, "/metadata/name") }, item)
            })
            .collect())
    }

    /// A `SubjectAccessReview`.
    pub(crate) async fn review(&self, what: &What, who: &Who) -> Result<Verdict> {
        let mut spec = json!({"user": who.user, "groups": who.groups});
        match what {
            What::Path { verb, path } => {
                spec["nonResourceAttributes"] = json!({"verb": verb, "path": path});
            }
            What::Resource { verb, group, resource, subresource, name, namespace } => {
                spec["resourceAttributes"] = json!({
                    "verb": verb, "group": group, "resource": resource,
                    "subresource": subresource, "name": name, "namespace": namespace,
                });
            }
        }
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec,
        });
        let answer = self.admin.create(path, &body).await?;
        let status = answer.get("status").context("no answer to an access review")?;
        let reason = status.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
        let allowed = status.get("allowed").and_then(Value::as_bool).context("no verdict")?;
        Ok(Verdict { allowed, reason })
    }
}

fn path(key: &AccessKey) -> String {
    let (group, version, _, plural) = key.kind.resource();
    let namespace = match key.namespace.as_str() {
        "" => String::new(),
        namespace => format!("namespaces/{namespace}/"),
    };
    format!("/apis/{group}/{version}/{namespace}{plural}/{}", segment(&key.name))
}

/// Two roles whose rules change with the round, two bindings whose subjects do, and what they need.
fn sentinels(round: usize) -> Vec<(AccessKey, Value)> {
    let mut out = Vec::new();
    for (roles, role, bindings, binding, namespace) in [
        ("clusterroles", "ClusterRole", "clusterrolebindings", "ClusterRoleBinding", ""),
        ("roles", "Role", "rolebindings", "RoleBinding", "team"),
    ] {
        let mut put = |kind: &str, name: &str, mut body: Value| {
            let kind = AccessKind::from_name(kind).unwrap();
            body["metadata"] = json!({"name": name, "namespace": namespace});
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            out.push((AccessKey { kind, namespace, name }, body));
        };
        let rule = |verb: &str, resource: &str| json!({"rules": [{"apiGroups": ["sentinel"], "resources": [resource], "verbs": [verb]}]});
        let bound = |role_name: &str, user: &str| {
            json!({"roleRef": {"kind": role, "name": role_name},
                "subjects": [{"kind": "User", "name": user}]})
        };
        put(role, "sentinel", rule(&format!("round-{round}"), roles));
        put(role, "sentinel-fixed", rule("ok", bindings));
        put(binding, "sentinel", bound("sentinel", "sentinel"));
        put(binding, "sentinel-subjects", bound("sentinel-fixed", &format!("sentinel-{round}")));
    }
    out
}
