//! As whom the agent writes. This is the one place that decides it, for every write and every dry run.
//!
//! ```text
//! roles, bindings ── model `impersonate` ──► the user hanse:ceiling
//!                 └─ model `bind` ─────────► the agent's account
//! everything else, and every read ─────────► the agent's account
//! ```

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hanse_domain::object::ObjectKind;
use kube::config::AuthInfo;
use kube::{Client, Config};
use secrecy::SecretString;

use super::client::AccessError;

/// The user who holds the ceiling, where the API server knows constrained impersonation (KEP-5284).
pub const CEILING_USER: &str = "hanse:ceiling";

/// How the agent comes to grant what it does not hold itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// It has `escalate` and `bind`, and only the policies bound it.
    Bind,
    /// It writes roles and bindings as [`CEILING_USER`], and the API server bounds it, too.
    Impersonate,
}

impl Model {
    /// As `--model` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Impersonate => "impersonate",
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Clients of one cluster, one for each identity.
#[derive(Clone)]
pub struct Writers {
    own: Client,
    ceiling: Client,
    impersonates: Arc<AtomicBool>,
}

impl Writers {
    /// For the account of this configuration, in the model `bind` until [`Self::set_model`].
    pub fn new(mut config: Config) -> Result<Self, AccessError> {
        let client =
            |config| Client::try_from(config).map_err(|error| AccessError::Client(Box::new(error)));
        let own = client(config.clone())?;
        config.auth_info.impersonate = Some(CEILING_USER.to_owned());
        let ceiling = client(config)?;
        Ok(Self { own, ceiling, impersonates: Arc::default() })
    }

    /// For the bearer of a token, at the API server of this configuration.
    pub fn with_token(config: &Config, token: SecretString) -> Result<Self, AccessError> {
        let mut config = config.clone();
        config.auth_info = AuthInfo { token: Some(token), ..AuthInfo::default() };
        Self::new(config)
    }

    /// The agent's own account, with which everything is read.
    pub const fn own(&self) -> &Client {
        &self.own
    }

    /// The client that writes objects of a kind.
    pub fn of(&self, kind: ObjectKind) -> &Client {
        match self.model() {
            Model::Impersonate if kind.is_access() => &self.ceiling,
            Model::Impersonate | Model::Bind => &self.own,
        }
    }

    /// In which model they write.
    pub fn model(&self) -> Model {
        if self.impersonates.load(Ordering::Acquire) { Model::Impersonate } else { Model::Bind }
    }

    /// Changes the model, for all clones at once.
    pub fn set_model(&self, model: Model) {
        self.impersonates.store(model == Model::Impersonate, Ordering::Release);
    }
}

/// One account for everything.
impl From<Client> for Writers {
    fn from(own: Client) -> Self {
        Self { ceiling: own.clone(), own, impersonates: Arc::default() }
    }
}
