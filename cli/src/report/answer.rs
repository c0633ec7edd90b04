//! The answer for one cluster: what is known of it, and who could do what there.

use hanse_domain::access::directory::Directory;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::Digest;

use super::evidence::Evidence;
use super::grants::{self, Row};
use super::past::Past;
use super::question::Question;
use super::standing::{Expected, Standing};
use crate::failure::Outcome;

/// One cluster of a report.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) entry: ClusterEntry,
    pub(crate) evidence: Evidence,
    pub(crate) standing: Standing,
    pub(crate) rows: Vec<Row>,
}

impl Answer {
    /// From what is known of a cluster.
    pub(crate) fn of(
        question: &Question,
        entry: ClusterEntry,
        evidence: Evidence,
        past: &Past,
        fleet: Digest,
        directory: &Directory,
    ) -> Outcome<Self> {
        let cluster = entry.id;
        let expected = Expected { fleet, cluster, recipients: past.recipients(cluster) };
        let standing = Standing::of(&evidence, &expected, question.when);
        let rows = if evidence.hub.shown {
            grants::rows(question, cluster, &evidence, &standing, past, directory)?
        } else {
            Vec::new()
        };
        Ok(Self { entry, evidence, standing, rows })
    }
}
