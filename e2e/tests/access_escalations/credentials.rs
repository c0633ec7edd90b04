//! Edges by credentials: tokens that are asked for or made, and certificates.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hanse_domain::access::escalation::{Edge, Target};
use hanse_e2e::poll;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use crate::world::{World, refused, rule};

const CERTIFICATES: &str = "certificates.k8s.io";

pub(crate) async fn token(world: &World<'_>) -> Result<()> {
    let stage = world.stage("token").await?;
    let ask_for = |name: &str| json!([rule("", "serviceaccounts/token", &["create"], &[name])]);
    stage.grant("able", Some(&stage.namespace), ask_for("strong")).await?;
    stage.grant("near", Some(&stage.namespace), ask_for("weak")).await?;
    stage.named(&stage.secrets(), &[Edge::Token]).await?;
    let path = stage.core("serviceaccounts/strong/token");
    let ask = json!({"spec": {"audiences": []}});
    let able = stage.user("able").await?;
    refused(&stage.prize(&able).await?)?;
    let answer = able.create(&path, &ask).await?;
    let token = answer.pointer("/status/token").and_then(Value::as_str).context("no token")?;
    stage.wins(&world.token(token).await?).await?;
    refused(&stage.user("near").await?.send("POST", &path, Some(&ask)).await?)
}

/// A token Secret is made for a service account, and read when the controller has filled it. Who can
/// make it and not read it has nothing.
pub(crate) async fn token_secret(world: &World<'_>) -> Result<()> {
    let stage = world.stage("token-secret").await?;
    let here = Some(stage.namespace.as_str());
    stage.grant("able", here, json!([rule("", "secrets", &["create", "get"], &[])])).await?;
    stage.grant("near", here, json!([rule("", "secrets", &["create"], &[])])).await?;
    stage.named(&stage.secrets(), &[Edge::TokenSecret]).await?;
    let secret = |name: &str| {
        json!({"type": "kubernetes.io/service-account-token", "metadata": {
            "name": name, "annotations": {"kubernetes.io/service-account.name": "strong"},
        }})
    };
    let (able, near) = (stage.user("able").await?, stage.user("near").await?);
    able.create(&stage.core("secrets"), &secret("ables")).await?;
    let (token, _) = poll::until("the controller has written the token", || async {
        let made = able.get(&stage.core("secrets/ables")).await?;
        Ok(made.pointer("/data/token").and_then(Value::as_str).map(str::to_owned))
    })
    .await?;
    let token = String::from_utf8(STANDARD.decode(token)?)?;
    stage.wins(&world.token(&token).await?).await?;
    near.create(&stage.core("secrets"), &secret("nears")).await?;
    refused(&near.send("GET", &stage.core("secrets/nears"), None).await?)
}

/// A client certificate for the controller manager, which reads every Secret, is asked for and approved;
/// a controller signs it. Who may not approve for that signer is refused.
pub(crate) async fn certificate(world: &World<'_>) -> Result<()> {
    let stage = world.stage("certificate").await?;
    let create = rule(CERTIFICATES, "certificatesigningrequests", &["create"], &[]);
    let approve = rule(CERTIFICATES, "certificatesigningrequests/approval", &["update"], &[]);
    let client = "kubernetes.io/kube-apiserver-client";
    let signer = |name: &str| rule(CERTIFICATES, "signers", &["approve"], &[name]);
    let kubelets = signer("kubernetes.io/kubelet-serving");
    stage.grant("able", None, json!([create, approve, signer(client)])).await?;
    stage.grant("near", None, json!([create, approve, kubelets])).await?;
    stage.named(&Target::Secrets(None), &[Edge::Certificate]).await?;

    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "system:kube-controller-manager");
    let request = STANDARD.encode(params.serialize_request(&key)?.pem()?);
    let path = format!("/apis/{CERTIFICATES}/v1/certificatesigningrequests");
    let request = |name: &str| {
        json!({"metadata": {"name": name}, "spec": {
            "request": request, "signerName": client, "usages": ["digital signature", "client auth"],
        }})
    };
    let approved = |mut made: Value| {
        made["status"] = json!({"conditions": [{
            "type": "Approved", "status": "True", "reason": "Mine", "message": "by myself",
        }]});
        made
    };
    let (able, near) = (stage.user("able").await?, stage.user("near").await?);
    let made = approved(near.create(&path, &request("nears")).await?);
    refused(&near.send("PUT", &format!("{path}/nears/approval"), Some(&made)).await?)?;
    let made = approved(able.create(&path, &request("ables")).await?);
    able.send("PUT", &format!("{path}/ables/approval"), Some(&made)).await?.ok()?;
    let (certificate, _) = poll::until("the certificate is signed", || async {
        let done = world.admin.get(&format!("{path}/ables")).await?;
        Ok(done.pointer("/status/certificate").and_then(Value::as_str).map(str::to_owned))
    })
    .await?;
    stage.wins(&world.certificate(&certificate, &STANDARD.encode(key.serialize_pem())).await?).await
}
