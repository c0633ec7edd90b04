//! Server-side apply, and removal of what was made.
//! Source: <https://kubernetes.io/docs/reference/using-api/server-side-apply/>.

use hanse_domain::drift;
use hanse_domain::object::{Object, ObjectKind, ObjectRef};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::Status;
use serde_json::Value;

use super::writers::Writers;
use super::{CallError, api, live, within};
use crate::core::io::{Failure, Live};

/// Writes objects, always by force and always as the field manager of the object's concern.
#[derive(Clone)]
pub struct Applier {
    writers: Writers,
}

impl Applier {
    /// Writes as the identity that these have for each kind.
    pub fn new(writers: impl Into<Writers>) -> Self {
        Self { writers: writers.into() }
    }

    /// Applies an object and returns what the API server has now.
    ///
    /// A binding's `roleRef` cannot be changed in place, so a binding with another one is deleted and
    /// made anew: for a moment nobody has the access, which is the safe side.
    pub async fn apply(&self, object: &Object) -> Result<Live, Failure> {
        let applied = match self.patch(object, false).await {
            Err(error) if changes_role(object, &error) => {
                self.make_room(&object.reference).await?;
                self.patch(object, false).await?
            }
            // The fence judges the whole object, also by what others have put in.
            Err(error) if is_denied(&error) && self.clear(object).await? => {
                self.patch(object, false).await?
            }
            other => other?,
        };
        let kind = object.reference.kind;
        let nameless = || Failure::Unavailable("the answer has no name or uid".to_owned());
        let applied = live(kind, applied).ok_or_else(nameless)?;
        match drift::strays(&object.body, &applied.body) {
            None => Ok(applied),
            Some(patch) => live(kind, self.merge(object, &patch).await?).ok_or_else(nameless),
        }
    }

    /// Takes away what others have put into an object of ours; whether there was any.
    async fn clear(&self, object: &Object) -> Result<bool, Failure> {
        let live = self.read(&object.reference).await?;
        let Some(strays) = live.and_then(|live| drift::strays(&object.body, &live.body)) else {
            return Ok(false);
        };
        self.merge(object, &strays).await?;
        Ok(true)
    }

    /// Takes away what belongs to others and must not be there: server-side apply leaves it.
    async fn merge(&self, object: &Object, patch: &Value) -> Result<DynamicObject, CallError> {
        let manager = object.reference.kind.concern().field_manager();
        let params =
            PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        let name = &object.reference.name;
        within(self.api(&object.reference).patch(name, &params, &Patch::Merge(patch))).await
    }

    /// Asks what the API server would say, admission included. Nothing is written.
    pub async fn dry_run(&self, object: &Object) -> Result<(), CallError> {
        match self.patch(object, true).await {
            // `apply` would make it anew.
            Err(error) if changes_role(object, &error) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Deletes an object if it still has this uid. One that is gone counts as removed.
    pub async fn remove(&self, reference: &ObjectRef, uid: &str) -> Result<(), Failure> {
        let params = DeleteParams::background()
            .preconditions(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        match within(self.api(reference).delete(&reference.name, &params)).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(|_| ()).map_err(Failure::from),
        }
    }

    /// Reads one object; nothing when it is not there.
    pub async fn read(&self, reference: &ObjectRef) -> Result<Option<Live>, Failure> {
        let object = within(api(self.writers.own(), reference).get_opt(&reference.name)).await?;
        Ok(object.and_then(|object| live(reference.kind, object)))
    }

    async fn patch(&self, object: &Object, dry_run: bool) -> Result<DynamicObject, CallError> {
        let manager = object.reference.kind.concern().field_manager();
        let params = PatchParams { dry_run, ..PatchParams::apply(manager).force() };
        let patch = Patch::Apply(&object.body);
        within(self.api(&object.reference).patch(&object.reference.name, &params, &patch)).await
    }

    /// Deletes a binding whose role is to change, as long as it is the one that was refused.
    async fn make_room(&self, reference: &ObjectRef) -> Result<(), Failure> {
        match self.read(reference).await? {
            Some(old) => self.remove(reference, &old.uid).await,
            None => Ok(()),
        }
    }

    /// For writes.
    fn api(&self, reference: &ObjectRef) -> Api<DynamicObject> {
        api(self.writers.of(reference.kind), reference)
    }
}

/// Whether a binding was refused because its role differs from that of the one that is there.
fn changes_role(object: &Object, error: &CallError) -> bool {
    let binding =
        matches!(object.reference.kind, ObjectKind::RoleBinding | ObjectKind::ClusterRoleBinding);
    binding && error.status().is_some_and(|status| status.code == 422 && names_role(status))
}

/// Whether an admission policy said no.
fn is_denied(error: &CallError) -> bool {
    error.status().is_some_and(|status| {
        status.code == 422 && status.message.contains("ValidatingAdmissionPolicy")
    })
}

fn names_role(status: &Status) -> bool {
    // Validation of bindings says "cannot change roleRef" and names the field in the details.
    let named = |details: &kube::core::response::StatusDetails| {
        details.causes.iter().any(|cause| cause.field == "roleRef")
    };
    status.details.as_ref().is_some_and(named) && status.message.contains("cannot change roleRef")
}
