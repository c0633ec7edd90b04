//! One revision as its signed statement says it, and not as the hub puts it.

use hanse_domain::fleet::Fleet;
use hanse_domain::history::changes::{Changes, Transition};
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::Digest;
use hanse_domain::trust::authority::Signed;
use hanse_proto::admin::change::Action;
use hanse_proto::admin::{Change, GetRevisionResponse, Revision};

use crate::failure::{Failure, Outcome};
use crate::fleet;

/// Checks the signatures, and puts what the statement says in the place of what the hub says.
pub(super) fn verified(fleet: &Fleet, answer: GetRevisionResponse) -> Outcome<GetRevisionResponse> {
    let said = answer.revision.clone().unwrap_or_default();
    let untrusted = |why: String| {
        let what = format!("the hub shows a revision {} that nobody signed", said.number);
        Failure::new(fleet::UNTRUSTED, what)
            .why(why)
            .hint("do not trust this hub until it is known why, and see docs/trust.md")
    };
    let statement = Statement::decode(&answer.statement).map_err(|e| untrusted(e.to_string()))?;
    let changes = Changes::decode(&answer.changes).map_err(|e| untrusted(e.to_string()))?;
    if statement.number.0 != said.number || statement.changes != changes.root() {
        return Err(untrusted(
            "its statement is of another revision, or of other changes".to_owned(),
        ));
    }
    let signed = Signed::check(&fleet.trust, &statement, &answer.statement, &answer.signatures)
        .and_then(Signed::known)
        .map_err(|error| untrusted(error.to_string()))?;
    let revision = Revision {
        digest: Digest::of(&answer.statement).to_string(),
        message: statement.message,
        time: Some(pbjson_types::Timestamp {
            seconds: statement.time.as_second(),
            nanos: statement.time.subsec_nanosecond(),
        }),
        changes: changes.0.iter().map(|(subject, t)| change(subject.to_string(), *t)).collect(),
        signed_by: signed.names().iter().map(ToString::to_string).collect(),
        ..said
    };
    Ok(GetRevisionResponse { revision: Some(revision), ..answer })
}

fn change(subject: String, transition: Transition) -> Change {
    let action = match (transition.before, transition.after) {
        (None, _) => Action::Add,
        (Some(_), Some(_)) => Action::Change,
        (Some(_), None) => Action::Remove,
    };
    let text = |digest: Option<Digest>| digest.map(|digest| digest.to_string()).unwrap_or_default();
    Change {
        action: action.into(),
        subject,
        digest_before: text(transition.before),
        digest_after: text(transition.after),
    }
}
