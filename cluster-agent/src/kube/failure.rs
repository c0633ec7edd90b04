//! What went wrong with a request, in the core's three words.

use std::time::Duration;

use kube::core::Status;

use crate::core::io::Failure;

/// How long a request may take. A watch is no request in this sense.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Most characters that are kept of an API server's message.
const MAX_MESSAGE_CHARS: usize = 1024;

/// How an API server begins to say, with a code of 500, that an apply has a field which it does not
/// know. It will not know it later either.
const NOT_IN_SCHEMA: &str = "failed to create typed patch object";

/// A request that failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer in time; it may have had its effect.
    #[error("no answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout,
    /// The API server, or the way to it.
    #[error("{}", text(.0))]
    Kube(#[source] kube::Error),
}

/// Makes a request, for as long as a request may take.
pub async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(CallError::Kube),
        Err(_) => Err(CallError::Timeout),
    }
}

impl CallError {
    /// What the API server answered, if it did.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Kube(kube::Error::Api(status)) => Some(status),
            Self::Kube(_) | Self::Timeout => None,
        }
    }

    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(|status| status.code == 404)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match &error {
            CallError::Kube(kube::Error::Api(status)) => match status.code {
                500 if status.message.starts_with(NOT_IN_SCHEMA) => Self::Refused(text),
                409 => Self::Conflict(text),
                // Credentials can be renewed under a running agent, so 401 may pass.
                401 | 408 | 429 => Self::Unavailable(text),
                400..=499 => Self::Refused(text),
                _ => Self::Unavailable(text),
            },
            CallError::Kube(kube::Error::BuildRequest(_) | kube::Error::HttpError(_)) => {
                Self::Refused(text)
            }
            CallError::Kube(_) | CallError::Timeout => Self::Unavailable(text),
        }
    }
}

fn text(error: &kube::Error) -> String {
    let text = if let kube::Error::Api(status) = error {
        if status.code == 401 {
            "the API server does not accept the agent's credentials (401)".to_owned()
        } else if status.message.is_empty() {
            format!("the API server answered {}", status.code)
        } else {
            // RBAC's own messages have line feeds, and a message is shown on one line.
            status.message.replace('\n', " ")
        }
    } else {
        crate::terminal::chain(error)
    };
    match text.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: u16) -> Failure {
        let status = Status::failure("because", "Reason").with_code(code);
        CallError::Kube(kube::Error::Api(status.boxed())).into()
    }

    #[test]
    fn a_message_is_one_line() {
        let status = Status::failure("attempt to grant:\nmore", "Forbidden").with_code(403);
        let error = CallError::Kube(kube::Error::Api(status.boxed()));
        assert_eq!(error.to_string(), "attempt to grant: more");
    }

    #[test]
    fn codes_become_words() {
        let text = || "because".to_owned();
        for code in [400, 403, 404, 405, 413, 422] {
            assert_eq!(failure(code), Failure::Refused(text()), "{code}");
        }
        assert_eq!(failure(409), Failure::Conflict(text()));
        for code in [408, 429, 500, 502, 503, 504] {
            assert_eq!(failure(code), Failure::Unavailable(text()), "{code}");
        }
        assert!(matches!(failure(401), Failure::Unavailable(_)));
        assert!(matches!(Failure::from(CallError::Timeout), Failure::Unavailable(_)));
    }

    #[test]
    fn messages_are_bounded() {
        let status = Status::failure(&"ä".repeat(5000), "Reason").with_code(422);
        let Failure::Refused(text) = CallError::Kube(kube::Error::Api(status.boxed())).into()
        else {
            unreachable!("422 is refused")
        };
        assert_eq!(text.chars().count(), MAX_MESSAGE_CHARS + 1);
    }
}
