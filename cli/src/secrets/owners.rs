//! Owners of a secret, as they are named on the command line: `NAME=age1…` or `NAME=@FILE`.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use hanse_domain::kinds::secret::MAX_OWNERS;
use hanse_domain::names;
use hanse_sealing::Recipient;

use super::given::Given;
use crate::failure::{Failure, Outcome};

/// Most bytes of a file with a recipient.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Somebody who can open a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) name: String,
    pub(crate) recipient: Recipient,
}

/// Reads owners. What is none is not repeated: it may be a private key.
pub(crate) fn read(given: &[Given]) -> Outcome<Vec<Owner>> {
    let owner = |given: &Given| {
        parse(given.text()).map_err(|why| {
            Failure::usage("an owner cannot be read")
                .why(why)
                .hint("NAME=age1… or NAME=@FILE; the owner sees it with: hanse secret identity")
        })
    };
    given.iter().map(owner).collect()
}

/// Reads `NAME=age1…` or `NAME=@FILE`.
fn parse(text: &str) -> Result<Owner, String> {
    let (name, recipient) = text.split_once('=').ok_or("expected NAME=age1… or NAME=@FILE")?;
    if names::check_dns_subdomain(name).is_err() {
        return Err("a name has a-z, 0-9, `-` and `.`".to_owned());
    }
    let recipient = match recipient.strip_prefix('@') {
        Some(path) => from_file(Path::new(path))?,
        None => recipient.parse().map_err(|e: hanse_sealing::InvalidRecipient| e.to_string())?,
    };
    Ok(Owner { name: name.to_owned(), recipient })
}

/// A file with one recipient, and comments.
fn from_file(path: &Path) -> Result<Recipient, String> {
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(format!("{} must have one recipient, `age1…`", path.display()));
    };
    line.parse().map_err(|e: hanse_sealing::InvalidRecipient| format!("{}: {e}", path.display()))
}

/// The name under which the one who makes a secret owns it: that of the login.
pub(crate) fn own_name(env: impl Fn(&str) -> Option<String>) -> String {
    let login = ["USER", "LOGNAME"].iter().find_map(|name| env(name)).unwrap_or_default();
    let mut name = String::new();
    for c in login.chars().take(63) {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { "owner".to_owned() } else { name.to_owned() }
}

/// Adds an owner: somebody who is one already stays it under the name there, and a name that is taken
/// by another key gets a number.
pub(crate) fn add_self(owners: &mut Vec<Owner>, recipient: Recipient, name: &str) {
    if owners.iter().any(|owner| owner.recipient == recipient) {
        return;
    }
    let mut free = name.to_owned();
    let mut number = 2;
    while owners.iter().any(|owner| owner.name == free) {
        free.truncate(name.len());
        let _ = write!(free, "-{number}");
        number += 1;
    }
    owners.push(Owner { name: free, recipient });
}

/// The owners must be told apart by name and by key.
pub(crate) fn check(owners: &[Owner]) -> Outcome<()> {
    if owners.len() > MAX_OWNERS {
        return Err(Failure::usage(format!("more than {MAX_OWNERS} owners")));
    }
    for (index, owner) in owners.iter().enumerate() {
        let mut before = owners.iter().take(index);
        if before.any(|other| other.name == owner.name || other.recipient == owner.recipient) {
            let what = format!("owner {} is there twice, by name or by key", owner.name);
            return Err(Failure::usage(what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use hanse_sealing::Identity;

    use super::*;

    #[test]
    fn a_file_has_one_recipient() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ann.pub");
        let (one, two) = (Identity::make_random().recipient(), Identity::make_random().recipient());
        let parse_file = |text: String| {
            fs::write(&path, text).unwrap();
            parse(&format!("ann=@{}", path.display()))
        };
        let owner = parse_file(format!("# ann's\n\n{one}\n")).unwrap();
        assert_eq!((owner.name.as_str(), &owner.recipient), ("ann", &one));
        assert_eq!(parse(&format!("ann={one}")).unwrap(), owner);
        assert!(parse_file(format!("{one}\n{two}\n")).is_err());
        assert!(parse_file(String::new()).is_err());
        assert!(parse("ann=age1nothing").is_err() && parse("age1").is_err());
        assert!(parse("ann=@/no/such/file").unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn the_maker_owns_it_under_a_name_that_is_free() {
        let own = |login: &'static str| own_name(|name| (name == "USER").then(|| login.to_owned()));
        assert_eq!(own("Ann.Lee"), "ann-lee");
        assert_eq!((own("__"), own_name(|_| None)), ("owner".into(), "owner".into()));
        let recipient = || Identity::make_random().recipient();
        let mut owners = vec![Owner { name: "ann".into(), recipient: recipient() }];
        add_self(&mut owners, recipient(), "ann");
        add_self(&mut owners, recipient(), "ann");
        assert_eq!([&*owners[1].name, &*owners[2].name], ["ann-2", "ann-3"]);
        let known = owners[0].recipient.clone();
        add_self(&mut owners, known, "other");
        assert_eq!(owners.len(), 3);
        assert!(check(&owners).is_ok());
        owners.push(Owner { name: "ann".into(), recipient: recipient() });
        assert!(check(&owners).is_err());
    }
}
