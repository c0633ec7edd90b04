//! The API server's audit log, to see who asked for what and who was refused.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use crate::error::{Context, Result};

/// A request that was answered, as `audit.k8s.io/v1` has it at the level `Metadata`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct AuditEvent {
    /// One id for each request.
    pub id: String,
    /// `ResponseComplete`; for a watch `ResponseStarted` too; `Panic`.
    pub stage: String,
    /// Who asked, such as `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// The groups of who asked.
    pub groups: Vec<String>,
    /// Whom the user asked to be treated as.
    pub impersonated: Option<String>,
    /// What the client calls itself.
    pub user_agent: String,
    /// Such as `get`, `create`, `patch`; in lower case, and for anything but resources the method's.
    pub verb: String,
    /// Path and query.
    pub uri: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// Such as `secrets`; empty for anything but resources.
    pub resource: String,
    /// Such as `status`; mostly empty.
    pub subresource: String,
    /// Empty for cluster-wide things.
    pub namespace: String,
    /// Empty where the URI has no name: lists, and some creations.
    pub name: String,
    /// The HTTP status code; 0 if there was none.
    pub code: u16,
    /// When the request came.
    pub received: Timestamp,
}

impl AuditEvent {
    /// Whether it asked for a change, whatever came of it.
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection" | "post" | "put"
        )
    }

    /// Whether this user asked, or somebody who asked to be treated as this user.
    pub fn is_by(&self, user: &str) -> bool {
        self.user == user || self.impersonated.as_deref() == Some(user)
    }

    /// Whether it asked for a change of what is stored: a write that is not only tried, and neither
    /// a question (an access review) nor a request for a token.
    pub fn would_change(&self) -> bool {
        let asks = self.resource.ends_with("reviews") || self.subresource == "token";
        self.is_write() && !self.is_dry_run() && !asks
    }

    /// Whether the answer was a success (2xx).
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether it was refused for who asked: 401 or 403.
    pub fn was_refused(&self) -> bool {
        matches!(self.code, 401 | 403)
    }

    /// Whether it was about this object; an empty namespace is for cluster-wide ones.
    pub fn is_about(&self, resource: &str, namespace: &str, name: &str) -> bool {
        self.resource == resource && self.namespace == namespace && self.name == name
    }

    /// A query parameter of the URI, percent-decoded.
    pub fn query(&self, key: &str) -> Option<String> {
        let (_, query) = self.uri.split_once('?')?;
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| percent_decoded(value))
    }

    /// The field manager that a write was made under, if it gave one.
    pub fn field_manager(&self) -> Option<String> {
        self.query("fieldManager")
    }

    /// Whether the change was only tried (`dryRun=All`).
    pub fn is_dry_run(&self) -> bool {
        self.query("dryRun").is_some()
    }
}

/// The events after the first `from` bytes of the log. A last line that is still being written is
/// left out, and so is a log that is not there yet.
pub(crate) fn read(log: &Path, from: u64) -> Result<Vec<AuditEvent>> {
    let mut file = match File::open(log) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        other => other.path("read", log)?,
    };
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from)).path("read", log)?;
    file.read_to_end(&mut bytes).path("read", log)?;
    parse(&bytes).path("understand", log)
}

fn parse(bytes: &[u8]) -> serde_json::Result<Vec<AuditEvent>> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = bytes.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty()).map(serde_json::from_slice).collect()
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match (byte, hex_pair(bytes.clone())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                bytes.nth(1);
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The byte that the next two characters spell, if they are hexadecimal digits.
fn hex_pair(mut bytes: std::str::Bytes<'_>) -> Option<u8> {
    let high = char::from(bytes.next()?).to_digit(16)?;
    let low = char::from(bytes.next()?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

/// The event as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    #[serde(default)]
    user: WireUser,
    impersonated_user: Option<WireUser>,
    #[serde(default)]
    user_agent: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    #[serde(default)]
    object_ref: WireObject,
    response_status: Option<WireStatus>,
    request_received_timestamp: Timestamp,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireUser {
    username: String,
    groups: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireObject {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct WireStatus {
    #[serde(default)]
    code: u16,
}

impl From<Wire> for AuditEvent {
    fn from(wire: Wire) -> Self {
        Self {
            id: wire.audit_id,
            stage: wire.stage,
            user: wire.user.username,
            groups: wire.user.groups,
            impersonated: wire.impersonated_user.map(|user| user.username),
            user_agent: wire.user_agent,
            verb: wire.verb,
            uri: wire.request_uri,
            group: wire.object_ref.api_group,
            resource: wire.object_ref.resource,
            subresource: wire.object_ref.subresource,
            namespace: wire.object_ref.namespace,
            name: wire.object_ref.name,
            code: wire.response_status.map_or(0, |status| status.code),
            received: wire.request_received_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/secrets/s?fieldManager=hanse-agent%2Fsecret&force=true","verb":"patch","user":{"username":"u","groups":["g"]},"sourceIPs":["127.0.0.1"],"userAgent":"hanse-agent/1","objectRef":{"resource":"secrets","namespace":"a","name":"s","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":403},"requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z","stageTimestamp":"2026-01-01T00:00:00.000000Z"}"#;

    #[test]
    fn reads_whole_lines_only() -> serde_json::Result<()> {
        let torn = format!("{LINE}\n{LINE}\n{}", LINE.get(..40).unwrap_or_default());
        let events = parse(torn.as_bytes())?;
        assert_eq!(events.len(), 2);
        Ok(())
    }

    #[test]
    fn says_who_wrote_what() -> serde_json::Result<()> {
        let event: AuditEvent = serde_json::from_str(LINE)?;
        assert_eq!(event.field_manager().as_deref(), Some("hanse-agent/secret"));
        assert!(event.is_write() && event.was_refused() && !event.succeeded());
        assert!(event.is_about("secrets", "a", "s"));
        assert_eq!((event.user.as_str(), event.group.as_str()), ("u", ""));
        Ok(())
    }

    #[test]
    fn tells_a_change_from_a_trial_and_a_question() -> serde_json::Result<()> {
        let event =
            |from: &str, to: &str| serde_json::from_str::<AuditEvent>(&LINE.replace(from, to));
        assert!(event("", "")?.would_change());
        assert!(!event("force=true", "dryRun=All")?.would_change());
        assert!(!event("\"patch\"", "\"watch\"")?.would_change());
        let reviews = "\"resource\":\"selfsubjectaccessreviews\"";
        assert!(!event("\"resource\":\"secrets\"", reviews)?.would_change());
        let token = "\"resource\":\"serviceaccounts\",\"subresource\":\"token\"";
        assert!(!event("\"resource\":\"secrets\"", token)?.would_change());
        Ok(())
    }

    #[test]
    fn whoever_is_impersonated_asks_too() -> serde_json::Result<()> {
        let as_ceiling = LINE
            .replace("\"sourceIPs\"", "\"impersonatedUser\":{\"username\":\"c\"},\"sourceIPs\"");
        let event: AuditEvent = serde_json::from_str(&as_ceiling)?;
        assert!(event.is_by("u") && event.is_by("c") && !event.is_by("g"));
        Ok(())
    }

    #[test]
    fn decodes_what_is_encoded_and_leaves_the_rest() {
        assert_eq!(percent_decoded("a%2Fb+c%zz%4"), "a/b c%zz%4");
    }
}
