//! What people read.

use hanse_domain::access::object::AccessContent;

use super::super::evidence::Evidence;
use super::super::question::Question;
use super::world::{World, binding, example, question, role};
use super::{checked, moment, period, rows, secrets, text};

/// Digests differ with each key that a test makes.
fn without_digests(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(at);
        let length = from.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(from.len());
        let (hex, after) = from.split_at(length);
        out.push_str(before);
        out.push_str(if length == 64 { "DIGEST" } else { hex });
        rest = after;
    }
    out + rest
}

#[test]
fn csv_of_a_period() {
    let (mut sheets, _) =
        example().report(&question(period("04T12:00:00", "15T00:00:00")), |_, _| {});
    insta::assert_snapshot!(without_digests(&text(&mut sheets.csv)));
}

#[test]
fn json_of_a_moment() {
    let asked = Question { request: Some(secrets()), ..question(moment("06T00:00:00")) };
    let (mut sheets, _) = example().report(&asked, |_, _| {});
    let json = text(&mut sheets.json);
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
    insta::assert_snapshot!(without_digests(&json));
}

#[test]
fn page_of_a_period() {
    let (mut sheets, _) =
        example().report(&question(period("04T12:00:00", "15T00:00:00")), |_, _| {});
    let html = text(&mut sheets.html);
    let (_, body) = html.split_once("</head>").unwrap();
    insta::assert_snapshot!(without_digests(body));
}

const HOSTILE: &str = "</td><script>alert(1)</script>\"'&\u{202e}x\u{1b}[2J=\n";

/// Everything in a cluster that somebody can name.
fn hostile() -> World {
    let mut world = World::new();
    let agent = &mut world.agents[0];
    agent.change(
        "03T00:00:00",
        vec![
            role(HOSTILE, &[HOSTILE], &[HOSTILE]),
            binding("ns", HOSTILE, HOSTILE, &[("User", HOSTILE), ("Group", HOSTILE)]),
        ],
    );
    for version in &mut agent.versions {
        let origin = version.origin.as_mut().unwrap();
        origin.manager = HOSTILE.to_owned();
        origin.source = HOSTILE.to_owned();
        origin.revision = Some(1);
        if let Some(AccessContent::Role { labels, .. }) = &mut version.content {
            labels.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
        }
    }
    agent.sign(super::at("08T00:00:00"));
    world
}

#[test]
fn names_are_no_markup_and_steer_nothing() {
    let mut world = hostile();
    world.groups.push(super::super::groups::Group {
        directory: HOSTILE.to_owned(),
        imported_at: None,
        imported_by: HOSTILE.to_owned(),
        name: HOSTILE.to_owned(),
        users: vec![HOSTILE.to_owned()],
        groups: Vec::new(),
    });
    let asked = question(moment("06T00:00:00"));
    let (mut sheets, bundle) = world.report(&asked, |_, _| {});
    let html = text(&mut sheets.html);
    assert!(
        html.contains("&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"),
        "{html}"
    );
    for forbidden in
        ["<script", "\u{202e}", "\u{1b}", "javascript:", "http:", "https:", "onerror", "src="]
    {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    let tags = html.matches("</td>").count();
    assert_eq!(tags, html.matches("<td").count());
    let (csv, json) = (text(&mut sheets.csv), text(&mut sheets.json));
    for sheet in [&csv, &json] {
        assert!(!sheet.contains(['\u{202e}', '\u{1b}']));
    }
    assert_eq!(rows(&csv).len(), 2);
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
    checked(&bundle).unwrap();
}

/// Each tag that is opened is closed, in order.
#[test]
fn the_page_is_well_formed() {
    for world in [example(), hostile()] {
        for when in [moment("06T00:00:00"), period("04T12:00:00", "15T00:00:00")] {
            let (mut sheets, _) = world.report(&question(when), |_, _| {});
            let html = text(&mut sheets.html);
            let mut open = Vec::new();
            for tag in html.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0) {
                let name = tag.split(' ').next().unwrap();
                if let Some(name) = name.strip_prefix('/') {
                    assert_eq!(open.pop(), Some(name), "{tag}");
                } else if !["meta", "br", "!doctype"].contains(&name) {
                    open.push(name);
                }
            }
            assert!(open.is_empty(), "{open:?}");
        }
    }
}

#[test]
fn a_contradiction_is_the_first_thing_that_one_reads() {
    let forge = |cluster: &str, evidence: &mut Evidence| {
        if cluster == "prod-1" {
            evidence.versions.retain(|version| version.key.name != "devs");
        }
    };
    let (mut sheets, _) = example().report(&question(moment("06T00:00:00")), forge);
    let html = text(&mut sheets.html);
    let short = html.split_once("In short").unwrap().1;
    assert!(
        short.trim_start_matches("</h2>\n").starts_with("<p class=\"box bad\">Do not rely"),
        "{short}"
    );
    assert!(text(&mut sheets.csv).contains("CONTRADICTED"));
}
