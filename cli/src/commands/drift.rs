//! `hanse drift`: what is not as agreed. Exit 0 for none, 1 for some.

mod watch;

use hanse_proto::admin::drift::{Class, State};
use hanse_proto::admin::{Drift, ListDriftRequest, ListDriftResponse};
use jiff::Timestamp;

use crate::app::Session;
use crate::commands::object_name;
use crate::drift_words::what;
use crate::failure::{Exit, Failure, Outcome};
use crate::hub::Hub;
use crate::output::{self, Format};
use crate::table::Table;
use crate::text::{age_of, escape, or_dash, time};

const PAGE: u32 = 1000;
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// Also what was put right or went away
    #[arg(long, conflicts_with = "watch")]
    history: bool,

    /// Go on and show each change, until Ctrl-C
    #[arg(short, long)]
    watch: bool,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        let cluster = self.cluster.unwrap_or_default();
        if self.watch {
            return watch::run(session, hub, &cluster, self.output).await;
        }
        let drift = list(&hub, &cluster, self.history).await?;
        let open = drift.iter().any(|drift| drift.state() == State::Open);
        match self.output {
            Format::Table | Format::Wide => show(&drift)?,
            Format::Name => {
                output::lines(drift.iter().map(|d| format!("drift/{}", d.id)))?;
            }
            Format::Json => {
                output::json(&ListDriftResponse { drift, next_page_token: String::new() })?;
            }
            Format::Yaml => {
                output::yaml(&ListDriftResponse { drift, next_page_token: String::new() })?;
            }
        }
        Ok(if open { Exit::FAILED } else { Exit::OK })
    }
}

/// All pages of it.
pub(crate) async fn list(hub: &Hub, cluster: &str, history: bool) -> Outcome<Vec<Drift>> {
    let mut service = hub.drift_service();
    let mut request = ListDriftRequest {
        cluster: cluster.to_owned(),
        history,
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut drift = Vec::new();
    loop {
        let page = hub.call(service.list_drift(request.clone())).await?;
        drift.extend(page.drift);
        if page.next_page_token.is_empty() {
            return Ok(drift);
        }
        if page.next_page_token == request.page_token {
            return Err(Failure::new("hub-error", "the hub's pages of drift go round in circles"));
        }
        request.page_token = page.next_page_token;
    }
}

/// The table of drift.
pub(crate) fn show(drift: &[Drift]) -> Outcome<()> {
    if drift.is_empty() {
        output::note("no drift");
        return Ok(());
    }
    output::data(&table(drift, Timestamp::now()).to_string())
}

pub(crate) fn table(drift: &[Drift], now: Timestamp) -> Table {
    let mut table = Table::new(["CLUSTER", "CLASS", "OBJECT", "WHAT", "BY", "SINCE", "STATE"]);
    for drift in drift {
        let at = drift.since.as_ref().or(drift.detected_at.as_ref());
        table.row([
            drift.cluster.clone(),
            class(drift).to_owned(),
            drift.object.as_ref().map_or_else(|| "-".to_owned(), object_name),
            what(drift),
            or_dash(drift.manager.clone()),
            age_of(now, at),
            state(drift).to_owned(),
        ]);
    }
    table
}

fn one_line(drift: &Drift) -> String {
    let resolved = drift.resolved_at.as_ref().filter(|_| drift.state() != State::Open);
    let at = time(resolved.or(drift.detected_at.as_ref()))
        .and_then(|at| Timestamp::from_second(at.as_second()).ok())
        .map_or_else(|| "-".to_owned(), |at| at.to_string());
    let object = drift.object.as_ref().map_or_else(|| "-".to_owned(), object_name);
    let by =
        if drift.manager.is_empty() { String::new() } else { format!(" by {}", drift.manager) };
    let line = format!(
        "{at} {} {} {} {object}: {}{by}",
        drift.cluster,
        state(drift),
        class(drift),
        what(drift)
    );
    escape(&line).into_owned()
}

/// The first field that differs, in short; why it is not put right, if that is known.
fn class(drift: &Drift) -> &'static str {
    match drift.class() {
        Class::Modified => "Modified",
        Class::Missing => "Missing",
        Class::Conflicting => "Conflicting",
        Class::Unmanaged => "Unmanaged",
        Class::Unspecified => "Unknown",
    }
}

fn state(drift: &Drift) -> &'static str {
    match drift.state() {
        State::Open => "Open",
        State::Corrected => "Corrected",
        State::Cleared => "Cleared",
        State::Unspecified => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use hanse_proto::admin::{FieldDifference, ObjectReference};

    use super::*;

    #[test]
    fn drift_in_columns_and_in_a_line() {
        let object = ObjectReference {
            kind: "RoleBinding".into(),
            namespace: "payments".into(),
            name: "x".into(),
            ..ObjectReference::default()
        };
        let field = |path: &str| FieldDifference {
            path: path.into(),
            declared: "[\"get\"]".into(),
            live: "[\"*\"]\u{1b}[2J".into(),
        };
        let modified = Drift {
            cluster: "prod-1".into(),
            object: Some(object),
            class: Class::Modified.into(),
            state: State::Open.into(),
            fields: vec![field("rules[0].verbs"), field("b")],
            manager: "kubectl-edit".into(),
            since: Some(pbjson_types::Timestamp { seconds: 0, nanos: 0 }),
            ..Drift::default()
        };
        let unmanaged = Drift {
            class: Class::Unmanaged.into(),
            state: State::Cleared.into(),
            fields: vec![],
            manager: String::new(),
            ..modified.clone()
        };
        let at = |seconds| Some(pbjson_types::Timestamp { seconds, nanos: 123_456_789 });
        let cleared = Drift { detected_at: at(5), resolved_at: at(9), ..unmanaged.clone() };
        assert!(one_line(&cleared).starts_with("1970-01-01T00:00:09Z prod-1 Cleared "));
        let open = Drift { detected_at: at(5), resolved_at: None, ..modified.clone() };
        assert!(one_line(&open).starts_with("1970-01-01T00:00:05Z prod-1 Open "));
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(30);
        insta::assert_snapshot!(table(&[modified.clone(), unmanaged], now).to_string(), @r#"
        CLUSTER   CLASS       OBJECT                   WHAT                                            BY             SINCE   STATE
        prod-1    Modified    RoleBinding payments/x   rules[0].verbs: ["get"] → ["*"]\u{1b}[2J (+1)   kubectl-edit   30s     Open
        prod-1    Unmanaged   RoleBinding payments/x   nobody declared it                              -              30s     Cleared
        "#);
        insta::assert_snapshot!(one_line(&modified), @r#"- prod-1 Open Modified RoleBinding payments/x: rules[0].verbs: ["get"] → ["*"]\u{1b}[2J (+1) by kubectl-edit"#);
    }
}
