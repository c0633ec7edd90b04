//! The steps of `join` in the cluster and on the disk. Each can be done again.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hanse_domain::ids::ClusterId;
use jiff::{SignedDuration, Timestamp};
use kube::api::DynamicObject;
use kube::{Client, Config};
use secrecy::ExposeSecret as _;

use super::AdminAccess;
use crate::identity::store::create_secrets;
use crate::identity::{self, Identity, KUBECONFIG_FILE};
use crate::kube::client::ClusterFacts;
use crate::kube::install::InstallError;
use crate::kube::writers::Writers;
use crate::kube::{CallError, install, token};
use crate::terminal::{self, Failed, Mark};

/// How long the token is valid with which the fence is tried. The API server gives no shorter one.
const PROOF: SignedDuration = SignedDuration::from_mins(10);

pub(super) struct Steps {
    config: Config,
    pub(super) client: Client,
    dir: PathBuf,
    pub(super) dry_run: bool,
    pub(super) cluster: ClusterFacts,
}

impl Steps {
    /// Connects to the cluster.
    pub(super) async fn begin(
        admin: &AdminAccess,
        dir: &Path,
        dry_run: bool,
    ) -> anyhow::Result<Self> {
        let config = admin.access().config().await?;
        let url = config.cluster_url.clone();
        let client = Client::try_from(config.clone()).context("cannot use the kubeconfig")?;
        let cluster = ClusterFacts::read(&client).await.map_err(|error| {
            Failed::new(format!("the API server at {url} cannot be used"), error)
                .hint(format!("kubectl{} get namespace kube-system", admin.as_flags()))
        })?;
        let uid = &cluster.uid;
        let text = format!("the cluster at {url} has Kubernetes {} (uid {uid})", cluster.version);
        terminal::step(Mark::Good, &text);
        Ok(Self { config, client, dir: dir.to_owned(), dry_run, cluster })
    }

    /// Applies objects and tells each.
    pub(super) async fn apply(&self, objects: &[DynamicObject]) -> anyhow::Result<()> {
        for object in objects {
            let label = install::apply(&self.client, object, self.dry_run)
                .await
                .map_err(|e| refused(&e))?;
            let how = if self.dry_run { "would be applied" } else { "is applied" };
            terminal::step(Mark::Good, &format!("{label} {how}"));
        }
        Ok(())
    }

    /// The agent's rights, of a short-lived token that is not kept: what it really may do.
    pub(super) async fn as_agent(&self) -> anyhow::Result<Writers> {
        let made = token::request(&self.client, PROOF).await.map_err(no_token)?;
        let mut config = self.config.clone();
        // An audit log tells them from the agent's own requests: the first come before its rights are
        // enforced.
        config.headers.retain(|(name, _)| name != http::header::USER_AGENT);
        let agent =
            http::HeaderValue::from_static(concat!("hanse-agent-join/", env!("CARGO_PKG_VERSION")));
        config.headers.push((http::header::USER_AGENT, agent));
        Ok(Writers::with_token(&config, made.token)?)
    }

    /// The agent's own access to the cluster, for an agent outside of it.
    pub(super) async fn write_account(
        &self,
        cluster: &str,
        ttl: SignedDuration,
    ) -> anyhow::Result<()> {
        identity::make_directory(&self.dir)
            .with_context(|| format!("cannot make {}", self.dir.display()))?;
        let until = write_token(&self.client, &self.dir, ttl).await?;
        let kubeconfig = token::kubeconfig(&self.config, cluster);
        identity::write_private(&self.dir, KUBECONFIG_FILE, kubeconfig.as_bytes())
            .with_context(|| format!("cannot write to {}", self.dir.display()))?;
        tell_token(&self.dir, until);
        Ok(())
    }

    /// Whether the Secret could be made: it is written after the token is used up.
    pub(super) async fn check_secret(&self, cluster: &str) -> anyhow::Result<()> {
        let placeholder = placeholder(cluster)?;
        create_secrets(&self.client, &placeholder, true).await?;
        Ok(())
    }

    /// Keeps the identity.
    pub(super) async fn keep(&self, identity: &Identity, in_cluster: bool) -> anyhow::Result<()> {
        if in_cluster {
            create_secrets(&self.client, identity, false).await?;
            terminal::step(
                Mark::Good,
                "the identity is in the Secrets hanse-agent-identity and hanse-agent-pins of hanse-agent",
            );
        } else {
            identity.save(&self.dir)?;
            let until = identity.credentials.certificate.not_after;
            let text = format!("the identity is in {}, valid until {until}", self.dir.display());
            terminal::step(Mark::Good, &text);
        }
        Ok(())
    }
}

/// Asks for a token and writes it. Says until when it is valid.
pub(super) async fn write_token(
    client: &Client,
    dir: &Path,
    ttl: SignedDuration,
) -> anyhow::Result<Timestamp> {
    let made = token::request(client, ttl).await.map_err(no_token)?;
    identity::write_private(dir, token::TOKEN_FILE, made.token.expose_secret().as_bytes())
        .with_context(|| format!("cannot write to {}", dir.display()))?;
    Ok(made.expires_at)
}

fn no_token(error: CallError) -> Failed {
    Failed::new("the agent's account gets no token", error)
        .hint("kubectl auth can-i create serviceaccounts/token -n hanse-agent")
}

pub(super) fn refused(error: &InstallError) -> Failed {
    Failed::new("the agent cannot be installed", terminal::chain(error))
        .hint("join with the rights of an administrator: kubectl auth can-i '*' '*'")
}

pub(super) fn tell_token(dir: &Path, until: Timestamp) {
    let text = format!("the agent's account has a token, valid until {until}");
    terminal::step(Mark::Good, &text);
    terminal::note(&format!(
        "  before that, renew it, with the agent running: hanse-agent token --dir {}",
        super::quote(dir)
    ));
}

/// An identity of the right shape, to try whether its Secret would be taken.
fn placeholder(cluster: &str) -> anyhow::Result<Identity> {
    let key = rcgen::generate_simple_self_signed(Vec::new())?;
    let der = key.cert.der().to_vec();
    let certificate = identity::Certificate::parse(&der)?;
    let credentials = identity::Credentials {
        chain_pem: key.cert.pem(),
        key_pem: String::new().into(),
        certificate,
        obtained_at: Timestamp::now(),
    };
    let facts = identity::Facts {
        cluster_id: ClusterId(uuid::Uuid::nil()),
        cluster_name: cluster.to_owned(),
        cluster_uid: String::new(),
        trust_domain: String::new(),
        fleet_id: String::new(),
        history: None,
        agent_address: String::new(),
    };
    Ok(Identity { facts, credentials, ca_pem: String::new() })
}
