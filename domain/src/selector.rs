//! Label selectors, as `metav1.LabelSelector` defines them: every requirement must hold; an empty
//! selector matches everything. People write them as kubectl has it: `a=b,c!=d,e in (x,y),f notin (z),g,!h`.

use std::str::FromStr;

use crate::history::roster::Labels;
use crate::names::{self, InvalidName};

/// Longest selector that is read.
pub const MAX_BYTES: usize = 4_096;

/// What labels must be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// Labels that must have exactly these values.
    pub match_labels: Labels,
    /// Further requirements.
    pub match_expressions: Vec<Requirement>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// How its value is looked at.
    pub operator: Operator,
    /// Set for `In` and `NotIn`, and only there.
    pub values: Vec<String>,
}

/// How a requirement looks at a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The label is there, with one of the values.
    In,
    /// The label is not there, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

/// A text that is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelector {
    /// Nobody writes it by hand.
    #[error("a label selector has at most {MAX_BYTES} bytes")]
    TooLong,
    /// One requirement cannot be read.
    #[error("`{text}` is not a label requirement: {why}")]
    Requirement {
        /// As it was written.
        text: String,
        /// What is wrong with it.
        #[source]
        why: InvalidRequirement,
    },
}

/// What is wrong with a requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequirement {
    /// Values end that never began.
    #[error("no `(`")]
    Unopened,
    /// Values without `in` or `notin` before them.
    #[error("neither `in` nor `notin`")]
    Operator,
    /// A key or a value that Kubernetes refuses.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

impl LabelSelector {
    /// Whether the labels meet every requirement.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.matches(labels))
    }
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = || value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl FromStr for LabelSelector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, InvalidSelector> {
        if text.len() > MAX_BYTES {
            return Err(InvalidSelector::TooLong);
        }
        let requirement = |text: &str| {
            let invalid = |why| InvalidSelector::Requirement { text: text.to_owned(), why };
            text.parse().map_err(invalid)
        };
        let match_expressions = split(text).map(requirement).collect::<Result<_, _>>()?;
        Ok(Self { match_expressions, ..Self::default() })
    }
}

/// Splits at commas outside of parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let parts = text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

impl FromStr for Requirement {
    type Err = InvalidRequirement;

    fn from_str(text: &str) -> Result<Self, InvalidRequirement> {
        let (key, operator, values) = if let Some((key, value)) = text.split_once("!=") {
            (key, Operator::NotIn, vec![value])
        } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            (key, Operator::In, vec![value])
        } else if let Some(rest) = text.strip_suffix(')') {
            let (head, list) = rest.split_once('(').ok_or(InvalidRequirement::Unopened)?;
            let head = head.trim();
            let (key, operator) = match (head.strip_suffix(" notin"), head.strip_suffix(" in")) {
                (Some(key), _) => (key, Operator::NotIn),
                (None, Some(key)) => (key, Operator::In),
                (None, None) => return Err(InvalidRequirement::Operator),
            };
            (key, operator, list.split(',').collect())
        } else if let Some(key) = text.strip_prefix('!') {
            (key, Operator::DoesNotExist, Vec::new())
        } else {
            (text, Operator::Exists, Vec::new())
        };
        let key = key.trim();
        names::check_label_key(key)?;
        let values: Vec<String> = values.iter().map(|value| value.trim().to_owned()).collect();
        values.iter().try_for_each(|value| names::check_label_value(value))?;
        Ok(Self { key: key.to_owned(), operator, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_as_kubectls_do() {
        let prod: Labels = [("env", "prod"), ("region", "eu")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        for (text, matches) in [
            ("", true),
            (" , ", true),
            ("env=prod", true),
            ("env==prod,region=eu", true),
            ("env!=prod", false),
            ("other!=x", true),
            ("region in (us, eu),env", true),
            ("region notin (us,eu)", false),
            ("!env", false),
            ("!legacy", true),
            ("legacy", false),
        ] {
            let selector = text.parse::<LabelSelector>();
            assert_eq!(selector.map(|s| s.matches(&prod)), Ok(matches), "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_says_why() {
        let long = format!("a in ({})", "b,".repeat(MAX_BYTES / 2));
        for (bad, why) in [
            ("=a", "`=a` is not a label requirement: `` is not a label key"),
            ("a=b c", "`b c` is not a label value"),
            ("x,a in b)", "`a in b)` is not a label requirement: no `(`"),
            ("a isin (b)", "neither `in` nor `notin`"),
            ("a b", "`a b` is not a label key"),
            ("a\0", "is not a label key"),
            (&long, "at most 4096 bytes"),
        ] {
            let error = bad.parse::<LabelSelector>().map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|said| said.contains(why)), "{bad}: {error:?}");
        }
    }
}
