//! `hanse cluster`: which clusters belong to the fleet. What belongs is in the signed roster, so
//! accepting, labelling and removing are revisions like any other change.

mod fence;
mod known;
mod recipient;
mod roster;

use clap::Subcommand;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::{Cluster, ListClustersResponse, RevokeClusterRequest};
use jiff::Timestamp;

use crate::app::Session;
use crate::change::CommitArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::hub::Hub;
use crate::output::{self, Format};
use crate::selector;
use crate::table::Table;
use crate::text::{age_of, count, escape, labels, or_dash};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the clusters
    List {
        /// Also those that were revoked
        #[arg(long)]
        all: bool,
        /// Output format
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: Format,
    },
    /// Let a cluster that joined, or was invited, into the fleet; again, to add its recipient
    #[command(after_help = "\
With the cluster's age recipient in its roster entry, secrets can be sealed to it. Where the join
command was made on this machine, the recipient is checked with the command's key; otherwise compare
it with what `hanse-agent join` printed. Accepting an accepted cluster again adds its recipient, or
takes the new one that its agent made.

Examples:
  hanse cluster accept prod-1 --label env=prod
  hanse cluster accept prod-1 --recipient age1…    where nobody can be asked")]
    Accept {
        /// Its name
        name: String,
        #[command(flatten)]
        recipient: recipient::RecipientArgs,
        /// Label, as placements match it; may be given several times
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = selector::label)]
        labels: Vec<(String, String)>,
        #[command(flatten)]
        commit: CommitArgs,
    },
    /// Change a cluster's labels, and so what is placed there
    Label {
        /// Its name
        name: String,
        /// KEY=VALUE sets a label, KEY- takes it away
        #[arg(required = true, value_name = "KEY=VALUE|KEY-")]
        changes: Vec<String>,
        #[command(flatten)]
        commit: CommitArgs,
    },
    /// Take a cluster out of the fleet; what was applied there stays
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        commit: CommitArgs,
    },
    /// Let an agent remove the objects that it waits to remove
    ConfirmRemovals {
        /// The cluster's name
        name: String,
        /// Exactly how many
        count: u32,
        #[command(flatten)]
        commit: CommitArgs,
    },
    /// Cut a cluster off: its certificate is not accepted any more
    Revoke {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        match self {
            Self::List { all, output } => list(&hub, all, output).await,
            Self::Accept { name, recipient, labels, commit } => {
                let labels = labels.into_iter().collect();
                roster::join(&hub, &name, labels, &recipient, &commit).await
            }
            Self::Label { name, changes, commit } => {
                roster::label(&hub, &name, &changes, &commit).await
            }
            Self::Remove { name, commit } => roster::remove(&hub, &name, &commit).await,
            Self::ConfirmRemovals { name, count, commit } => {
                let cluster = hub.cluster(&name).await?;
                roster::confirm_removals(&hub, &cluster, count, &commit).await
            }
            Self::Revoke { name, yes } => revoke(&hub, &name, yes).await,
        }
    }
}

pub(crate) use fence::{ceiling_lines, fence_line, fence_state, recipient_line, recipient_state};
pub(crate) use known::invited;
pub(crate) use roster::accept;

async fn list(hub: &Hub, all: bool, format: Format) -> Outcome {
    let mut clusters = hub.clusters().await?;
    let known = clusters.len();
    clusters.retain(|cluster| all || cluster.phase() != Phase::Revoked);
    let hidden = known - clusters.len();
    match format {
        Format::Table | Format::Wide => show(&clusters, format == Format::Wide)?,
        Format::Name => output::lines(clusters.iter().map(|c| format!("cluster/{}", c.name)))?,
        Format::Json => output::json(&ListClustersResponse { clusters })?,
        Format::Yaml => output::yaml(&ListClustersResponse { clusters })?,
    }
    if hidden > 0 && matches!(format, Format::Table | Format::Wide) {
        output::note(&format!("not shown: {}; add --all", count(hidden, "revoked cluster")));
    }
    Ok(Exit::OK)
}

async fn revoke(hub: &Hub, name: &str, yes: bool) -> Outcome {
    let cluster = hub.cluster(name).await?;
    if !yes {
        if !output::can_ask() {
            return Err(Failure::new(
                "needs-yes",
                "this cuts the cluster off, and nobody can be asked here",
            )
            .hint(format!("hanse cluster revoke {name} --yes")));
        }
        output::confirm(&format!(
            "Cut {} off for good? It must join anew afterwards.",
            escape(name)
        ))
        .await?;
    }
    let mut service = hub.clusters_service();
    hub.call(service.revoke_cluster(RevokeClusterRequest { cluster_id: cluster.id })).await?;
    output::line(&format!("Cluster/{} revoked", escape(name)))?;
    if cluster.accepted {
        output::note(&format!("next: hanse cluster remove {}", escape(name)));
    }
    Ok(Exit::OK)
}

/// The table of clusters.
pub(crate) fn show(clusters: &[Cluster], wide: bool) -> Outcome<()> {
    if clusters.is_empty() {
        output::note("there are no clusters; invite one: hanse join-token create NAME --accept");
        return Ok(());
    }
    output::data(&table(clusters, wide, Timestamp::now()).to_string())
}

fn table(clusters: &[Cluster], wide: bool, now: Timestamp) -> Table {
    let head = ["NAME", "STATUS", "LABELS", "GENERATION", "DRIFT", "LAST SEEN", "AGENT"];
    let more: &[&str] = if wide {
        &["KUBERNETES", "OBJECTS", "CERTIFICATE", "FENCE", "RECIPIENT", "ID", "MESSAGE"]
    } else {
        &[]
    };
    let mut table = Table::new(head.iter().chain(more).copied());
    for cluster in clusters {
        let mut row = vec![
            cluster.name.clone(),
            status(cluster),
            labels(&cluster.labels),
            format!("{}/{}", cluster.generation_applied, cluster.generation_desired),
            cluster.drift_open.to_string(),
            last_seen(cluster, now),
            or_dash(cluster.agent_version.clone()),
        ];
        if wide {
            let expires = crate::text::time(cluster.certificate_expires_at.as_ref());
            row.push(or_dash(cluster.kubernetes_version.clone()));
            row.push(cluster.objects.to_string());
            row.push(expires.map_or_else(|| "-".to_owned(), |at| crate::text::until(now, at)));
            row.push(fence_state(cluster).to_owned());
            row.push(recipient_state(cluster).to_owned());
            row.push(or_dash(cluster.id.clone()));
            row.push(or_dash(cluster.message.clone()));
        }
        table.row(row);
    }
    table
}

fn last_seen(cluster: &Cluster, now: Timestamp) -> String {
    if cluster.connected { "now".to_owned() } else { age_of(now, cluster.last_seen.as_ref()) }
}

/// One word or two: the phase, and that nobody is there to move on from it.
pub(crate) fn status(cluster: &Cluster) -> String {
    let phase = match cluster.phase() {
        Phase::Unspecified => "Unknown",
        Phase::Invited => "Invited",
        Phase::Pending => "Pending",
        Phase::Syncing => "Syncing",
        Phase::Synced => "Synced",
        Phase::Failed => "Failed",
        Phase::AwaitingConfirmation => "AwaitingConfirmation",
        Phase::Revoked => "Revoked",
    };
    let away = !cluster.connected && !matches!(cluster.phase(), Phase::Invited | Phase::Revoked);
    if away { format!("{phase},Offline") } else { phase.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_in_columns() {
        let at = |seconds| Some(pbjson_types::Timestamp { seconds, nanos: 0 });
        let synced = Cluster {
            id: "id-1".into(),
            name: "prod-1".into(),
            labels: [("env".to_owned(), "prod".to_owned()), ("a".to_owned(), "b".to_owned())]
                .into(),
            phase: Phase::Synced.into(),
            connected: true,
            generation_desired: 4,
            generation_applied: 4,
            agent_version: "0.1.0".into(),
            last_seen: at(1),
            certificate_expires_at: at(86_400),
            ..Cluster::default()
        };
        let failed = Cluster {
            name: "x\u{1b}[2J".into(),
            connected: false,
            phase: Phase::Failed.into(),
            drift_open: 2,
            message: "its certificate is used twice\u{9b}".into(),
            ..synced.clone()
        };
        let invited =
            Cluster { name: "new".into(), phase: Phase::Invited.into(), ..Cluster::default() };
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(300);
        insta::assert_snapshot!(table(&[synced, failed, invited], true, now).to_string(), @r"
        NAME         STATUS           LABELS         GENERATION   DRIFT   LAST SEEN   AGENT   KUBERNETES   OBJECTS   CERTIFICATE   FENCE     RECIPIENT   ID     MESSAGE
        prod-1       Synced           a=b,env=prod   4/4          0       now         0.1.0   -            0         in 23h        Unknown   None        id-1   -
        x\u{1b}[2J   Failed,Offline   a=b,env=prod   4/4          2       4m59s       0.1.0   -            0         in 23h        Unknown   None        id-1   its certificate is used twice\u{9b}
        new          Invited          -              0/0          0       -           -       -            0         -             Unknown   None        -      -
        ");
    }
}
