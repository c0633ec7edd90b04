//! Groups of people: files that `hanse groups import` reads, and rows of `hanse groups list`.

use std::collections::{BTreeMap, BTreeSet};

use hanse_proto::admin::{GroupMembers, GroupResponse};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::csv;
use super::sheet::Row;
use super::words::minute;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::text::{or_dash, time};

/// More than this is in no directory that is read as a file.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;
const MAX_MEMBERSHIPS: usize = 1_000_000;
const MAX_NAME: usize = 1024;
/// Before a member that is a group itself.
const NESTED: &str = "group:";

const FORMS: &str = "CSV with a line `group,user` for each membership (a user `group:NAME` is a \
                     group within it), or JSON such as {\"sre\": [\"anna\", \"ben\"]}";

/// Members by group.
#[derive(Debug)]
struct Groups {
    members: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>,
    memberships: usize,
    max: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Listed { groups: Vec<Listed> },
    ByName(BTreeMap<String, Vec<String>>),
    Many(Vec<Listed>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    group: String,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
}

/// Reads a file. Errors: it is neither CSV nor JSON of groups; a name is empty or steers terminals; it
/// is too much.
pub(crate) fn read(text: &str) -> Outcome<Vec<GroupMembers>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let groups = if text.trim_start().starts_with(['{', '[']) { json(text)? } else { lines(text)? };
    let members =
        |(group, (users, groups)): (String, (BTreeSet<String>, BTreeSet<String>))| GroupMembers {
            group,
            users: users.into_iter().collect(),
            groups: groups.into_iter().collect(),
        };
    Ok(groups.members.into_iter().map(members).collect())
}

fn invalid(why: impl Into<String>) -> Failure {
    Failure::new("groups", "these are no groups that can be imported")
        .why(why)
        .hint(format!("nothing was imported; a file is {FORMS}"))
}

fn json(text: &str) -> Outcome<Groups> {
    let document: Document = serde_json::from_str(text).map_err(|error| {
        let why = if error.is_data() {
            "the JSON has another form".to_owned()
        } else {
            error.to_string()
        };
        invalid(why)
    })?;
    let mut groups = Groups::new(MAX_MEMBERSHIPS);
    match document {
        Document::Listed { groups: list } | Document::Many(list) => {
            for one in list {
                groups.group(&one.group)?;
                for user in one.users {
                    groups.add(&one.group, &user, false)?;
                }
                for inner in one.groups {
                    groups.add(&one.group, &inner, true)?;
                }
            }
        }
        Document::ByName(map) => {
            for (group, members) in map {
                groups.group(&group)?;
                for member in members {
                    groups.member(&group, &member)?;
                }
            }
        }
    }
    Ok(groups)
}

fn lines(text: &str) -> Outcome<Groups> {
    let records = csv::read(text).map_err(|(line, why)| invalid(format!("line {line}: {why}")))?;
    let mut groups = Groups::new(MAX_MEMBERSHIPS);
    let mut records = records.into_iter().peekable();
    let is = |record: &[String], first: &str, second: &str| {
        let mut cells = record.iter().map(|cell| cell.trim().to_lowercase());
        cells.next().as_deref() == Some(first) && cells.next().as_deref() == Some(second)
    };
    let (mut group_first, mut header) = (true, false);
    if let Some((_, first)) = records.peek() {
        header = is(first, "group", "user") || is(first, "user", "group");
        group_first = !is(first, "user", "group");
    }
    for (line, record) in records.skip(usize::from(header)) {
        let at = |failure: Failure| invalid(format!("line {line}: {}", failure.summary()));
        let [one, other] = record.as_slice() else {
            return Err(invalid(format!("line {line} has {} fields, not 2", record.len())));
        };
        let (group, user) = if group_first { (one, other) } else { (other, one) };
        let (group, user) = (group.trim(), user.trim());
        groups.group(group).map_err(at)?;
        if !user.is_empty() {
            groups.member(group, user).map_err(at)?;
        }
    }
    Ok(groups)
}

impl Groups {
    const fn new(max: usize) -> Self {
        Self { members: BTreeMap::new(), memberships: 0, max }
    }

    fn group(&mut self, name: &str) -> Outcome<()> {
        check(name)?;
        self.members.entry(name.to_owned()).or_default();
        Ok(())
    }

    /// A user, or a group behind its prefix.
    fn member(&mut self, group: &str, member: &str) -> Outcome<()> {
        match member.strip_prefix(NESTED) {
            Some(inner) => self.add(group, inner, true),
            None => self.add(group, member, false),
        }
    }

    fn add(&mut self, group: &str, member: &str, nested: bool) -> Outcome<()> {
        check(member)?;
        let (users, groups) = self.members.entry(group.to_owned()).or_default();
        let new = if nested { groups } else { users }.insert(member.to_owned());
        self.memberships += usize::from(new);
        if self.memberships > self.max {
            return Err(invalid(format!("there are more than {} memberships", self.max)));
        }
        Ok(())
    }
}

/// Names are compared byte by byte with what clusters see, so that nothing is mended here.
fn check(name: &str) -> Outcome<()> {
    let problem = if name.is_empty() {
        "a name is empty".to_owned()
    } else if name.len() > MAX_NAME {
        format!("a name has more than {MAX_NAME} bytes")
    } else if name.chars().any(char::is_control) {
        format!("`{name}` has control characters")
    } else {
        return Ok(());
    };
    Err(invalid(problem))
}

impl Row for GroupResponse {
    const LIST: &'static str = "groups";
    const HEADINGS: &'static [&'static str] =
        &["GROUP", "USERS", "GROUPS", "DIRECTORY", "IMPORTED"];
    const WIDE: &'static [&'static str] = &["BY", "MEMBERS"];

    fn columns() -> Vec<&'static str> {
        vec!["directory", "group", "member_kind", "member", "imported_at", "imported_by"]
    }

    fn cells(&self, _: Timestamp) -> Vec<String> {
        let members = self.members.clone().unwrap_or_default();
        vec![
            members.group,
            members.users.len().to_string(),
            members.groups.len().to_string(),
            self.directory.clone(),
            or_dash(minute(self.imported_at.as_ref()).unwrap_or_default()),
        ]
    }

    fn wide(&self) -> Vec<String> {
        let members = self.members.clone().unwrap_or_default();
        let groups = members.groups.iter().map(|group| format!("{NESTED}{group}"));
        let all: Vec<String> = members.users.iter().cloned().chain(groups).collect();
        vec![or_dash(self.imported_by.clone()), or_dash(all.join(", "))]
    }

    /// A line for each member.
    fn records(&self) -> Vec<Vec<String>> {
        let members = self.members.clone().unwrap_or_default();
        let at = time(self.imported_at.as_ref()).map(|at| at.to_string()).unwrap_or_default();
        let line = |kind: &str, member: &str| {
            let group = members.group.clone();
            let (directory, by) = (self.directory.clone(), self.imported_by.clone());
            vec![directory, group, kind.to_owned(), member.to_owned(), at.clone(), by]
        };
        let users = members.users.iter().map(|user| line("User", user));
        users.chain(members.groups.iter().map(|group| line("Group", group))).collect()
    }

    fn json(&self) -> Outcome<Value> {
        output::value(self)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::grants::tests::written;
    use super::super::sheet::Format;
    use super::super::words::tests::at;
    use super::*;

    /// "sre=anna,ben+oncall"
    fn shown(text: &str) -> Vec<String> {
        let one = |group: GroupMembers| {
            let nested = [&[String::new()][..], &group.groups].concat().join("+");
            format!("{}={}{nested}", group.group, group.users.join(","))
        };
        read(text).map(|groups| groups.into_iter().map(one).collect()).unwrap()
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let expected = ["all=+sre", "sre=anna,ben"];
        for text in [
            "group,user\nsre,anna\nsre,ben\nall,group:sre\nsre,anna\n",
            "sre,ben\r\nsre, anna\r\nall,group:sre",
            "User,Group\nanna,sre\nben,sre\ngroup:sre,all\n",
            "\u{feff}group,user\n\"sre\",\"anna\"\nsre,ben\n\nall,group:sre\n",
            r#"{"sre": ["anna", "ben", "anna"], "all": ["group:sre"]}"#,
            r#"{"groups": [{"group": "sre", "users": ["ben", "anna"]}, {"group": "all", "groups": ["sre"]}]}"#,
            r#"[{"group": "sre", "users": ["ben", "anna"]}, {"group": "all", "groups": ["sre"]}]"#,
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert_eq!(shown("group,user\nempty,\n"), ["empty="]);
        assert_eq!(shown(""), Vec::<String>::new());
    }

    #[test]
    fn a_group_that_is_called_groups_is_a_group() {
        assert_eq!(shown(r#"{"groups": ["anna"]}"#), ["groups=anna"]);
    }

    #[test]
    fn what_is_not_groups_says_where_and_what_would_be() {
        for (text, said) in [
            ("sre\n", "line 1 has 1 fields, not 2"),
            ("group,user\nsre,anna,x\n", "line 2 has 3 fields, not 2"),
            (
                "group,user\n,anna\n",
                "line 2: these are no groups that can be imported: a name is empty",
            ),
            ("sre,an\u{1b}na\n", "control characters"),
            ("sre,\"anna\n", "line 1: a quote that does not end"),
            ("{\"sre\": 1}", "the JSON has another form"),
            ("{\"sre\": [\"\"]}", "a name is empty"),
            ("{\"sre\"", "EOF"),
            ("[{\"group\": \"a\", \"user\": [\"b\"]}]", "the JSON has another form"),
        ] {
            let failure = read(text).unwrap_err();
            assert!(failure.summary().contains(said), "{text}: {failure}");
            assert!(failure.hint_text().unwrap().contains("group,user"), "{failure}");
        }
        let mut groups = Groups::new(2);
        for (user, taken) in [("a", true), ("b", true), ("a", true), ("c", false)] {
            assert_eq!(groups.member("g", user).is_ok(), taken, "{user}");
        }
    }

    #[test]
    fn groups_in_columns() {
        let members = GroupMembers {
            group: "sre".into(),
            users: vec!["anna".into(), "=ben\u{202e}".into()],
            groups: vec!["oncall".into()],
        };
        let rows = [GroupResponse {
            directory: "corp".into(),
            imported_at: at("2026-03-01T10:02:03Z"),
            imported_by: "ann".into(),
            members: Some(members),
        }];
        insta::assert_snapshot!(written(Format::Wide, &rows));
        insta::assert_snapshot!(written(Format::Csv, &rows));
    }
}
