//! `hanse groups`: who is in which group of people, as a directory says. Clusters do not know it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use hanse_proto::admin::{
    GroupResponse, ImportGroupsRequest, ImportGroupsResponse, ListGroupsRequest,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::access::groups::{MAX_BYTES, read};
use crate::access::moment;
use crate::access::sheet::{Format, Sheet};
use crate::app::Session;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{self, TextOrJson};
use crate::text::{count, escape};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell who is in which group; replaces what the directory said before
    #[command(after_help = "\
CSV has a line for each membership, `group,user`; a user `group:NAME` is a group within the group. JSON
is {\"sre\": [\"anna\", \"ben\"]} or {\"groups\": [{\"group\": \"sre\", \"users\": [\"anna\"]}]}. Names are those that
clusters see, byte by byte, prefixes of the identity provider included. Answers about the past use what
was imported then.

Examples:
  hanse groups import groups.csv
  ldap-export | hanse groups import - --directory corp")]
    Import {
        /// CSV or JSON; - for stdin
        file: PathBuf,
        /// Whose groups they are; each directory is replaced by itself
        #[arg(long, value_name = "NAME", default_value = "default")]
        directory: String,
        /// Take a file without any group, so that the directory has none
        #[arg(long)]
        allow_empty: bool,
        /// Output format
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: TextOrJson,
    },
    /// List the groups that are known
    List {
        /// As it was then: 2026-03-03T14:30:00Z, 2026-03-03 (its start, UTC), or 2h, 3d ago
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Output format
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: Format,
    },
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Import { file, directory, allow_empty, output } => {
                let groups = read(&text(&file)?)?;
                if directory.trim().is_empty() {
                    return Err(Failure::usage("--directory is empty"));
                }
                if groups.is_empty() && !allow_empty {
                    return Err(Failure::new("groups", "there is no group in it")
                        .why("the import would take every group of the directory away")
                        .hint("if that is meant, add --allow-empty"));
                }
                let request = ImportGroupsRequest { directory: directory.clone(), groups };
                let hub = session.hub().await?;
                let mut service = hub.access_service();
                let answer = hub.call(service.import_groups(request)).await?;
                match output {
                    TextOrJson::Json => output::json(&answer)?,
                    TextOrJson::Text => output::line(&imported(&directory, answer))?,
                }
                Ok(Exit::OK)
            }
            Self::List { at, output } => list(session, at.as_deref(), output).await,
        }
    }
}

fn imported(directory: &str, answer: ImportGroupsResponse) -> String {
    let groups = count(answer.groups as usize, "group");
    let members = count(answer.memberships as usize, "membership");
    let change = if answer.changed { "" } else { ", as before" };
    format!("directory {}: {groups} with {members}{change}", escape(directory))
}

fn text(path: &Path) -> Outcome<String> {
    let name = path.display();
    let failed = |e: &std::io::Error| Failure::io(format!("{name} cannot be read"), e);
    let mut text = String::new();
    let bytes = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(|e| failed(&e))?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text)
    };
    if bytes.map_err(|e| failed(&e))? as u64 > MAX_BYTES {
        return Err(Failure::new("groups", format!("{name} is too large"))
            .why(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

async fn list(session: &Session, at: Option<&str>, format: Format) -> Outcome {
    let now = Timestamp::now();
    let at = at.map(|text| moment::parse(text, now)).transpose()?;
    let hub = session.hub().await?;
    let mut service = hub.access_service();
    let request = ListGroupsRequest { at: at.map(moment::wire) };
    let mut stream = hub.call(service.list_groups(request)).await?;
    let question = json!({ "at": at.unwrap_or(now).to_string() });
    let mut sheet: Sheet<GroupResponse> = Sheet::new(format, now, &question)?;
    let write = |text: &str| {
        if format.is_text() { output::data(text) } else { output::exact(text.as_bytes()) }
    };
    while let Some(group) = hub.next(&mut stream).await? {
        sheet.push(&group)?;
        if let Some(text) = sheet.ready() {
            write(&text)?;
        }
    }
    let none = sheet.count() == 0;
    write(&sheet.end(&Value::Array(Vec::new()))?)?;
    if none && format.is_text() {
        output::note(
            "no groups are known: answers name groups without their members; hanse groups import FILE",
        );
    }
    Ok(Exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_says_what_it_came_to() {
        let answer = ImportGroupsResponse { groups: 2, memberships: 1, changed: true };
        assert_eq!(
            imported("corp\u{1b}", answer),
            "directory corp\\u{1b}: 2 groups with 1 membership"
        );
        let same = ImportGroupsResponse { changed: false, ..answer };
        assert!(imported("corp", same).ends_with("1 membership, as before"));
    }
}
