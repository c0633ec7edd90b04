//! `hanse revisions`: the history.

mod verified;

use std::collections::BTreeMap;

use hanse_domain::history::roster::ClusterEntry;
use hanse_proto::admin::change::Action;
use hanse_proto::admin::{
    GetRevisionRequest, GetRevisionResponse, ListRevisionsRequest, ListRevisionsResponse, Revision,
};
use jiff::Timestamp;

use crate::app::Session;
use crate::failure::{Exit, Outcome};
use crate::fleet;
use crate::hub::Hub;
use crate::output::{self, TextOrJson};
use crate::table::Table;
use crate::text::{age_of, escape, or_dash, shorten, time};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One revision, in detail
    number: Option<u64>,

    /// How many to list, 500 at the most
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "number",
          value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,

    /// Only those before this revision
    #[arg(long, value_name = "REVISION", conflicts_with = "number")]
    before: Option<u64>,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOrJson,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        if let Some(number) = self.number {
            let answer = one(&hub, number).await?;
            match self.output {
                TextOrJson::Json => output::json(&answer)?,
                TextOrJson::Text => output::data(&describe(&answer, &names(&hub, &answer).await))?,
            }
            return Ok(Exit::OK);
        }
        let page = page(&hub, self.limit, self.before.unwrap_or(0)).await?;
        match self.output {
            TextOrJson::Json => output::json(&page)?,
            TextOrJson::Text => {
                show(&page.revisions)?;
                if page.next_before > 0 {
                    output::note(&format!(
                        "older ones: hanse revisions --before {}",
                        page.next_before
                    ));
                }
            }
        }
        Ok(Exit::OK)
    }
}

/// One revision with its bytes, as it was signed.
pub(crate) async fn one(hub: &Hub, number: u64) -> Outcome<GetRevisionResponse> {
    let mut service = hub.fleet_service();
    let answer = hub.call(service.get_revision(GetRevisionRequest { number })).await?;
    verified::verified(&fleet::fetch(hub).await?, answer)
}

/// Some revisions, newest first.
pub(crate) async fn page(hub: &Hub, page_size: u32, before: u64) -> Outcome<ListRevisionsResponse> {
    let mut service = hub.fleet_service();
    hub.call(service.list_revisions(ListRevisionsRequest { page_size, before })).await
}

/// The table of revisions.
pub(crate) fn show(revisions: &[Revision]) -> Outcome<()> {
    if revisions.is_empty() {
        output::note("no revisions");
        return Ok(());
    }
    output::data(&table(revisions, Timestamp::now()).to_string())
}

fn table(revisions: &[Revision], now: Timestamp) -> Table {
    let mut table = Table::new(["REVISION", "AGE", "AUTHOR", "CLUSTERS", "MESSAGE"]);
    for revision in revisions {
        table.row([
            revision.number.to_string(),
            age_of(now, revision.recorded_at.as_ref().or(revision.time.as_ref())),
            revision.author.clone(),
            revision.clusters_changed.to_string(),
            or_dash(shorten(revision.message.lines().next().unwrap_or_default(), 72)),
        ]);
    }
    table
}

/// The prefix of a cluster's subject; its id follows.
const CLUSTER: &str = "Cluster/";

/// Names of the clusters that a revision changes, by id: as it has them itself, or else as the hub
/// knows them now. They are only for reading, so that what cannot be asked stays an id.
pub(crate) async fn names(hub: &Hub, answer: &GetRevisionResponse) -> BTreeMap<String, String> {
    let mut names = contained(answer);
    let changes = answer.revision.iter().flat_map(|revision| &revision.changes);
    let mut ids = changes.filter_map(|change| change.subject.strip_prefix(CLUSTER));
    if ids.any(|id| !names.contains_key(id)) {
        for cluster in hub.clusters().await.unwrap_or_default() {
            names.entry(cluster.id).or_insert(cluster.name);
        }
    }
    names
}

fn contained(answer: &GetRevisionResponse) -> BTreeMap<String, String> {
    let entries = answer.contents.iter().filter_map(|bytes| ClusterEntry::decode(bytes).ok());
    entries.map(|entry| (entry.id.to_string(), entry.name)).collect()
}

/// One revision in detail. `names`: of clusters, by id.
pub(crate) fn describe(answer: &GetRevisionResponse, names: &BTreeMap<String, String>) -> String {
    use std::fmt::Write as _;
    let revision = answer.revision.clone().unwrap_or_default();
    let at = |t: Option<&pbjson_types::Timestamp>| {
        time(t).map_or_else(|| "-".to_owned(), |at| at.to_string())
    };
    let mut out = String::new();
    for (key, value) in [
        ("Revision", revision.number.to_string()),
        ("Digest", revision.digest.clone()),
        ("Author", revision.author.clone()),
        ("Written", at(revision.time.as_ref())),
        ("Recorded", at(revision.recorded_at.as_ref())),
        ("Signed by", or_dash(revision.signed_by.join(", "))),
        ("Clusters", revision.clusters_changed.to_string()),
    ] {
        let _ = writeln!(out, "{:<11}{}", format!("{key}:"), escape(&value));
    }
    out.push_str("Message:\n");
    for line in revision.message.lines() {
        let _ = writeln!(out, "{}", format!("  {}", escape(line)).trim_end());
    }
    out.push_str("Changes:\n");
    for change in &revision.changes {
        let sign = match change.action() {
            Action::Add => "+",
            Action::Change => "~",
            Action::Remove => "-",
            Action::Unspecified => "?",
        };
        let digest = |digest: &str| or_dash(digest.chars().take(12).collect::<String>());
        let digests =
            format!("{} → {}", digest(&change.digest_before), digest(&change.digest_after));
        let name = change.subject.strip_prefix(CLUSTER).and_then(|id| names.get(id));
        let subject =
            name.map_or_else(|| change.subject.clone(), |name| format!("{CLUSTER}{name}"));
        let _ = writeln!(out, "  {sign} {}  {}", escape(&subject), escape(&digests));
    }
    out
}

#[cfg(test)]
mod tests {
    use hanse_proto::admin::Change;

    use super::*;

    fn revision() -> Revision {
        let at = |seconds| Some(pbjson_types::Timestamp { seconds, nanos: 0 });
        Revision {
            number: 4,
            digest: "00ff".into(),
            author: "ann".into(),
            time: at(10),
            recorded_at: at(11),
            message: "give the team its role\u{202e}\n\nlonger".into(),
            changes: vec![Change {
                action: Action::Change.into(),
                subject: "FederatedRole/x".into(),
                digest_before: "a".repeat(64),
                digest_after: "b".repeat(64),
            }],
            clusters_changed: 2,
            signed_by: vec!["ann".into(), "bob".into()],
        }
    }

    #[test]
    fn the_list_has_one_line_each() {
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(71);
        insta::assert_snapshot!(table(&[revision()], now).to_string(), @r"
        REVISION   AGE   AUTHOR   CLUSTERS   MESSAGE
        4          60s   ann      2          give the team its role\u{202e}
        ");
    }

    #[test]
    fn a_cluster_is_shown_by_its_name() {
        let fleet = crate::fleet::example("");
        let id = hanse_domain::ids::ClusterId(uuid::Uuid::from_u128(1));
        let entry = fleet.member(id).map(|member| member.entry.encode()).unwrap_or_default();
        let change = |id: &str| Change { subject: format!("Cluster/{id}"), ..Change::default() };
        let revision =
            Revision { changes: vec![change(&id.to_string()), change("x")], ..revision() };
        let answer = GetRevisionResponse {
            revision: Some(revision),
            contents: vec![entry.into(), b"kind: FederatedRole".to_vec().into()],
            ..GetRevisionResponse::default()
        };
        let text = describe(&answer, &contained(&answer));
        assert!(text.contains("? Cluster/cluster-1  ") && text.contains("? Cluster/x  "), "{text}");
    }

    #[test]
    fn one_in_detail() {
        let answer =
            GetRevisionResponse { revision: Some(revision()), ..GetRevisionResponse::default() };
        insta::assert_snapshot!(describe(&answer, &BTreeMap::new()), @r"
        Revision:  4
        Digest:    00ff
        Author:    ann
        Written:   1970-01-01T00:00:10Z
        Recorded:  1970-01-01T00:00:11Z
        Signed by: ann, bob
        Clusters:  2
        Message:
          give the team its role\u{202e}

          longer
        Changes:
          ~ FederatedRole/x  aaaaaaaaaaaa → bbbbbbbbbbbb
        ");
    }
}
