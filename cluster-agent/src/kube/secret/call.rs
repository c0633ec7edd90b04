//! One request about a Secret, and what may be known of its answer.

use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Version;
use crate::core::io::Failure;
use crate::kube::{CallError, within};

/// Most bytes of an answer: `metadata` with all that others may put into it.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The object's metadata is all that is needed, so that the values do not travel back. A deletion
/// answers with a `Status`.
const ACCEPT: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
/// The reasons that API servers give; anyone who writes an admission webhook may give another one.
const REASONS: [&str; 15] = [
    "AlreadyExists",
    "BadRequest",
    "Conflict",
    "Forbidden",
    "InternalError",
    "Invalid",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "RequestEntityTooLarge",
    "ServerTimeout",
    "ServiceUnavailable",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
];
/// Fields and reasons of refusals that delete-and-create gets around: another type, or somebody made
/// the Secret immutable.
const FIXED: [(&str, &str); 3] = [
    ("type", "FieldValueInvalid"),
    ("immutable", "FieldValueForbidden"),
    ("data", "FieldValueForbidden"),
];
/// The fence's policies are named so.
const FENCE: &str = "ValidatingAdmissionPolicy 'hanse-fence-";
const DENIED: &str = " denied request: ";
/// Most characters that are kept of what the fence says.
const MAX_DENIAL_CHARS: usize = 200;

/// A success.
pub(super) struct Answered(Bytes);

impl Answered {
    pub(super) fn version(&self) -> Result<Version, CallFailed> {
        let parsed = serde_json::from_slice::<Meta>(&self.0).ok();
        let version = parsed.and_then(|Meta { metadata }| {
            Some(Version { uid: metadata.uid?, resource_version: metadata.resource_version? })
        });
        version.ok_or(CallFailed::Nameless)
    }
}

/// A request that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallFailed {
    /// The API server said no.
    #[error("{0}")]
    Answer(Answer),
    /// It said nothing, or could not be asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A success that says too little.
    #[error("the answer has no uid or version")]
    Nameless,
    /// Values that cannot be written as JSON.
    #[error("the Secret cannot be encoded")]
    Encode,
}

impl From<serde_json::Error> for CallFailed {
    fn from(_: serde_json::Error) -> Self {
        Self::Encode
    }
}

/// A refusal, without the API server's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    code: u16,
    reason: Option<&'static str>,
    /// All that was wrong are fields that cannot be changed.
    unchangeable: bool,
    /// What the fence says.
    pub(super) denial: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the API server answered {}", self.code)?;
        if let Some(reason) = self.reason {
            write!(f, " {reason}")?;
        }
        match &self.denial {
            Some(denial) => write!(f, ": the fence says {denial}"),
            // Its message stays away on purpose.
            None => Ok(()),
        }
    }
}

impl CallFailed {
    fn answer(&self) -> Option<&Answer> {
        if let Self::Answer(answer) = self { Some(answer) } else { None }
    }

    /// There is no such Secret, or no such namespace.
    pub(super) fn is_not_found(&self) -> bool {
        self.answer().is_some_and(|answer| answer.code == 404)
    }

    /// A precondition failed.
    pub(super) fn is_conflict(&self) -> bool {
        self.answer().is_some_and(|answer| answer.code == 409)
    }

    /// The name is taken.
    pub(super) fn already_exists(&self) -> bool {
        self.answer().is_some_and(|answer| answer.reason == Some("AlreadyExists"))
    }

    /// What is there cannot become what is wanted: its type is another one, somebody made it immutable,
    /// or it has labels (F07) or owners (F08) which the fence does not let us take away.
    pub(super) fn needs_another_object(&self) -> bool {
        self.answer().is_some_and(|answer| {
            let denial = answer.denial.as_deref().unwrap_or_default();
            answer.unchangeable || denial.starts_with("F07 ") || denial.starts_with("F08 ")
        })
    }
}

impl From<CallFailed> for Failure {
    fn from(failed: CallFailed) -> Self {
        match failed {
            CallFailed::Answer(answer) => {
                let reason = answer.reason.unwrap_or_default();
                let status = Status::failure(&answer.to_string(), reason).with_code(answer.code);
                CallError::Kube(kube::Error::Api(status.boxed())).into()
            }
            CallFailed::Call(error) => error.into(),
            failed @ CallFailed::Nameless => Self::Unavailable(failed.to_string()),
            failed @ CallFailed::Encode => Self::Refused(failed.to_string()),
        }
    }
}

/// Sends a request, with this body if there is one, and reads the answer.
pub(super) async fn call(
    client: &Client,
    request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    body: Option<Zeroizing<Vec<u8>>>,
) -> Result<Answered, CallFailed> {
    let request = request.map_err(|e| CallError::Kube(kube::Error::BuildRequest(e)))?;
    let (mut parts, own) = request.into_parts();
    parts.headers.insert(http::header::ACCEPT, http::HeaderValue::from_static(ACCEPT));
    let body = body.map_or_else(|| own.into(), Bytes::from_owner);
    let request = http::Request::from_parts(parts, Body::from(body));
    let (status, content) = within(async {
        let (parts, body) = client.send(request).await?.into_parts();
        let content = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        Ok((parts.status, content.map_err(kube::Error::Service)?.to_bytes()))
    })
    .await?;
    if status.is_success() {
        Ok(Answered(content))
    } else {
        Err(CallFailed::Answer(understand(status.as_u16(), &content)))
    }
}

#[derive(Deserialize)]
struct Meta {
    metadata: MetaFields,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetaFields {
    uid: Option<String>,
    resource_version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    reason: String,
    message: String,
    details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    causes: Vec<Cause>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cause {
    field: String,
    reason: String,
}

fn understand(code: u16, content: &[u8]) -> Answer {
    let said: Said = serde_json::from_slice(content).unwrap_or_default();
    let causes = said.details.unwrap_or_default().causes;
    let fixed = |cause: &Cause| FIXED.contains(&(&cause.field, &cause.reason));
    let unchangeable =
        code == 422 && said.reason == "Invalid" && !causes.is_empty() && causes.iter().all(fixed);
    Answer {
        code,
        reason: REASONS.into_iter().find(|reason| *reason == said.reason),
        unchangeable,
        denial: denial(&said.message),
    }
}

/// What the fence says, if it was the fence. The policies' messages are fixed texts, and no other
/// admission plugin or webhook can begin its message as a policy does.
fn denial(message: &str) -> Option<String> {
    let (name, rest) = message.strip_prefix("secrets \"")?.split_once("\" is forbidden: ")?;
    hanse_domain::names::check_dns_subdomain(name).ok()?;
    let (_, says) = rest.strip_prefix(FENCE)?.split_once(DENIED)?;
    let mut code = says.chars();
    let known = matches!(code.next(), Some('F' | 'C'))
        && code.by_ref().take(2).filter(char::is_ascii_digit).count() == 2
        && code.next() == Some(' ');
    known.then(|| says.chars().filter(|c| !c.is_control()).take(MAX_DENIAL_CHARS).collect())
}
