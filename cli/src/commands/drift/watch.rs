//! `hanse drift --watch`: goes on until Ctrl-C, also over the hub's absence.

use hanse_proto::admin::WatchDriftRequest;
use hanse_proto::admin::drift::State;
use hanse_proto::admin::watch_drift_response::Event;

use super::one_line;
use crate::app::Session;
use crate::failure::Outcome;
use crate::follow::{self, Following};
use crate::hub::Hub;
use crate::output::{self, Format};

pub(super) async fn run(session: &Session, hub: Hub, cluster: &str, format: Format) -> Outcome {
    follow::forever(session, hub, async |hub, following| {
        events(hub, following, cluster, format).await
    })
    .await
}

/// Shows what comes on one connection until it ends.
async fn events(
    hub: &Hub,
    following: &mut Following,
    cluster: &str,
    format: Format,
) -> Outcome<()> {
    let mut service = hub.drift_service();
    let request = WatchDriftRequest { cluster: cluster.to_owned() };
    let mut stream = hub.call(service.watch_drift(request)).await?;
    following.connected();
    let json = format == Format::Json;
    while let Some(message) = stream.message().await.map_err(|status| hub.failure(&status))? {
        let new = match &message.event {
            Some(Event::Drift(drift)) => following.is_new(&drift.id, drift.state() == State::Open),
            Some(Event::Synced(_)) => {
                following.synced(json, "hanse drift --history");
                true
            }
            None => false,
        };
        match message.event {
            Some(_) if json && new => output::json_line(&message)?,
            Some(Event::Drift(drift)) if !json && new => output::line(&one_line(&drift))?,
            Some(_) | None => {}
        }
    }
    Ok(())
}
