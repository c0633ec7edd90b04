//! A YAML tree that remembers where each value was written, so that every error can name its line.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

/// A value and its line, counted from 1 in its document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) line: usize,
}

/// What YAML's core schema knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    List(Vec<Node>),
    /// As written: a key may come twice.
    Map(Vec<(String, usize, Node)>),
}

/// Why a document is no YAML, and at which of its lines.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) line: usize,
    pub(crate) why: String,
}

/// Reads one document. Nesting, aliases and nodes are bounded, so that a small text cannot become a
/// large tree.
pub(crate) fn read(text: &str) -> Result<Node, Unreadable> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_nodes: 100_000,
            max_aliases: 64,
            max_anchors: 64,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_alias_expansions_per_anchor: 64,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| Unreadable {
        line: error
            .location()
            .map_or(1, |at| usize::try_from(at.line()).unwrap_or(1)),
        why: error.without_snippet().to_string(),
    })
}

impl Node {
    /// The value without its lines; of a repeated key the last one counts.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value) => Value::Number(value.clone()),
            Content::String(value) => Value::String(value.clone()),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => {
                let map: Map<String, Value> = entries
                    .iter()
                    .map(|(key, _, node)| (key.clone(), node.to_json()))
                    .collect();
                Value::Object(map)
            }
        }
    }

    /// A tree in which every value is said to be at one line.
    pub(crate) fn from_json(value: &Value, line: usize) -> Self {
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(*value),
            Value::Number(value) => Content::Number(value.clone()),
            Value::String(value) => Content::String(value.clone()),
            Value::Array(items) => Content::List(
                items
                    .iter()
                    .map(|item| Self::from_json(item, line))
                    .collect(),
            ),
            Value::Object(map) => Content::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), line, Self::from_json(value, line)))
                    .collect(),
            ),
        };
        Self { content, line }
    }

    /// What it is, for a sentence: "the number 5".
    pub(crate) fn describe(&self) -> String {
        match &self.content {
            Content::Null => "nothing".to_owned(),
            Content::Bool(value) => format!("the boolean {value}"),
            Content::Number(value) => format!("the number {value}"),
            Content::String(_) => "a string".to_owned(),
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a map".to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        let line = usize::try_from(spanned.referenced.line()).unwrap_or(0);
        Ok(Self {
            content: spanned.value,
            line,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value)
            .map(Content::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Content, E> {
        Ok(Content::String(value))
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Content, E> {
        Err(E::custom("binary values are not used here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Node>()? {
            let name = match key.content {
                Content::String(name) => name,
                Content::Bool(value) => value.to_string(),
                Content::Number(value) => value.to_string(),
                Content::Null | Content::List(_) | Content::Map(_) => {
                    return Err(A::Error::custom("a key must be a string"));
                }
            };
            entries.push((name, key.line, access.next_value()?));
        }
        Ok(Content::Map(entries))
    }
}
