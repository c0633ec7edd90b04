//! `-l`: label selectors in the notation of kubectl, and `key=value`, `key-` of `label`.

use hanse_domain::history::roster::Labels;
use hanse_domain::names;
use hanse_domain::selector::{LabelSelector, Operator, Requirement};

use crate::failure::{Failure, Outcome};

/// Reads `a=b,c!=d,e in (x,y),f notin (z),g,!h`.
pub(crate) fn parse(text: &str) -> Outcome<LabelSelector> {
    let mut selector = LabelSelector::default();
    for part in split(text) {
        selector.match_expressions.push(requirement(part.trim())?);
    }
    Ok(selector)
}

/// Splits at commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .filter(|part| !part.trim().is_empty())
    .collect()
}

fn requirement(text: &str) -> Outcome<Requirement> {
    let invalid = |why: String| {
        Failure::usage(format!("`{text}` is not a label requirement"))
            .why(why)
            .hint("for example: -l 'env=prod,region in (eu,us),!legacy'")
    };
    let (key, operator, values) = if let Some((key, value)) = text.split_once("!=") {
        (key, Operator::NotIn, vec![value])
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Operator::In, vec![value])
    } else if let Some(rest) = text.strip_suffix(')') {
        let (head, list) = rest.split_once('(').ok_or_else(|| invalid("no `(`".to_owned()))?;
        let head = head.trim();
        let (key, operator) = match (head.strip_suffix(" notin"), head.strip_suffix(" in")) {
            (Some(key), _) => (key, Operator::NotIn),
            (None, Some(key)) => (key, Operator::In),
            (None, None) => return Err(invalid("neither `in` nor `notin`".to_owned())),
        };
        (key, operator, list.split(',').collect())
    } else if let Some(key) = text.strip_prefix('!') {
        (key, Operator::DoesNotExist, Vec::new())
    } else {
        (text, Operator::Exists, Vec::new())
    };
    let key = key.trim();
    names::check_label_key(key).map_err(|e| invalid(e.to_string()))?;
    let values: Vec<String> = values.iter().map(|value| value.trim().to_owned()).collect();
    for value in &values {
        names::check_label_value(value).map_err(|e| invalid(e.to_string()))?;
    }
    Ok(Requirement { key: key.to_owned(), operator, values })
}

/// A label as `key=value`, for clap.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    names::check_label_key(key).map_err(|e| e.to_string())?;
    names::check_label_value(value).map_err(|e| e.to_string())?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Applies `key=value` and `key-` to labels.
pub(crate) fn relabel(labels: &mut Labels, changes: &[String]) -> Outcome<()> {
    for change in changes {
        if let Some(key) = change.strip_suffix('-').filter(|key| !key.contains('=')) {
            if labels.remove(key).is_none() {
                return Err(Failure::new("not-found", format!("there is no label `{key}`")));
            }
        } else {
            let (key, value) = label(change).map_err(|why| {
                Failure::usage(format!("`{change}` is neither KEY=VALUE nor KEY-")).why(why)
            })?;
            labels.insert(key, value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn selectors_match_as_kubectls_do() {
        let prod = labels(&[("env", "prod"), ("region", "eu")]);
        for (text, matches) in [
            ("", true),
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
            assert_eq!(parse(text).ok().map(|s| s.matches(&prod)), Some(matches), "{text}");
        }
        for bad in ["=a", "a=b c", "a in b)", "a isin (b)", "a b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_come_and_go() {
        let mut given = labels(&[("env", "prod"), ("old", "1")]);
        let changes = ["env=test".to_owned(), "old-".to_owned(), "new=".to_owned()];
        assert!(relabel(&mut given, &changes).is_ok());
        assert_eq!(given, labels(&[("env", "test"), ("new", "")]));
        for bad in ["absent-", "novalue", "a=b=c"] {
            assert!(relabel(&mut given.clone(), &[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
