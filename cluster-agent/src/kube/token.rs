//! A token of the agent's service account, for an agent that runs outside of the cluster, and a
//! kubeconfig that reads it from a file beside it, so that a running agent takes up a new one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client, Config};
use secrecy::SecretString;
use serde_json::json;

use super::{CallError, NAMESPACE, SERVICE_ACCOUNT, within};

/// The file with the token, beside the kubeconfig.
pub const TOKEN_FILE: &str = "token";

/// A bearer token.
#[derive(Debug)]
pub struct AccountToken {
    /// The token.
    pub token: SecretString,
    /// The API server may allow less than was asked for.
    pub expires_at: Timestamp,
}

/// Asks for a token, with an administrator's rights.
pub async fn request(client: &Client, lifetime: SignedDuration) -> Result<AccountToken, CallError> {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), NAMESPACE);
    let ask = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(lifetime.as_secs()),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let params = PostParams::default();
    let answer = within(accounts.create_token_request(SERVICE_ACCOUNT, &params, &ask)).await?;
    let status = answer.status.unwrap_or_default();
    let now = Timestamp::now();
    Ok(AccountToken {
        token: status.token.unwrap_or_default().into(),
        expires_at: status.expiration_timestamp.map_or(now, |time| time.0),
    })
}

/// A kubeconfig for the same API server as `admin`'s, with the token from [`TOKEN_FILE`] and with
/// nothing of the administrator's.
pub fn kubeconfig(admin: &Config, cluster: &str) -> String {
    let mut server = json!({ "server": admin.cluster_url.to_string() });
    let mut put = |key: &str, value: serde_json::Value| {
        if let Some(server) = server.as_object_mut() {
            server.insert(key.to_owned(), value);
        }
    };
    if let Some(roots) = &admin.root_cert {
        let pem: String = roots.iter().map(|der| certificate_pem(der)).collect();
        put("certificate-authority-data", STANDARD.encode(pem).into());
    }
    if let Some(name) = &admin.tls_server_name {
        put("tls-server-name", name.as_str().into());
    }
    if admin.accept_invalid_certs {
        put("insecure-skip-tls-verify", true.into());
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [{ "name": cluster, "cluster": server }],
        "users": [{ "name": "hanse-agent", "user": { "tokenFile": TOKEN_FILE } }],
        "contexts": [{ "name": cluster, "context": {
            "cluster": cluster, "user": "hanse-agent", "namespace": NAMESPACE,
        }}],
    });
    format!("{config:#}\n")
}

/// PEM, as RFC 7468 writes it.
pub fn certificate_pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, c) in encoded.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(c);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}
