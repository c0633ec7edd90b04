//! A request to an API server as a thief makes it, without any client's manners, and who refused it.

use anyhow::Result;
use http::Request;
use kube::Client;
use kube::client::Body;
use serde_json::Value;

use crate::world::Model;

/// The user as whom RBAC objects are written in the model "impersonate".
pub(crate) const CEILING: &str = "hanse:ceiling";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1/";

/// As whom the request is made, with the agent's token in any case.
#[derive(Clone, Copy)]
pub(crate) enum As {
    /// As the agent does: RBAC objects are written as the ceiling's user where the model has one.
    Agent,
    /// As itself.
    Itself,
    /// With these headers for impersonation.
    Headers(&'static [(&'static str, &'static str)]),
}

/// One request.
#[derive(Clone)]
pub(crate) struct Call {
    method: &'static str,
    path: String,
    query: &'static str,
    content: &'static str,
    body: Option<Value>,
    by: As,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was done.
    Passed,
    /// A policy's code, such as "F01"; "RBAC"; or "ESCALATION", the API server's own check that nobody
    /// grants what they do not hold.
    Denied(String),
    /// Anything else: the attempt was not well made.
    Odd(String),
}

impl Call {
    const fn new(method: &'static str, path: String, body: Option<Value>) -> Self {
        Self { method, path, query: "", content: "application/json", body, by: As::Agent }
    }

    pub(crate) fn by(mut self, by: As) -> Self {
        self.by = by;
        self
    }

    pub(crate) fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) const fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// What the audit log has of it when it passes, if it is a write: "patch /api/v1/namespaces/a".
    pub(crate) fn trace(&self) -> Option<String> {
        let verb = match self.method {
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => return None,
        };
        let body = self.body.as_ref().filter(|_| verb == "create");
        let name = body.and_then(|body| body.pointer("/metadata/name")).and_then(Value::as_str);
        Some(format!("{verb} {}{}", self.path, name.map_or(String::new(), |n| format!("/{n}"))))
    }

    /// Whether the agent makes it as the ceiling's user.
    fn is_impersonated(&self, model: Model) -> bool {
        model == Model::Impersonate
            && self.path.starts_with(RBAC)
            && self.method != "GET"
            && matches!(self.by, As::Agent)
    }

    /// Makes the request; with `dry_run` nothing is kept.
    pub(crate) async fn send(&self, client: &Client, model: Model, dry: bool) -> Result<Outcome> {
        let dry_run = if dry && self.method != "GET" { "&dryRun=All" } else { "" };
        let uri = format!("{}?fieldManager=hanse-agent/x{}{dry_run}", self.path, self.query);
        let mut request = Request::builder().method(self.method).uri(uri);
        request = request.header("content-type", self.content);
        if self.is_impersonated(model) {
            request = request.header("Impersonate-User", CEILING);
        }
        if let As::Headers(headers) = self.by {
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
        }
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let response = client.send(request.body(Body::from(body.into_bytes()))?).await?;
        let code = response.status().as_u16();
        if (200..300).contains(&code) {
            return Ok(Outcome::Passed);
        }
        let text = response.into_body().collect_bytes().await?;
        Ok(outcome(code, &String::from_utf8_lossy(&text)))
    }
}

fn outcome(code: u16, text: &str) -> Outcome {
    let message = serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|status| status.get("message")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| text.to_owned());
    if let Some((_, denied)) = message.split_once(" denied request: ") {
        // A policy that cannot be judged denies without a code.
        let code = denied.split(' ').next().filter(|word| word.len() == 3);
        return code.map_or(Outcome::Odd(message.clone()), |code| Outcome::Denied(code.to_owned()));
    }
    match code {
        403 if message.contains("attempting to grant RBAC permissions not currently held")
            || message
                .contains("must have cluster-admin privileges to use the aggregationRule") =>
        {
            Outcome::Denied("ESCALATION".to_owned())
        }
        403 if message.contains(" cannot ") => Outcome::Denied("RBAC".to_owned()),
        _ => Outcome::Odd(format!("{code} {message}")),
    }
}

pub(crate) fn get(path: &str) -> Call {
    Call::new("GET", path.to_owned(), None)
}

pub(crate) fn create(path: &str, body: Value) -> Call {
    Call::new("POST", path.to_owned(), Some(body))
}

pub(crate) fn update(path: &str, body: Value) -> Call {
    Call::new("PUT", path.to_owned(), Some(body))
}

pub(crate) fn delete(path: &str) -> Call {
    Call::new("DELETE", path.to_owned(), None)
}

/// Server-side apply.
pub(crate) fn apply(path: &str, body: Value) -> Call {
    let mut call = Call::new("PATCH", path.to_owned(), Some(body)).query("&force=true");
    call.content = "application/apply-patch+yaml";
    call
}

/// JSON merge patch.
pub(crate) fn merge(path: &str, body: Value) -> Call {
    let mut call = Call::new("PATCH", path.to_owned(), Some(body));
    call.content = "application/merge-patch+json";
    call
}

/// JSON patch.
pub(crate) fn patch(path: &str, operations: Value) -> Call {
    let mut call = Call::new("PATCH", path.to_owned(), Some(operations));
    call.content = "application/json-patch+json";
    call
}
