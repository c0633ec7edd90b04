//! The table of edges that the documentation quotes.

use std::fmt::Write as _;

use crate::access::escalation::Edge;

fn table() -> String {
    let mut out = String::from("| edge | needs | gives |\n|---|---|---|\n");
    for edge in Edge::ALL {
        let _ = writeln!(out, "| `{}` | {} | {} |", edge.name(), edge.needs(), edge.gives());
    }
    out
}

#[test]
fn the_documentation_has_the_table_and_a_section_for_each_edge() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/escalations.md");
    let documentation = std::fs::read_to_string(path).unwrap();
    assert!(
        documentation.contains(&table()),
        "the table in docs/escalations.md should be\n{}",
        table()
    );
    for edge in Edge::ALL {
        let heading = format!("\n### `{}`", edge.name());
        assert!(documentation.contains(&heading), "{heading}");
    }
}
