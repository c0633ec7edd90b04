//! `WatchViolations`: what stands, `synced`, then each as it begins or ends. What changes while the first
//! part is sent may come twice, and never not at all.

use futures::{Stream, StreamExt as _, stream};
use hanse_proto::admin as proto;
use hanse_proto::admin::watch_violations_response::Event;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::list_violations::check;
use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use crate::service::access::{Part, Question, Violation};
use crate::store::ViolationRow;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::WatchViolationsRequest,
) -> Result<Responses<proto::WatchViolationsResponse>, ServiceError> {
    let question = convert::question(msg.scope)?;
    check(&question)?;
    if question.at.is_some() {
        return Err(ServiceError::invalid("only what happens from now on can be watched"));
    }
    // Before what stands is read, so that nothing falls in between.
    let events = services.access.watch_violations();
    let asked = services.access.ask(question.clone(), ctx.now).await?;
    let standing = services.access.list_violations(asked, None, false);
    let standing = standing.filter_map(async |part| match part {
        Ok(Part::Item(violation)) => Some(Ok(Event::Violation(convert::violation(violation)))),
        Ok(Part::View(_)) => None,
        Err(error) => Some(Err(error)),
    });
    let synced = stream::once(async { Ok(Event::Synced(true)) });
    let live = live(services.clone(), question, events);
    let all = standing.chain(synced).chain(live);
    let response = |event| proto::WatchViolationsResponse { event: Some(event) };
    lease(services, ctx, all.map(move |event| Ok(response(event?))))
}

fn live(
    services: Services,
    question: Question,
    events: Receiver<ViolationRow>,
) -> impl Stream<Item = Result<Event, ServiceError>> {
    stream::try_unfold((services, question, events), |(services, question, mut events)| async {
        loop {
            let row = match events.recv().await {
                Ok(row) => row,
                Err(RecvError::Lagged(missed)) => {
                    let why = format!("fell behind by {missed} changes: begin again");
                    return Err(ServiceError::Aborted(why));
                }
                Err(RecvError::Closed) => {
                    return Err(ServiceError::Unavailable("the hub is going down".to_owned()));
                }
            };
            if let Some(name) = services.access.name_of(&question, row.cluster).await? {
                let event = Event::Violation(convert::violation(Violation::of(&name, row)?));
                return Ok(Some((event, (services, question, events))));
            }
        }
    })
}
