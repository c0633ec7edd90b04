//! Subjects by clusters or namespaces: what each can do there. The one answer that is put together
//! before it is shown, so that it is bounded.

mod shown;

use std::collections::{BTreeMap, BTreeSet};

use hanse_proto::admin::access_subject::Kind;
use hanse_proto::admin::{AccessRequest, AccessSubject, Grant};

use super::known::Reach;
use super::resource;
use crate::failure::{Failure, Outcome};

/// More cells are no matrix that anybody reads.
const MAX_CELLS: usize = 200_000;

/// What is asked for a row: a right, and the requests of which any gives it.
#[derive(Clone, Debug)]
pub(crate) struct Right {
    pub(crate) word: &'static str,
    pub(crate) requests: Vec<AccessRequest>,
}

/// What columns are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// A column for each cluster
    #[default]
    Cluster,
    /// A column for each namespace of each cluster
    Namespace,
}

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];
/// It has every other right, too.
const ADMIN: &str = "admin";

/// Without a resource: what an auditor asks for first.
const FIRST: [(&str, &[(&str, &str)]); 7] = [
    (ADMIN, &[("*", "*")]),
    ("secrets", &[("get", "secrets"), ("list", "secrets"), ("watch", "secrets")]),
    ("pods", &[("create", "pods"), ("create", "deployments"), ("create", "jobs")]),
    ("exec", &[("create", "pods/exec"), ("update", "pods/ephemeralcontainers")]),
    (
        "rbac",
        &[
            ("create", "rolebindings"),
            ("create", "clusterrolebindings"),
            ("escalate", "clusterroles"),
            ("bind", "clusterroles"),
        ],
    ),
    ("impersonate", &[("impersonate", "users"), ("impersonate", "groups"), ("impersonate", "sa")]),
    ("node", &[("get", "nodes/proxy"), ("create", "nodes/proxy")]),
];

/// What the words of a matrix without a resource mean.
pub(crate) const LEGEND: &str = "\
admin: everything; secrets: reads secrets; pods: starts pods; exec: runs commands in pods; rbac: \
changes who can do what; impersonate: acts as somebody else; node: the kubelets' own API";

/// The rights on a resource, or those that an auditor asks for first; and where they are looked for.
pub(crate) fn rights(resource: Option<&str>) -> Outcome<(Vec<Right>, Option<Reach>)> {
    let Some(resource) = resource else {
        let right = |(word, requests): &(&'static str, &[(&str, &str)])| {
            let asked = |(verb, what): &(&str, &str)| resource::parse(verb, what, None);
            let requests = requests.iter().map(|one| Ok(asked(one)?.request));
            Ok(Right { word, requests: requests.collect::<Outcome<_>>()? })
        };
        return Ok((FIRST.iter().map(right).collect::<Outcome<_>>()?, None));
    };
    if resource.starts_with('/') {
        return Err(Failure::usage("a matrix is of a resource, not of a path")
            .hint(format!("hanse who-can get {resource}")));
    }
    let reach = resource::parse("get", resource, None)?.reach;
    let right = |word: &&'static str| {
        let requests = vec![resource::parse(word, resource, None)?.request];
        Ok(Right { word, requests })
    };
    Ok((READ.iter().chain(&WRITE).map(right).collect::<Outcome<_>>()?, reach))
}

/// Kind, namespace and name: the order of rows.
type Who = (i32, String, String);

/// Rights in a cell, as bits by their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    /// Everywhere in the column, for objects of any name.
    whole: u16,
    /// In some namespaces, or for some names.
    part: u16,
}

/// What is known so far.
#[derive(Debug)]
pub(crate) struct Matrix {
    by: By,
    words: Vec<&'static str>,
    rows: BTreeMap<Who, BTreeMap<(String, String), Cell>>,
    columns: BTreeSet<(String, String)>,
    cells: usize,
    max_cells: usize,
}

impl Matrix {
    pub(crate) fn new(by: By, rights: &[Right]) -> Self {
        Self {
            by,
            words: rights.iter().map(|right| right.word).collect(),
            rows: BTreeMap::new(),
            columns: BTreeSet::new(),
            cells: 0,
            max_cells: MAX_CELLS,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A cluster without any right is a column, too.
    pub(crate) fn cluster(&mut self, name: &str) {
        if self.by == By::Cluster {
            self.columns.insert((name.to_owned(), String::new()));
        }
    }

    /// A grant of the right with this index. Errors: the matrix becomes too large.
    pub(crate) fn add(&mut self, right: usize, grant: &Grant) -> Outcome<()> {
        let Some(subject) = &grant.subject else { return Ok(()) };
        let who = (subject.kind, subject.namespace.clone(), subject.name.clone());
        let namespace = match self.by {
            By::Cluster => String::new(),
            By::Namespace => grant.namespace.clone(),
        };
        let column = (grant.cluster.clone(), namespace);
        self.columns.insert(column.clone());
        let row = self.rows.entry(who).or_default();
        let before = row.len();
        let cell = row.entry(column).or_default();
        let bit = 1_u16.checked_shl(u32::try_from(right).unwrap_or(u32::MAX)).unwrap_or(0);
        let in_part = !grant.namespace.is_empty() && self.by == By::Cluster;
        if in_part || !grant.resource_names.is_empty() {
            cell.part |= bit;
        } else {
            cell.whole |= bit;
        }
        self.cells += row.len() - before;
        if self.cells > self.max_cells {
            return Err(Failure::new("too-much", "the matrix is too large to be read")
                .why(format!("it has more than {} cells that say something", self.max_cells))
                .hint(
                    "narrow it with --clusters, -n or --direct; `hanse who-can` streams any number",
                ));
        }
        Ok(())
    }

    /// The words of a cell: whole ones, then those that hold in part only.
    fn words(&self, cell: Cell) -> (Vec<&'static str>, Vec<&'static str>) {
        let of = |bits: u16| {
            let words = self.words.iter().enumerate();
            let set: Vec<&'static str> = words
                .filter(|(index, _)| {
                    bits.checked_shr(u32::try_from(*index).unwrap_or(u32::MAX)).unwrap_or(0) & 1
                        == 1
                })
                .map(|(_, word)| *word)
                .collect();
            set
        };
        let whole = of(cell.whole);
        let part = if whole.contains(&ADMIN) { Vec::new() } else { of(cell.part & !cell.whole) };
        (whole, part)
    }
}

fn subject((kind, namespace, name): &Who) -> AccessSubject {
    AccessSubject { kind: *kind, namespace: namespace.clone(), name: name.clone() }
}

fn kind(subject: &AccessSubject) -> Kind {
    subject.kind()
}

/// "all", "read write", "get list": the rights of a cell in few words.
fn short(words: &[&'static str]) -> String {
    if words.contains(&ADMIN) {
        return ADMIN.to_owned();
    }
    let has = |wanted: &[&str]| wanted.iter().all(|word| words.contains(word));
    match (has(&READ), has(&WRITE)) {
        (true, true) => "all".to_owned(),
        (read, write) => {
            let mut short = Vec::new();
            if read {
                short.push("read");
            }
            if write {
                short.push("write");
            }
            let covered =
                |word: &str| read && READ.contains(&word) || write && WRITE.contains(&word);
            short.extend(words.iter().filter(|word| !covered(word)));
            short.join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::words::tests::{by_group, by_hand, by_masters};
    use super::*;

    #[test]
    fn rights_are_asked_one_by_one() {
        let (rights, reach) = rights(Some("secrets")).unwrap();
        let asked: Vec<String> =
            rights.iter().flat_map(|r| r.requests.iter().map(resource::show)).collect();
        assert_eq!(asked.len(), 8);
        assert_eq!(asked.first().map(String::as_str), Some("get secrets"));
        assert_eq!(reach, Some(Reach::Namespaced));
        let (first, reach) = super::rights(None).unwrap();
        assert_eq!((first.len(), reach), (7, None));
        assert!(
            super::rights(Some("/metrics")).is_err() && super::rights(Some("sekrets")).is_err()
        );
    }

    #[test]
    fn few_words_for_many_verbs() {
        for (words, expected) in [
            (&["get"][..], "get"),
            (&["get", "list", "watch"], "read"),
            (&["get", "list", "watch", "create"], "read create"),
            (&["create", "update", "patch", "delete", "deletecollection"], "write"),
            (
                &[
                    "get",
                    "list",
                    "watch",
                    "create",
                    "update",
                    "patch",
                    "delete",
                    "deletecollection",
                ],
                "all",
            ),
            (&["admin", "secrets", "node"], "admin"),
            (&["secrets", "node"], "secrets node"),
            (&[], ""),
        ] {
            assert_eq!(short(words), expected);
        }
    }

    #[test]
    fn what_holds_in_part_is_no_whole() {
        let rights = rights(Some("secrets")).unwrap().0;
        let cell = |by, grants: &[(usize, Grant)]| {
            let mut matrix = Matrix::new(by, &rights);
            for (right, grant) in grants {
                matrix.add(*right, grant).unwrap();
            }
            let cell = *matrix.rows.values().next().unwrap().values().next().unwrap();
            let (whole, part) = matrix.words(cell);
            (whole.join(" "), part.join(" "))
        };
        let both = |whole: &str, part: &str| (whole.to_owned(), part.to_owned());
        assert_eq!(cell(By::Cluster, &[(0, by_group())]), both("", "get"));
        assert_eq!(cell(By::Namespace, &[(0, by_group())]), both("get", ""));
        assert_eq!(cell(By::Cluster, &[(1, by_hand())]), both("", "list"));
        assert_eq!(
            cell(By::Cluster, &[(1, by_masters()), (0, by_masters())]),
            both("get list", "")
        );
        let whole = Grant { namespace: String::new(), ..by_group() };
        assert_eq!(cell(By::Cluster, &[(0, by_group()), (0, whole)]), both("get", ""));
    }

    #[test]
    fn a_matrix_is_bounded() {
        let rights = rights(None).unwrap().0;
        let mut matrix = Matrix { max_cells: 100, ..Matrix::new(By::Cluster, &rights) };
        let grant = |number: usize| {
            let subject = AccessSubject {
                name: number.to_string(),
                ..by_group().subject.unwrap_or_default()
            };
            Grant { subject: Some(subject), rule: None, provenance: None, ..by_group() }
        };
        for number in 0..100 {
            matrix.add(0, &grant(number)).unwrap();
        }
        assert!(matrix.add(0, &grant(0)).is_ok());
        let failure = matrix.add(0, &grant(100)).unwrap_err();
        assert_eq!(failure.code(), "too-much");
    }
}
