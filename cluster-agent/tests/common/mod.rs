//! What the tests on real clusters share.

#![allow(
    dead_code,
    clippy::indexing_slicing,
    reason = "each test file uses a part of it, and a test fails by panicking"
)]

use std::error::Error;
use std::time::{Duration, Instant};

use hanse_agent::kube::client::Access;
use hanse_agent::kube::writers::{Model, Writers};
use hanse_agent::kube::{install, token};
use hanse_domain::object::{MANAGED_LABEL, Object, ObjectKind, ObjectRef};
use hanse_testbed::{Cluster, Options, Testbed};
use jiff::SignedDuration;
use kube::Client;
use kube::api::DynamicObject;
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

    /// With what `join --fence none --model bind` installs.
    pub(crate) async fn with_agent() -> Outcome<Self> {
        let bed = Self::up().await?;
        let mut objects = install::base()?;
        let ceiling = install::ceiling_spec(&install::default_ceiling()?)?;
        objects.extend(install::rights(Model::Bind, &ceiling)?);
        bed.apply(&objects).await?;
        Ok(bed)
    }

    /// With what `join` installs: the agent behind the fence.
    pub(crate) async fn fenced(model: Model) -> Outcome<Self> {
        let bed = Self::up().await?;
        bed.fence(model).await?;
        Ok(bed)
    }

    /// Installs the fence, or puts it right.
    pub(crate) async fn fence(&self, model: Model) -> Outcome {
        self.apply(&install::base()?).await?;
        self.apply(&install::definition()?).await?;
        let admin = self.admin().await?;
        let (ceiling, _) = install::ensure_ceiling(&admin, &install::default_ceiling()?).await?;
        self.apply(&install::policies()?).await?;
        self.apply(&install::rights(model, &install::ceiling_spec(&ceiling)?)?).await?;
        install::remove_other(&admin, model).await?;
        Ok(())
    }

    pub(crate) async fn apply(&self, objects: &[DynamicObject]) -> Outcome {
        let admin = self.admin().await?;
        for object in objects {
            install::apply(&admin, object, false).await?;
        }
        Ok(())
    }

    /// The agent's account, as it writes and as the ceiling user.
    pub(crate) async fn writers(&self) -> Outcome<Writers> {
        let made = token::request(&self.admin().await?, SignedDuration::from_hours(1)).await?;
        let file = Some(self.cluster().kubeconfig().to_owned());
        let config = Access::Kubeconfig { file, context: None }.config().await?;
        Ok(Writers::with_token(&config, made.token)?)
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
