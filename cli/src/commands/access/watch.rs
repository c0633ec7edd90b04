//! `hanse access violations --watch`: goes on until Ctrl-C, also over the hub's absence.

use hanse_proto::admin::watch_violations_response::Event;
use hanse_proto::admin::{AccessScope, WatchViolationsRequest};

use crate::access::sheet::Format;
use crate::access::violations::one_line;
use crate::app::Session;
use crate::failure::Outcome;
use crate::follow::{self, Following};
use crate::hub::Hub;
use crate::output;

pub(super) async fn run(
    session: &Session,
    scope: &AccessScope,
    invariant: &str,
    format: Format,
) -> Outcome {
    let hub = session.hub().await?;
    follow::forever(session, hub, async |hub, following| {
        events(hub, following, (scope, invariant), format).await
    })
    .await
}

async fn events(
    hub: &Hub,
    following: &mut Following,
    (scope, invariant): (&AccessScope, &str),
    format: Format,
) -> Outcome<()> {
    let mut service = hub.access_service();
    let request = WatchViolationsRequest { scope: Some(scope.clone()) };
    let mut stream = hub.call(service.watch_violations(request)).await?;
    following.connected();
    let json = format == Format::Json;
    while let Some(message) = stream.message().await.map_err(|status| hub.failure(&status))? {
        let new = match &message.event {
            Some(Event::Violation(one)) => {
                (invariant.is_empty() || one.invariant == invariant)
                    && following.is_new(&one.id, one.resolved_at.is_none())
            }
            Some(Event::Synced(_)) => {
                following.synced(json, "hanse access violations --history");
                true
            }
            None => false,
        };
        match message.event {
            Some(_) if json && new => output::json_line(&message)?,
            Some(Event::Violation(violation)) if !json && new => {
                output::line(&one_line(&violation))?;
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}
