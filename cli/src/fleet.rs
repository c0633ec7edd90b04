//! The fleet as the hub has it now, built on this machine: what is planned on is what was checked
//! here, not what the hub made of it.

use hanse_domain::document::{Document, DocumentRef};
use hanse_domain::fleet::Fleet;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_domain::parse::parse_document;
use hanse_proto::admin::get_fleet_response::Part;
use hanse_proto::admin::{GetFleetRequest, Head, Leaf};

use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::text;

/// Reads the fleet from the hub.
pub(crate) async fn fetch(hub: &Hub) -> Outcome<Fleet> {
    let mut service = hub.fleet_service();
    let mut stream = hub.call(service.get_fleet(GetFleetRequest {})).await?;
    let mut parts = Parts::default();
    while let Some(message) = hub.next(&mut stream).await? {
        if let Some(part) = message.part {
            parts.take(part)?;
        }
    }
    parts.assemble()
}

/// A hint for a document that is not there.
pub(crate) fn near(fleet: &Fleet, reference: &DocumentRef) -> String {
    let names = fleet.documents().keys().filter(|other| other.kind == reference.kind);
    text::near(&reference.name, names.map(|other| &*other.name), "hanse get all")
}

/// What has arrived so far.
#[derive(Debug, Default)]
struct Parts {
    head: Option<Head>,
    roster: Vec<(ClusterEntry, RevisionNumber)>,
    documents: Vec<(Document, RevisionNumber)>,
}

impl Parts {
    fn take(&mut self, part: Part) -> Outcome<()> {
        match part {
            Part::Head(head) => self.head = Some(head),
            Part::Cluster(leaf) => {
                let entry = ClusterEntry::decode(&leaf.content).map_err(|e| unreadable(&e))?;
                self.roster.push((entry, RevisionNumber(leaf.number)));
            }
            Part::Document(Leaf { content, number }) => {
                let document = parse_document(&content).map_err(|e| unreadable(&e))?;
                self.documents.push((document, RevisionNumber(number)));
            }
        }
        Ok(())
    }

    fn assemble(self) -> Outcome<Fleet> {
        let head = self.head.ok_or_else(|| {
            Failure::new("hub-error", "the hub's answer ended too early")
                .hint("run the command again")
        })?;
        let digest = |bytes: &[u8]| Digest::try_from(bytes).map_err(|e| unreadable(&e));
        Ok(Fleet::assemble(
            digest(&head.fleet_id)?,
            RevisionNumber(head.number),
            digest(&head.history)?,
            self.roster,
            self.documents,
        ))
    }
}

fn unreadable(error: &dyn std::error::Error) -> Failure {
    Failure::new("hub-error", "the hub sent something that this version cannot read")
        .why(error.to_string())
        .hint("compare the versions of hub and command line: `hanse check`")
}

/// A fleet in memory, for tests: the clusters cluster-1 and cluster-2 (env=prod) and cluster-3
/// (env=test), with the documents given as one YAML text, at revision 4.
#[cfg(test)]
pub(crate) fn example(yaml: &str) -> Fleet {
    use hanse_domain::ids::ClusterId;
    let documents = hanse_domain::parse::parse_files([("test.yaml", yaml.as_bytes())]);
    let roster = [("prod", 1), ("prod", 2), ("test", 3)].map(|(env, number)| {
        let id = ClusterId(uuid::Uuid::from_u128(number));
        let labels = [("env".to_owned(), env.to_owned())].into();
        (ClusterEntry::new(id, format!("cluster-{number}"), labels), RevisionNumber(1))
    });
    Fleet::assemble(
        Digest::of(b"root"),
        RevisionNumber(4),
        Digest::of(b"history"),
        roster,
        documents.unwrap_or_default().into_iter().map(|document| (document, RevisionNumber(3))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_head_is_no_fleet() {
        let failure = Parts::default().assemble().err().map(|f| f.summary());
        assert_eq!(failure.as_deref(), Some("the hub's answer ended too early"));
    }

    #[test]
    fn a_roster_entry_that_is_none_is_refused() {
        let leaf = Leaf { content: "hanse cluster v9\n".into(), number: 1 };
        assert!(Parts::default().take(Part::Cluster(leaf)).is_err());
    }
}
