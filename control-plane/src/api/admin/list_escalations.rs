//! `ListEscalations`: who reaches what by which shortest path.

use futures::StreamExt as _;
use hanse_proto::admin as proto;
use hanse_proto::admin::escalation_response::Part as Out;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use crate::service::access::{Escalation, Part, Reach};

/// Subjects that a question names.
const MOST_SUBJECTS: usize = 10_000;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::ListEscalationsRequest,
) -> Result<Responses<proto::EscalationResponse>, ServiceError> {
    if msg.subjects.len() > MOST_SUBJECTS {
        return Err(ServiceError::invalid(format!("more than {MOST_SUBJECTS} subjects")));
    }
    let subjects = msg.subjects.iter().map(|subject| convert::subject(Some(subject), &[]));
    let reach = Reach {
        subjects: subjects.collect::<Result<_, _>>()?,
        goals: convert::goals(&msg.targets)?,
        system: msg.system,
    };
    let asked = services.access.ask(convert::question(msg.scope)?, ctx.now).await?;
    let answer = services.access.escalations(asked, reach);
    lease(services, ctx, answer.map(|part| Ok(response(part?))))
}

fn response(part: Part<Escalation>) -> proto::EscalationResponse {
    let part = match part {
        Part::Item(path) => Out::Escalation(convert::escalation(path)),
        Part::View(view) => Out::View(convert::view(view)),
    };
    proto::EscalationResponse { part: Some(part) }
}
