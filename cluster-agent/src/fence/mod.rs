//! The fence: the admission policies that the cluster's administrator installed with the agent, and
//! that bound what the agent may write. What lives here looks whether they stand; nothing here makes
//! them (`kube::install` does, with an administrator's rights).
//!
//! ```text
//!           content   policies, bindings and the Ceiling are what was shipped
//! check ──► rights    the account can do nothing that the policies cannot see
//!           probes    dry runs that must be denied are, by the policy's code
//!
//! watches ──poke──► check ──► FenceState ──► the agent writes, or does not
//! ```
//!
//! All three are needed: probes alone do not find a binding that was narrowed, and content alone does
//! not prove that the API server enforces it.

mod content;
mod probes;
mod report;
mod rights;
pub mod running;

use hanse_domain::ceiling::Ceiling;
use hanse_domain::ids::Digest;
use kube::Api;
use kube::api::DynamicObject;

pub use report::{Aspect, FenceFinding, FenceReport, Level};
pub(crate) use rights::grants;

use crate::kube::writers::{Model, Writers};
use crate::kube::{CallError, install, within};

/// What the agent knows of its fence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FenceState {
    /// It has not looked yet.
    #[default]
    Unknown,
    /// It is as it was shipped, and enforced.
    Standing {
        /// As whom roles and bindings are written.
        model: Model,
        /// What the administrator allows.
        ceiling: CeilingReport,
    },
    /// It is not, and the agent must not write.
    Broken(Vec<String>),
    /// It is not, and the administrator has said that the agent may write all the same.
    Unfenced(Vec<String>),
}

impl FenceState {
    /// Whether the agent may write.
    pub const fn may_write(&self) -> bool {
        match self {
            Self::Standing { .. } | Self::Unfenced(_) => true,
            Self::Unknown | Self::Broken(_) => false,
        }
    }
}

/// The Ceiling as the hub may show it. Nobody trusts it for more than a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeilingReport {
    /// The object's.
    pub uid: String,
    /// Grows with each change of the spec.
    pub generation: i64,
    /// Of `spec`.
    pub digest: Digest,
    /// Canonical JSON: keys in order, no spaces. At most
    /// [`hanse_domain::ceiling::MAX_CEILING_BYTES`].
    pub spec: String,
}

impl CeilingReport {
    /// The spec, if this version of Hanse can read it.
    pub fn ceiling(&self) -> Option<Ceiling> {
        Ceiling::parse(&self.spec).ok()
    }
}

/// Looks at everything, and has the writers use the model that the account's rights are made for.
///
/// Only a server that does not answer is an error: then nothing is known.
pub async fn check(writers: &Writers) -> Result<FenceReport, CallError> {
    let model = rights::model(writers.own()).await?;
    writers.set_model(model);
    let mut report = FenceReport::new(model);
    content::check(writers.own(), &mut report).await?;
    rights::check(writers.own(), &mut report).await?;
    probes::check(writers, &mut report).await?;
    Ok(report)
}

/// One of the fence's objects, if it is there and may be read.
async fn read(
    client: &kube::Client,
    object: &DynamicObject,
) -> Result<Result<Option<DynamicObject>, String>, CallError> {
    let Ok((api, name)) = install::api_of(client, object) else {
        return Ok(Ok(None));
    };
    match within(Api::get_opt(&api, &name)).await {
        Ok(found) => Ok(Ok(found)),
        // Without the kind there is not even an answer in the form of a Status.
        Err(error) if error.is_not_found() => Ok(Ok(None)),
        Err(error) if error.status().is_some_and(|status| status.code == 403) => {
            Ok(Err(error.to_string()))
        }
        Err(error) => Err(error),
    }
}
