//! `-l`: label selectors in the notation of kubectl, and `key=value`, `key-` of `label`.

use hanse_domain::history::roster::Labels;
use hanse_domain::names;
use hanse_domain::selector::{InvalidSelector, LabelSelector};

use crate::failure::{Failure, Outcome};

/// Reads `a=b,c!=d,e in (x,y),f notin (z),g,!h`.
pub(crate) fn parse(text: &str) -> Outcome<LabelSelector> {
    text.parse().map_err(|error| match error {
        InvalidSelector::TooLong => Failure::usage(error.to_string()),
        InvalidSelector::Requirement { text, why } => {
            Failure::usage(format!("`{text}` is not a label requirement"))
                .why(why.to_string())
                .hint("for example: -l 'env=prod,region in (eu,us),!legacy'")
        }
    })
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
    fn what_is_no_selector_is_refused_with_an_example() {
        assert_eq!(parse("a=b,!c").ok(), "a=b,!c".parse().ok());
        let failure = parse("a isin (b)").err();
        let hint = failure.as_ref().and_then(|failure| failure.hint_text());
        assert!(hint.is_some_and(|hint| hint.contains("-l 'env=prod")), "{failure:?}");
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
