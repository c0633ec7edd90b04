//! Text that is no YAML, or YAML that is not used here; and that no text does harm.

use std::time::{Duration, Instant};

use hanse_domain::parse::{MAX_DOCUMENT_BYTES, MAX_FILE_BYTES, parse_document, parse_files};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::support::{READS_PODS, binds, errors, errors_of, everywhere, namespace};

fn labelled(value: &str) -> String {
    everywhere("FederatedNamespace", "a", &format!("  labels:\n    env: {value}\n"))
}

#[test]
fn what_is_no_yaml_is_told_with_its_line_in_the_file() {
    let good = labelled("prod");
    let after_good = |bad: &str| errors(&format!("{good}---\n{bad}"));
    assert_snapshot!(after_good("a: {b: c\n"), @"f.yaml:10: not valid YAML: unclosed bracket '{'");
    assert_snapshot!(after_good("a:\n\tb: c\n"), @"f.yaml:11: not valid YAML: tabs disallowed within this context (block indentation)");
    assert_snapshot!(after_good("a: b: c\n"), @"f.yaml:10: not valid YAML: mapping values are not allowed in this context");
    assert_snapshot!(after_good("a: *b\n"), @"f.yaml:10: not valid YAML: alias references unknown anchor");
    assert_snapshot!(after_good("hello\n"), @r#"f.yaml:10: expected a map, found the string "hello""#);
    assert_snapshot!(after_good("null\n"), @"f.yaml:10: expected a map, found nothing");
    assert_snapshot!(after_good("? {a: b}\n: c\n"), @"f.yaml:10: not valid YAML: a key must be a string");
    assert_snapshot!(after_good(&format!("{good}...\nb: c\n")), @"f.yaml:19: not valid YAML: a second document begins here: put `---` alone on a line between them");
    assert_snapshot!(errors(&format!("# comment\n%YAML 1.2\n---\n{good}")), @"f.yaml:2: YAML directives (`%`) are not used here: take this line away");
    assert_snapshot!(errors_of(&[("f.yaml", b"a: b\nc: \xff\n")]), @"f.yaml:2: the file is not UTF-8 from here on");
}

#[test]
fn values_mean_the_same_to_every_reader() {
    for tagged in
        ["!!binary aGk=", "!!str 12", "!mine a", "! 12", "!<tag:yaml.org,2002:str> 5", "!include x"]
    {
        let message = errors(&labelled(tagged));
        assert!(message.contains("f.yaml:8: not valid YAML: the tag `!"), "{tagged}: {message}");
    }
    assert_snapshot!(errors(&labelled("!!binary aGk=")), @"f.yaml:8: not valid YAML: the tag `!!binary` is not used here: put strings in quotes");
    assert_snapshot!(errors(&everywhere("FederatedNamespace", "a", "  labels: &l {a: b}\n  annotations:\n    <<: *l\n")), @"f.yaml:9: not valid YAML: merge keys (`<<`) are not used here: write the fields out");
    assert_snapshot!(errors(&labelled(".inf")), @"f.yaml:8: not valid YAML: infinite and undefined numbers are not used here: put strings in quotes");
    // Numbers are told as they were written.
    assert_snapshot!(errors(&labelled("1.10")), @r#"f.yaml:8: spec.labels[env]: expected a string, found a number: write "1.10""#);
    assert_snapshot!(errors(&labelled("0o12")), @r#"f.yaml:8: spec.labels[env]: expected a string, found a number: write "0o12""#);
    // What only YAML 1.1 takes for a boolean or a number is the string that it looks like.
    for word in ["on", "no", "Yes", "y", "012", "1_000", "'true'", "\"12\""] {
        let document = hanse_domain::parse::parse_document(labelled(word).as_bytes()).unwrap();
        let fleet = crate::support::three_clusters();
        let object = crate::render::only_object(&document, &fleet);
        assert_eq!(object["metadata"]["labels"]["env"], word.trim_matches(['"', '\'']));
    }
}

#[test]
fn aliases_are_fine_in_moderation() {
    namespace("a", "  labels: &l {team: b}\n  annotations: *l\n");
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for n in 1..20 {
        bomb += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","));
    }
    assert_snapshot!(errors(&bomb), @"f.yaml:4: not valid YAML: its aliases stand for too much: write the values out");
    let quadratic =
        format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(200_000), vec!["*a"; 60].join(","));
    assert_snapshot!(errors(&quadratic), @"f.yaml:1: not valid YAML: its aliases make 12200002 bytes of it, more than 262144");
    let many: String = (0..100).map(|n| format!("a{n}: &a{n} x\n")).collect();
    assert_snapshot!(errors(&many), @"f.yaml:65: not valid YAML: more anchors and aliases than are read (at most 64)");
}

#[test]
fn nesting_ends_before_the_stack_does() {
    let nested = |n: usize| {
        everywhere(
            "FederatedNamespace",
            "a",
            &format!("  labels: {}{}\n", "[".repeat(n), "]".repeat(n)),
        )
    };
    assert_snapshot!(errors(&nested(30)), @"f.yaml:7: not valid YAML: nested deeper than 12 levels");
    let mut by_alias = String::from("a0: &a0 [x]\n");
    for n in 1..60 {
        by_alias += &format!("a{n}: &a{n} [*a{}]\n", n - 1);
    }
    let texts = [
        nested(9),
        nested(200),
        nested(100_000),
        "{a: ".repeat(1000),
        "- ".repeat(1000),
        "? ".repeat(1000),
        by_alias,
    ];
    // Half of what a thread has by default, also without optimisation.
    let reader = std::thread::Builder::new().stack_size(1024 * 1024);
    let read = move || texts.iter().all(|text| parse_files([("f", text.as_bytes())]).is_err());
    assert!(reader.spawn(read).unwrap().join().unwrap());
}

#[test]
fn what_is_too_much_is_refused_quickly() {
    let started = Instant::now();
    assert_snapshot!(errors(&"a".repeat(MAX_FILE_BYTES + 1)), @"f.yaml:1: the file has 8388609 bytes, more than 8388608: split it into several files");
    let large = |bytes: usize| {
        let text = labelled("prod");
        let comment = "#".repeat(bytes - text.len());
        text + &comment
    };
    assert!(parse_document(large(MAX_DOCUMENT_BYTES).as_bytes()).is_ok());
    assert_snapshot!(errors(&large(MAX_DOCUMENT_BYTES + 1)), @"f.yaml:1: the document has 262145 bytes, more than 262144");
    let mut flow = String::from("a: [");
    flow += &"a,".repeat(MAX_DOCUMENT_BYTES / 2 - 8);
    assert_snapshot!(errors(&(flow + "]")), @"f.yaml:1: not valid YAML: more than 100000 values");
    let keys: String = (0..20_000).map(|n| format!("k{n}:\n")).collect();
    assert!(errors(&keys).ends_with("after 200 errors the rest is not looked at"));
    assert!(errors(&"a\n---\n".repeat(500_000)).lines().count() == 201);
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_files([("f", bytes.as_slice())]);
        let _ = parse_document(&bytes);
    }

    #[test]
    fn no_yaml_panics(text in "([a-c]|: |\n|\n  |- |\\{|\\}|\\[|\\]|,|&a |\\*a|!!str |\"|'|---\n|\\? |<<|#|\\||>|1|~|%|\u{feff}|\r){0,60}") {
        let _ = parse_files([("f", text.as_bytes())]);
    }

    #[test]
    fn no_change_of_a_document_panics_or_is_read_as_another_text(at in any::<prop::sample::Index>(), removed in 0usize..20, added in "[ -~\n\u{202e}é]{0,8}", kind in 0usize..3) {
        let text = [
            everywhere("FederatedNamespace", "a", "  labels: {a: b}\n  resourceQuota: {hard: {cpu: 4}}\n"),
            everywhere("FederatedRole", "a", READS_PODS),
            everywhere("FederatedRoleBinding", "a", &(binds("r") + "  overrides:\n  - clusterSelector: {matchLabels: {env: prod}}\n    patch: {reason: b}\n")),
        ][kind].clone();
        let begin = at.index(text.len());
        let end = (begin + removed).min(text.len());
        let changed = format!("{}{added}{}", &text[..begin], &text[end..]);
        if let Ok(document) = parse_document(changed.as_bytes()) {
            prop_assert_eq!(&*document.bytes, changed.as_bytes());
        }
    }
}
