//! What can be named on the command line, and by which short names: `namespaces`, `fns`,
//! `FederatedRole/payments`.

use hanse_domain::document::{DocumentRef, Kind};

use crate::failure::{Failure, Outcome};

/// A sort of thing that `get` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Documents(Kind),
    All,
    Clusters,
    Revisions,
    Drift,
}

/// Names of kinds, for help texts.
pub(crate) const KINDS: &str = "namespaces (fns), roles (frole), bindings (frb), secrets (fsec), \
     invariants (ai)";

impl Resource {
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let word = text.to_lowercase();
        Ok(match word.as_str() {
            "all" => Self::All,
            "cluster" | "clusters" => Self::Clusters,
            "revision" | "revisions" | "rev" => Self::Revisions,
            "drift" => Self::Drift,
            _ => Self::Documents(kind(text)?),
        })
    }
}

/// A kind of document.
pub(crate) fn kind(text: &str) -> Outcome<Kind> {
    let word = text.to_lowercase();
    Ok(match word.trim_end_matches('s') {
        "federatednamespace" | "namespace" | "fn" | "n" if word != "n" && word != "fn" => {
            Kind::FederatedNamespace
        }
        "federatedrole" | "role" | "frole" | "fr" => Kind::FederatedRole,
        "federatedrolebinding" | "rolebinding" | "frolebinding" | "binding" | "frb" => {
            Kind::FederatedRoleBinding
        }
        "federatedsecret" | "secret" | "fsec" => Kind::FederatedSecret,
        "accessinvariant" | "invariant" | "ai" => Kind::AccessInvariant,
        _ => {
            return Err(Failure::usage(format!("there is no kind `{text}`"))
                .hint(format!("kinds are {KINDS}; `hanse explain` explains them")));
        }
    })
}

/// Documents as `KIND NAME…` or `KIND/NAME…`.
pub(crate) fn references(words: &[String]) -> Outcome<Vec<DocumentRef>> {
    let named = |kind_word: &str, name: &str| {
        Ok(DocumentRef { kind: kind(kind_word)?, name: name.to_owned() })
    };
    if words.iter().any(|word| word.contains('/')) {
        let slashed = |word: &String| match word.split_once('/') {
            Some((kind_word, name)) if !name.is_empty() => named(kind_word, name),
            _ => Err(Failure::usage(format!("`{word}` is not KIND/NAME"))),
        };
        return words.iter().map(slashed).collect();
    }
    match words.split_first() {
        Some((kind_word, rest)) if !rest.is_empty() => {
            rest.iter().map(|name| named(kind_word, name)).collect()
        }
        _ => {
            Err(Failure::usage("name what: KIND NAME or KIND/NAME")
                .hint(format!("kinds are {KINDS}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_short_names() {
        use Kind::{
            AccessInvariant, FederatedNamespace, FederatedRole, FederatedRoleBinding,
            FederatedSecret,
        };
        for (word, expected) in [
            ("namespaces", FederatedNamespace),
            ("ns", FederatedNamespace),
            ("fns", FederatedNamespace),
            ("FederatedNamespace", FederatedNamespace),
            ("roles", FederatedRole),
            ("frole", FederatedRole),
            ("bindings", FederatedRoleBinding),
            ("frb", FederatedRoleBinding),
            ("rolebinding", FederatedRoleBinding),
            ("secrets", FederatedSecret),
            ("fsec", FederatedSecret),
            ("invariants", AccessInvariant),
            ("ai", AccessInvariant),
        ] {
            assert_eq!(kind(word).ok(), Some(expected), "{word}");
        }
        for word in ["", "s", "n", "fn", "pods"] {
            assert!(kind(word).is_err(), "{word}");
        }
        assert_eq!(Resource::parse("Clusters").ok(), Some(Resource::Clusters));
    }

    #[test]
    fn references_are_written_in_two_ways() {
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            references(&words).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            of(&["role", "a", "b"]).ok(),
            Some(vec!["FederatedRole/a".into(), "FederatedRole/b".into()])
        );
        assert_eq!(
            of(&["frb/x", "fns/y"]).ok(),
            Some(vec!["FederatedRoleBinding/x".into(), "FederatedNamespace/y".into()])
        );
        for bad in [&["role"][..], &[], &["role/"], &["role/a", "b"]] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
