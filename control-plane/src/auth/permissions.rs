//! The golden matrix of callers and RPCs. The table itself is `permissions.txt`, which a person can
//! read and review; this reads it and answers. A test walks the service descriptors, so that an RPC
//! without a row does not go unnoticed, and until then nobody may call it.
//!
//! Each method is served on one listener, which `wire.rs` sees to: `hanse.agent.v1` on
//! [`Listener::Agents`](crate::net::Listener), all else on
//! [`Listener::People`](crate::net::Listener). Which object of a kind a caller may see is decided
//! where the object is loaded, not here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hanse_domain::ids::ClusterId;

use super::names::UserName;

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks at everything and changes nothing.
    Viewer,
    /// Does what a person can do.
    Administrator,
}

/// Who calls: a [`Peer`](super::Peer) that was looked up and is neither expired nor revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Without a certificate.
    Anonymous,
    /// The agent of one cluster.
    Agent(ClusterId),
    /// A person.
    User {
        /// The person's name.
        name: UserName,
        /// The person's role.
        role: Role,
    },
}

/// Whether the caller may call a method, named `hanse.admin.v1.FleetService/Commit`; the slash that
/// an HTTP path begins with may be there. A method that is not in the table is refused.
pub fn permitted(method: &str, caller: &Caller) -> bool {
    let method = method.strip_prefix('/').unwrap_or(method);
    TABLE.get(method).is_some_and(|row| row.allows(caller))
}

/// The methods that the caller may call, by name.
pub fn methods_of(caller: &Caller) -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|(_, row)| row.allows(caller)).map(|(method, _)| *method)
}

static TABLE: LazyLock<BTreeMap<&'static str, Row>> =
    LazyLock::new(|| rows().filter_map(Result::ok).collect());

#[expect(clippy::struct_excessive_bools, reason = "they are the table's columns")]
#[derive(Clone, Copy)]
struct Row {
    anonymous: bool,
    agent: bool,
    viewer: bool,
    administrator: bool,
}

impl Row {
    fn allows(self, caller: &Caller) -> bool {
        match caller {
            Caller::Anonymous => self.anonymous,
            Caller::Agent(_) => self.agent,
            Caller::User { role: Role::Viewer, .. } => self.viewer,
            Caller::User { role: Role::Administrator, .. } => self.administrator,
        }
    }
}

/// The table's rows; an error is a line that cannot be read, which permits nothing.
fn rows() -> impl Iterator<Item = Result<(&'static str, Row), &'static str>> {
    include_str!("../../permissions.txt")
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| parse_row(line).ok_or(line))
}

fn parse_row(line: &str) -> Option<(&str, Row)> {
    let mut words = line.split_whitespace();
    let method = words.next()?;
    let mut cell = || match words.next()? {
        "yes" => Some(true),
        "-" => Some(false),
        _ => None,
    };
    let row = Row { anonymous: cell()?, agent: cell()?, viewer: cell()?, administrator: cell()? };
    words.next().is_none().then_some((method, row))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;
    use uuid::Uuid;

    use super::*;

    fn callers() -> [Caller; 4] {
        let name: UserName = "erika".parse().unwrap();
        [
            Caller::Anonymous,
            Caller::Agent(ClusterId(Uuid::nil())),
            Caller::User { name: name.clone(), role: Role::Viewer },
            Caller::User { name, role: Role::Administrator },
        ]
    }

    fn served() -> BTreeSet<String> {
        let files = FileDescriptorSet::decode(hanse_proto::DESCRIPTORS).unwrap();
        let mut methods = BTreeSet::new();
        for file in &files.file {
            for service in &file.service {
                for method in &service.method {
                    let (package, service) = (file.package(), service.name());
                    methods.insert(format!("{package}.{service}/{}", method.name()));
                }
            }
        }
        methods
    }

    #[test]
    fn every_rpc_has_one_row_and_every_row_an_rpc() {
        let rows: Vec<_> =
            rows().map(Result::unwrap).map(|(method, _)| method.to_owned()).collect();
        let unique: BTreeSet<_> = rows.iter().cloned().collect();
        assert_eq!(rows.len(), unique.len(), "a method has two rows");
        assert_eq!(unique, served());
        assert!(!unique.is_empty());
    }

    #[test]
    fn each_listener_serves_one_kind_of_caller() {
        for method in served() {
            let [anonymous, agent, viewer, administrator] =
                callers().map(|caller| permitted(&method, &caller));
            let for_agents = method.starts_with("hanse.agent.");
            let for_joining = method.starts_with("hanse.enroll.");
            assert_eq!(agent, for_agents, "{method}");
            assert_eq!(anonymous, for_joining, "{method}");
            assert!(administrator || !method.starts_with("hanse.admin."), "{method}");
            assert!(!viewer || administrator, "{method}: a viewer may more than an administrator");
        }
    }

    #[test]
    fn viewers_only_look() {
        let [_, _, viewer, _] = callers();
        for method in methods_of(&viewer) {
            let (_, rpc) = method.split_once('/').unwrap();
            let looks = ["Get", "List", "Watch", "WhoAmI"].iter().any(|verb| rpc.starts_with(verb));
            assert!(looks, "{method}");
        }
    }

    #[test]
    fn spelling_is_exact() {
        let [_, _, _, administrator] = callers();
        assert!(permitted("hanse.admin.v1.FleetService/Commit", &administrator));
        assert!(permitted("/hanse.admin.v1.FleetService/Commit", &administrator));
        for method in [
            "",
            "/",
            "hanse.admin.v1.FleetService",
            "hanse.admin.v1.FleetService/",
            "//hanse.admin.v1.FleetService/Commit",
            "hanse.admin.v1.FleetService/commit",
            "hanse.admin.v1.FleetService/Commit/",
            "hanse.admin.v1.FleetService/Commit?",
            "hanse.admin.v1.FleetService/%43ommit",
            "hanse.admin.v1.FleetService//Commit",
            "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            assert!(!permitted(method, &administrator), "{method}");
        }
    }

    #[test]
    fn unreadable_rows_permit_nothing() {
        assert!(parse_row("a.B/C yes - yes -").is_some());
        for line in ["a.B/C", "a.B/C yes yes yes", "a.B/C yes yes yes yes yes", "a.B/C Yes - - -"] {
            assert!(parse_row(line).is_none(), "{line}");
        }
    }
}
