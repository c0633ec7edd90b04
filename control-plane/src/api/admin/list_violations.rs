//! `ListViolations`: those that stand, or all that were ever seen.

use futures::StreamExt as _;
use hanse_domain::document::{DocumentRef, Kind};
use hanse_proto::admin as proto;
use hanse_proto::admin::violation_response::Part as Out;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use crate::service::access::{Part, Places, Question, Violation};

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::ListViolationsRequest,
) -> Result<Responses<proto::ViolationResponse>, ServiceError> {
    if msg.invariant.contains('\0') {
        return Err(ServiceError::invalid("`invariant` holds NUL"));
    }
    let invariant = (!msg.invariant.is_empty()).then_some(msg.invariant);
    // A pipeline that asks for what nobody declared must not be told that all is well.
    if let (Some(name), false) = (&invariant, msg.history) {
        let reference = DocumentRef { kind: Kind::AccessInvariant, name: name.clone() };
        if !services.fleet.current().fleet.documents().contains_key(&reference) {
            let what = format!("there is no AccessInvariant {name}");
            return Err(ServiceError::NotFound(what));
        }
    }
    let question = convert::question(msg.scope)?;
    check(&question)?;
    let asked = services.access.ask(question, ctx.now).await?;
    let answer = services.access.list_violations(asked, invariant, msg.history);
    lease(services, ctx, answer.map(|part| Ok(response(part?))))
}

/// What would be taken for an answer to another question is refused.
pub(super) fn check(question: &Question) -> Result<(), ServiceError> {
    if matches!(question.places, Places::Namespaces(_)) {
        return Err(ServiceError::invalid("violations are listed of whole clusters"));
    }
    if question.known_at.is_some() {
        let why = "violations are listed as they were found by `at`, and not by `known_at`";
        return Err(ServiceError::invalid(why));
    }
    Ok(())
}

fn response(part: Part<Violation>) -> proto::ViolationResponse {
    let part = match part {
        Part::Item(violation) => Out::Violation(convert::violation(violation)),
        Part::View(view) => Out::View(convert::view(view)),
    };
    proto::ViolationResponse { part: Some(part) }
}
