//! Reports of fleets in memory, and what becomes of bundles that somebody changed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod history;
mod pages;
mod tampering;
mod times;
mod world;

use std::io::Read as _;

use hanse_domain::ids::Digest;

use super::evidence::{Budget, Limits, line, lines};
use super::groups::{GROUPS, Group, decode, encode};
use super::question::{Asked, Place, Question, When};
use super::sheets::Sheet;
use super::standing::Proof;
use super::verify::{CODE, Pin, Verified, verify};
use crate::failure::{Failure, Outcome};
use world::{at, example, question};

fn moment(time: &str) -> When {
    When::At(at(time))
}

fn period(from: &str, to: &str) -> When {
    When::Period { from: at(from), to: at(to) }
}

fn checked(bundle: &[u8]) -> Outcome<Verified> {
    verify(bundle, Pin::Unknown, |_| {}, |_| {})
}

/// What and why of a bundle that must not be believed.
fn refused(bundle: &[u8]) -> String {
    let failure = checked(bundle).unwrap_err();
    assert_eq!(failure.code(), CODE, "{}", failure.summary());
    assert_eq!(failure.exit_code().0, 1);
    let details = failure.detail_lines().join("; ");
    format!("{} {details}", failure.summary()).trim().to_owned()
}

fn text(sheet: &mut Sheet) -> String {
    let mut text = String::new();
    sheet.read().unwrap().read_to_string(&mut text).unwrap();
    text
}

/// Who could do what by the CSV, from when until when and how sure.
fn rows(csv: &str) -> Vec<String> {
    let records = crate::access::csv::read(csv).unwrap();
    let column = |name: &str| records[0].1.iter().position(|cell| cell == name).unwrap();
    let columns = [
        "cluster",
        "subject",
        "via_group",
        "namespace",
        "binding",
        "held_from",
        "held_until",
        "proof",
        "source",
    ];
    let columns = columns.map(column);
    let rows = records.iter().skip(1).filter(|(_, cells)| !cells[column("proof")].is_empty());
    rows.map(|(_, cells)| columns.map(|at| cells[at].as_str()).join("|")).collect()
}

fn secrets() -> Asked {
    Asked {
        verb: "get".to_owned(),
        api_group: String::new(),
        resource: "secrets".to_owned(),
        subresource: String::new(),
        name: String::new(),
        path: String::new(),
    }
}

#[test]
fn a_moment_is_reported_and_verified() {
    let world = example();
    let question = question(moment("06T00:00:00"));
    let (mut sheets, bundle) = world.report(&question, |_, _| {});
    assert_eq!(
        rows(&text(&mut sheets.csv)),
        [
            "prod-1|anna||shop|hanse:ns:readers|||proven|declared",
            "prod-1|devs||shop|devs|||proven|unmanaged",
        ]
    );
    let verified = checked(&bundle).unwrap();
    assert_eq!(verified.summary, sheets.summary);
    assert_eq!(verified.head, world.head());
    let totals = verified.summary.totals();
    assert_eq!((totals.clusters, totals.proven, totals.contradicted), (2, 2, 0));
}

#[test]
fn a_period_has_what_held_at_any_time_in_it() {
    let world = example();
    let question = question(period("04T12:00:00", "15T00:00:00"));
    let (mut sheets, bundle) = world.report(&question, |_, _| {});
    assert_eq!(
        rows(&text(&mut sheets.csv)),
        [
            "prod-1|anna||shop|hanse:ns:readers|2026-03-05T00:00:00Z||proven|declared",
            "prod-1|eve|||oops|2026-03-10T00:00:00Z|2026-03-11T00:00:00Z|proven|unmanaged",
            "prod-1|devs||shop|devs|||proven|unmanaged",
            "prod-2|bob|||ops|2026-03-11T00:00:00Z||partly|unmanaged",
        ]
    );
    let mut standings = Vec::new();
    verify(&bundle[..], Pin::Unknown, |_| {}, |answer| standings.push(answer.standing.clone()))
        .unwrap();
    assert_eq!(standings[0].whole(), Proof::Proven);
    assert_eq!(standings[1].gaps, [(at("10T00:00:00"), at("12T00:00:00"))]);
    assert_eq!(standings[1].whole(), Proof::Partly);
}

#[test]
fn a_question_is_answered_with_members_of_groups() {
    let mut world = example();
    world.groups.push(Group {
        directory: "corp".to_owned(),
        imported_at: Some(at("01T00:00:00")),
        imported_by: "ann".to_owned(),
        name: "devs".to_owned(),
        users: vec!["dora".to_owned()],
        groups: Vec::new(),
    });
    let question = Question {
        request: Some(secrets()),
        place: Place::Namespaces(vec!["shop".to_owned()]),
        clusters: vec!["prod-1".to_owned()],
        ..question(moment("10T12:00:00"))
    };
    let (mut sheets, bundle) = world.report(&question, |_, _| {});
    assert_eq!(
        rows(&text(&mut sheets.csv)),
        [
            "prod-1|anna||shop|hanse:ns:readers|||proven|declared",
            "prod-1|dora|devs|shop|devs|||from-group|unmanaged",
            "prod-1|eve|||oops|||proven|unmanaged",
            "prod-1|devs||shop|devs|||proven|unmanaged",
            "prod-1|system:masters||||||proven|built-in",
        ]
    );
    checked(&bundle).unwrap();
}

#[test]
fn a_cluster_that_nobody_shows_is_not_silently_left_out() {
    let mut world = example();
    world.agents.pop();
    let question = question(moment("06T00:00:00"));
    let (mut sheets, bundle) = world.report(&question, |_, _| {});
    let csv = text(&mut sheets.csv);
    assert!(csv.contains("the hub has shown nothing of this cluster"), "{csv}");
    let html = text(&mut sheets.html);
    assert!(html.contains("Nothing is known of this cluster at that time"), "{html}");
    let totals = checked(&bundle).unwrap().summary.totals();
    assert_eq!((totals.clusters, totals.proven, totals.claimed), (2, 1, 1));
}

#[test]
fn the_trust_root_is_the_one_that_was_named() {
    let world = example();
    let bundle = world.bundle(&question(moment("06T00:00:00")));
    let fleet = world.head().fleet;
    let mut told = None;
    verify(&bundle[..], Pin::Given(fleet), |root| told = Some(root), |_| {}).unwrap();
    assert_eq!(told, Some(fleet));
    let with = |pin| -> Failure {
        verify(&bundle[..], pin, |_| panic!("nothing is told of it"), |_| panic!("nothing is seen"))
            .unwrap_err()
    };
    let other = Digest::of(b"another");
    assert!(with(Pin::Given(other)).summary().contains("--trust-root says"));
    assert!(with(Pin::Context(other)).hint_text().unwrap().contains("--trust-root"));
}

/// The script of `docs/evidence.md` comes to the same. `scripts/prerequisites.sh test` asks for what it needs.
#[test]
fn the_documented_script_verifies_a_bundle() {
    let run = |python: &str, arguments: &[&str]| {
        std::process::Command::new(python).args(arguments).output().ok()
    };
    let needed = "import sys, cryptography.hazmat.primitives.asymmetric.ed25519; \
                  sys.exit(sys.version_info < (3, 11))";
    let can = |python: &&str| run(python, &["-c", needed]).is_some_and(|out| out.status.success());
    let found = ["python3", "/usr/bin/python3"].into_iter().find(can).expect(
        "no `python3` of 3.11 or newer has `cryptography`: install the Debian package \
         python3-cryptography",
    );
    let python = |arguments: &[&str]| run(found, arguments).unwrap();
    let documentation = include_str!("../../../../docs/evidence.md");
    let (_, script) = documentation.split_once("```python\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let world = example();
    let asked = question(period("04T12:00:00", "15T00:00:00"));
    let honest = tampering::unpack(&world.bundle(&asked));
    let run = |edit: fn(String) -> String, options: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in &honest {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = String::from_utf8(content.clone()).unwrap();
            std::fs::write(path, edit(text)).unwrap();
        }
        let cluster = folder.path().join("clusters/prod-1");
        let recipient = world::recipient(&world.agents[0].secret);
        let arguments =
            ["-c", script, cluster.to_str().unwrap(), &recipient, "2026-03-04T12:00:00Z"];
        let output = python(&[options, &arguments].concat());
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.success(), said.concat())
    };
    // Also as Python leaves out what is only asserted.
    for options in [&[][..], &["-O"]] {
        let (fine, said) = run(|text| text, options);
        assert!(fine, "{said}");
        let proven = said.lines().filter(|line| line.starts_with("proven from")).count();
        assert_eq!(proven, 4, "{said}");
        for (edit, expected) in [
            ((|text| text.replace("\"eve\"", "\"ada\"")) as fn(String) -> String, "other objects"),
            (|text| text.replace("objects 5", "objects 6"), "InvalidSignature"),
            (
                |text| {
                    text.replace("2026-03-10T00:00:00Z\",\"key\"", "2026-03-09T00:00:00Z\",\"key\"")
                },
                "not signed for",
            ),
        ] {
            let (fine, said) = run(edit, options);
            assert!(!fine && said.contains(expected), "{options:?} {expected}: {said}");
        }
    }
}

/// What is kept of a hub's answer is no more than what is read of a bundle.
#[test]
fn as_much_is_kept_as_is_read_again() {
    let all = ["one".to_owned(), "three".to_owned(), "four".to_owned()];
    let mut text = Vec::new();
    for value in &all {
        line(&mut text, value);
    }
    let fits = |most: usize, line_bytes: usize, bytes: usize| {
        let limits = Limits { lines: most, line_bytes, bytes };
        let mut budget = Budget::new(limits);
        let kept = all.iter().all(|value| budget.spend(value));
        let read = text.len() <= bytes && lines::<String>("file", &text, limits).is_ok();
        assert_eq!(kept, read, "{limits:?}");
        kept
    };
    assert!(fits(3, 7, text.len()));
    assert!(!fits(2, 7, text.len()));
    assert!(!fits(3, 6, text.len()));
    assert!(!fits(3, 7, text.len() - 1));
}

/// One group may have everybody: its line is longer than that of any object.
#[test]
fn a_large_group_is_read_again() {
    let users = (0..20_000).map(|number| format!("person-{number}@example.org")).collect();
    let everybody = Group {
        directory: "corp".to_owned(),
        imported_at: None,
        imported_by: String::new(),
        name: "everybody".to_owned(),
        users,
        groups: Vec::new(),
    };
    let all = [everybody];
    assert!(Budget::new(GROUPS).spend(&all[0]));
    assert_eq!(decode(&encode(&all)).unwrap(), all);
}
