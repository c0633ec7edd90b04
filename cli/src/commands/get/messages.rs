//! Clusters, revisions and drift: the hub's own messages.

use hanse_domain::history::roster::Labels;
use hanse_domain::selector::LabelSelector;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::{Cluster, ListClustersResponse, ListDriftResponse, ListRevisionsResponse};
use serde::Serialize;

use crate::commands::{cluster, drift as drift_command, revisions as revisions_command};
use crate::failure::{Exit, Failure, Outcome};
use crate::hub::{self, Hub};
use crate::output::{self, Format};

pub(super) async fn clusters(
    hub: &Hub,
    names: &[String],
    selector: Option<&LabelSelector>,
    format: Format,
) -> Outcome {
    let known = hub.clusters().await?;
    let clusters: Vec<Cluster> = if names.is_empty() {
        known.into_iter().filter(|cluster| cluster.phase() != Phase::Revoked).collect()
    } else {
        names.iter().map(|name| hub::named(known.clone(), name)).collect::<Outcome<_>>()?
    };
    let matches = |cluster: &Cluster| {
        let labels: Labels = cluster.labels.clone().into_iter().collect();
        selector.is_none_or(|selector| selector.matches(&labels))
    };
    let clusters: Vec<Cluster> = clusters.into_iter().filter(matches).collect();
    match (clusters.as_slice(), format) {
        (all, Format::Table | Format::Wide) => cluster::show(all, format == Format::Wide)?,
        (all, Format::Name) => output::lines(all.iter().map(|c| format!("cluster/{}", c.name)))?,
        ([one], _) if names.len() == 1 => message(one, format)?,
        _ => message(&ListClustersResponse { clusters }, format)?,
    }
    Ok(Exit::OK)
}

pub(super) async fn revisions(hub: &Hub, names: &[String], format: Format) -> Outcome {
    let mut revisions = Vec::new();
    for name in names {
        let number = name
            .parse()
            .map_err(|_| Failure::usage(format!("`{name}` is not a revision's number")))?;
        revisions.extend(revisions_command::one(hub, number).await?.revision);
    }
    if names.is_empty() {
        revisions = revisions_command::page(hub, 0, 0).await?.revisions;
    }
    match (revisions.as_slice(), format) {
        (all, Format::Table | Format::Wide) => revisions_command::show(all)?,
        (all, Format::Name) => output::lines(all.iter().map(|r| format!("revision/{}", r.number)))?,
        ([one], _) if names.len() == 1 => message(one, format)?,
        _ => message(&ListRevisionsResponse { revisions, next_before: 0 }, format)?,
    }
    Ok(Exit::OK)
}

pub(super) async fn drift(hub: &Hub, names: &[String], format: Format) -> Outcome {
    let mut drift = Vec::new();
    for cluster in names {
        drift.extend(drift_command::list(hub, cluster, false).await?);
    }
    if names.is_empty() {
        drift = drift_command::list(hub, "", false).await?;
    }
    match format {
        Format::Table | Format::Wide => drift_command::show(&drift)?,
        Format::Name => output::lines(drift.iter().map(|d| format!("drift/{}", d.id)))?,
        Format::Json | Format::Yaml => {
            message(&ListDriftResponse { drift, next_page_token: String::new() }, format)?;
        }
    }
    Ok(Exit::OK)
}

fn message(message: &impl Serialize, format: Format) -> Outcome<()> {
    if format == Format::Yaml { output::yaml(message) } else { output::json(message) }
}
