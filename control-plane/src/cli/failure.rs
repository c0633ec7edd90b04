//! What went wrong, for a person: `error:`, `why:`, `hint:`.

use std::fmt;

use crate::api::status::chain;
use crate::service::ServiceError;
use crate::store::StoreError;
use crate::wire::StartError;

/// A failure of a command.
#[derive(Debug)]
pub(super) struct Failure {
    what: String,
    why: Option<String>,
    hint: Option<String>,
}

impl Failure {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: None, hint: None }
    }

    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over")]
    pub(super) fn why(mut self, why: impl ToString) -> Self {
        self.why = Some(why.to_string());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Another hint, below the first.
    pub(super) fn also(mut self, hint: &str) -> Self {
        self.hint = Some(match self.hint {
            Some(first) => format!("{first}\n       {hint}"),
            None => hint.to_owned(),
        });
        self
    }

    /// An error whose text may end with a hint of its own.
    pub(super) fn explained(what: &str, error: &dyn std::error::Error) -> Self {
        let text = chain(error);
        let mut failure = Self::new(what);
        match text.split_once("\nhint: ") {
            Some((why, hint)) => {
                // What lies below the error follows its hint.
                let (hint, below) = hint.split_once(": ").unwrap_or((hint, ""));
                let below = if below.is_empty() { String::new() } else { format!(": {below}") };
                failure.why = Some(format!("{why}{below}"));
                failure.hint = Some(hint.to_owned());
            }
            None => failure.why = Some(text),
        }
        failure
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some(why) = &self.why {
            write!(f, "\nwhy:   {why}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint:  {hint}")?;
        }
        Ok(())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Open(open) => {
                Self::new(open.what.clone()).why(open.why.clone()).hint(open.hint.clone())
            }
            StoreError::SchemaTooNew { .. } => Self::new("cannot use the database")
                .why(error)
                .hint("start the newer version of the program that made it so"),
            StoreError::Corrupt { .. } => Self::new("cannot use the database")
                .why(error)
                .hint("restore a backup; the hub does not serve what it cannot believe"),
            StoreError::Conflict { .. }
            | StoreError::Stale { .. }
            | StoreError::Serialization
            | StoreError::CutOff
            | StoreError::Superseded
            | StoreError::Invalid { .. }
            | StoreError::Unavailable { .. } => {
                Self::explained("the database did not do it", &error)
            }
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::NotInitialised(dir) => {
                let dir = dir.display();
                Self::new(format!("there is no hub in {dir}"))
                    .why("it has no certificate authority")
                    .hint(format!("hanse-control-plane init --dir {dir}"))
            }
            StartError::OtherFleet { trust_domain, database } => {
                let holds = database.map_or_else(
                    || "holds no fleet".to_owned(),
                    |other| format!("holds the fleet of {other}"),
                );
                Self::new("the database is not of this hub")
                    .why(format!("the hub is of {trust_domain}, and the database {holds}"))
                    .hint("check `database` in hub.json, --database and HANSE_DATABASE")
            }
            StartError::OtherFleetId { .. } => Self::new("the database is not of this hub")
                .why(error)
                .hint("check `database` and `fleetId` in hub.json, --database and HANSE_DATABASE"),
            StartError::NoTrustRoot(why) => Self::new(
                "this hub was made by an earlier version, whose statements were not signed",
            )
            .why(format!("its trust root cannot be used: {why}"))
            .hint("make a new hub: hanse-control-plane init --dir NEW-FOLDER")
            .also("then let the clusters join it, and apply the documents again"),
            StartError::Store(error) | StartError::Load(ServiceError::Store(error)) => error.into(),
            StartError::Ca(error) => {
                Self::explained("cannot use the certificate authority", &error)
            }
            StartError::Bind(error) => Self::explained("cannot listen", &error),
            StartError::Metrics(address, error) => {
                Self::new(format!("cannot serve metrics on {address}"))
                    .why(error)
                    .hint("name another address with --metrics-listen")
            }
            StartError::Certificate(error) => {
                Self::explained("cannot make the server's certificate", &error)
            }
            StartError::Tls(error) => Self::explained("cannot set up TLS", &error),
            StartError::Load(error) => Self::explained("cannot load the fleet", &error),
        }
    }
}
