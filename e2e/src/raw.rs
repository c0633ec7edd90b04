//! Requests to an API server as they are, without a client's manners: odd objects, odd names, and as
//! whomever one may act.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use http::Request;
use kube::Client;
use kube::client::Body;
use serde_json::Value;

/// Somebody who makes requests.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    headers: Vec<(&'static str, String)>,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// What was answered; text that is no JSON as a string.
    pub body: Value,
}

impl Caller {
    /// Whoever the client is.
    pub const fn new(client: Client) -> Self {
        Self { client, headers: Vec::new() }
    }

    /// Another user, by the rights of the client to impersonate.
    pub fn impersonating(client: Client, user: &str, groups: &[&str]) -> Self {
        let mut headers = vec![("Impersonate-User", user.to_owned())];
        headers.extend(groups.iter().map(|group| ("Impersonate-Group", (*group).to_owned())));
        Self { client, headers }
    }

    /// Makes a request, whatever its answer. A patch that is a list is a JSON patch, others are merged.
    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let content = match method {
            "PATCH" if body.is_some_and(Value::is_array) => "application/json-patch+json",
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("content-type", content);
        for (name, value) in &self.headers {
            request = request.header(*name, value.as_bytes());
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let response = self.client.send(request.body(Body::from(body.into_bytes()))?).await?;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await?;
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(Answer { code, body })
    }

    /// Reads something that is there.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.send("GET", path, None).await?.ok()
    }

    /// Makes something.
    pub async fn create(&self, path: &str, body: &Value) -> Result<Value> {
        self.send("POST", path, Some(body)).await?.ok()
    }
}

impl Answer {
    /// Whether it was done.
    pub const fn is_ok(&self) -> bool {
        self.code >= 200 && self.code < 300
    }

    /// Whether the API server's authorisation refused it.
    pub const fn is_forbidden(&self) -> bool {
        self.code == 403
    }

    /// The body of what was done. Errors: it was not.
    pub fn ok(self) -> Result<Value> {
        if !self.is_ok() {
            bail!("{} {}", self.code, self.message());
        }
        Ok(self.body)
    }

    /// Why not, as the API server says it.
    pub fn message(&self) -> String {
        let message = self.body.get("message").and_then(Value::as_str);
        message.map_or_else(|| self.body.to_string(), str::to_owned)
    }
}

/// A name as a segment of a path: names of roles may have spaces, colons and any letters.
pub fn segment(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
