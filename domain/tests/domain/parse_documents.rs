//! The bytes of a document are what was written, and reading them again gives the same document.

use hanse_domain::ids::Digest;
use hanse_domain::parse::{parse_document, parse_files};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::support::{READS_PODS, everywhere};

fn one(name: &str) -> String {
    everywhere("FederatedRole", name, READS_PODS)
}

#[test]
fn the_bytes_are_those_of_the_file() {
    let file = format!(
        "# head\n---\n# first\n{}\n# tail\n---\n---   # nothing\n\n{}...\n--- # second\n{}",
        one("a"),
        one("b"),
        one("c")
    );
    let documents = parse_files([("f", file.as_bytes())]).unwrap();
    let texts: Vec<&str> =
        documents.iter().map(|d| std::str::from_utf8(&d.bytes).unwrap()).collect();
    assert_eq!(
        texts,
        [format!("# first\n{}\n# tail\n", one("a")), format!("\n{}...\n", one("b")), one("c")]
    );
    for document in documents {
        assert_eq!(document.digest, Digest::of(&document.bytes));
        assert_eq!(parse_document(&document.bytes).unwrap(), document);
    }
}

#[test]
fn files_without_documents_are_empty() {
    for text in [
        "",
        "\n\n",
        "# only\n  # comments\n",
        "---\n",
        "---\n---\n# a\n---",
        "\u{feff}",
        "\u{feff}---\n",
        "\r\n",
    ] {
        assert!(parse_files([("f", text.as_bytes())]).unwrap().is_empty(), "{text:?}");
    }
}

#[test]
fn json_is_yaml() {
    let json = r#"{"apiVersion": "hanse.dev/v1alpha1", "kind": "FederatedRole", "metadata": {"name": "a"},
        "spec": {"placement": {"clusterNames": ["prod-1"]}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}}"#;
    let documents = parse_files([("f", json.as_bytes())]).unwrap();
    assert_eq!(documents[0].reference.to_string(), "FederatedRole/a");
    assert_eq!(&*documents[0].bytes, json.as_bytes());
    let inline = format!("--- {json}");
    assert_eq!(&*parse_files([("f", inline.as_bytes())]).unwrap()[0].bytes, json.as_bytes());
}

#[test]
fn a_document_is_one_document_and_nothing_around_it() {
    let refused = |text: &str| parse_document(text.as_bytes()).unwrap_err().to_string();
    assert_snapshot!(refused(""), @"document:1: exactly one document expected");
    for text in [
        format!("---\n{}", one("a")),
        format!("{}---\n", one("a")),
        format!("{}---\n{}", one("a"), one("b")),
        format!("\u{feff}{}", one("a")),
        "# nothing\n".to_owned(),
        format!("--- {}", "{}"),
    ] {
        assert!(parse_document(text.as_bytes()).is_err(), "{text}");
    }
    assert_snapshot!(refused(&one("a").replace("rules", "rulez")), @"document:6: spec.rules: this field is required");
}

proptest! {
    #[test]
    fn what_files_gave_is_taken_alone(parts in proptest::collection::vec((0usize..4, "[a-c#-]{0,4}"), 0..6), crlf in any::<bool>()) {
        let mut file = String::new();
        for (index, (kind, noise)) in parts.iter().enumerate() {
            file += &match kind {
                0 => format!("# {noise}\n"),
                1 => "\n".to_owned(),
                2 => format!("---   # {noise}\n"),
                _ => format!("---\n{}", one(&format!("r{index}"))),
            };
        }
        if crlf {
            file = file.replace('\n', "\r\n");
        }
        let documents = parse_files([("f", file.as_bytes())]).unwrap();
        let expected = parts.iter().filter(|(kind, _)| *kind == 3).count();
        prop_assert_eq!(documents.len(), expected);
        for document in documents {
            prop_assert_eq!(parse_document(&document.bytes).unwrap(), document);
        }
    }
}
