//! A question as it was understood: the line above an answer, and the head of its JSON.

use hanse_proto::admin::{AccessRequest, AccessScope, AccessSubject};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::moment::whole;
use super::{resource, scope, subject};
use crate::failure::Outcome;
use crate::output;
use crate::text::time;

/// What was asked, where and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// "who can", "what can", …: for JSON in camel case, for people as it is.
    pub(crate) asks: &'static str,
    /// What else belongs to it, for people.
    pub(crate) about: String,
    pub(crate) request: Option<AccessRequest>,
    pub(crate) subject: Option<AccessSubject>,
    pub(crate) groups: Vec<String>,
    pub(crate) scope: AccessScope,
    /// Of a comparison.
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
    /// Now, where no moment was named.
    pub(crate) now: Timestamp,
    /// Whether the place is a part of it.
    pub(crate) placed: bool,
}

impl Question {
    /// The moment that it is about.
    pub(crate) fn at(&self) -> Timestamp {
        time(self.scope.at.as_ref()).unwrap_or(self.now)
    }

    /// "who can get secrets in all namespaces, at 2026-03-03T00:00:00Z".
    pub(crate) fn line(&self) -> String {
        let mut text = self.asks.to_owned();
        if let Some(subject) = &self.subject {
            text = text.replace("{}", &subject::show(subject));
        }
        if !self.about.is_empty() {
            text = format!("{text} {}", self.about);
        }
        if !self.groups.is_empty() {
            text = format!("{text} (also in {})", self.groups.join(", "));
        }
        if let Some(request) = &self.request {
            text = format!("{text} {}", resource::show(request));
        }
        if self.placed {
            text = format!("{text} {}", scope::place(&self.scope));
        }
        if !self.scope.clusters.is_empty() {
            text = format!("{text} of {}", self.scope.clusters.join(", "));
        } else if !self.scope.cluster_selector.is_empty() {
            text = format!("{text} of clusters with {}", self.scope.cluster_selector);
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) if to == self.now => {
                text = format!("{text}, from {from} to now ({})", whole(to));
            }
            (Some(from), Some(to)) => text = format!("{text}, from {from} to {to}"),
            (None, _) | (_, None) if self.scope.at.is_some() => {
                text = format!("{text}, at {}", self.at());
            }
            (None, _) | (_, None) => text = format!("{text}, now ({})", whole(self.now)),
        }
        if let Some(known) = time(self.scope.known_at.as_ref()) {
            text = format!("{text}, as it was known at {known}");
        }
        text
    }

    /// For scripts.
    pub(crate) fn json(&self) -> Outcome<Value> {
        let mut fields = Map::new();
        if let Some(request) = &self.request {
            fields.insert("request".to_owned(), output::value(request)?);
        }
        if let Some(subject) = &self.subject {
            fields.insert("subject".to_owned(), output::value(subject)?);
        }
        if !self.groups.is_empty() {
            fields.insert("groups".to_owned(), json!(self.groups));
        }
        let mut scope = output::value(&self.scope)?;
        if let Some(scope) = scope.as_object_mut() {
            match (self.from, self.to) {
                (Some(from), Some(to)) => {
                    fields.insert("from".to_owned(), json!(from.to_string()));
                    fields.insert("to".to_owned(), json!(to.to_string()));
                }
                (None, _) | (_, None) => {
                    scope.insert("at".to_owned(), json!(self.at().to_string()));
                }
            }
        }
        fields.insert("scope".to_owned(), scope);
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn question() -> Question {
        Question {
            asks: "who can",
            request: resource::parse("get", "secrets", None).ok().map(|asked| asked.request),
            scope: AccessScope { all_namespaces: true, ..AccessScope::default() },
            now: "2026-03-10T12:00:00.5Z".parse().unwrap(),
            placed: true,
            ..Question::default()
        }
    }

    #[test]
    fn the_line_says_which_moment_was_used() {
        assert_eq!(
            question().line(),
            "who can get secrets in all namespaces, now (2026-03-10T12:00:00Z)"
        );
        let at = |seconds| Some(pbjson_types::Timestamp { seconds, nanos: 0 });
        let scope = AccessScope {
            namespaces: vec!["payments".into()],
            cluster_selector: "env=prod".into(),
            at: at(1_772_496_000),
            known_at: at(1_772_582_400),
            ..AccessScope::default()
        };
        let past = Question { scope, ..question() };
        assert_eq!(
            past.line(),
            "who can get secrets in namespace payments of clusters with env=prod, at \
             2026-03-03T00:00:00Z, as it was known at 2026-03-04T00:00:00Z"
        );
        let what = Question {
            asks: "what can {} do",
            subject: subject::parse("sa:ci/deployer").ok(),
            groups: vec!["sre".into()],
            request: None,
            ..question()
        };
        assert!(
            what.line().starts_with("what can service account ci/deployer do (also in sre) in")
        );
    }

    #[test]
    fn scripts_see_the_moment_too() {
        let json = question().json().unwrap();
        assert_eq!(
            json.to_string(),
            r#"{"request":{"verb":"get","resource":"secrets"},"scope":{"allNamespaces":true,"at":"2026-03-10T12:00:00.5Z"}}"#
        );
    }
}
