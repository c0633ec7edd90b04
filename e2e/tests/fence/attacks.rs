//! The attack matrix: each attempt of a thief who has the agent's token, and what refuses it.

mod bindings;
mod cluster;
mod namespaces;
mod roles;
mod secrets;

use crate::call::Call;
use crate::world::Model;

/// Paths of API groups.
pub(crate) const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
pub(crate) const CORE: &str = "/api/v1";

/// One attempt.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) call: Call,
    /// What refuses it in each model. With "|" where two policies would and either may be named.
    bind: &'static str,
    impersonate: &'static str,
}

impl Attack {
    /// What refuses it; nothing when the attempt makes no sense in this model.
    pub(crate) fn denied_by(&self, model: Model) -> Option<&'static str> {
        let by = match model {
            Model::Bind => self.bind,
            Model::Impersonate => self.impersonate,
        };
        (!by.is_empty()).then_some(by)
    }
}

/// Refused by the same in both models.
const fn both(name: &'static str, call: Call, by: &'static str) -> Attack {
    Attack { name, call, bind: by, impersonate: by }
}

/// Refused by a policy in the model "bind", and before that by the API server's own check against
/// escalation in the model "impersonate".
const fn twice(name: &'static str, call: Call, by: &'static str) -> Attack {
    Attack { name, call, bind: by, impersonate: "ESCALATION" }
}

/// Refused by RBAC alone: there is no right to ask for it.
const fn no_right(name: &'static str, call: Call) -> Attack {
    both(name, call, "RBAC")
}

/// All of them.
pub(crate) fn all() -> Vec<Attack> {
    [
        roles::attacks(),
        bindings::attacks(),
        secrets::attacks(),
        namespaces::attacks(),
        cluster::attacks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
