//! A real cluster with the fence of one model, things in it that are worth an attack, and a thief who
//! has the agent's token.

use anyhow::{Context as _, Result, bail};
use hanse_e2e::poll;
use hanse_testbed::Cluster;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::call::{Outcome, apply, delete};
use crate::objects::{namespace, rule};

/// How the agent is let write RBAC objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// With `escalate` and `bind`.
    Bind,
    /// As the ceiling's user, by constrained impersonation.
    Impersonate,
}

impl Model {
    pub(crate) const fn manifest(self) -> &'static str {
        match self {
            Self::Bind => include_str!("../../../deploy/agent/rbac.yaml"),
            Self::Impersonate => include_str!("../../../deploy/agent/rbac-impersonate.yaml"),
        }
    }
}

const NAMESPACE: &str = include_str!("../../../deploy/agent/namespace.yaml");
pub(crate) const CRD: &str = include_str!("../../../deploy/agent/fence/crd.yaml");
pub(crate) const CEILING: &str = include_str!("../../../deploy/agent/fence/ceiling.yaml");
pub(crate) const GUARD: &str = include_str!("../../../deploy/agent/fence/guard.yaml");
pub(crate) const POLICY: &str = include_str!("../../../deploy/agent/fence/ceiling-policy.yaml");
const VICTIMS: &str = include_str!("victims.yaml");

/// A cluster under attack.
pub(crate) struct World<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) model: Model,
    pub(crate) admin: Client,
    pub(crate) thief: Client,
}

impl<'c> World<'c> {
    pub(crate) async fn build(cluster: &'c Cluster, model: Model) -> Result<Self> {
        let admin = cluster.client().await?;
        for manifest in [NAMESPACE, CRD, model.manifest(), VICTIMS, CEILING, GUARD, POLICY] {
            install(&admin, manifest).await?;
        }
        let accounts = Api::<ServiceAccount>::namespaced(admin.clone(), "hanse-agent");
        let spec = TokenRequestSpec { expiration_seconds: Some(7200), ..Default::default() };
        let ask = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let answer = accounts.create_token_request("agent", &PostParams::default(), &ask).await?;
        let token = answer.status.and_then(|status| status.token).context("no token")?;
        let thief = cluster.client_with_token(&token).await?;
        let world = Self { cluster, model, admin, thief };
        world.wait_for("F02", "C07").await?;
        Ok(world)
    }

    /// Waits until the guard and the ceiling's policy say this; a binding is enforced a moment after it
    /// is made.
    async fn wait_for(&self, guard: &str, ceiling: &str) -> Result<()> {
        let probes = [("kube-probe", guard), ("cert-manager", ceiling)];
        for (name, wanted) in probes {
            let path = format!("/api/v1/namespaces/{name}");
            let probe = apply(&path, namespace(name, "restricted"));
            poll::until(&format!("{wanted:?} for {name}"), || async {
                let outcome = probe.send(&self.thief, self.model, true).await?;
                let seen = match &outcome {
                    Outcome::Denied(code) => code,
                    Outcome::Passed => "",
                    Outcome::Odd(why) => bail!("{why}"),
                };
                Ok((seen == wanted).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Takes the bindings of the policies away, as somebody whom RBAC lets.
    pub(crate) async fn open_the_fence(&self) -> Result<()> {
        let bindings =
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/hanse-fence-";
        for name in ["guard", "ceiling"] {
            let gone = delete(&format!("{bindings}{name}"));
            assert_eq!(gone.send(&self.admin, Model::Bind, false).await?, Outcome::Passed);
        }
        self.wait_for("", "").await
    }

    /// Makes sure that the thief's requests fail for the policies' sake and not for a slip in the test:
    /// a role within the ceiling passes.
    pub(crate) async fn sanity(&self) -> Result<()> {
        let body = crate::objects::role("hanse:ns:sane", json!([rule("", "pods", &["get"])]));
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/hanse:ns:sane";
        let outcome = apply(path, body).send(&self.thief, self.model, true).await?;
        assert_eq!(outcome, Outcome::Passed);
        Ok(())
    }
}

/// The documents of a YAML file.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple(text)?)
}

/// Server-side apply, with an administrator's rights. What needs a new kind waits for it.
pub(crate) async fn install(admin: &Client, text: &str) -> Result<()> {
    for value in documents(text)? {
        put(admin, value).await?;
    }
    Ok(())
}

/// The same, for one object.
pub(crate) async fn put(admin: &Client, value: Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(value)?;
    let types = object.types.as_ref().context("no type")?;
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
    if resource.kind == "NetworkPolicy" {
        "networkpolicies".clone_into(&mut resource.plural);
    }
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(admin.clone(), &namespace, &resource),
        None => Api::all_with(admin.clone(), &resource),
    };
    let params = PatchParams::apply("test").force();
    poll::until(&object.name_any(), || async {
        api.patch(&object.name_any(), &params, &Patch::Apply(&object)).await?;
        Ok(Some(()))
    })
    .await?;
    Ok(())
}
