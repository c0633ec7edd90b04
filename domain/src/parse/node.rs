//! A YAML tree that remembers where each value was written, so that every error can name its line.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::granit_parser::{Event, Parser};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Spanned};

use super::MAX_DOCUMENT_BYTES;

/// Deepest nesting; the deepest field that there is lies nine levels down. Reading takes stack for each.
const MAX_DEPTH: usize = 12;
/// Most values in one document.
const MAX_NODES: usize = 100_000;
/// Most anchors, and most aliases.
const MAX_ALIASES: usize = 64;

/// A value and its line, counted from 1 in its document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) line: usize,
    /// Place in the text, in bytes: begin and length; both 0 where there is none.
    span: (u64, u64),
}

/// What YAML's core schema knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    /// With its text as written: `1.10` is another version than `1.1`.
    Number(Number, String),
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
    if text.contains('!') {
        refuse_tags(text)?;
    }
    let options = serde_saphyr::options! {
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_alias_expansions_per_anchor: MAX_ALIASES,
        },
    };
    let mut root: Node =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| Unreadable {
            line: error.location().map_or(1, |at| usize::try_from(at.line()).unwrap_or(1)),
            why: explain(error.without_snippet()),
        })?;
    let bytes = root.settle(text);
    if bytes > MAX_DOCUMENT_BYTES.max(text.len()) {
        return Err(Unreadable {
            line: 1,
            why: format!("its aliases make {bytes} bytes of it, more than {MAX_DOCUMENT_BYTES}"),
        });
    }
    Ok(root)
}

/// Tags change what a value is; whoever reads the document must see it without knowing them.
fn refuse_tags(text: &str) -> Result<(), Unreadable> {
    // Errors are left to the reading proper, which says more about them.
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        if let Event::Scalar(_, _, _, Some(tag))
        | Event::SequenceStart(_, _, Some(tag))
        | Event::MappingStart(_, _, Some(tag)) = event
        {
            let tag = tag.to_string().replace("tag:yaml.org,2002:", "!!");
            return Err(Unreadable {
                line: span.start.line(),
                why: format!(
                    "the tag `{}` is not used here: put strings in quotes",
                    tag.escape_debug()
                ),
            });
        }
    }
    Ok(())
}

/// The reader's errors in our words where they are about our limits, else without the place, which
/// is told beside them.
fn explain(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    if let Error::Budget { breach, .. } = error {
        if matches!(breach, BudgetBreach::Depth { .. }) {
            return too_deep();
        }
        if matches!(breach, BudgetBreach::Documents { .. }) {
            return "a second document begins here: put `---` alone on a line between them"
                .to_owned();
        }
        if matches!(breach, BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. }) {
            return format!("more than {MAX_NODES} values");
        }
        return format!("more anchors and aliases than are read (at most {MAX_ALIASES})");
    }
    if matches!(error, Error::MergeKeyNotAllowed { .. }) {
        return "merge keys (`<<`) are not used here: write the fields out".to_owned();
    }
    if let Error::NonFiniteFloat { .. } = error {
        return "infinite and undefined numbers are not used here: put strings in quotes"
            .to_owned();
    }
    let text = error.to_string();
    if text.starts_with("alias replay") || text.starts_with("alias expansion") {
        return "its aliases stand for too much: write the values out".to_owned();
    }
    if text.starts_with("recursion limit") || text.contains("Depth {") {
        return too_deep();
    }
    text.split_once(" at line ").map_or(text.as_str(), |(why, _)| why).to_owned()
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

impl Node {
    /// Gives numbers their text, and counts the bytes of all scalars and keys.
    fn settle(&mut self, text: &str) -> usize {
        let span = self.span;
        match &mut self.content {
            Content::Null | Content::Bool(_) => 0,
            Content::Number(value, raw) => {
                *raw = slice(text, span)
                    .filter(|raw| !raw.is_empty())
                    .map_or_else(|| value.to_string(), str::to_owned);
                raw.len()
            }
            Content::String(value) => value.len(),
            Content::List(items) => items.iter_mut().map(|item| item.settle(text)).sum(),
            Content::Map(entries) => {
                entries.iter_mut().map(|(key, _, node)| key.len() + node.settle(text)).sum()
            }
        }
    }

    /// The value without its lines; of a repeated key the last one counts.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value, _) => Value::Number(value.clone()),
            Content::String(value) => Value::String(value.clone()),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => {
                let map: Map<String, Value> =
                    entries.iter().map(|(key, _, node)| (key.clone(), node.to_json())).collect();
                Value::Object(map)
            }
        }
    }

    /// A tree in which every value is said to be at one line.
    pub(crate) fn from_json(value: &Value, line: usize) -> Self {
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(*value),
            Value::Number(value) => Content::Number(value.clone(), value.to_string()),
            Value::String(value) => Content::String(value.clone()),
            Value::Array(items) => {
                Content::List(items.iter().map(|item| Self::from_json(item, line)).collect())
            }
            Value::Object(map) => Content::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), line, Self::from_json(value, line)))
                    .collect(),
            ),
        };
        Self { content, line, span: (0, 0) }
    }

    /// What it is, for a sentence: "the number 5".
    pub(crate) fn describe(&self) -> String {
        match &self.content {
            Content::Null => "nothing".to_owned(),
            Content::Bool(value) => format!("the boolean {value}"),
            Content::Number(_, raw) => format!("the number {raw}"),
            Content::String(value) => {
                let short: String = value.chars().take(40).collect();
                let dots = if short.len() < value.len() { "…" } else { "" };
                format!("the string {short:?}{dots}")
            }
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a map".to_owned(),
        }
    }
}

fn slice(text: &str, (begin, length): (u64, u64)) -> Option<&str> {
    let begin = usize::try_from(begin).ok()?;
    let end = begin.checked_add(usize::try_from(length).ok()?)?;
    text.get(begin..end)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        let line = usize::try_from(spanned.referenced.line()).unwrap_or(0);
        let span = spanned.defined.span();
        Ok(Self {
            content: spanned.value,
            line,
            span: span.byte_offset().zip(span.byte_len()).unwrap_or_default(),
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
        Ok(Content::Number(value.into(), String::new()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(value.into(), String::new()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value)
            .map(|number| Content::Number(number, String::new()))
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
                Content::Number(value, _) => value.to_string(),
                Content::Null | Content::List(_) | Content::Map(_) => {
                    return Err(A::Error::custom("a key must be a string"));
                }
            };
            entries.push((name, key.line, access.next_value()?));
        }
        Ok(Content::Map(entries))
    }
}
