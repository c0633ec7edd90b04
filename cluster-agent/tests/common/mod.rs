//! What the tests on real clusters share.

#![allow(
    dead_code,
    clippy::indexing_slicing,
    reason = "each test file uses a part of it, and a test fails by panicking"
)]

use std::error::Error;
use std::time::{Duration, Instant};

use hanse_agent::kube::{install, token};
use hanse_domain::object::{MANAGED_LABEL, Object, ObjectKind, ObjectRef};
use hanse_testbed::{Cluster, Options, Testbed};
use jiff::SignedDuration;
use kube::Client;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// One cluster with the agent's namespace, account and rights.
pub(crate) struct Bed {
    pub(crate) testbed: Testbed,
    _dir: TempDir,
}

impl Bed {
    pub(crate) async fn up() -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let testbed = Testbed::up(Options::new(dir.path(), 1)).await?;
        Ok(Self { testbed, _dir: dir })
    }

    /// With what `join` installs.
    pub(crate) async fn with_agent() -> Outcome<Self> {
        let bed = Self::up().await?;
        let admin = bed.admin().await?;
        for object in install::objects()? {
            install::apply(&admin, &object, false).await?;
        }
        Ok(bed)
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.testbed.clusters()[0]
    }

    pub(crate) async fn admin(&self) -> Outcome<Client> {
        Ok(self.cluster().client().await?)
    }

    /// A client with the agent's account and no other rights.
    pub(crate) async fn agent(&self) -> Outcome<Client> {
        let admin = self.admin().await?;
        let made = token::request(&admin, SignedDuration::from_hours(1)).await?;
        Ok(self.cluster().client_with_token(made.token.expose_secret()).await?)
    }
}

pub(crate) fn object(reference: ObjectRef, rest: &Value) -> Object {
    let mut body = json!({
        "apiVersion": reference.kind.api_version(),
        "kind": reference.kind.name(),
        "metadata": { "name": reference.name, "labels": { MANAGED_LABEL: "true" } },
    });
    if let Some(namespace) = &reference.namespace {
        body["metadata"]["namespace"] = json!(namespace);
    }
    for (key, value) in rest.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    Object { reference, body }
}

pub(crate) fn namespace(name: &str) -> Object {
    object(ObjectRef::cluster(ObjectKind::Namespace, name), &json!({}))
}

pub(crate) fn role(name: &str, verb: &str) -> Object {
    let rules = json!({ "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": [verb] }] });
    object(ObjectRef::cluster(ObjectKind::ClusterRole, name), &rules)
}

pub(crate) fn binding(namespace: &str, name: &str, role: &str) -> Object {
    let rest = json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice" }],
    });
    object(ObjectRef::namespaced(ObjectKind::RoleBinding, namespace, name), &rest)
}

pub(crate) fn quota(namespace: &str, name: &str, pods: &str) -> Object {
    let rest = json!({ "spec": { "hard": { "pods": pods } } });
    object(ObjectRef::namespaced(ObjectKind::ResourceQuota, namespace, name), &rest)
}

/// Asks until it is so.
pub(crate) async fn eventually<F: Future<Output = Outcome<bool>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> Outcome {
    let deadline = Instant::now() + SOON;
    while !ask().await? {
        if Instant::now() > deadline {
            return Err(format!("it never came: {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
