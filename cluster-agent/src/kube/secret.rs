//! Secrets, which the agent may create, update and delete, and neither read nor patch.
//!
//! ```text
//! write   recorded → PUT with our uid         gone → POST      another uid → Conflict
//!         new      → POST   there already → PUT if the fence keeps us from what is not ours
//! probe   PUT with the uid and resourceVersion that we remember: a no-op unless somebody wrote since
//! remove  DELETE with our uid
//! ```
//!
//! A value leaves this module in the request's body alone. Answers are asked for without the object's
//! content, and of an API server's error only the code, the reason and what the fence says are kept:
//! its message may quote what was sent. Nothing is logged here, and kube's own functions, which log
//! answers, are not used.

mod body;
mod call;

use std::fmt;

use hanse_domain::names::{check_dns_label, check_dns_subdomain};
use hanse_domain::object::{MANAGED_LABEL, Object, ObjectRef};
use hanse_sealing::SecretData;
use kube::api::{DeleteParams, DynamicObject, PostParams, Preconditions};
use kube::core::Request;
use kube::{Client, Resource as _};

use self::body::{Pinned, encode};
use self::call::{Answer, Answered, CallFailed, call};
use super::resource;
use crate::core::io::Failure;

/// Writes Secrets with a client's rights.
#[derive(Clone)]
pub struct SecretWriter {
    client: Client,
}

/// What must be remembered of a Secret that we wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
}

/// A Secret that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// To be remembered.
    pub version: Version,
    /// It is a new object.
    pub made: bool,
}

/// What became of a Secret since it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Nobody wrote it.
    Unchanged,
    /// Somebody wrote it, or made another one of this name.
    Changed,
    /// It is not there.
    Gone,
    /// Nobody had written it, but it was not what is wanted: the probe wrote it.
    Written(Version),
}

impl SecretWriter {
    /// Writes with this client's rights.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes a Secret, or overwrites the one that we made, whoever changed it since.
    ///
    /// `record` is what we remember of it. Without one, a Secret of this name that is there already
    /// is only overwritten when the fence stands (`fenced`): it refuses that for those without our
    /// label. What cannot be changed in place is deleted and made anew, once the API server has said
    /// that it would take the new one.
    pub async fn write(
        &self,
        object: &Object,
        data: &SecretData,
        record: Option<&Version>,
        fenced: bool,
    ) -> Result<Written, Failure> {
        let target = Target::new(object, data)?;
        match record {
            Some(version) => self.overwrite(&target, &version.uid).await,
            None => self.make(&target, fenced).await,
        }
    }

    /// Looks whether somebody wrote since, without reading. With `dry_run` the API server writes
    /// nothing in any case.
    pub async fn probe(
        &self,
        object: &Object,
        data: &SecretData,
        version: &Version,
        dry_run: bool,
    ) -> Result<Probe, Failure> {
        let target = Target::new(object, data)?;
        match self.put(&target, Pinned::version(version), dry_run).await {
            Ok(now) if now == *version => Ok(Probe::Unchanged),
            Ok(now) => Ok(Probe::Written(now)),
            Err(error) if error.is_not_found() => Ok(Probe::Gone),
            // Some API servers say that of a Secret that is gone, too: its uid is another one.
            Err(error) if error.is_conflict() => match self.post(&target, true).await {
                Ok(_) => Ok(Probe::Gone),
                Err(CallFailed::Answer(_)) => Ok(Probe::Changed),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Asks whether the API server would take a Secret, admission included. Nothing is written.
    pub async fn dry_run(&self, object: &Object, data: &SecretData) -> Result<(), Failure> {
        Ok(self.would_take(&Target::new(object, data)?).await?)
    }

    /// Overwrites a Secret that an administrator made for us.
    pub async fn replace(&self, object: &Object, data: &SecretData) -> Result<(), Failure> {
        self.put(&Target::new(object, data)?, Pinned::default(), false).await?;
        Ok(())
    }

    /// Deletes a Secret if it still has this uid. One that is gone counts as removed.
    pub async fn remove(&self, reference: &ObjectRef, uid: &str) -> Result<(), Failure> {
        let place = Place::new(reference)?;
        match self.delete(&place, uid).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => Ok(other?),
        }
    }

    async fn overwrite(&self, target: &Target<'_>, uid: &str) -> Result<Written, Failure> {
        match self.put(target, Pinned::uid(uid), false).await {
            Ok(version) => Ok(Written { version, made: false }),
            Err(error) if error.is_not_found() || error.is_conflict() => {
                match self.create(target).await {
                    Ok(version) => Ok(Written { version, made: true }),
                    Err(error) if error.already_exists() => {
                        Err(Failure::Conflict(target.place.foreign(false)))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) if error.needs_another_object() => self.remake(target, uid).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn make(&self, target: &Target<'_>, fenced: bool) -> Result<Written, Failure> {
        match self.create(target).await {
            Ok(version) => return Ok(Written { version, made: true }),
            Err(error) if !error.already_exists() => return Err(error.into()),
            Err(_) if !fenced => return Err(Failure::Refused(target.place.foreign(false))),
            Err(_) => {}
        }
        match self.put(target, Pinned::default(), false).await {
            Ok(version) => Ok(Written { version, made: false }),
            Err(CallFailed::Answer(Answer { denial: Some(denial), .. })) => {
                Err(Failure::Refused(format!("{} ({denial})", target.place.foreign(true))))
            }
            Err(error) if error.needs_another_object() => {
                Err(Failure::Refused(target.place.foreign(false)))
            }
            // It went in between.
            Err(error) if error.is_not_found() => Err(Failure::Unavailable(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    async fn remake(&self, target: &Target<'_>, uid: &str) -> Result<Written, Failure> {
        self.would_take(target).await?;
        match self.delete(&target.place, uid).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        match self.create(target).await {
            Ok(version) => Ok(Written { version, made: true }),
            Err(error) if error.already_exists() => Err(Failure::Unavailable(format!(
                "{} must be made anew, and the old one is still being deleted",
                target.place
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// That it exists already is found out last, after validation and admission.
    async fn would_take(&self, target: &Target<'_>) -> Result<(), CallFailed> {
        match self.post(target, true).await {
            Err(error) if !error.already_exists() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn create(&self, target: &Target<'_>) -> Result<Version, CallFailed> {
        self.post(target, false).await?.version()
    }

    /// A dry run answers with an object that has no resourceVersion.
    async fn post(&self, target: &Target<'_>, dry_run: bool) -> Result<Answered, CallFailed> {
        let body = encode(&target.object.body, &Pinned::default(), target.data)?;
        let request = target.place.request.create(&target.params(dry_run), Vec::new());
        call(&self.client, request, Some(body)).await
    }

    async fn put(
        &self,
        target: &Target<'_>,
        pinned: Pinned<'_>,
        dry_run: bool,
    ) -> Result<Version, CallFailed> {
        let body = encode(&target.object.body, &pinned, target.data)?;
        let params = target.params(dry_run);
        let request = target.place.request.replace(target.place.name, &params, Vec::new());
        call(&self.client, request, Some(body)).await?.version()
    }

    async fn delete(&self, place: &Place<'_>, uid: &str) -> Result<(), CallFailed> {
        let params = DeleteParams::background()
            .preconditions(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        call(&self.client, place.request.delete(place.name, &params), None).await?;
        Ok(())
    }
}

/// What is to be written, and where.
struct Target<'a> {
    place: Place<'a>,
    object: &'a Object,
    data: &'a SecretData,
}

impl<'a> Target<'a> {
    fn new(object: &'a Object, data: &'a SecretData) -> Result<Self, Failure> {
        Ok(Self { place: Place::new(&object.reference)?, object, data })
    }

    fn params(&self, dry_run: bool) -> PostParams {
        let manager = self.object.reference.kind.concern().field_manager();
        PostParams { dry_run, field_manager: Some(manager.to_owned()) }
    }
}

/// Where a Secret is.
struct Place<'a> {
    request: Request,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Place<'a> {
    fn new(reference: &'a ObjectRef) -> Result<Self, Failure> {
        let namespace = reference.namespace.as_deref().unwrap_or_default();
        let name = reference.name.as_str();
        // They become a path.
        check_dns_label(namespace)
            .and_then(|()| check_dns_subdomain(name))
            .map_err(|error| Failure::Refused(error.to_string()))?;
        let path = DynamicObject::url_path(&resource(reference.kind), Some(namespace));
        Ok(Self { request: Request::new(path), namespace, name })
    }

    /// Why a Secret is left as it is, and how that may be put right.
    fn foreign(&self, hand_over: bool) -> String {
        let Self { namespace, name, .. } = self;
        let delete = format!("kubectl -n {namespace} delete secret {name}");
        let how = if hand_over {
            let label = format!("kubectl -n {namespace} label secret {name} {MANAGED_LABEL}=true");
            format!("to hand it over: {label}; to have it made anew: {delete}")
        } else {
            format!("to have it made anew: {delete}")
        };
        format!("{self} is there already and is not the federation's; {how}")
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Secret {}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests;
